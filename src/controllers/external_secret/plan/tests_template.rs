//! What a template changes in the Secret that is planned.

use std::collections::BTreeMap;

use serde_json::json;

use super::tests::{data, plan_with, spec, strings};
use super::*;
use crate::api::well_known::{DATA_HASH_ANNOTATION, MANAGED_LABEL};
use crate::cluster::secret_object::{Desired, Managed};
use crate::model::hash;

fn dressed(dress: Dress) -> Content {
    Content {
        dress: Some(dress),
        ..Content::plain(data(&[("url", "rendered")]))
    }
}

fn dress() -> Dress {
    Dress {
        type_: Some("example.com/url".to_owned()),
        labels: strings(&[("tier", "db")]),
        annotations: strings(&[("by", "template")]),
        finalizers: vec!["example.com/hold".to_owned()],
    }
}

fn create(content: Content) -> Desired {
    match plan_with(&spec(json!({})), content, None, Consent::Asked) {
        Ok(Write::Create(desired)) => desired,
        other => panic!("must be created: {other:?}"),
    }
}

#[test]
fn a_template_dresses_the_secret_in_the_place_of_the_objects_own_metadata() {
    let made = create(dressed(dress()));
    assert_eq!(made.type_.as_deref(), Some("example.com/url"));
    assert_eq!(made.labels["tier"], "db");
    assert!(!made.labels.contains_key("team"), "{:?}", made.labels);
    assert_eq!(made.annotations["by"], "template");
    assert!(!made.annotations.contains_key("note"));
    assert_eq!(made.finalizers, ["example.com/hold"]);
    assert_eq!(made.labels[MANAGED_LABEL], "true");
    let expected = hash::data(&data(&[("url", "rendered")]));
    assert_eq!(made.annotations[DATA_HASH_ANNOTATION], expected);
}

#[test]
fn what_a_template_no_longer_says_goes_and_a_finalizer_stays() {
    let before = create(dressed(dress()));
    let managed = Managed {
        labels: before.labels.keys().cloned().collect(),
        annotations: before.annotations.keys().cloned().collect(),
        data: before.data.keys().map(str::to_owned).collect(),
    };
    let less = dressed(Dress {
        labels: BTreeMap::new(),
        finalizers: Vec::new(),
        ..dress()
    });
    let planned = plan_with(
        &spec(json!({})),
        less,
        Some((&before, managed)),
        Consent::Asked,
    );
    let Ok(Write::Replace(after)) = planned else {
        panic!("must be replaced: {planned:?}")
    };
    assert!(!after.labels.contains_key("tier"));
    assert_eq!(after.annotations["by"], "template");
    assert_eq!(after.finalizers, ["example.com/hold"]);
}

#[test]
fn the_same_rendering_needs_no_write() {
    let before = create(dressed(dress()));
    let managed = Managed {
        data: before.data.keys().map(str::to_owned).collect(),
        ..Managed::default()
    };
    let planned = plan_with(
        &spec(json!({})),
        dressed(dress()),
        Some((&before, managed)),
        Consent::Asked,
    );
    assert!(matches!(planned, Ok(Write::Nothing(..))), "{planned:?}");
}
