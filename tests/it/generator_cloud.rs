//! Generators `ACRAccessToken` and `GCRAccessToken` against doubles that check every token.

use std::sync::Arc;

use latchkey::cluster::secrets::SecretReader;
use latchkey::generators::{Context, Error, generate};
use latchkey::model::controller_class::ControllerClass;
use latchkey::secret::SecretMap;
use serde_json::{Value, json};

use crate::cloud_bench::{CLUSTER, CloudBench, set};
use crate::clouds::entra::{Application, TENANT};
use crate::clouds::held;
use crate::clouds::tokens::Issuer;
use crate::provider_double::text;
use crate::provider_gcpsm::{EMAIL, key_of};

async fn made(bench: &CloudBench, kind: &str, spec: Value) -> Result<SecretMap, Error> {
    let context = Context {
        namespace: "team".to_owned(),
        secrets: Arc::clone(&bench.cluster) as Arc<dyn SecretReader>,
        now: bench
            .time
            .now()
            .try_into()
            .expect("the clock must be legal"),
        controller_class: ControllerClass::default(),
        registry: Arc::clone(&bench.registry),
    };
    let made = generate(kind, spec, &context).await?;
    Ok(made.values)
}

fn registry(auth: &Value) -> Value {
    json!({"tenantId": TENANT, "registry": "team.azurecr.io", "auth": auth})
}

/// A cloud that knows an application, a ServiceAccount's identity and a managed one.
async fn azure() -> (CloudBench, Value) {
    let bench = CloudBench::new().await;
    set(
        &bench.cluster.secrets,
        "team/sp",
        &[("id", "app-1"), ("secret", "hunter2")],
    );
    let application = Application {
        secret: Some("hunter2".to_owned()),
        trusted: Some((
            bench.cluster.issuer.public(),
            CLUSTER.to_owned(),
            "system:serviceaccount:team:web".to_owned(),
        )),
        ..Application::default()
    };
    held(&bench.world.entra)
        .applications
        .insert("app-1".to_owned(), application);
    set(
        &bench.cluster.annotations,
        "team/web",
        &[("azure.workload.identity/client-id", "app-1")],
    );
    held(&bench.world.entra).identities = vec!["id-1".to_owned()];
    let machine = format!("http://{}", bench.machine.address);
    bench.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST", &machine);
    let principal = json!({"servicePrincipal": {"secretRef": {
        "clientId": {"name": "sp", "key": "id"}, "clientSecret": {"name": "sp", "key": "secret"}}}});
    (bench, principal)
}

#[tokio::test]
async fn a_registry_of_azure_gives_a_refresh_token_or_one_of_a_scope() {
    let (bench, principal) = azure().await;
    let auths = [
        principal.clone(),
        json!({"managedIdentity": {"identityId": "id-1"}}),
        json!({"workloadIdentity": {"serviceAccountRef": {"name": "web"}}}),
    ];
    let now = (bench.world.now)();
    for auth in auths {
        let values = made(&bench, "ACRAccessToken", registry(&auth))
            .await
            .unwrap();
        assert_eq!(
            text(values.get("username").unwrap()),
            "00000000-0000-0000-0000-000000000000"
        );
        let token = text(values.get("password").unwrap());
        let claims = bench.world.tokens.verified(token, now).unwrap();
        assert_eq!(
            (&claims["aud"], &claims["kind"]),
            (&json!("team.azurecr.io"), &json!("refresh"))
        );
    }
    let mut scoped = registry(&principal);
    scoped["scope"] = "repository:app:pull".into();
    let values = made(&bench, "ACRAccessToken", scoped).await.unwrap();
    let claims = bench
        .world
        .tokens
        .verified(text(values.get("password").unwrap()), now)
        .unwrap();
    assert_eq!(claims["scope"], "repository:app:pull");
}

#[tokio::test]
async fn a_registry_elsewhere_and_a_login_that_is_none_are_refused() {
    let (bench, principal) = azure().await;
    let mut foreign = registry(&principal);
    foreign["registry"] = "team.azurecr.io.evil.org".into();
    let error = made(&bench, "ACRAccessToken", foreign).await.unwrap_err();
    assert!(
        error.lasting && error.message.contains("spec.registry"),
        "{error}"
    );
    let error = made(&bench, "ACRAccessToken", registry(&json!({})))
        .await
        .unwrap_err();
    assert!(
        error.lasting && error.message.contains("spec.auth"),
        "{error}"
    );
    set(
        &bench.cluster.secrets,
        "team/sp",
        &[("id", "app-1"), ("secret", "hunter2-wrong")],
    );
    let error = made(&bench, "ACRAccessToken", registry(&principal))
        .await
        .unwrap_err();
    assert!(
        !error.lasting && !error.message.contains("hunter2"),
        "{error}"
    );
}

#[tokio::test]
async fn a_registry_of_google_takes_an_access_token() {
    let bench = CloudBench::new().await;
    let issuer = Issuer::shared();
    held(&bench.world.accounts)
        .keys
        .insert(EMAIL.to_owned(), issuer.public());
    set(
        &bench.cluster.secrets,
        "team/gcp",
        &[("key", &key_of(&issuer))],
    );
    let auth = json!({"secretRef": {"secretAccessKeySecretRef": {"name": "gcp", "key": "key"}}});
    let spec = json!({"projectID": "main", "auth": auth});
    let values = made(&bench, "GCRAccessToken", spec.clone()).await.unwrap();
    assert_eq!(text(values.get("username").unwrap()), "oauth2accesstoken");
    assert_eq!(text(values.get("expiry").unwrap()), "1003600");
    let token = text(values.get("password").unwrap());
    let claims = bench
        .world
        .tokens
        .verified(token, (bench.world.now)())
        .unwrap();
    assert_eq!(claims["sub"], EMAIL);
    set(
        &bench.cluster.secrets,
        "team/gcp",
        &[("key", &key_of(&Issuer::stranger()))],
    );
    let error = made(&bench, "GCRAccessToken", spec).await.unwrap_err();
    assert!(!error.lasting, "{error}");
}
