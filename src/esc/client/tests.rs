use serde_json::json;
use wiremock::matchers::{body_string, header as has_header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::secret::json::Json;

fn client(server: &MockServer) -> Client {
    let options = http::Options {
        retry_delay: std::time::Duration::from_millis(1),
        ..http::Options::default()
    };
    let http = http::Client::new(&options).unwrap();
    Client::new(http, &server.uri(), &" pul-abc\n".into()).unwrap()
}

fn dev() -> EnvironmentName {
    EnvironmentName::new("acme", "app", "dev")
}

async fn answer(server: &MockServer, verb: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(verb))
        .and(path(at))
        .and(has_header("authorization", "token pul-abc"))
        .respond_with(answer)
        .mount(server)
        .await;
}

#[test]
fn an_address_is_read_with_or_without_its_api_path() {
    for text in [
        "http://esc:8080",
        "http://esc:8080/",
        "http://esc:8080/api/esc",
        " http://esc:8080/api/esc// ",
    ] {
        let address = Address::parse(text).unwrap();
        assert_eq!(address.as_str(), "http://esc:8080/api/esc");
        assert_eq!(address.root(), "http://esc:8080");
    }
    let proxied = Address::parse("https://proxy/x/api/esc/").unwrap();
    assert_eq!(
        proxied.root_url(["api", "user"]).as_str(),
        "https://proxy/x/api/user"
    );
    assert_eq!(
        Address::parse("https://proxy/x").unwrap().as_str(),
        "https://proxy/x"
    );
    for text in ["", "esc:8080", "ftp://esc", "https://user:pw@esc"] {
        assert!(Address::parse(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn an_environment_is_opened_at_a_version_and_read() {
    let server = MockServer::start().await;
    let base = "/api/esc/environments/acme/app/dev";
    let opened = ResponseTemplate::new(200).set_body_json(json!({"id": "s/1"}));
    answer(
        &server,
        "POST",
        &format!("{base}/versions/stable/open"),
        opened,
    )
    .await;
    let body = json!({"exprs": {"x": 1}, "properties": {
        "app": {"value": {"n": {"value": 1, "trace": {"def": {}}}, "none": {"trace": {}}}, "trace": {}},
        "list": {"value": [{"value": "é", "secret": true}], "new-field": 1},
        "later": {"unknown": true, "secret": true},
    }});
    let read = ResponseTemplate::new(200).set_body_json(body);
    answer(&server, "GET", &format!("{base}/open/s%2F1"), read).await;

    let client = client(&server);
    let session = client.open(&dev(), Some("stable")).await.unwrap();
    let environment = client.read_session(&dev(), &session).await.unwrap();

    let lookup = |path: &str| {
        let path = PropertyPath::parse(path).unwrap();
        environment.root().lookup(&path)
    };
    let text = |path: &str| lookup(path).map(|value| value.to_json().to_bytes());
    assert_eq!(text("app"), Some(r#"{"n":1,"none":null}"#.into()));
    assert_eq!(text("list[0]"), Some(r#""é""#.into()));
    assert!(lookup("list[0]").unwrap().secret);
    assert!(lookup("later").unwrap().unknown);
    assert!(lookup("list[1]").is_none() && lookup("app.x").is_none());
    assert_eq!(
        format!("{environment:?}"),
        "Environment { root: Value(an object) }"
    );
}

#[tokio::test]
async fn one_property_is_read_by_its_path() {
    let server = MockServer::start().await;
    let value = json!({"value": 12_345_678_901_234_567_890_u64, "trace": {}});
    Mock::given(path("/api/esc/environments/acme/app/dev/open/s1"))
        .and(query_param("property", r#"a["b.c"]"#))
        .respond_with(ResponseTemplate::new(200).set_body_json(value))
        .mount(&server)
        .await;
    let session = Session {
        id: "s1".to_owned(),
    };
    let path = PropertyPath::parse(r#"a["b.c"]"#).unwrap();
    let value = client(&server)
        .read_property(&dev(), &session, &path)
        .await
        .unwrap();
    assert_eq!(value.to_json(), Json::Number("12345678901234567890".into()));
}

#[tokio::test]
async fn definitions_carry_etag_and_revision_both_ways() {
    let server = MockServer::start().await;
    let base = "/api/esc/environments/acme/app/dev";
    let definition = ResponseTemplate::new(200)
        .insert_header("ETag", "e1")
        .insert_header("Pulumi-ESC-Revision", "7")
        .set_body_string("values: {}\n");
    answer(&server, "GET", &format!("{base}/decrypt"), definition).await;
    Mock::given(method("PATCH"))
        .and(path(base))
        .and(has_header("etag", "e1"))
        .and(body_string("values: {a: 1}\n"))
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("Pulumi-ESC-Revision", "8")
                .set_body_json(json!({"diagnostics": [{"summary": "odd", "severity": "warning"}]})),
        )
        .mount(&server)
        .await;
    let client = client(&server);
    let read = client.definition(&dev(), None, true).await.unwrap();
    assert_eq!((read.etag.as_deref(), read.revision), (Some("e1"), Some(7)));
    let yaml = "values: {a: 1}\n".into();
    let updated = client.update(&dev(), &yaml, Some("e1")).await.unwrap();
    assert_eq!(updated.revision, Some(8));
    assert!(updated.diagnostics[0].is_warning());
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    let server = MockServer::start().await;
    let page = |token: &str, body: serde_json::Value| {
        Mock::given(path("/api/esc/environments/acme"))
            .and(query_param("continuationToken", token))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
    };
    let first = json!({"environments": [{"project": "app", "name": "dev"}], "nextToken": "t"});
    page("", first).mount(&server).await;
    let last = json!({"environments": [{"project": "app", "name": "prod"}]});
    page("t", last).mount(&server).await;
    let names: Vec<_> = client(&server).list("acme").await.unwrap();
    assert_eq!(
        names.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(),
        ["dev", "prod"]
    );
}

#[tokio::test]
async fn a_refused_document_comes_with_its_diagnostics() {
    let server = MockServer::start().await;
    let body = json!({"code": 400, "message": "Bad Request", "diagnostics": [{
        "summary": "unknown property \"nme\"", "path": "values.greeting",
        "range": {"environment": "app/dev", "begin": {"line": 3, "column": 13, "byte": 34}},
    }]});
    let refused = ResponseTemplate::new(400).set_body_json(body);
    answer(
        &server,
        "PATCH",
        "/api/esc/environments/acme/app/dev",
        refused,
    )
    .await;
    let error = client(&server)
        .update(&dev(), &"x".into(), None)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "failed to update environment acme/app/dev: Bad Request (status 400); \
         app/dev line 3 column 13: unknown property \"nme\" (at values.greeting)"
    );
}

#[tokio::test]
async fn an_unreadable_answer_is_not_repeated() {
    let server = MockServer::start().await;
    let at = "/api/esc/environments/acme/app/dev/open/s1";
    let body = r#"{"properties": {"a": {"value": "x", "secret": "hunter2"}}}"#;
    answer(
        &server,
        "GET",
        at,
        ResponseTemplate::new(200).set_body_string(body),
    )
    .await;
    let session = Session {
        id: "s1".to_owned(),
    };
    let error = client(&server)
        .read_session(&dev(), &session)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"));
}

#[test]
fn a_token_that_no_header_can_hold_is_refused() {
    let http = http::Client::new(&http::Options::default()).unwrap();
    for token in ["", " \n", "a\nb"] {
        let made = Client::new(http.clone(), "http://esc", &token.into());
        let error = made.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
}
