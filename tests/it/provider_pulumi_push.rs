//! Provider `pulumi` writing to the embedded store.

use std::sync::Arc;

use latchkey::esc::client::{Client, EnvironmentName};
use latchkey::http;
use latchkey::model::push::{Push, Source, Target};
use latchkey::model::secret_store::Store;
use latchkey::providers::{Error, ErrorKind};
use serde_json::json;

use crate::provider_double::{Bench, Credentials, key, store, text};
use crate::support::latchkey::EscServer;

const TOKEN: &str = "pul-it-0123456789";

const DEFINITION: &str = "\
# kept by hand
imports: []
values:
  plain: x   # a remark
  derived: ${plain}-y
  app:
    old: {fn::secret: before}
";

struct Desk {
    _server: EscServer,
    _folder: tempfile::TempDir,
    bench: Bench,
    store: Arc<Store>,
    client: Client,
    name: EnvironmentName,
}

impl Desk {
    async fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = EscServer::start(folder.path(), "acme", TOKEN).await?;
        let api = format!("{}/api/esc", server.url());
        let client = Client::new(
            http::Client::new(&http::Options::default())?,
            &api,
            &TOKEN.into(),
        )?;
        let name = EnvironmentName::new("acme", "app", "dev");
        client.create(&name).await?;
        client.update(&name, &DEFINITION.into(), None).await?;
        let store = store(json!({"pulumi": {
            "organization": "acme", "project": "app", "environment": "dev", "apiUrl": api,
            "accessToken": {"secretRef": {"name": "token", "key": "t"}}}}));
        Ok(Self {
            _server: server,
            _folder: folder,
            bench: Bench::new(&api, Credentials::with("team/token", "t", TOKEN)),
            store,
            client,
            name,
        })
    }

    async fn push(&self, at: u64, secret_key: &str, target: &Target) -> Result<(), Error> {
        let data = [("password", "s3cret: #1"), ("user", "007")];
        let source = Source {
            data: data
                .map(|(key, value)| (key.to_owned(), value.into()))
                .into_iter()
                .collect(),
            ..Source::default()
        };
        let push = Push {
            source: &source,
            secret_key,
            target,
            metadata: None,
        };
        self.bench.client(&self.store, at).await.push(&push).await
    }

    async fn definition(&self, decrypt: bool) -> anyhow::Result<(String, Option<u64>)> {
        let definition = self.client.definition(&self.name, None, decrypt).await?;
        let text = text(&definition.text).to_owned();
        Ok((text, definition.revision))
    }
}

fn target(key: &str, property: &str) -> Target {
    Target {
        key: key.to_owned(),
        property: property.to_owned(),
    }
}

#[tokio::test]
async fn a_push_stores_one_value_encrypted_and_leaves_the_rest_of_the_text() -> anyhow::Result<()> {
    let desk = Desk::new().await?;
    let (before, _) = desk.definition(false).await?;
    desk.push(0, "password", &target("app.password", ""))
        .await?;

    let (after, revision) = desk.definition(false).await?;
    assert!(!after.contains("s3cret"), "{after}");
    for line in before.lines() {
        assert!(after.contains(line), "{line:?} is gone from {after}");
    }
    let client = desk.bench.client(&desk.store, 0).await;
    let read = client.get(&key("app.password")).await?;
    assert_eq!(text(&read), "s3cret: #1", "read again after the write");
    let derived = client.get(&key("derived")).await?;
    assert_eq!(text(&derived), "x-y");

    desk.bench.time.set(60);
    desk.push(60, "password", &target("app.password", ""))
        .await?;
    assert_eq!(desk.definition(false).await?.1, revision, "nothing to do");
    Ok(())
}

#[tokio::test]
async fn a_whole_source_stays_text_and_a_value_in_clear_is_encrypted() -> anyhow::Result<()> {
    let desk = Desk::new().await?;
    desk.push(0, "", &target("all", "")).await?;
    let client = desk.bench.client(&desk.store, 0).await;
    let all = client.get_map(&key("all")).await?;
    assert_eq!(all.get("user").map(text), Some("007"));
    let (_, revision) = desk.definition(false).await?;
    desk.push(0, "", &target("all", "")).await?;
    assert_eq!(desk.definition(false).await?.1, revision);

    desk.client
        .update(&desk.name, &"values: {user: '007'}\n".into(), None)
        .await?;
    desk.bench.time.set(60);
    desk.push(60, "user", &target("user", "")).await?;
    let (stored, _) = desk.definition(false).await?;
    assert!(stored.contains("fn::secret"), "{stored}");
    assert!(!stored.contains("007"), "{stored}");
    Ok(())
}

#[tokio::test]
async fn a_property_is_written_found_and_removed() -> anyhow::Result<()> {
    let desk = Desk::new().await?;
    let target = target("app", "tls.key");
    let client = desk.bench.client(&desk.store, 0).await;
    assert!(!client.exists(&target).await?);
    desk.push(0, "password", &target).await?;
    assert!(client.exists(&target).await?);
    client.delete(&target).await?;
    assert!(!client.exists(&target).await?);
    client.delete(&target).await?;
    let old = client.get(&key("app.old")).await?;
    assert_eq!(text(&old), "before");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_pushed_changes_nothing() -> anyhow::Result<()> {
    let desk = Desk::new().await?;
    let (before, _) = desk.definition(false).await?;
    let refused = [
        ("password", target("", "")),
        ("absent", target("app.x", "")),
        ("password", target("derived.deeper", "")),
        ("password", target("app[", "")),
    ];
    for (secret_key, target) in refused {
        let error = desk.push(0, secret_key, &target).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    assert_eq!(desk.definition(false).await?.0, before);
    Ok(())
}

#[tokio::test]
async fn pushes_at_the_same_time_all_arrive() -> anyhow::Result<()> {
    let desk = Desk::new().await?;
    let targets = ["a", "b", "c", "d"].map(|name| target("shared", name));
    let pushes = targets
        .iter()
        .map(|target| desk.push(0, "password", target));
    for pushed in futures::future::join_all(pushes).await {
        pushed?;
    }
    let client = desk.bench.client(&desk.store, 0).await;
    assert_eq!(client.get_map(&key("shared")).await?.len(), 4);
    Ok(())
}
