//! Secrets, certificates and keys.

use latchkey::model::remote::{Find, RemoteRef};
use latchkey::providers::ErrorKind;
use regex::Regex;
use serde_json::{Value, json};

use crate::cloud_bench::{push, target};
use crate::provider_contract;
use crate::provider_double::{key, text};
use crate::server::KeyVault;

/// Metadata of a push with tags, a content type and an end.
fn metadata() -> Value {
    json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata",
        "spec": {"expirationDate": "2030-01-01T00:00:00Z", "contentType": "text/plain", "tags": {"team": "a"}}})
}

#[tokio::test]
async fn the_contract_holds() {
    let vault = KeyVault::start().await;
    let client = vault.client().await;
    let app = r#"{"user":"hunter2-user","port":5432}"#;
    for (name, value) in [("word", "hunter2-word"), ("app", app)] {
        let data = [("value", value)];
        let at = target(name);
        push(client.as_ref(), &data, "value", &at, Some(&metadata()))
            .await
            .unwrap();
    }
    provider_contract::holds_with_metadata(client.as_ref()).await;
}

#[tokio::test]
async fn what_is_pushed_is_read_back_in_each_version_and_removed() {
    let vault = KeyVault::start().await;
    let client = vault.client().await;
    let client = client.as_ref();
    let at = target("db");
    assert!(!client.exists(&at).await.unwrap());
    let metadata = metadata();
    for value in ["one", "one", "two"] {
        push(client, &[("a", value)], "a", &at, Some(&metadata))
            .await
            .unwrap();
    }
    assert!(client.exists(&at).await.unwrap());
    assert_eq!(text(&client.get(&key("db")).await.unwrap()), "two");
    // The server numbers its versions, and nothing was written for what was there.
    let version = |number: u32| RemoteRef {
        version: format!("{number:032x}"),
        ..key("db")
    };
    assert_eq!(text(&client.get(&version(1)).await.unwrap()), "one");
    assert_eq!(text(&client.get(&version(2)).await.unwrap()), "two");
    assert!(client.get(&version(3)).await.unwrap_err().is_not_found());
    let tag = RemoteRef {
        metadata: true,
        property: "team".to_owned(),
        ..key("db")
    };
    assert_eq!(text(&client.get(&tag).await.unwrap()), "a");
    let end = RemoteRef {
        metadata: true,
        property: "attribute.expires".to_owned(),
        ..key("db")
    };
    assert_eq!(
        text(&client.get(&end).await.unwrap()),
        "2030-01-01T00:00:00Z"
    );
    client.delete(&at).await.unwrap();
    client.delete(&at).await.unwrap();
    assert!(!client.exists(&at).await.unwrap());
}

#[tokio::test]
async fn a_search_goes_through_all_pages() {
    let vault = KeyVault::start().await;
    let client = vault.client().await;
    let client = client.as_ref();
    for number in 0..60 {
        let at = target(&format!("s{number:02}"));
        push(client, &[("a", "hunter2")], "a", &at, None)
            .await
            .unwrap();
    }
    let find = Find {
        name: Some(Regex::new("^s[05]9$").unwrap()),
        tags: [("managed-by".to_owned(), "external-secrets".to_owned())].into(),
        ..Find::default()
    };
    let found = client.find(&find).await.unwrap();
    let names: Vec<_> = found.keys().collect();
    assert_eq!(names, ["s09", "s59"]);
}

#[tokio::test]
async fn certificates_and_keys_are_imported_and_read() {
    let vault = KeyVault::start().await;
    let client = vault.client().await;
    let client = client.as_ref();
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap();
    let certificate = params.self_signed(&pair).unwrap();
    let (pem, private) = (certificate.pem(), pair.serialize_pem());
    let data = [("tls.crt", pem.as_str()), ("tls.key", private.as_str())];
    for (secret_key, at) in [("", "cert/web"), ("tls.key", "key/sign")] {
        for _ in 0..2 {
            push(client, &data, secret_key, &target(at), None)
                .await
                .unwrap();
        }
        assert!(client.exists(&target(at)).await.unwrap());
    }
    let read = client.get(&key("cert/web")).await.unwrap();
    assert_eq!(read.expose(), certificate.der().as_ref());
    let read = client.get(&key("key/sign")).await.unwrap();
    let read: Value = serde_json::from_slice(read.expose()).unwrap();
    assert_eq!(read["kty"], "RSA");
    let curve = rcgen::KeyPair::generate().unwrap().serialize_pem();
    push(client, &[("k", &curve)], "k", &target("key/curve"), None)
        .await
        .unwrap();
    let wrong = push(client, &data, "tls.crt", &target("key/sign"), None).await;
    assert_eq!(wrong.unwrap_err().kind, ErrorKind::Invalid);
    for at in ["cert/web", "key/sign"] {
        client.delete(&target(at)).await.unwrap();
        let gone = client.get(&key(at)).await.unwrap_err();
        assert!(gone.is_not_found(), "{gone}");
    }
}
