//! `latchkey esc serve` as a process: its answers on the wire, its commands, and what a crash leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::latchkey::EscServer;
use crate::support::{ports, wait};

const ORGANIZATION: &str = "acme";
const TOKEN: &str = "pul-it-0123456789";
const ENVIRONMENT: &str = "/api/esc/environments/acme/app/dev";

/// A server with its data in a folder that goes with it.
struct Bench {
    server: EscServer,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// Starts a server with the environment `acme/app/dev` of this definition.
    async fn start(definition: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let bench = Self {
            server: EscServer::start(folder.path(), ORGANIZATION, TOKEN).await?,
            http: reqwest::Client::builder().no_proxy().build()?,
            _folder: folder,
        };
        let new = json!({"project": "app", "name": "dev"}).to_string();
        let (status, body) = bench
            .call(Method::POST, "/api/esc/environments/acme", new)
            .await?;
        ensure!(status.is_success(), "{status}: {body}");
        let (status, body) = bench
            .call(Method::PATCH, ENVIRONMENT, definition.to_owned())
            .await?;
        ensure!(status.is_success(), "{status}: {body}");
        Ok(bench)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        self.call_as(TOKEN, method, path, body).await
    }

    async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let response = self
            .http
            .request(method, format!("{}{path}", self.server.url()))
            .header("authorization", format!("token {token}"))
            .body(body)
            .send()
            .await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }

    /// Opens the environment and reads one path of it.
    async fn read(&self, path: &str) -> anyhow::Result<(StatusCode, Value)> {
        let (status, opened) = self
            .call(Method::POST, &format!("{ENVIRONMENT}/open"), "")
            .await?;
        ensure!(status == StatusCode::OK, "{status}: {opened}");
        let id = opened["id"].as_str().context("an id")?;
        // The double slash is what Pulumi's clients send.
        let path = format!("{ENVIRONMENT}/open//{id}?property={path}");
        self.call(Method::GET, &path, "").await
    }
}

#[tokio::test]
async fn refusals_have_the_status_and_the_body_that_clients_look_at() -> anyhow::Result<()> {
    let bench = Bench::start("values: {a: 1}\n").await?;
    let open = format!("{ENVIRONMENT}/open");

    let (status, body) = bench.call_as("pul-wrong", Method::POST, &open, "").await?;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::UNAUTHORIZED, &json!(401))
    );

    let elsewhere = "/api/esc/environments/acme/app/nowhere/open";
    let (status, body) = bench.call(Method::POST, elsewhere, "").await?;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::NOT_FOUND, &json!(404))
    );

    let (status, body) = bench
        .call(Method::PATCH, ENVIRONMENT, "values:\n  a: 1\n  b: [\n")
        .await?;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::BAD_REQUEST, &json!(400))
    );
    let begin = &body["diagnostics"][0]["range"]["begin"];
    assert!(
        begin["line"].as_u64() >= Some(3) && begin["column"].as_u64() >= Some(1),
        "{body}"
    );

    let (status, body) = bench
        .call(Method::PATCH, ENVIRONMENT, "values:\n  a: ${b}\n")
        .await?;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let begin = &body["diagnostics"][0]["range"]["begin"];
    assert_eq!((&begin["line"], &begin["column"]), (&json!(2), &json!(8)));

    let (status, value) = bench.read("a").await?;
    assert_eq!((status, &value["value"]), (StatusCode::OK, &json!(1)));
    Ok(())
}

#[tokio::test]
async fn paths_lead_into_the_values_and_a_wrong_one_is_told() -> anyhow::Result<()> {
    let bench = Bench::start("values:\n  a: {b: [x, {c.d: y}]}\n").await?;
    for (path, expected) in [("a.b[0]", "x"), ("a.b[1][%22c.d%22]", "y")] {
        let (status, value) = bench.read(path).await?;
        assert_eq!(
            (status, &value["value"]),
            (StatusCode::OK, &json!(expected))
        );
    }
    assert_eq!(bench.read("a.z").await?.0, StatusCode::NOT_FOUND);
    assert_eq!(bench.read("a[").await?.0, StatusCode::BAD_REQUEST);
    Ok(())
}

#[tokio::test]
async fn a_stale_change_is_refused_by_its_etag() -> anyhow::Result<()> {
    let bench = Bench::start("values: {a: 1}\n").await?;
    let url = format!("{}{ENVIRONMENT}", bench.server.url());
    let authorised = |method| {
        bench
            .http
            .request(method, &url)
            .header("authorization", format!("token {TOKEN}"))
    };
    let read = authorised(Method::GET).send().await?;
    assert_eq!(read.headers()["pulumi-esc-revision"], "2");
    let etag = read.headers()["etag"].clone();
    let update = |value: u8| {
        authorised(Method::PATCH)
            .header("etag", etag.clone())
            .body(format!("values: {{a: {value}}}\n"))
            .send()
    };
    assert_eq!(update(2).await?.status(), StatusCode::OK);
    assert_eq!(update(3).await?.status(), StatusCode::CONFLICT);
    assert_eq!(bench.read("a").await?.1["value"], json!(2));
    Ok(())
}

#[tokio::test]
async fn a_token_opens_what_it_was_made_for_and_no_more() -> anyhow::Result<()> {
    let bench = Bench::start("values: {a: 1}\n").await?;
    let wanted = json!({"name": "reader", "login": "robot", "permission": "open"}).to_string();
    let (status, made) = bench
        .call(Method::POST, "/api/latchkey/tokens", wanted)
        .await?;
    assert!(status.is_success(), "{status}: {made}");
    let token = made["token"].as_str().context("a token")?;
    let open = format!("{ENVIRONMENT}/open");
    let (status, _) = bench.call_as(token, Method::POST, &open, "").await?;
    assert_eq!(status, StatusCode::OK);
    let (status, body) = bench
        .call_as(token, Method::PATCH, ENVIRONMENT, "values: {a: 2}\n")
        .await?;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::FORBIDDEN, &json!(403))
    );
    Ok(())
}

