use serde_json::json;

use super::*;
use crate::cli::migrate::change::Change;

fn store(kind: StoreKind, name: &str) -> StoreId {
    StoreId::new(kind, "team", name)
}

fn seen(id: &StoreId) -> StoreSeen {
    StoreSeen {
        id: id.clone(),
        class: String::new(),
        fault: None,
    }
}

fn user(name: &str, stores: &[&StoreId], forecast: Forecast) -> User {
    User {
        kind: "ExternalSecret",
        namespace: "team".to_owned(),
        name: name.to_owned(),
        stores: stores.iter().map(|id| (*id).clone()).collect(),
        faults: Vec::new(),
        forecast: Some(forecast),
    }
}

fn part(name: &str, role: Role) -> Part {
    Part {
        namespace: "eso".to_owned(),
        name: name.to_owned(),
        replicas: 1,
        role,
        class: "default".to_owned(),
    }
}

fn observed(scope: Scope, stores: &[&StoreId], objects: Vec<User>) -> Observed {
    Observed {
        scope,
        class: "latchkey".to_owned(),
        objects,
        used_elsewhere: BTreeSet::new(),
        stores: stores.iter().map(|id| seen(id)).collect(),
        parts: vec![
            part("webhook", Role::Webhook),
            part("certs", Role::Certificates),
            part("eso", Role::Controller),
        ],
        gates: Vec::new(),
        definitions: Vec::new(),
        own: None,
    }
}

fn team() -> Scope {
    Scope::Namespace("team".to_owned())
}

fn verdicts(plan: &Plan) -> Vec<(&str, Verdict)> {
    let found = plan.objects.iter();
    found
        .map(|found| (found.name.as_str(), found.verdict))
        .collect()
}

fn fields(changes: &[Change]) -> Vec<String> {
    let shown = |change: &Change| format!("{} {}", change.place.title(), change.field);
    changes.iter().map(shown).collect()
}

#[test]
fn each_forecast_has_its_verdict() {
    let a = store(StoreKind::SecretStore, "a");
    for (forecast, verdict) in [
        (Forecast::Unchanged, Verdict::Unchanged),
        (Forecast::Created, Verdict::Rewritten),
        (Forecast::Deleted, Verdict::Rewritten),
        (
            Forecast::Rewritten(vec!["label x changes".to_owned()]),
            Verdict::Rewritten,
        ),
        (
            Forecast::Refused("it is un-owned".to_owned()),
            Verdict::Blocked,
        ),
        (
            Forecast::Unfetched("the store is down".to_owned()),
            Verdict::Unchanged,
        ),
    ] {
        let world = observed(
            Scope::Cluster,
            &[&a],
            vec![user("x", &[&a], forecast.clone())],
        );
        let plan = plan(&world, false);
        assert_eq!(plan.objects[0].verdict, verdict, "{forecast:?}");
        let quiet = forecast == Forecast::Unchanged;
        assert_eq!(plan.objects[0].reasons.is_empty(), quiet, "{forecast:?}");
    }
}

#[test]
fn what_is_not_served_is_blocked_with_its_reason() {
    let a = store(StoreKind::SecretStore, "a");
    let mut world = observed(
        Scope::Cluster,
        &[&a],
        vec![user("x", &[&a], Forecast::Unchanged)],
    );
    world.stores[0].fault = Some("spec.provider.x is not served".to_owned());
    let found = plan(&world, false);
    assert_eq!(verdicts(&found), [("x", Verdict::Blocked)]);
    assert_eq!(
        found.objects[0].reasons,
        ["SecretStore a: spec.provider.x is not served"]
    );
    world.stores[0].fault = None;
    world.objects[0]
        .faults
        .push("spec.syncWindows: not served".to_owned());
    assert_eq!(verdicts(&plan(&world, false)), [("x", Verdict::Blocked)]);
    world.objects[0].faults.clear();
    world.stores.clear();
    let found = plan(&world, false);
    assert_eq!(verdicts(&found), [("x", Verdict::Unchanged)]);
    assert!(found.objects[0].reasons[0].contains("does not exist"));
}

#[test]
fn tampered_data_is_told_as_such() {
    let a = store(StoreKind::SecretStore, "a");
    let change = format!("annotation {DATA_HASH_ANNOTATION} changes");
    let world = observed(
        Scope::Cluster,
        &[&a],
        vec![user("x", &[&a], Forecast::Rewritten(vec![change]))],
    );
    let found = plan(&world, false);
    assert!(found.objects[0].reasons[0].contains("somebody has changed it"));
}

