//! Which pod shows a token: asked of the API server, which knows tokens that are bound to pods.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::Client;
use kube::api::{Api, PostParams};
use serde::Deserialize;

use crate::cluster::request::{Error, bounded};
use crate::secret::SecretBytes;

/// What the user name of a service account begins with.
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// Where the API server names the pod that a token is bound to.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
/// And its uid.
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
/// Longest token that is looked at in bytes.
const LONGEST_TOKEN: usize = 16 << 10;

/// The pod that a token was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundPod {
    /// Namespace of the pod and of its service account.
    pub namespace: String,
    /// Name of the service account.
    pub account: String,
    /// Name of the pod.
    pub name: String,
    /// Identity of the pod.
    pub uid: String,
}

/// Asks whose `token` is; `None` unless it is valid, for `audience`, and bound to a pod that exists.
///
/// # Errors
/// When the API server cannot be reached or refuses the question.
pub async fn review(
    client: &Client,
    token: &SecretBytes,
    audience: &str,
) -> Result<Option<BoundPod>, Error> {
    let Some(text) = token.expose_str() else {
        return Ok(None);
    };
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: Some(text.to_owned()),
            audiences: Some(vec![audience.to_owned()]),
        },
        ..TokenReview::default()
    };
    let api: Api<TokenReview> = Api::all(client.clone());
    let answer = bounded(api.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.and_then(|status| bound(&status, audience)))
}

fn bound(status: &TokenReviewStatus, audience: &str) -> Option<BoundPod> {
    let audiences = status.audiences.as_ref()?;
    if status.authenticated != Some(true) || !audiences.iter().any(|found| found == audience) {
        return None;
    }
    let user = status.user.as_ref()?;
    let account = user.username.as_deref()?.strip_prefix(ACCOUNT_PREFIX)?;
    let (namespace, account) = account.split_once(':')?;
    let extra = user.extra.as_ref()?;
    let one = |key: &str| match extra.get(key)?.as_slice() {
        [only] if !only.is_empty() => Some(only.clone()),
        _ => None,
    };
    Some(BoundPod {
        namespace: namespace.to_owned(),
        account: account.to_owned(),
        name: one(POD_NAME)?,
        uid: one(POD_UID)?,
    })
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    aud: Audiences,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

/// Whether `token` says that it is for `audience`. It may lie; what does not even say so is worth no
/// question.
#[must_use]
pub fn claims_audience(token: &SecretBytes, audience: &str) -> bool {
    let text = token
        .expose_str()
        .filter(|text| text.len() <= LONGEST_TOKEN);
    let parts: Vec<&str> = text.unwrap_or_default().split('.').collect();
    let [_, claims, _] = parts[..] else {
        return false;
    };
    let decoded = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes());
    let claims = decoded
        .ok()
        .and_then(|json| serde_json::from_slice::<Claims>(&json).ok());
    match claims.map(|claims| claims.aud) {
        Some(Audiences::One(one)) => one == audience,
        Some(Audiences::Many(many)) => many.iter().any(|found| found == audience),
        Some(Audiences::None) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(change: impl FnOnce(&mut serde_json::Value)) -> TokenReviewStatus {
        let mut status = json!({
            "authenticated": true,
            "audiences": ["latchkey.dev"],
            "user": {"username": "system:serviceaccount:team:web", "extra": {
                POD_NAME: ["web-1"], POD_UID: ["u"]}},
        });
        change(&mut status);
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn only_a_token_of_a_pod_names_one() {
        let found = bound(&status(|_| {}), "latchkey.dev").unwrap();
        assert_eq!((&*found.namespace, &*found.account), ("team", "web"));
        assert_eq!((&*found.name, &*found.uid), ("web-1", "u"));
        assert_eq!(bound(&status(|_| {}), "other"), None);
        for (pointer, value) in [
            ("/authenticated", json!(false)),
            ("/audiences", json!([])),
            ("/user/username", json!("root")),
            ("/user/extra", json!({})),
            ("/user/extra", json!({POD_NAME: ["a", "b"], POD_UID: ["u"]})),
        ] {
            let changed = status(|status| *status.pointer_mut(pointer).unwrap() = value);
            assert_eq!(bound(&changed, "latchkey.dev"), None, "{pointer}");
        }
    }

    #[test]
    fn a_token_for_somebody_else_is_told_apart_without_asking() {
        let token = |claims: &str| {
            let claims = data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes());
            SecretBytes::from(format!("e30.{claims}.c2ln"))
        };
        let says = |token: SecretBytes| claims_audience(&token, "latchkey.dev");
        assert!(says(token(r#"{"aud":["a","latchkey.dev"]}"#)));
        assert!(says(token(r#"{"aud":"latchkey.dev"}"#)));
        assert!(!says(token(
            r#"{"aud":["https://kubernetes.default.svc"]}"#
        )));
        assert!(!says(token("{}")));
        assert!(!says(SecretBytes::from("garbage")));
        assert!(!says(SecretBytes::from("a.b.c")));
    }
}
