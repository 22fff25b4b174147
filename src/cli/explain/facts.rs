//! What is known of an object, as text.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::api::meta::Condition;
use crate::api::v1::{ExternalSecretStatus, RefreshPolicy};
use crate::api::well_known::CONDITION_READY;
use crate::controllers::external_secret::next_due;
use crate::model::complaint::Complaint;
use crate::model::external_secret::{Entry, ExternalSecret, Source};
use crate::model::remote::{Find, RemoteRef};
use crate::model::secret_store::StoreId;

/// An ExternalSecret and all that it depends on.
pub(super) struct Facts {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) status: ExternalSecretStatus,
    pub(super) is_deleted: bool,
    pub(super) spec: Result<ExternalSecret, Vec<Complaint>>,
    /// Stores that it names; `None` where one is not there.
    pub(super) stores: Vec<(StoreId, Option<StoreFacts>)>,
    /// Keys of its Secret, if that is there.
    pub(super) secret: Option<Vec<String>>,
    pub(super) now: Timestamp,
}

/// A store.
pub(super) struct StoreFacts {
    pub(super) id: StoreId,
    pub(super) provider: String,
    pub(super) class: String,
    pub(super) ready: Option<Condition>,
    /// Why this build does not serve it.
    pub(super) fault: Option<String>,
    /// Why it does not serve the object.
    pub(super) refusal: Option<String>,
}

/// Something that keeps an object from being refreshed, and what to do.
struct Obstacle {
    cause: String,
    remedy: &'static str,
}

impl Obstacle {
    fn new(cause: impl Into<String>, remedy: &'static str) -> Self {
        Self {
            cause: cause.into(),
            remedy,
        }
    }
}

impl Facts {
    /// The report.
    pub(super) fn text(&self) -> String {
        let mut text = format!("ExternalSecret {}/{}\n", self.namespace, self.name);
        line(&mut text, "ready", &ready(&self.status.conditions));
        if let Ok(spec) = &self.spec {
            line(&mut text, "secret", &self.secret(spec));
            line(&mut text, "refresh", &self.refresh(spec));
            for entry in &spec.entries {
                line(&mut text, "from", &origin(entry));
            }
        }
        for (id, facts) in &self.stores {
            let state = facts.as_ref().map_or_else(|| absent(id), StoreFacts::state);
            line(&mut text, "store", &state);
        }
        remedies(&mut text, &self.obstacles());
        text
    }

    fn secret(&self, spec: &ExternalSecret) -> String {
        let name = &spec.target.name;
        if let Some(manifest) = &spec.target.manifest {
            return format!("none: the target is {} {name:?}", manifest.kind);
        }
        let has = match &self.secret {
            Some(keys) if keys.is_empty() => "has no keys".to_owned(),
            Some(keys) => format!("has {}", keys.join(", ")),
            None => "is not there".to_owned(),
        };
        format!(
            "{name:?} {has}; creationPolicy {:?}, deletionPolicy {:?}",
            spec.target.creation, spec.target.deletion
        )
    }

    fn refresh(&self, spec: &ExternalSecret) -> String {
        let last = match &self.status.refresh_time {
            Some(time) => {
                let ago = span(self.now.duration_since(time.0));
                format!("last at {:.0}, {ago} ago", time.0)
            }
            None => "never yet".to_owned(),
        };
        let policy = match spec.refresh.policy {
            RefreshPolicy::Periodic if spec.refresh.interval > SignedDuration::ZERO => {
                format!("every {}", span(spec.refresh.interval))
            }
            RefreshPolicy::Periodic => "once, for refreshInterval is 0".to_owned(),
            other => format!("refreshPolicy {other:?}"),
        };
        format!("{policy}; {last}; {}", self.next(spec))
    }

    fn next(&self, spec: &ExternalSecret) -> String {
        let Some(due) = next_due(spec, self.now) else {
            return "next when the object changes".to_owned();
        };
        match spec.windows.as_ref().map(|windows| windows.opening(due)) {
            Some(None) => "never, for its sync windows do not open".to_owned(),
            Some(Some(opening)) if opening > due => {
                format!("next at {opening:.0}, when its sync windows open")
            }
            _ => format!("next at {due:.0}"),
        }
    }