#[test]
fn a_cluster_changes_hands_in_a_safe_order() {
    let mut world = observed(Scope::Cluster, &[], Vec::new());
    world.gates.push(Gate {
        configuration: "secretstore-validate".to_owned(),
        position: 1,
        name: "validate.clustersecretstore.external-secrets.io".to_owned(),
        failure_policy: "Fail".to_owned(),
    });
    world.definitions.push(Definition {
        name: "externalsecrets.external-secrets.io".to_owned(),
        is_served: true,
        unknown_stored: vec!["v1alpha1".to_owned()],
        conversion: Some(json!({"strategy": "Webhook"})),
        release: Some("eso/external-secrets".to_owned()),
        resource_policy: None,
    });
    world.own = Some(Own {
        namespace: "latchkey-system".to_owned(),
        name: "latchkey".to_owned(),
        replicas: 0,
        wanted: 2,
    });
    let found = plan(&world, false);
    assert_eq!(
        fields(&found.changes),
        [
            "CustomResourceDefinition externalsecrets.external-secrets.io \
             /metadata/annotations/helm.sh~1resource-policy",
            "CustomResourceDefinition externalsecrets.external-secrets.io /spec/conversion",
            "ValidatingWebhookConfiguration secretstore-validate /webhooks/1/failurePolicy",
            "Deployment eso/eso /spec/replicas",
            "Deployment eso/certs /spec/replicas",
            "Deployment eso/webhook /spec/replicas",
            "Deployment latchkey-system/latchkey /spec/replicas",
        ]
    );
    let notes = found.notes.join("\n");
    assert!(
        notes.contains("v1alpha1") && notes.contains("installCRDs=false"),
        "{notes}"
    );
}

#[test]
fn what_was_changed_already_is_not_changed_again() {
    let mut world = observed(Scope::Cluster, &[], Vec::new());
    for part in &mut world.parts {
        part.replicas = 0;
    }
    assert!(plan(&world, false).changes.is_empty());
    let a = store(StoreKind::SecretStore, "a");
    let mut world = observed(team(), &[&a], vec![user("x", &[&a], Forecast::Unchanged)]);
    world.stores[0].class = "latchkey".to_owned();
    let found = plan(&world, false);
    assert!(found.changes.is_empty());
    assert_eq!(verdicts(&found), [("x", Verdict::Unchanged)]);
}

#[test]
fn a_crd_without_the_version_that_is_read_blocks() {
    let mut world = observed(Scope::Cluster, &[], Vec::new());
    world.definitions.push(Definition {
        name: "pushsecrets.external-secrets.io".to_owned(),
        is_served: false,
        unknown_stored: Vec::new(),
        conversion: None,
        release: None,
        resource_policy: None,
    });
    let found = plan(&world, false);
    assert_eq!(found.count(Verdict::Blocked), 1);
    assert_eq!(found.changes.len(), 3, "only ESO's Deployments");
}

#[test]
fn a_namespace_changes_hands_by_the_class_of_its_stores() {
    let own = store(StoreKind::SecretStore, "own");
    let lone = store(StoreKind::ClusterSecretStore, "lone");
    let shared = store(StoreKind::ClusterSecretStore, "shared");
    let mut world = observed(
        team(),
        &[&own, &lone, &shared],
        vec![
            user("a", &[&own], Forecast::Unchanged),
            user("b", &[&lone], Forecast::Unchanged),
        ],
    );
    world.used_elsewhere.insert(shared);
    let found = plan(&world, false);
    assert_eq!(found.count(Verdict::Unchanged), 2);
    assert_eq!(
        fields(&found.changes),
        [
            "SecretStore team/own /spec/controller",
            "ClusterSecretStore lone /spec/controller"
        ]
    );
    assert_eq!(found.changes[0].before, None);
    assert_eq!(found.changes[0].after, Some(json!("latchkey")));
}

#[test]
fn an_object_with_a_shared_store_holds_its_other_stores_back() {
    let own = store(StoreKind::SecretStore, "own");
    let free = store(StoreKind::SecretStore, "free");
    let shared = store(StoreKind::ClusterSecretStore, "shared");
    let mut world = observed(
        team(),
        &[&own, &free, &shared],
        vec![
            user("mixed", &[&own, &shared], Forecast::Unchanged),
            user("beside", &[&own], Forecast::Unchanged),
            user("free", &[&free], Forecast::Unchanged),
        ],
    );
    world.used_elsewhere.insert(shared);
    let found = plan(&world, false);
    assert_eq!(found.count(Verdict::Blocked), 1);
    assert_eq!(found.changes.len(), 2);
    let found = plan(&world, true);
    assert_eq!(
        verdicts(&found),
        [
            ("beside", Verdict::Left),
            ("mixed", Verdict::Left),
            ("free", Verdict::Unchanged)
        ]
    );
    assert_eq!(
        fields(&found.changes),
        ["SecretStore team/free /spec/controller"]
    );
}

#[test]
fn an_object_without_a_store_cannot_leave_alone() {
    let world = observed(team(), &[], vec![user("made", &[], Forecast::Unchanged)]);
    let found = plan(&world, false);
    assert_eq!(verdicts(&found), [("made", Verdict::Blocked)]);
    let world = observed(
        Scope::Cluster,
        &[],
        vec![user("made", &[], Forecast::Unchanged)],
    );
    assert_eq!(
        verdicts(&plan(&world, false)),
        [("made", Verdict::Unchanged)]
    );
}

#[test]
fn stores_of_other_classes_are_left_to_their_controllers() {
    let a = store(StoreKind::SecretStore, "a");
    for scope in [team(), Scope::Cluster] {
        let mut world = observed(scope, &[&a], vec![user("x", &[&a], Forecast::Unchanged)]);
        world.stores[0].class = "another".to_owned();
        let found = plan(&world, false);
        assert_eq!(verdicts(&found), [("x", Verdict::Left)]);
        assert!(
            found
                .changes
                .iter()
                .all(|change| change.place.kind == "Deployment")
        );
        world.parts[2].class = "another".to_owned();
        assert_eq!(verdicts(&plan(&world, false)), [("x", Verdict::Unchanged)]);
    }
}
