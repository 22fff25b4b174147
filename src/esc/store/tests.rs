use jiff::Timestamp;

use super::*;
use crate::esc::client::EnvironmentName;
use crate::secret::SecretBytes;

fn store(folder: &tempfile::TempDir) -> Store {
    let source = MasterKeySource::File(folder.path().join("master.key"));
    let store = Store::open(&folder.path().join("esc.redb"), &source).unwrap();
    store
        .ensure_organization("local", Timestamp::UNIX_EPOCH)
        .unwrap();
    store
}

fn name(environment: &str) -> EnvironmentName {
    EnvironmentName {
        organization: "local".to_owned(),
        project: "app".to_owned(),
        name: environment.to_owned(),
    }
}

fn author() -> Author {
    Author {
        login: "dev".to_owned(),
        name: "Dev".to_owned(),
    }
}

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// An environment with revisions 1 to `latest`.
fn environment(store: &Store, latest: u64) -> Environment {
    let mut environment = store.create(&name("dev"), &author(), NOW).unwrap();
    for number in 2..=latest {
        let yaml = format!("values: {{n: {number}}}");
        environment = store
            .update(&environment, yaml, true, &author(), NOW)
            .unwrap();
    }
    environment
}

#[test]
fn everything_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(&folder);
    let written = environment(&first, 3);
    first
        .create_tag(&name("dev"), "stable", Some(2), &author(), NOW)
        .unwrap();
    first
        .create_label(&name("dev"), "team", "core", &author(), NOW)
        .unwrap();
    let draft = TokenDraft {
        name: "ci".to_owned(),
        login: "ci".to_owned(),
        organization: Some("local".to_owned()),
        permission: Permission::Open,
    };
    let (token, secret) = first.create_token(draft, NOW).unwrap();
    let envelope = first.keyring().encrypt(&written.id, b"hunter2").unwrap();
    drop(first);

    let second = store(&folder);
    let snapshot = second.snapshot().unwrap();
    assert_eq!(snapshot.environment(&name("dev")).unwrap(), written);
    let stable = snapshot.revision(&written, Some("stable")).unwrap();
    assert_eq!(stable.yaml, "values: {n: 2}");
    assert_eq!(snapshot.label(&written, "team").unwrap().value, "core");
    assert_eq!(second.authenticate(secret.expose()), Some(token));
    let opened = second.keyring().decrypt(&written.id, &envelope).unwrap();
    assert_eq!(opened.expose(), b"hunter2");
}

#[test]
fn a_database_without_its_master_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(&folder));
    let path = folder.path().join("master.key");
    std::fs::remove_file(&path).unwrap();
    let source = MasterKeySource::File(path.clone());
    let opened = Store::open(&folder.path().join("esc.redb"), &source);
    assert!(matches!(
        opened,
        Err(Error::UseKey(crypt::Error::FindMasterKey(_)))
    ));
    assert!(!path.exists(), "no key may be made that opens nothing");
}

#[test]
fn a_stale_update_is_refused_and_a_blind_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let read = environment(&store, 2);
    let newer = store
        .update(&read, "a: 1".to_owned(), true, &author(), NOW)
        .unwrap();
    let stale = store.update(&read, "b: 1".to_owned(), true, &author(), NOW);
    assert!(matches!(stale, Err(Error::Update(_))));
    let blind = store
        .update(&read, "c: 1".to_owned(), false, &author(), NOW)
        .unwrap();
    assert_eq!((newer.latest, blind.latest), (3, 4));
}

#[test]
fn an_environment_made_anew_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let old = environment(&store, 2);
    store.delete(&name("dev")).unwrap();
    let new = environment(&store, 2);
    assert_ne!(old.etag(2), new.etag(2));
    let update = store.update(&old, String::new(), false, &author(), NOW);
    assert!(matches!(update, Err(Error::Update(_))));
    assert_eq!(store.snapshot().unwrap().history(&old, 0, 9).unwrap(), []);
}