    /// What keeps the object from being refreshed. The condition speaks where nothing nearer is known.
    fn obstacles(&self) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        if self.is_deleted {
            let remedy = "look at its finalizers, and at whoever has set them";
            obstacles.push(Obstacle::new("it is being deleted", remedy));
        }
        let complaints = self.spec.as_ref().err().into_iter().flatten();
        obstacles
            .extend(complaints.map(|complaint| Obstacle::new(complaint.to_string(), "correct it")));
        for (id, facts) in &self.stores {
            let remedy = "create the store, or correct its name and kind";
            match facts {
                None => obstacles.push(Obstacle::new(absent(id), remedy)),
                Some(facts) => obstacles.extend(facts.obstacles()),
            }
        }
        if obstacles.is_empty() {
            let conditions = self.status.conditions.iter();
            let unready = conditions.filter(|condition| is_unready(condition));
            let remedy = "mend what the message names; the Secret stays as it was until then";
            obstacles.extend(
                unready
                    .filter_map(|condition| condition.message.clone())
                    .map(|cause| Obstacle::new(cause, remedy)),
            );
        }
        if self.status.conditions.is_empty() {
            obstacles.push(Obstacle::new(
                "no controller has looked at it yet",
                "run latchkey doctor; a store of another class belongs to another controller",
            ));
        }
        obstacles
    }
}

impl StoreFacts {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn state(&self) -> String {
        let class = if self.class.is_empty() {
            String::new()
        } else {
            format!(", class {:?}", self.class)
        };
        let ready = ready(self.ready.as_slice());
        format!("{} ({}{class}): {ready}", self.name(), self.provider)
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        let about = |cause: &str| format!("{}: {cause}", self.name());
        let mut obstacles = Vec::new();
        if let Some(fault) = &self.fault {
            let remedy = "correct the store, or use a provider that is served";
            obstacles.push(Obstacle::new(about(fault), remedy));
        } else if self.ready.as_ref().is_some_and(is_unready) {
            let remedy = "correct the store or its credentials, as its condition says";
            obstacles.push(Obstacle::new(about("it is not ready"), remedy));
        }
        if let Some(refusal) = &self.refusal {
            let remedy = "add the namespace to spec.conditions of the store, or use another one";
            obstacles.push(Obstacle::new(about(refusal), remedy));
        }
        obstacles
    }
}

/// The report on a store.
pub(super) fn store_text(store: &StoreFacts) -> String {
    let mut text = format!("{}\n", store.name());
    line(&mut text, "provider", &store.provider);
    if !store.class.is_empty() {
        line(&mut text, "class", &store.class);
    }
    line(&mut text, "ready", &ready(store.ready.as_slice()));
    remedies(&mut text, &store.obstacles());
    text
}

fn is_unready(condition: &Condition) -> bool {
    condition.type_ == CONDITION_READY && condition.status != "True"
}

fn absent(id: &StoreId) -> String {
    format!("{id} is not there")
}

fn ready(conditions: &[Condition]) -> String {
    let mut found = conditions.iter();
    let Some(ready) = found.find(|condition| condition.type_ == CONDITION_READY) else {
        return "not known yet".to_owned();
    };
    let since = ready.last_transition_time.as_ref();
    let since = since.map(|time| format!(" since {:.0}", time.0));
    let since = since.unwrap_or_default();
    let message = ready.message.as_deref().unwrap_or_default();
    let reason = ready.reason.as_deref().unwrap_or_default();
    format!("{}{since} ({reason}): {message}", ready.status)
}

/// Which keys an entry makes, and of what.
fn origin(entry: &Entry) -> String {
    let store = entry.store.as_ref();
    let store = store.map(|id| format!(" in {id}"));
    let store = store.unwrap_or_default();
    let made = match &entry.source {
        Source::Single {
            secret_key,
            reference,
        } => format!("key {secret_key:?} is {}{store}", remote(reference)),
        Source::Extract(reference) => {
            format!("a key for each member of {}{store}", remote(reference))
        }
        Source::Find(find) => format!("a key for each remote secret{}{store}", search(find)),
        Source::Generate(made) => format!("what {} {:?} makes", made.kind, made.name),
    };
    format!("{}: {made}", entry.field)
}

