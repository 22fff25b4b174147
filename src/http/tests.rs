use wiremock::matchers::{header_exists, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn client() -> Client {
    Client::new(&Options {
        retry_delay: Duration::from_millis(1),
        ..Options::default()
    })
    .unwrap()
}

fn url(server: &MockServer, path: &str) -> Url {
    Url::parse(&server.uri()).unwrap().join(path).unwrap()
}

#[tokio::test]
async fn a_failed_read_is_tried_three_times_in_all() {
    let server = MockServer::start().await;
    Mock::given(path("/broken"))
        .respond_with(ResponseTemplate::new(502))
        .expect(3)
        .mount(&server)
        .await;
    let client = client();
    let sent = client.send_idempotent(|| client.request(Method::GET, url(&server, "/broken")));
    assert_eq!(sent.await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_server_that_says_when_to_come_back_is_not_pressed() {
    let server = MockServer::start().await;
    Mock::given(path("/busy"))
        .respond_with(ResponseTemplate::new(503).insert_header("Retry-After", "7"))
        .expect(1)
        .mount(&server)
        .await;
    let client = client();
    let sent = client.send_idempotent(|| client.request(Method::GET, url(&server, "/busy")));
    let response = sent.await.unwrap();
    assert_eq!(
        retry_after(response.headers()),
        Some(Duration::from_secs(7))
    );
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let (server, other) = (MockServer::start().await, MockServer::start().await);
    Mock::given(path("/away"))
        .respond_with(ResponseTemplate::new(307).insert_header("Location", other.uri().as_str()))
        .mount(&server)
        .await;
    Mock::given(path("/near"))
        .respond_with(ResponseTemplate::new(307).insert_header("Location", "/here"))
        .mount(&server)
        .await;
    Mock::given(path("/here"))
        .and(header_exists("authorization"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let client = client();
    let token = authorization("token", &"abc".into()).unwrap();
    let get = |path: &str| {
        let request = client.request(Method::GET, url(&server, path));
        client.send(request.header("Authorization", token.clone()))
    };
    assert_eq!(get("/away").await.unwrap().status(), 307);
    assert_eq!(get("/near").await.unwrap().status(), 200);
    assert_eq!(other.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_transport_error_names_the_host_and_not_the_path() {
    let client = client();
    let url = Url::parse("http://127.0.0.1:1/session-id").unwrap();
    let error = client
        .send(client.request(Method::GET, url))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1"), "{text}");
    assert!(!text.contains("session-id"), "{text}");
}

#[test]
fn retry_after_reads_dates_against_the_answers_own() {
    let mut headers = HeaderMap::new();
    headers.insert(DATE, "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap());
    headers.insert(
        RETRY_AFTER,
        "Wed, 21 Oct 2015 07:28:30 GMT".parse().unwrap(),
    );
    assert_eq!(retry_after(&headers), Some(Duration::from_secs(30)));
    headers.insert(
        RETRY_AFTER,
        "Wed, 21 Oct 2015 07:27:30 GMT".parse().unwrap(),
    );
    assert_eq!(retry_after(&headers), Some(Duration::ZERO));
}

#[test]
fn a_ca_bundle_is_pem_or_base64_of_pem() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = made.cert.pem();
    let with = |bundle: &str| {
        Client::new(&Options {
            ca_bundle: Some(bundle.as_bytes().to_vec()),
            ..Options::default()
        })
    };
    assert!(with(&pem).is_ok());
    assert!(with(&STANDARD.encode(&pem)).is_ok());
    assert!(matches!(with("nonsense"), Err(Error::ReadCaBundle(_))));
}