#[test]
fn protection_holds_until_it_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    environment(&store, 1);
    store.protect(&name("dev"), true).unwrap();
    let refused = store.delete(&name("dev")).unwrap_err();
    assert!(refused.to_string().contains("protect"));
    store.protect(&name("dev"), false).unwrap();
    store.delete(&name("dev")).unwrap();
}

#[test]
fn history_is_paged_from_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let environment = environment(&store, 12);
    let snapshot = store.snapshot().unwrap();
    let numbers = |before, limit| -> Vec<u64> {
        let page = snapshot.history(&environment, before, limit).unwrap();
        page.iter().map(|revision| revision.number).collect()
    };
    assert_eq!(numbers(0, 3), [12, 11, 10]);
    assert_eq!(numbers(10, 3), [9, 8, 7]);
    assert!(numbers(1, 3).is_empty());
}

#[test]
fn a_retracted_revision_is_answered_by_its_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let environment = environment(&store, 4);
    let retract = |version: &str, replacement| {
        store.retract(&name("dev"), version, replacement, None, &author(), NOW)
    };
    retract("3", None).unwrap();
    retract("2", Some(4)).unwrap();
    assert!(matches!(retract("4", None), Err(Error::Protect(_))));
    assert!(matches!(retract("1", None), Err(Error::Find { .. })));
    let snapshot = store.snapshot().unwrap();
    let served = |version| {
        snapshot
            .revision(&environment, Some(version))
            .unwrap()
            .number
    };
    assert_eq!(
        (served("1"), served("2"), served("3"), served("4")),
        (1, 4, 4, 4)
    );
}

#[test]
fn tags_are_listed_with_latest_which_cannot_move() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let environment = environment(&store, 2);
    store
        .create_tag(&name("dev"), "stable", None, &author(), NOW)
        .unwrap();
    store
        .create_tag(&name("dev"), "beta", Some(1), &author(), NOW)
        .unwrap();
    store
        .move_tag(&name("dev"), "beta", Some(2), &author(), NOW)
        .unwrap();
    let unknown = store.move_tag(&name("dev"), "beta", Some(9), &author(), NOW);
    assert!(matches!(unknown, Err(Error::Find { .. })));
    let latest = store.delete_tag(&name("dev"), "latest");
    assert!(matches!(latest, Err(Error::Protect(_))));
    let tags = store.snapshot().unwrap().tags(&environment).unwrap();
    let tags: Vec<_> = tags
        .iter()
        .map(|tag| (tag.name.as_str(), tag.revision))
        .collect();
    assert_eq!(tags, [("beta", 2), ("latest", 2), ("stable", 2)]);
}

#[test]
fn environments_are_listed_behind_the_last_one_seen() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    for environment in ["a", "b", "c"] {
        store.create(&name(environment), &author(), NOW).unwrap();
    }
    let snapshot = store.snapshot().unwrap();
    let names = |organization, after, limit| -> Vec<String> {
        let page = snapshot.environments(organization, after, limit).unwrap();
        page.into_iter()
            .map(|environment| environment.name)
            .collect()
    };
    assert_eq!(names(Some("local"), None, 2), ["a", "b"]);
    assert_eq!(names(None, Some("local/app/b"), 2), ["c"]);
    assert!(names(Some("loca"), None, 2).is_empty());
}

#[test]
fn a_token_is_known_by_its_hash_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let first = SecretBytes::from("pul-first");
    store.ensure_first_token(&first, NOW).unwrap();
    assert_eq!(store.authenticate(b"pul-first").unwrap().login, "admin");
    assert_eq!(store.authenticate(b"pul-firs"), None);
    store
        .ensure_first_token(&SecretBytes::from("pul-next"), NOW)
        .unwrap();
    assert_eq!(store.authenticate(b"pul-first"), None);
    assert!(matches!(
        store.delete_token("admin"),
        Err(Error::Protect(_))
    ));
    assert!(matches!(
        store.delete_token("other"),
        Err(Error::Find { .. })
    ));
}