fn remote(reference: &RemoteRef) -> String {
    let mut text = format!("{:?}", reference.key);
    for (what, part) in [
        ("property", &reference.property),
        ("version", &reference.version),
    ] {
        if !part.is_empty() {
            write!(text, ", {what} {part:?}").expect("writing to a String must succeed");
        }
    }
    text
}

fn search(find: &Find) -> String {
    let path = find.path.as_ref().map(|path| format!(" under {path:?}"));
    let name = find.name.as_ref();
    let name = name.map(|name| format!(" with a name like {:?}", name.as_str()));
    let tags = find.tags.iter();
    let tags: Vec<String> = tags
        .map(|(tag, is)| [" tagged ", tag, "=", is].concat())
        .collect();
    [
        path.unwrap_or_default(),
        name.unwrap_or_default(),
        tags.concat(),
    ]
    .concat()
}

fn remedies(text: &mut String, obstacles: &[Obstacle]) {
    for obstacle in obstacles {
        line(text, "blocked", &obstacle.cause);
        line(text, "→", obstacle.remedy);
    }
}

fn line(text: &mut String, what: &str, told: &str) {
    writeln!(text, "  {what:<9}{told}").expect("writing to a String must succeed");
}

/// A time in whole seconds, for example `1h 30m`.
fn span(duration: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::meta::StoreKind;

    const NOW: Timestamp = Timestamp::constant(1_700_000_000, 0);

    fn facts(stores: Vec<(StoreId, Option<StoreFacts>)>) -> Facts {
        let spec = json!({
            "secretStoreRef": {"name": "vault"}, "refreshInterval": "1h", "target": {"name": "db"},
            "data": [{"secretKey": "password", "remoteRef": {"key": "shop/db", "property": "pw"}}],
        });
        let spec = serde_json::from_value(spec).unwrap();
        let status = json!({
            "refreshTime": "2023-11-14T22:03:20Z",
            "conditions": [{
                "type": "Ready", "status": "False", "reason": "SecretSyncedError",
                "message": "could not get secret data from provider",
                "lastTransitionTime": "2023-11-14T22:00:00Z",
            }],
        });
        Facts {
            namespace: "shop".to_owned(),
            name: "db".to_owned(),
            status: serde_json::from_value(status).unwrap(),
            is_deleted: false,
            spec: ExternalSecret::parse("shop", "db", &spec),
            stores,
            secret: Some(vec!["password".to_owned()]),
            now: NOW,
        }
    }

    #[test]
    fn a_missing_store_is_the_cause_and_has_a_remedy() {
        let vault = StoreId::new(StoreKind::SecretStore, "shop", "vault");
        let text = facts(vec![(vault, None)]).text();
        for expected in [
            "ExternalSecret shop/db\n",
            "  ready    False since 2023-11-14T22:00:00Z (SecretSyncedError): could not get",
            "  secret   \"db\" has password; creationPolicy Owner, deletionPolicy Retain\n",
            "  refresh  every 1h; last at 2023-11-14T22:03:20Z, 10m ago; next at 2023-11-14T",
            "  from     spec.data[0]: key \"password\" is \"shop/db\", property \"pw\" in SecretStore \"vault\"\n",
            "  blocked  SecretStore \"vault\" is not there\n  →        create the store",
        ] {
            assert!(text.contains(expected), "{expected:?} in\n{text}");
        }
        assert_eq!(text.matches("blocked").count(), 1, "{text}");
    }

    #[test]
    fn a_store_that_refuses_the_namespace_is_told_with_its_condition() {
        let id = StoreId::new(StoreKind::ClusterSecretStore, "", "vault");
        let store = StoreFacts {
            id: id.clone(),
            provider: "vault".to_owned(),
            class: String::new(),
            ready: None,
            fault: None,
            refusal: Some("its conditions do not admit namespace \"shop\"".to_owned()),
        };
        assert!(store_text(&store).contains("  ready    not known yet\n"));
        let text = facts(vec![(id, Some(store))]).text();
        let expected =
            "blocked  ClusterSecretStore \"vault\": its conditions do not admit namespace";
        assert!(text.contains(expected), "{text}");
    }
}
