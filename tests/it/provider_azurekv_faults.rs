//! What goes wrong with Key Vault, and what it is taken for.

use std::time::Duration;

use latchkey::providers::ErrorKind;
use serde_json::json;

use crate::cloud_bench::{CloudBench, azure_store, set};
use crate::clouds::tokens::Issuer;
use crate::clouds::{Answer, Fault, entra, held};
use crate::provider_azurekv::with_secret;
use crate::provider_double::{key, store, text};

const SECRET: &str = "hunter2";

#[tokio::test]
async fn each_failure_has_its_kind_and_time_and_names_no_value() {
    let refused = |status| Fault::Answer(Answer::error(status, "SomeCode", "some words"));
    let busy = Answer::error(429, "Throttled", "slow down").with("retry-after", "17");
    let cases = [
        (refused(400), ErrorKind::Invalid, None),
        (refused(403), ErrorKind::Denied, None),
        (refused(404), ErrorKind::NotFound, None),
        (
            Fault::Answer(Answer::json(404, &json!({}))),
            ErrorKind::Unavailable,
            None,
        ),
        (Fault::Answer(busy), ErrorKind::Throttled, Some(17)),
        (refused(500), ErrorKind::Unavailable, None),
        (Fault::Silence, ErrorKind::Unavailable, None),
        (Fault::Reset, ErrorKind::Unavailable, None),
        (Fault::Cut, ErrorKind::Unavailable, None),
    ];
    for (fault, kind, seconds) in cases {
        let is_silent = matches!(fault, Fault::Silence);
        let bench = CloudBench::with(|http| {
            if is_silent {
                (http.timeout, http.retries) = (Duration::from_secs(2), 0);
            }
        })
        .await;
        let store = azure_store(&bench);
        held(&bench.world.vault).put("word", "hunter2-word", &json!({}));
        let client = bench.client(&store, 0).await;
        client.validate().await.unwrap();
        bench.world.fail("/secrets/word", 3, fault.clone());
        let error = client.get(&key("word")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{fault:?}: {error}");
        assert_eq!(
            error.retry_after,
            seconds.map(Duration::from_secs),
            "{error}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunt"), "{shown}");
        bench.world.mend();
        let client = bench.client(&store, 60).await;
        assert_eq!(
            text(&client.get(&key("word")).await.unwrap()),
            "hunter2-word"
        );
    }
}

