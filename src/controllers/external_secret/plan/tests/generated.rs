//! Made values never change by accident.

use super::*;
use crate::api::well_known::FORCE_SYNC_ANNOTATION;

fn made(changes: &Value) -> World {
    let mut all = json!({
        "dataFrom": [{"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}],
        "secretStoreRef": null
    });
    all.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    World::synced(spec(all))
}

fn is_new(step: &Step) -> bool {
    matches!(step, Step::Fetch { .. })
}

#[test]
fn they_are_made_again_when_their_own_interval_is_over() {
    let world = made(&json!({}));
    let rest = Step::Rest(Some(Duration::from_secs(1)));
    assert_eq!(world.step(at(NOW + 3599)), rest);
    assert!(is_new(&world.step(at(NOW + 3600))));
}

#[test]
fn a_restart_changes_nothing() {
    let mut world = made(&json!({}));
    world.memory = Memory::default();
    assert_eq!(world.step(at(NOW + 60)), Step::Verify);
}

#[test]
fn an_edit_of_metadata_keeps_them_and_an_edit_of_the_spec_does_not() {
    let mut world = made(&json!({}));
    world.version = "1-b";
    assert_eq!(world.step(at(NOW)), Step::Keep);
    world.memory = Memory::default();
    assert_eq!(world.step(at(NOW)), Step::Keep);
    world.version = "2-a";
    assert!(is_new(&world.step(at(NOW))));
}

#[test]
fn somebody_may_force_new_ones() {
    let mut world = made(&json!({}));
    world.version = "1-b";
    world.force_sync = Some("1");
    assert!(is_new(&world.step(at(NOW))));
    let target = world.target.as_mut().unwrap();
    target
        .annotations
        .insert(FORCE_SYNC_ANNOTATION.to_owned(), "1".to_owned());
    assert_eq!(world.step(at(NOW)), Step::Keep);
}

#[test]
fn a_status_that_was_never_written_does_not_replace_them() {
    let mut world = made(&json!({}));
    world.memory = Memory::default();
    world.status = ExternalSecretStatus::default();
    assert!(is_new(&world.step(at(NOW))));
    let owner = hash::created_by("team", "app");
    let target = world.target.as_mut().unwrap();
    target.labels.insert(CREATED_BY_LABEL.to_owned(), owner);
    assert_eq!(world.step(at(NOW)), Step::Keep);
}

#[test]
fn a_lost_label_keeps_them_and_a_lost_secret_does_not() {
    let mut world = made(&json!({}));
    world.target.as_mut().unwrap().labels.clear();
    assert_eq!(world.step(at(NOW)), Step::Keep);
    world.target = None;
    assert!(is_new(&world.step(at(NOW))));
}

#[test]
fn once_is_once() {
    for changes in [
        json!({"refreshInterval": "0"}),
        json!({"refreshPolicy": "CreatedOnce"}),
    ] {
        let mut world = made(&changes);
        world.version = "2-b";
        world.force_sync = Some("now");
        assert_eq!(world.step(at(NOW + 1_000_000)), Step::Rest(None));
    }
}
