use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::cluster::secrets;

struct Credentials(&'static str);

#[async_trait]
impl SecretReader for Credentials {
    async fn read_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<SecretMap>, secrets::Error> {
        let found = (namespace, name) == ("team", "seed");
        Ok(found.then(|| {
            [("key".to_owned(), SecretBytes::from(self.0))]
                .into_iter()
                .collect()
        }))
    }

    async fn read_config_map(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<BTreeMap<String, String>>, secrets::Error> {
        Ok(None)
    }

    async fn service_account_annotations(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<BTreeMap<String, String>>, secrets::Error> {
        Ok(None)
    }

    async fn service_account_token(
        &self,
        _: &str,
        _: &str,
        _: &[String],
        _: i64,
    ) -> Result<SecretBytes, secrets::Error> {
        Err(secrets::Error {
            message: "no tokens here".to_owned(),
            denied: true,
        })
    }
}

async fn made(
    kind: &str,
    spec: Value,
    seed: &'static str,
) -> Result<BTreeMap<String, String>, Error> {
    let context = Context {
        namespace: "team".to_owned(),
        secrets: Arc::new(Credentials(seed)),
        registry: Arc::new(Registry::default()),
        now: Timestamp::UNIX_EPOCH,
        controller_class: ControllerClass::default(),
    };
    let values = generate(kind, spec, &context).await?.values;
    let text = |value: &SecretBytes| value.expose_str().unwrap().to_owned();
    Ok(values
        .iter()
        .map(|(key, value)| (key.to_owned(), text(value)))
        .collect())
}

#[tokio::test]
async fn a_password_has_a_quarter_of_digits_and_of_symbols_and_no_character_twice() {
    let password = &made("Password", json!({}), "").await.unwrap()["password"];
    assert_eq!(password.chars().count(), 24);
    assert_eq!(password.chars().filter(char::is_ascii_digit).count(), 6);
    assert_eq!(
        password.chars().filter(char::is_ascii_punctuation).count(),
        6
    );
    assert_eq!(password.chars().collect::<BTreeSet<_>>().len(), 24);
}

#[tokio::test]
async fn a_password_follows_its_rules() {
    let spec = json!({"length": 100, "digits": 40, "symbols": 30, "symbolCharacters": "-_", "noUpper": true,
        "allowRepeat": true, "secretKeys": ["a", "b"]});
    let passwords = made("Password", spec, "").await.unwrap();
    assert_eq!(passwords.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_ne!(passwords["a"], passwords["b"]);
    let password = &passwords["a"];
    assert_eq!(password.chars().filter(char::is_ascii_digit).count(), 40);
    assert_eq!(password.chars().filter(|c| "-_".contains(*c)).count(), 30);
    assert_eq!(
        password.chars().filter(char::is_ascii_lowercase).count(),
        30
    );
}

#[tokio::test]
async fn a_password_is_encoded_as_asked() {
    let encoded = async |encoding: &str| {
        let spec = json!({"encoding": encoding, "length": 10, "digits": 0, "symbols": 0});
        made("Password", spec, "").await.unwrap()["password"].clone()
    };
    assert_eq!(encoded("raw").await.len(), 10);
    assert_eq!(encoded("hex").await.len(), 20);
    assert_eq!(encoded("base64").await.len(), 16);
    assert_eq!(encoded("base64url").await.len(), 16);
    assert_eq!(encoded("base32").await.len(), 16);
}

#[tokio::test]
async fn a_password_that_cannot_be_made_is_an_error_that_names_the_field() {
    for (spec, field) in [
        (
            json!({"digits": 11, "length": 30, "symbols": 0}),
            "spec.digits",
        ),
        (
            json!({"length": 4, "digits": 3, "symbols": 2}),
            "spec.length",
        ),
        (json!({"length": -1}), "spec.length"),
        (json!({"length": 60, "noUpper": true}), "spec.letters"),
    ] {
        let error = made("Password", spec, "").await.unwrap_err();
        assert!(error.lasting && error.message.starts_with(field), "{error}");
    }
}

#[tokio::test]
async fn an_ssh_key_pair_belongs_together() {
    for (spec, algorithm) in [
        (
            json!({"keyType": "ed25519", "comment": "me@here"}),
            "ssh-ed25519",
        ),
        (
            json!({"keyType": "ecdsa", "comment": "me@here"}),
            "ecdsa-sha2-nistp256",
        ),
        (
            json!({"keyType": "ecdsa", "keySize": 384, "comment": "me@here"}),
            "ecdsa-sha2-nistp384",
        ),
        (json!({"comment": "me@here"}), "ssh-rsa"),
    ] {
        let pair = made("SSHKey", spec, "").await.unwrap();
        let private = ::ssh_key::PrivateKey::from_openssh(&pair["privateKey"]).unwrap();
        assert_eq!(
            private.public_key().to_openssh().unwrap(),
            pair["publicKey"]
        );
        assert!(pair["publicKey"].starts_with(algorithm) && pair["publicKey"].ends_with("me@here"));
    }
    assert!(
        made("SSHKey", json!({"keyType": "ecdsa", "keySize": 300}), "")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_uuid_is_new_each_time() {
    let first = made("UUID", json!({}), "").await.unwrap();
    let second = made("UUID", json!({}), "").await.unwrap();
    assert_eq!(first["uuid"].len(), 36);
    assert_ne!(first, second);
}

/// Values of RFC 6238, appendix B; the seeds are its ASCII seeds in base32.
#[tokio::test]
async fn one_time_passwords_are_those_of_the_rfc() {
    let sha1 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let sha256 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA====";
    for (algorithm, seed, when, token) in [
        ("", sha1, "1970-01-01T00:00:59Z", "94287082"),
        ("sha1", sha1, "2005-03-18T01:58:29Z", "07081804"),
        ("sha256", sha256, "1970-01-01T00:00:59Z", "46119246"),
    ] {
        let spec = json!({"secret": {"name": "seed", "key": "key"}, "length": 8, "algorithm": algorithm, "when": when});
        let made = made("MFA", spec, seed).await.unwrap();
        assert_eq!(
            (made["token"].as_str(), made["timeLeft"].as_str()),
            (token, "1")
        );
    }
}

#[tokio::test]
async fn a_seed_that_is_missing_is_named() {
    let spec = json!({"secret": {"name": "other", "key": "key"}});
    let error = made("MFA", spec, "").await.unwrap_err();
    assert!(error.message.contains("team/other") && !error.lasting);
}

#[tokio::test]
async fn a_cluster_generator_is_the_generator_it_holds() {
    let spec = json!({"kind": "Fake", "generator": {"fakeSpec": {"data": {"a": "1"}}}});
    assert_eq!(made("ClusterGenerator", spec, "").await.unwrap()["a"], "1");
    let mixed = json!({"kind": "UUID", "generator": {"fakeSpec": {}}});
    assert!(made("ClusterGenerator", mixed, "").await.is_err());
    let spec = json!({"kind": "SSHKey", "generator": {"sshKeySpec": {"keyType": "ed25519"}}});
    assert!(made("ClusterGenerator", spec, "").await.is_ok());
}

#[tokio::test]
async fn a_generator_of_another_class_makes_nothing() {
    let error = made("Fake", json!({"controller": "other"}), "")
        .await
        .unwrap_err();
    assert!(error.message.contains("other"));
}

#[tokio::test]
async fn a_kind_that_is_not_served_says_so() {
    let error = made("Later", json!({}), "").await.unwrap_err();
    assert!(error.message.contains("Later") && error.lasting && error.is_unserved);
}
