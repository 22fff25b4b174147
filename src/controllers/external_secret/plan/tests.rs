use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;
use crate::api::v1::{ExternalSecretSpec, ExternalSecretStatus};
use crate::api::well_known::{
    ADOPT_ANNOTATION, CREATED_BY_LABEL, DATA_HASH_ANNOTATION, MANAGED_LABEL,
};
use crate::cluster::secret_object::{Desired, Managed, Owner, Version};
use crate::controllers::external_secret::memory::{Memory, Verified};
use crate::controllers::external_secret::status;
use crate::controllers::schedule::spread;
use crate::model::complaint::Complaint;
use crate::model::external_secret::ExternalSecret;
use crate::model::hash;
use crate::model::secret_store::StoreId;
use crate::secret::{SecretBytes, SecretMap};

const NOW: i64 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "every caller makes the value in place"
)]
pub(super) fn spec(changes: Value) -> ExternalSecret {
    let mut spec = json!({
        "refreshInterval": "1h",
        "secretStoreRef": {"name": "s"},
        "dataFrom": [{"extract": {"key": "app"}}]
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let spec: ExternalSecretSpec = serde_json::from_value(spec).unwrap();
    ExternalSecret::parse("team", "app", &spec).unwrap()
}

pub(super) fn data(entries: &[(&str, &str)]) -> SecretMap {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)))
        .collect()
}

