//! Each way to log in, and tokens that end.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey::model::secret_store::Store;
use latchkey::providers::{Error, ErrorKind, Validation};
use serde_json::{Value, json};

use crate::provider_double::{Bench, Credentials, property, store, text};
use crate::server::{Server, shared};

const CREDENTIAL: &str = "hunter2";

struct World {
    bench: Bench,
    store: Arc<Store>,
}

impl World {
    fn new(
        (provider, url): (&str, &str),
        auth: &Value,
        credentials: Arc<Credentials>,
        more: &Value,
    ) -> Self {
        let mut block = json!({"server": url, "path": "secret", "auth": auth});
        for (name, value) in more.as_object().expect("must be an object") {
            block[name] = value.clone();
        }
        Self {
            bench: Bench::new("http://127.0.0.1:1", credentials),
            store: store(json!({provider: block})),
        }
    }

    async fn get(&self, second: u64, name: &str) -> Result<String, Error> {
        self.bench.time.set(second);
        let client = self.bench.client(&self.store, second).await;
        let value = client.get(&property(name, "a")).await;
        value.map(|value| text(&value).to_owned())
    }
}

fn login() -> Value {
    json!({"name": "login", "key": "v"})
}

/// A world that logs in with one credential, and a secret `logins/<name>` that it may read.
async fn world(server: &Server, name: &str, auth: Value, credential: &str) -> World {
    server
        .put(&format!("logins/{name}"), json!({"a": name}))
        .await;
    let credentials = Credentials::with("team/login", "v", credential);
    let at = (server.product.provider(), server.url.as_str());
    World::new(at, &auth, credentials, &json!({}))
}

on_both_servers!(
    a_user_logs_in_by_password_and_a_wrong_one_is_denied,
    an_application_logs_in_by_role,
    a_token_that_was_revoked_is_replaced_by_a_new_login,
    a_policy_that_denies_is_told_from_a_dead_token,
    an_expired_token_of_the_store_is_denied_until_its_secret_changes,
);

async fn a_user_logs_in_by_password_and_a_wrong_one_is_denied(server: &Server) {
    let auth = json!({"userPass": {"path": "userpass", "username": "ann", "secretRef": login()}});
    let right = world(server, "user", auth.clone(), CREDENTIAL).await;
    assert_eq!(right.get(0, "logins/user").await.unwrap(), "user");
    let wrong = world(server, "user", auth, "wrong").await;
    let error = wrong.get(0, "logins/user").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.retry_after.is_some(), "{error:?}");
}

async fn an_application_logs_in_by_role(server: &Server) {
    let (role, secret) = server.role("approle", "app").await;
    let auth = json!({"appRole": {"path": "approle", "roleId": role, "secretRef": login()}});
    let world = world(server, "role", auth, &secret).await;
    assert_eq!(world.get(0, "logins/role").await.unwrap(), "role");
    let client = world.bench.client(&world.store, 0).await;
    assert_eq!(client.validate().await.unwrap(), Validation::Ready);
}

#[tokio::test]
async fn an_issuer_that_the_server_trusts_vouches_by_jwt() {
    let server = shared().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let config = json!({"jwt_validation_pubkeys": [key.public_key_pem()]});
    server.post("auth/jwt/config", config).await;
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": "reader"});
    server.post("auth/jwt/role/app", role).await;
    let auth = json!({"jwt": {"path": "jwt", "role": "app", "secretRef": login()}});
    let good = world(server, "jwt", auth.clone(), &jwt(&key, "vault")).await;
    assert_eq!(good.get(0, "logins/jwt").await.unwrap(), "jwt");
    let foreign = world(server, "jwt", auth, &jwt(&key, "other")).await;
    let error = foreign.get(0, "logins/jwt").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
}

/// A token for `audience`, signed with ES256.
fn jwt(key: &rcgen::KeyPair, audience: &str) -> String {
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({"sub": "app", "aud": audience, "iat": now, "nbf": now, "exp": now + 300});
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let text = format!(
        "{}.{}",
        part(json!({"alg": "ES256", "typ": "JWT"})),
        part(claims)
    );
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der())
        .expect("the key must be P-256");
    let signature = signer.sign(&SystemRandom::new(), text.as_bytes());
    let signature = signature.expect("signing must work");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_client_certificate_logs_in_and_an_unknown_server_is_not_trusted() {
    let server = shared().await;
    server.put("logins/cert", json!({"a": "cert"})).await;
    let credentials = Credentials::with("team/cert", "v", &server.pki.client);
    credentials.set("team/key", "v", &server.pki.client_key);
    let auth = json!({"cert": {"clientCert": {"name": "cert", "key": "v"},
        "secretRef": {"name": "key", "key": "v"}, "vaultRole": "app"}});
    let trusted = json!({"caBundle": server.pki.ca});
    let at = ("vault", server.tls_url.as_str());
    let known = World::new(at, &auth, Arc::clone(&credentials), &trusted);
    assert_eq!(known.get(0, "logins/cert").await.unwrap(), "cert");
    let unknown = World::new(at, &auth, credentials, &json!({}));
    let error = unknown.get(0, "logins/cert").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

async fn a_token_that_was_revoked_is_replaced_by_a_new_login(server: &Server) {
    server
        .post("sys/auth/revoked", json!({"type": "approle"}))
        .await;
    let (role, secret) = server.role("revoked", "app").await;
    let auth = json!({"appRole": {"path": "revoked", "roleId": role, "secretRef": login()}});
    let world = world(server, "revoked", auth, &secret).await;
    assert_eq!(world.get(0, "logins/revoked").await.unwrap(), "revoked");
    server
        .post("sys/leases/revoke-prefix/auth/revoked/login", json!({}))
        .await;
    assert_eq!(world.get(60, "logins/revoked").await.unwrap(), "revoked");
    assert_eq!(server.logged_logins(&role), 2);
}

async fn a_policy_that_denies_is_told_from_a_dead_token(server: &Server) {
    server.put("closed/app", json!({"a": "b"})).await;
    let (role, secret) = server.role("approle", "denied").await;
    let auth = json!({"appRole": {"path": "approle", "roleId": role, "secretRef": login()}});
    let world = world(server, "denied", auth, &secret).await;
    for second in [0, 60, 120] {
        let error = world.get(second, "closed/app").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("closed/app"), "{error}");
    }
    assert_eq!(server.logged_logins(&role), 1);
}

async fn an_expired_token_of_the_store_is_denied_until_its_secret_changes(server: &Server) {
    let made = json!({"policies": ["reader"], "ttl": "1h"});
    let made = server.post("auth/token/create", made).await;
    let token = made["auth"]["client_token"].as_str().unwrap();
    let auth = json!({"tokenSecretRef": login()});
    let world = world(server, "token", auth, token).await;
    assert_eq!(world.get(0, "logins/token").await.unwrap(), "token");
    server
        .post("auth/token/revoke", json!({"token": token}))
        .await;
    let error = world.get(60, "logins/token").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    let made = json!({"policies": ["reader"], "ttl": "1h"});
    let made = server.post("auth/token/create", made).await;
    let token = made["auth"]["client_token"].as_str().unwrap();
    world.bench.credentials.set("team/login", "v", token);
    assert_eq!(world.get(130, "logins/token").await.unwrap(), "token");
}
