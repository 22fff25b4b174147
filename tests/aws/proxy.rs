//! A proxy that keeps what went through it, so that calls can be counted.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::Context as _;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A running proxy; it ends when it is dropped.
pub(crate) struct Proxy {
    server: MockServer,
}

struct Forward {
    address: String,
}

impl Proxy {
    /// A proxy of the server at `address`, host and port.
    pub(crate) async fn start(address: &str) -> Self {
        let server = MockServer::start().await;
        let forward = Forward {
            address: address.to_owned(),
        };
        Mock::given(any())
            .respond_with(forward)
            .mount(&server)
            .await;
        Self { server }
    }

    pub(crate) fn url(&self) -> String {
        self.server.uri()
    }

    /// How many bodies with this text went through.
    pub(crate) async fn count_with(&self, text: &str) -> usize {
        let all = self.server.received_requests().await.unwrap_or_default();
        let has = |request: &&Request| String::from_utf8_lossy(&request.body).contains(text);
        all.iter().filter(has).count()
    }

    /// How many calls of `action` went through: the end of the target of a JSON service, or the action
    /// of a form.
    pub(crate) async fn count(&self, action: &str) -> usize {
        let all = self.server.received_requests().await.unwrap_or_default();
        let is_it = |request: &&Request| {
            let target = request.headers.get("x-amz-target");
            let target = target.and_then(|target| target.to_str().ok());
            let form = format!("Action={action}&");
            target.is_some_and(|target| target.ends_with(&format!(".{action}")))
                || String::from_utf8_lossy(&request.body).contains(&form)
        };
        all.iter().filter(is_it).count()
    }
}

impl Respond for Forward {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let answer = exchange(&self.address, request);
        answer.expect("the server behind the proxy must answer")
    }
}

fn exchange(address: &str, request: &Request) -> anyhow::Result<ResponseTemplate> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.url.path());
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "connection" | "content-length") {
            head.extend([name.as_str(), ": ", value.to_str()?, "\r\n"]);
        }
    }
    let length = request.body.len();
    let end = format!("content-length: {length}\r\nconnection: close\r\n\r\n");
    head.push_str(&end);
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
    let body = end.context("the answer has no end of its head")? + 4;
    let head = std::str::from_utf8(&answer[..body])?;
    let status = head.split(' ').nth(1).context("the answer has no status")?;
    let mut template = ResponseTemplate::new(status.parse::<u16>()?);
    for line in head.lines().skip(1) {
        if let Some((name, value)) = line.split_once(": ")
            && name.to_ascii_lowercase().starts_with("x-amz")
        {
            template = template.insert_header(name, value);
        }
    }
    Ok(template.set_body_raw(answer[body..].to_vec(), "application/x-amz-json-1.1"))
}