pub(super) fn strings(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn version(resource_version: &str) -> Version {
    Version {
        uid: "secret-uid".to_owned(),
        resource_version: resource_version.to_owned(),
    }
}

// === Whether to fetch ===

/// An object that was synced in this very window and whose Secret is as it was written.
struct World {
    spec: ExternalSecret,
    status: ExternalSecretStatus,
    store: StoreState,
    target: Option<TargetState>,
    memory: Memory,
    version: &'static str,
    force_sync: Option<&'static str>,
}

impl World {
    fn synced(spec: ExternalSecret) -> Self {
        let hash = hash::data(&data(&[("k", "v")]));
        let refreshed = at(NOW);
        Self {
            status: ExternalSecretStatus {
                refresh_time: Some(Time(refreshed)),
                synced_resource_version: Some("1-a".to_owned()),
                ..ExternalSecretStatus::default()
            },
            store: StoreState::Ready,
            target: Some(TargetState {
                version: version("7"),
                labels: strings(&[(MANAGED_LABEL, "true")]),
                annotations: strings(&[(DATA_HASH_ANNOTATION, &hash)]),
            }),
            memory: Memory {
                synced_version: Some("1-a".to_owned()),
                refreshed_at: Some(refreshed),
                verified: Some(Verified {
                    version: version("7"),
                    data_hash: hash,
                    dress: None,
                    synced_version: "1-a".to_owned(),
                }),
                ..Memory::default()
            },
            version: "1-a",
            force_sync: None,
            spec,
        }
    }

    fn step(&self, now: Timestamp) -> Step {
        let observed = Observed {
            parsed: Ok(&self.spec),
            version: self.version.to_owned(),
            status: &self.status,
            stores: self
                .spec
                .stores()
                .into_iter()
                .map(|id| (id.clone(), self.store.clone()))
                .collect(),
            force_sync: self.force_sync.map(str::to_owned),
            target: self.target.clone(),
            memory: self.memory.clone(),
        };
        next_step(&observed, now)
    }

    fn window(&self) -> Timestamp {
        window_start(&self.spec, at(NOW))
    }
}

#[test]
fn a_synced_object_rests_until_its_next_window() {
    let world = World::synced(spec(json!({})));
    let place = spread(SignedDuration::from_hours(1), &("team", "app"));
    let next = world.window() + SignedDuration::from_hours(1) + place;
    let wait = Duration::try_from(next.duration_since(at(NOW))).unwrap();
    assert_eq!(world.step(at(NOW)), Step::Rest(Some(wait)));
    let not_before = next - place;
    assert_eq!(world.step(next), Step::Fetch { not_before });
}

#[test]
fn no_refresh_is_later_than_a_tenth_of_the_interval() {
    let mut world = World::synced(spec(json!({"refreshInterval": "1m"})));
    for _ in 0..10 {
        let refreshed = world.memory.refreshed_at.unwrap();
        let Step::Rest(Some(wait)) = world.step(refreshed) else {
            panic!("a synced object must rest");
        };
        assert!(wait <= Duration::from_secs(66), "{wait:?}");
        let next = refreshed + wait;
        assert!(matches!(world.step(next), Step::Fetch { .. }));
        world.memory.refreshed_at = Some(next);
    }
}

#[test]
fn a_closed_window_holds_a_refresh_back_until_it_opens() {
    // NOW is 1970-01-12T13:46:40Z.
    let windows =
        json!({"kind": "allow", "windows": [{"schedule": "0 2 * * *", "duration": "1h"}]});
    let mut world = World::synced(spec(json!({"syncWindows": windows})));
    let opening = "1970-01-13T02:00:00Z".parse().unwrap();
    assert!(matches!(world.step(at(NOW)), Step::Rest(Some(_))));
    let due = at(NOW + 7200);
    assert_eq!(world.step(due), Step::Hold(Some(opening)));
    assert!(matches!(world.step(opening), Step::Fetch { .. }));
    // Neither a change nor a lost Secret waits.
    world.version = "1-b";
    assert!(matches!(world.step(due), Step::Fetch { .. }));
    world.version = "1-a";
    world.target = None;
    assert!(matches!(world.step(due), Step::Fetch { .. }));
}

#[test]
fn windows_that_never_open_let_an_object_rest() {
    let windows = json!({"kind": "deny", "windows": [{"schedule": "* * * * *", "duration": "1h"}]});
    let world = World::synced(spec(json!({"syncWindows": windows})));
    assert_eq!(world.step(at(NOW + 7200)), Step::Hold(None));
}

#[test]
fn a_new_object_is_fetched_at_once_and_may_share_what_was_just_fetched() {
    let mut world = World::synced(spec(json!({})));
    world.memory = Memory::default();
    world.status = ExternalSecretStatus::default();
    let Step::Fetch { not_before } = world.step(at(NOW)) else {
        panic!("a new object must be fetched");
    };
    assert_eq!(not_before, world.window().max(at(NOW - 30)));
}

#[test]
fn a_changed_object_wants_fresh_values() {
    let mut world = World::synced(spec(json!({})));
    world.version = "2-a";
    assert_eq!(
        world.step(at(NOW)),
        Step::Fetch {
            not_before: at(NOW - 1)
        }
    );
}

#[test]
fn policies_decide_what_a_change_means() {
    for (policy, interval, refetched) in [
        ("Periodic", "1h", true),
        ("OnChange", "1h", true),
        ("CreatedOnce", "1h", false),
        ("Periodic", "0", false),
    ] {
        let mut world = World::synced(spec(
            json!({"refreshPolicy": policy, "refreshInterval": interval}),
        ));
        world.version = "2-a";
        let fetches = matches!(world.step(at(NOW)), Step::Fetch { .. });
        assert_eq!(fetches, refetched, "{policy} {interval}");
    }
}

#[test]
fn whoever_asks_for_new_values_gets_them_under_every_policy() {
    for (policy, interval) in [("CreatedOnce", "1h"), ("OnChange", "1h"), ("Periodic", "0")] {
        let mut world = World::synced(spec(
            json!({"refreshPolicy": policy, "refreshInterval": interval}),
        ));
        world.version = "1-b";
        world.force_sync = Some("1");
        world.memory.force_seen = Some("1".to_owned());
        let asked_before = matches!(world.step(at(NOW)), Step::Fetch { .. });
        assert_eq!(asked_before, policy == "OnChange", "{policy} {interval}");
        world.memory.force_seen = Some(String::new());
        assert!(
            matches!(world.step(at(NOW)), Step::Fetch { .. }),
            "{policy}"
        );
    }
}

#[test]
fn only_periodic_objects_come_back() {
    for policy in ["OnChange", "CreatedOnce"] {
        let world = World::synced(spec(json!({"refreshPolicy": policy})));
        assert_eq!(world.step(at(NOW + 100_000)), Step::Rest(None), "{policy}");
    }
}

#[test]
fn after_a_restart_the_status_is_believed_and_the_secret_is_looked_at() {
    let mut world = World::synced(spec(json!({})));
    world.memory = Memory::default();
    assert_eq!(world.step(at(NOW)), Step::Verify);
}

#[test]
fn a_secret_that_is_gone_or_changed_is_repaired() {
    let mut gone = World::synced(spec(json!({})));
    gone.target = None;
    assert_eq!(
        gone.step(at(NOW)),
        Step::Fetch {
            not_before: gone.window()
        }
    );

    let mut touched = World::synced(spec(json!({})));
    touched.target.as_mut().unwrap().version = version("8");
    assert_eq!(touched.step(at(NOW)), Step::Verify);

    let mut stripped = World::synced(spec(json!({})));
    stripped.target.as_mut().unwrap().annotations.clear();
    assert!(matches!(stripped.step(at(NOW)), Step::Fetch { .. }));
}

#[test]
fn what_is_not_ours_to_keep_is_not_repaired() {
    for policy in ["Orphan", "None", "Merge"] {
        let mut world = World::synced(spec(json!({"target": {"creationPolicy": policy}})));
        world.target = None;
        assert!(
            matches!(world.step(at(NOW)), Step::Rest(Some(_))),
            "{policy}"
        );
    }
}

#[test]
fn a_secret_that_was_deleted_by_policy_is_not_fetched_again_before_its_time() {
    let mut world = World::synced(spec(json!({"target": {"deletionPolicy": "Delete"}})));
    world.target = None;
    let outcome = status::Outcome::Synced {
        remark: None,
        reason: status::SECRET_DELETED,
        message: status::DELETED,
        written: true,
        target: None,
        version: "1-a".to_owned(),
    };
    world.status = status::next(&world.status, &outcome, at(NOW)).unwrap();
    assert!(matches!(world.step(at(NOW)), Step::Rest(Some(_))));
}

#[test]
fn each_obstacle_of_a_store_is_told_and_nothing_is_fetched() {
    for (state, told) in [
        (
            StoreState::Missing,
            r#"could not get SecretStore "s": not found"#,
        ),
        (
            StoreState::NotReady("the token is wrong".to_owned()),
            r#"SecretStore "s" is not ready: the token is wrong"#,
        ),
        (
            StoreState::Denied("denied by spec.condition".to_owned()),
            "denied by spec.condition",
        ),
        (
            StoreState::Unreadable("no provider".to_owned()),
            "no provider",
        ),
        (
            StoreState::Unvalidated(at(NOW - 60)),
            "it has not been validated yet",
        ),
    ] {
        let mut world = World::synced(spec(json!({})));
        world.version = "2-a";
        world.store = state;
        let Step::Refuse(failure) = world.step(at(NOW)) else {
            panic!("must be refused: {told}");
        };
        assert!(
            failure.message().starts_with(status::NO_DATA),
            "{}",
            failure.message()
        );
        assert!(failure.message().contains(told), "{}", failure.message());
    }
}

#[test]
fn a_store_that_was_just_made_is_waited_for_in_silence() {
    let mut world = World::synced(spec(json!({})));
    world.version = "2-a";
    world.store = StoreState::Unvalidated(at(NOW - 1));
    assert_eq!(
        world.step(at(NOW)),
        Step::Rest(Some(Duration::from_secs(4)))
    );
}

#[test]
fn a_store_of_another_class_is_left_to_its_controller() {
    let mut world = World::synced(spec(json!({})));
    world.store = StoreState::Foreign;
    assert_eq!(world.step(at(NOW)), Step::Ignore);
}

#[test]
fn a_failed_object_waits_unless_it_changes() {
    let mut world = World::synced(spec(json!({})));
    world.version = "2-a";
    world.memory.failed_version = Some("2-a".to_owned());
    world.memory.retry_at = Some(at(NOW + 20));
    assert_eq!(
        world.step(at(NOW)),
        Step::Rest(Some(Duration::from_secs(20)))
    );
    world.version = "3-a";
    assert!(matches!(world.step(at(NOW)), Step::Fetch { .. }));
}

#[test]
fn a_wrong_object_is_refused_with_every_complaint() {
    let complaints = [
        Complaint::error("spec.a", "one"),
        Complaint::error("spec.b", "two"),
    ];
    let observed = Observed {
        parsed: Err(&complaints),
        version: "1-a".to_owned(),
        force_sync: None,
        status: &ExternalSecretStatus::default(),
        stores: Vec::<(StoreId, StoreState)>::new(),
        target: None,
        memory: Memory::default(),
    };
    let Step::Refuse(failure) = next_step(&observed, at(NOW)) else {
        panic!("a wrong object must be refused");
    };
    assert!(failure.until_change);
    assert!(
        failure.message().ends_with("spec.a: one; spec.b: two"),
        "{}",
        failure.message()
    );
}

// === Made values ===

mod generated;

// === What to write ===

pub(super) fn plan_with(
    spec: &ExternalSecret,
    content: Content,
    secret: Option<(&Desired, Managed)>,
    consent: Consent,
) -> Result<Write, Failure> {
    let labels = strings(&[("team", "x")]);
    let annotations = strings(&[
        ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        ("note", "n"),
    ]);
    let object = Object {
        spec,
        uid: "es-uid",
        labels: &labels,
        annotations: &annotations,
    };
    let existing = secret.map(|(content, managed)| Existing {
        version: version("7"),
        content,
        managed,
    });
    plan_write(&object, content, existing.as_ref(), consent)
}

fn plan(
    spec: &ExternalSecret,
    values: SecretMap,
    secret: Option<&Desired>,
) -> Result<Write, Failure> {
    plan_with(
        spec,
        Content::plain(values),
        secret.map(|content| (content, Managed::default())),
        Consent::Asked,
    )
}

fn created(spec: &ExternalSecret, values: SecretMap) -> Desired {
    match plan(spec, values, None) {
        Ok(Write::Create(desired)) => desired,
        other => panic!("must be created: {other:?}"),
    }
}

fn foreign(entries: &[(&str, &str)]) -> Desired {
    Desired {
        type_: Some("Opaque".to_owned()),
        data: data(entries),
        ..Desired::default()
    }
}

fn controlled_by(kind: &str, name: &str) -> Desired {
    let owner = Owner {
        api_version: if kind == "ExternalSecret" {
            "external-secrets.io/v1beta1"
        } else {
            "apps/v1"
        }
        .to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: "other".to_owned(),
        controller: true,
        block_owner_deletion: true,
    };
    Desired {
        owners: vec![owner],
        ..foreign(&[("k", "theirs")])
    }
}

#[test]
fn a_new_secret_carries_esos_marks() {
    let secret = created(&spec(json!({})), data(&[("k", "v")]));
    assert_eq!(secret.labels[MANAGED_LABEL], "true");
    assert_eq!(
        secret.labels[CREATED_BY_LABEL],
        hash::created_by("team", "app")
    );
    assert_eq!(
        secret.annotations[DATA_HASH_ANNOTATION],
        hash::data(&data(&[("k", "v")]))
    );
    assert_eq!(
        (
            secret.labels["team"].as_str(),
            secret.annotations["note"].as_str()
        ),
        ("x", "n")
    );
    assert!(
        !secret
            .annotations
            .contains_key("kubectl.kubernetes.io/last-applied-configuration")
    );
    assert_eq!(secret.owners[0].uid, "es-uid");
    assert!(secret.owners[0].controller);
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    for policy in ["Owner", "Orphan", "CreateOrMerge"] {
        let spec = spec(json!({"target": {"creationPolicy": policy}}));
        let secret = created(&spec, data(&[("k", "v")]));
        let write = plan(&spec, data(&[("k", "v")]), Some(&secret)).unwrap();
        assert_eq!(
            write,
            Write::Nothing(status::SECRET_SYNCED, status::SYNCED),
            "{policy}"
        );
    }
}

#[test]
fn owner_and_orphan_rebuild_the_data_and_merge_keeps_foreign_keys() {
    for (policy, keys) in [
        ("Owner", vec!["k"]),
        ("Orphan", vec!["k"]),
        ("Merge", vec!["k", "theirs"]),
        ("CreateOrMerge", vec!["k", "theirs"]),
    ] {
        let spec = spec(json!({"target": {"creationPolicy": policy}}));
        let mut secret = foreign(&[("theirs", "x"), ("old", "y")]);
        secret.labels = strings(&[(MANAGED_LABEL, "true")]);
        let managed = Managed {
            data: ["old".to_owned()].into(),
            ..Managed::default()
        };
        let write = plan_with(
            &spec,
            Content::plain(data(&[("k", "v")])),
            Some((&secret, managed)),
            Consent::Asked,
        );
        let Ok(Write::Replace(desired)) = write else {
            panic!("must be replaced: {policy}");
        };
        assert_eq!(desired.data.keys().collect::<Vec<_>>(), keys, "{policy}");
        assert_eq!(!desired.owners.is_empty(), policy == "Owner", "{policy}");
    }
}

#[test]
fn merge_without_a_secret_and_none_write_nothing() {
    let merge = spec(json!({"target": {"creationPolicy": "Merge"}}));
    let write = plan(&merge, data(&[("k", "v")]), None).unwrap();
    assert_eq!(
        write,
        Write::Nothing(status::SECRET_MISSING, status::NOT_CREATED)
    );
    let none = spec(json!({"target": {"creationPolicy": "None"}}));
    let write = plan(&none, data(&[("k", "v")]), None).unwrap();
    assert_eq!(write, Write::Nothing(status::SECRET_SYNCED, status::SYNCED));
}

#[test]
fn a_secret_of_another_external_secret_is_left_alone() {
    let failure = plan(
        &spec(json!({})),
        data(&[("k", "v")]),
        Some(&controlled_by("ExternalSecret", "other")),
    )
    .unwrap_err();
    assert_eq!(failure.summary, status::OWNED_BY_ANOTHER);
    assert!(failure.cause.contains("\"other\""), "{}", failure.cause);
}

#[test]
fn a_secret_of_another_controller_is_left_alone_unless_merged_into() {
    let theirs = controlled_by("Deployment", "web");
    let failure = plan(&spec(json!({})), data(&[("k", "v")]), Some(&theirs)).unwrap_err();
    assert_eq!(failure.summary, status::NO_OWNERSHIP);
    let merge = spec(json!({"target": {"creationPolicy": "Merge"}}));
    assert!(matches!(
        plan(&merge, data(&[("k", "v")]), Some(&theirs)),
        Ok(Write::Replace(_))
    ));
}

#[test]
fn a_secret_that_nobody_owns_is_taken_over_only_with_consent() {
    let theirs = foreign(&[("password", "precious")]);
    let spec = spec(json!({}));
    let failure = plan(&spec, data(&[("k", "v")]), Some(&theirs)).unwrap_err();
    assert_eq!(failure.summary, status::NO_OWNERSHIP);
    assert!(
        failure.cause.contains(ADOPT_ANNOTATION),
        "{}",
        failure.cause
    );

    let given = plan_with(
        &spec,
        Content::plain(data(&[("k", "v")])),
        Some((&theirs, Managed::default())),
        Consent::Given,
    );
    assert!(matches!(given, Ok(Write::Replace(_))));

    let mut consenting = foreign(&[("password", "precious")]);
    consenting.annotations = strings(&[(ADOPT_ANNOTATION, "true")]);
    assert!(matches!(
        plan(&spec, data(&[("k", "v")]), Some(&consenting)),
        Ok(Write::Replace(_))
    ));
}

#[test]
fn a_secret_of_eso_is_taken_over_without_a_write() {
    let spec = spec(json!({}));
    let mut eso = created(&spec, data(&[("k", "v")]));
    eso.annotations.insert(
        "kubectl.kubernetes.io/last-applied-configuration".to_owned(),
        "{}".to_owned(),
    );
    let managed = Managed {
        annotations: eso.annotations.keys().cloned().collect(),
        labels: eso.labels.keys().cloned().collect(),
        data: ["k".to_owned()].into(),
    };
    let write = plan_with(
        &spec,
        Content::plain(data(&[("k", "v")])),
        Some((&eso, managed)),
        Consent::Asked,
    )
    .unwrap();
    assert_eq!(write, Write::Nothing(status::SECRET_SYNCED, status::SYNCED));
}

#[test]
fn without_data_the_deletion_policy_decides() {
    let with = |policy: &str| spec(json!({"target": {"deletionPolicy": policy}}));
    let ours = created(&with("Retain"), data(&[("k", "v")]));
    let retained = plan(&with("Retain"), SecretMap::new(), Some(&ours)).unwrap();
    assert_eq!(
        retained,
        Write::Nothing(status::SECRET_SYNCED, status::RETAINED)
    );
    assert_eq!(
        plan(&with("Delete"), SecretMap::new(), Some(&ours)).unwrap(),
        Write::Delete(version("7"))
    );
    let foreign = foreign(&[("k", "v")]);
    let kept = plan(&with("Delete"), SecretMap::new(), Some(&foreign)).unwrap();
    assert_eq!(
        kept,
        Write::Nothing(status::SECRET_DELETED, status::DELETED)
    );
    let Write::Replace(emptied) = plan(&with("Merge"), SecretMap::new(), Some(&ours)).unwrap()
    else {
        panic!("our keys must go");
    };
    assert!(emptied.data.is_empty());
}

#[test]
fn an_immutable_secret_keeps_its_data() {
    let spec = spec(json!({"target": {"immutable": true}}));
    let secret = created(&spec, data(&[("k", "v")]));
    assert!(secret.immutable);
    let write = plan(&spec, data(&[("k", "new")]), Some(&secret)).unwrap();
    assert_eq!(write, Write::Nothing(status::SECRET_SYNCED, status::SYNCED));

    let mutable = self::spec(json!({}));
    let failure = plan(&mutable, data(&[("k", "new")]), Some(&secret)).unwrap_err();
    assert_eq!(
        failure.summary,
        "could not update secret, target is immutable"
    );
}

#[test]
fn a_policy_without_owner_gives_the_secret_free() {
    let secret = created(&spec(json!({})), data(&[("k", "v")]));
    let orphan = spec(json!({"target": {"creationPolicy": "Orphan"}}));
    let Write::Replace(freed) = plan(&orphan, data(&[("k", "v")]), Some(&secret)).unwrap() else {
        panic!("the owner must go");
    };
    assert!(freed.owners.is_empty() && !freed.labels.contains_key(CREATED_BY_LABEL));
}