#[tokio::test]
async fn people_work_with_environments_by_the_words_of_esc() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = EscServer::start(folder.path(), ORGANIZATION, TOKEN).await?;
    let name = "acme/shop/dev";
    server.env(&["init", name], "").await?;
    server
        .env(&["edit", name, "-f", "-"], "values: {app: {port: 80}}\n")
        .await?;
    server
        .env(&["set", name, "app.host", "db.local"], "")
        .await?;
    server
        .env(&["set", name, "app.password", "pa$$word", "--secret"], "")
        .await?;
    let opened: Value = serde_json::from_str(&server.env(&["open", name], "").await?)?;
    let expected = json!({"app": {"port": 80, "host": "db.local", "password": "pa$$word"}});
    assert_eq!(opened, expected);
    let host = server.env(&["open", name, "app.host"], "").await?;
    assert_eq!(host.trim().trim_matches('"'), "db.local");
    let shown = server.env(&["get", name], "").await?;
    assert!(
        shown.contains("db.local") && !shown.contains("pa$$word"),
        "{shown}"
    );
    assert!(server.env(&["ls"], "").await?.contains(name));
    server.env(&["rm", name, "app.host"], "").await?;
    assert!(!server.env(&["open", name], "").await?.contains("db.local"));
    server.env(&["rm", name, "--yes"], "").await?;
    assert!(!server.env(&["ls"], "").await?.contains(name));
    Ok(())
}

#[tokio::test]
async fn nothing_on_disk_shows_a_secret() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = EscServer::start(folder.path(), ORGANIZATION, TOKEN).await?;
    server.env(&["init", "acme/app/dev"], "").await?;
    let secret = "correct-horse-battery-staple";
    let definition = format!("values: {{a: {{fn::secret: {secret}}}, b: plain-text-marker}}\n");
    server
        .env(&["edit", "acme/app/dev", "-f", "-"], &definition)
        .await?;
    server.daemon().stop()?;
    let mut seen_plain = false;
    for entry in std::fs::read_dir(folder.path().join("esc"))? {
        let bytes = std::fs::read(entry?.path())?;
        let holds = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(!holds(secret));
        assert!(!holds(TOKEN));
        seen_plain |= holds("plain-text-marker");
    }
    assert!(seen_plain, "the definition itself must be there");
    Ok(())
}

/// Writes to one environment until the server is gone; what was acknowledged is counted.
async fn write_until_gone(client: reqwest::Client, url: String, acknowledged: Arc<AtomicU64>) {
    loop {
        let next = acknowledged.load(Ordering::SeqCst) + 1;
        let sent = client
            .patch(&url)
            .header("authorization", format!("token {TOKEN}"))
            .body(format!("values: {{count: {next}}}\n"))
            .send()
            .await;
        match sent {
            Ok(answer) if answer.status().is_success() => {
                acknowledged.store(next, Ordering::SeqCst);
            }
            _ => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_a_write_loop_loses_no_acknowledged_write() -> anyhow::Result<()> {
    const WRITERS: usize = 3;
    const CRASHES: u64 = 8;
    let folder = tempfile::tempdir()?;
    let [port] = ports::free()?;
    let counts: Vec<Arc<AtomicU64>> = (0..WRITERS).map(|_| Arc::default()).collect();
    for crash in 0..CRASHES {
        let mut server = EscServer::start_on(port, folder.path(), ORGANIZATION, TOKEN).await?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut writers = Vec::new();
        for (writer, count) in counts.iter().enumerate() {
            let name = format!("acme/crash/w{writer}");
            if crash == 0 {
                server.env(&["init", &name], "").await?;
            } else {
                check_count(&server, &name, count).await?;
            }
            let url = format!("{}/api/esc/environments/{name}", server.url());
            writers.push(tokio::spawn(write_until_gone(
                client.clone(),
                url,
                Arc::clone(count),
            )));
        }
        // The crash comes between any two writes, or in the middle of one.
        let enough = 5 + 7 * crash;
        let before: u64 = counts
            .iter()
            .map(|count| count.load(Ordering::SeqCst))
            .sum();
        wait::until("writes", Duration::from_mins(1), async || {
            let now: u64 = counts
                .iter()
                .map(|count| count.load(Ordering::SeqCst))
                .sum();
            ensure!(now >= before + enough, "{now} writes");
            Ok(())
        })
        .await?;
        server.daemon().crash()?;
        for writer in writers {
            writer.await?;
        }
    }
    let server = EscServer::start_on(port, folder.path(), ORGANIZATION, TOKEN).await?;
    for (writer, count) in counts.iter().enumerate() {
        check_count(&server, &format!("acme/crash/w{writer}"), count).await?;
    }
    Ok(())
}

/// The newest value is the last one acknowledged, or the one that was under way; that one counts from
/// now on.
async fn check_count(
    server: &EscServer,
    name: &str,
    acknowledged: &AtomicU64,
) -> anyhow::Result<()> {
    let found: u64 = server
        .env(&["open", name, "count"], "")
        .await?
        .trim()
        .parse()?;
    let known = acknowledged.load(Ordering::SeqCst);
    ensure!(
        found == known || found == known + 1,
        "{name}: {known} was acknowledged, {found} is there"
    );
    acknowledged.store(found, Ordering::SeqCst);
    Ok(())
}