#[tokio::test]
async fn a_server_without_a_trusted_certificate_sees_no_credentials() {
    let bench = CloudBench::with(|http| http.ca_bundle = None).await;
    let store = azure_store(&bench);
    let error = bench
        .client(&store, 0)
        .await
        .get(&key("word"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(bench.world.calls("/").is_empty());
}

#[tokio::test]
async fn refused_credentials_are_denied_and_not_sent_again() {
    let (bench, store) = with_secret().await;
    set(
        &bench.cluster.secrets,
        "team/sp",
        &[("id", "app-1"), ("secret", "hunter2-wrong")],
    );
    for second in [0, 1, 2, 3] {
        let client = bench.client(&store, second).await;
        let error = client.get(&key("word")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(
            error.retry_after.is_some() && !error.to_string().contains(SECRET),
            "{error}"
        );
        assert!(error.to_string().contains("AADSTS7000215"), "{error}");
        assert!(
            !error.to_string().contains("Trace ID"),
            "differs each time: {error}"
        );
    }
    assert_eq!(bench.world.calls("/aaaaaaaa").len(), 1);
}

#[tokio::test]
async fn a_token_that_ends_early_is_replaced_once() {
    let (bench, store) = with_secret().await;
    held(&bench.world.vault).put("word", "hunter2-word", &json!({}));
    bench
        .client(&store, 0)
        .await
        .get(&key("word"))
        .await
        .unwrap();
    let ended = Answer::error(401, "Unauthorized", "AKV10032: token expired");
    bench.world.fail("/secrets/word", 1, Fault::Answer(ended));
    let client = bench.client(&store, 100).await;
    assert_eq!(
        text(&client.get(&key("word")).await.unwrap()),
        "hunter2-word"
    );
    assert_eq!(bench.world.calls("/aaaaaaaa").len(), 2);
}

/// Tokens that some server might hand out, and that no vault may accept.
#[tokio::test]
async fn a_wrong_token_is_denied_whatever_is_wrong_with_it() {
    let audience = "https://vault.azure.net";
    let tenant = entra::TENANT;
    let until = 1_003_600;
    let forged = Issuer::stranger();
    let own = Issuer::shared();
    let other = "bbbbbbbb-0000-4000-8000-000000000002";
    let tokens = [
        own.sign(&json!({"aud": "https://graph.microsoft.com", "tid": tenant, "exp": until})),
        own.sign(&json!({"aud": audience, "tid": other, "exp": until})),
        own.sign(&json!({"aud": audience, "tid": tenant, "exp": 999_999})),
        forged.sign(&json!({"aud": audience, "tid": tenant, "exp": until})),
        "no-token".to_owned(),
    ];
    for token in tokens {
        let (bench, store) = with_secret().await;
        let granted = json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"});
        bench
            .world
            .fail("/aaaaaaaa", 9, Fault::Answer(Answer::ok(&granted)));
        let client = bench.client(&store, 0).await;
        let error = client.get(&key("word")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(
            error.to_string().contains(tenant),
            "tells which tenant it wants: {error}"
        );
        assert!(!error.to_string().contains(&token), "{error}");
        assert_eq!(
            bench.world.calls("/aaaaaaaa").len(),
            1,
            "a young token is not replaced"
        );
    }
}

#[tokio::test]
async fn tokens_leave_for_the_vault_alone() {
    let (bench, store) = with_secret().await;
    let elsewhere = json!({"value": [], "nextLink": "https://other.vault.azure.net/secrets?x=1"});
    bench
        .world
        .fail("/secrets", 1, Fault::Answer(Answer::ok(&elsewhere)));
    let client = bench.client(&store, 0).await;
    let error = client
        .find(&latchkey::model::remote::Find::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    let moved = Answer::json(302, &json!({}))
        .with("location", "https://other.vault.azure.net/secrets/word");
    bench.world.fail("/secrets", 9, Fault::Answer(moved));
    client.get(&key("word")).await.unwrap_err();
    let calls = bench.world.calls("/secrets");
    assert!(
        calls.iter().all(|call| call.host == "main.vault.azure.net"),
        "{calls:?}"
    );
    let foreign = crate::provider_double::store(
        json!({"azurekv": {"vaultUrl": "https://vault.example.org", "authType": "ManagedIdentity"}}),
    );
    let error = bench
        .client_in(&foreign, "team", 0)
        .await
        .err()
        .expect("must be refused");
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("vaultUrl"), "{error}");
}

#[tokio::test]
async fn a_store_that_cannot_work_says_which_field() {
    let (bench, _) = with_secret().await;
    let cases = [
        (
            json!({"vaultUrl": "http://main.vault.azure.net"}),
            "vaultUrl",
        ),
        (
            json!({"vaultUrl": "https://main.vault.azure.net"}),
            "tenantId",
        ),
        (
            json!({"vaultUrl": "https://main.vault.azure.net", "tenantId": "t"}),
            "authSecretRef",
        ),
        (
            json!({"vaultUrl": "https://main.vault.azure.net", "tenantId": "t", "authSecretRef": {"clientId": {"name": "a", "key": "b"}}}),
            "clientSecret",
        ),
        (
            json!({"vaultUrl": "https://main.vault.azure.net", "environmentType": "AzureStackCloud"}),
            "customCloudConfig",
        ),
        (
            json!({"vaultUrl": "https://main.vault.azure.net", "environmentType": "ChinaCloud", "authType": "ManagedIdentity"}),
            "vaultUrl",
        ),
    ];
    for (block, field) in cases {
        let wrong = store(json!({"azurekv": block}));
        let error = bench.client_in(&wrong, "team", 0).await.err();
        let error = error.expect("must be refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.to_string().contains(field), "{error}");
    }
}
