use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::cluster::authorize::Authorizer;
use crate::controllers::caches::tests::{caches, context, store_named};
use crate::controllers::pod_injection::pass::Memory;
use crate::controllers::pod_injection::{Options, RestartBy, Revoked};
use crate::model::pod_injection::{KeyRing, Materialisation};
use crate::secret::SecretBytes;

/// Lets everybody use every store but one.
struct All {
    but: &'static str,
    verdict: Verdict,
}

#[async_trait]
impl Authorizer for All {
    async fn may_use(&self, access: &StoreAccess) -> Verdict {
        assert_eq!((&*access.namespace, &*access.account), ("team", "web"));
        if access.store == self.but {
            self.verdict.clone()
        } else {
            Verdict::Allowed
        }
    }
}

async fn permitted(authorizer: All, objects: &[Value]) -> (Result<(), String>, Sources) {
    let spec = json!({
        "secretStoreRef": {"name": "main"},
        "dataFrom": [{"extract": {"key": "apps/db"}}],
    });
    let what = Materialisation {
        secret_name: "inj-db".to_owned(),
        alias: "db".to_owned(),
        account: "web".to_owned(),
        spec: serde_json::from_value(spec).unwrap(),
    };
    let pods = BTreeMap::new();
    let needed = Needed { what, pods };
    let work = Work {
        context: Arc::new(context(Arc::new(authorizer))),
        caches: caches(objects),
        needed: Some(needed.clone()),
        target: None,
        memory: Memory::default(),
        options: Options {
            keys: Arc::new(KeyRing::new(&SecretBytes::from("key"), None)),
            own_namespace: "latchkey-system".to_owned(),
            retain: SignedDuration::ZERO,
            on_revoke: Revoked::Keep,
            restart: RestartBy::Template,
        },
    };
    let mut sources = Sources::of(&work.context, &work.caches, "team", &needed.what.spec);
    let key = ("team".to_owned(), "inj-db".to_owned());
    let said = permit(&work, &key, &needed, &mut sources).await;
    let said = said.map(drop).map_err(|failure| match failure {
        Failure::Revoked(why) => why,
        _ => "another failure".to_owned(),
    });
    (said, sources)
}

fn stores(copy: impl FnOnce(&mut Value)) -> [Value; 2] {
    let mut fallback = store_named("SecretStore", "copy", "True", "");
    copy(&mut fallback);
    [store_named("SecretStore", "main", "True", "copy"), fallback]
}

#[tokio::test]
async fn a_fallback_that_the_account_may_use_stays() {
    let nobody = All {
        but: "",
        verdict: Verdict::Allowed,
    };
    let (said, sources) = permitted(nobody, &stores(|_| {})).await;
    assert_eq!(said, Ok(()));
    assert_eq!(sources.fallbacks().len(), 1);
}

#[tokio::test]
async fn a_fallback_that_the_account_may_not_use_is_passed_over_and_the_named_store_stays() {
    for verdict in [
        Verdict::Denied("no rule".to_owned()),
        Verdict::Unknown("away".to_owned()),
    ] {
        let but = All {
            but: "copy",
            verdict,
        };
        let (said, sources) = permitted(but, &stores(|_| {})).await;
        assert_eq!(said, Ok(()));
        assert!(sources.fallbacks().is_empty());
        assert_eq!(sources.trouble(), None);
    }
}

#[tokio::test]
async fn a_fallbacks_key_scope_holds_for_the_keys_that_are_read_of_the_named_store() {
    for (scope, usable) in [("apps/**", 1), ("other/**", 0), ("a!", 0)] {
        let nobody = All {
            but: "",
            verdict: Verdict::Allowed,
        };
        let objects = stores(|copy| {
            copy["metadata"]["annotations"] = json!({"latchkey.dev/key-scope": scope});
        });
        let (said, sources) = permitted(nobody, &objects).await;
        assert_eq!(said, Ok(()));
        assert_eq!(sources.fallbacks().len(), usable, "{scope}");
    }
}

#[tokio::test]
async fn the_named_store_must_be_permitted_whatever_stands_in_its_place() {
    let but = All {
        but: "main",
        verdict: Verdict::Denied(String::new()),
    };
    let (said, _) = permitted(but, &stores(|_| {})).await;
    assert!(said.unwrap_err().contains("SecretStore \"main\""));
}
