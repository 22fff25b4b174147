//! Values that a pod keeps in memory: what its agent is told, where it stands, and what it may ask for.
//!
//! The agent's arguments are part of the pod's spec, which nobody can change later. They hold the names
//! that pin what was asked for at admission, as the names of Secrets do elsewhere.

use serde::{Deserialize, Serialize};

use super::pod::{Container, Items, Pod, Projection, Text, Volume};
use super::{KeyRing, Materialisation, Source, declaration, settings};
use crate::api::v1::RefreshPolicy;
use crate::api::well_known::ALIAS_PREFIX;
use crate::model::external_secret::Refresh;

/// Name of the container that keeps the values; with a number behind it where a pod has one of that name.
pub const AGENT_NAME: &str = "inj-agent";
/// Name of the volume with the agent's token; with a number behind it where a pod has one of that name.
pub const TOKEN_VOLUME: &str = "inj-token";
/// Audience of the token that an agent shows.
pub const AUDIENCE: &str = "latchkey.dev";
/// Folder, in the agent's container, with one folder for each volume.
pub const VOLUMES_ROOT: &str = "/inj";
/// Folder, in the agent's container, with its token.
pub const TOKEN_FOLDER: &str = "/var/run/inject";
/// File in that folder.
pub const TOKEN_FILE: &str = "token";
/// Path at which the webhook's server answers agents.
pub const SECRETS_PATH: &str = "/v1/pod-secrets";
/// Variable, in the agent's container, with the CAs of the server that it trusts, in PEM.
pub const TRUST_VARIABLE: &str = "LATCHKEY_AGENT_CA";
/// What the agent's arguments begin with.
pub const AGENT_COMMAND: [&str; 2] = ["agent", "serve"];

const DELIVERY_FLAG: &str = "--secret=";
/// Mode of files that nobody chose (Kubernetes, `SecretVolumeSource`).
const DEFAULT_MODE: u32 = 0o644;

/// The values of one alias in one volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The name that pins what they are.
    pub name: String,
    /// The volume.
    pub volume: String,
    /// Mode of files whose item chooses none.
    pub mode: u32,
    /// Which keys become which files; all under their own names where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// Whether the pod starts where the store has no such values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Seconds between two fetches; 0 fetches once.
    pub refresh: u64,
}

/// A key and its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    pub key: String,
    /// Path of the file below the volume.
    pub path: String,
    /// Its mode, if it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

impl Delivery {
    /// As an argument of the agent. It has no `$`, which the kubelet would expand.
    #[must_use]
    pub fn argument(&self) -> String {
        let json = serde_json::to_string(self).expect("a delivery must be JSON");
        // A `$` can stand in a text only, where JSON has another way to write it.
        format!("{DELIVERY_FLAG}{}", json.replace('$', "\\u0024"))
    }

    /// Reads the value of an argument.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("not a delivery: {error}"))
    }
}

/// Checks the path of a file below a volume, by the rules for `items[].path` of a Secret's volume.
///
/// # Errors
/// A sentence that quotes the path.
pub fn check_path(path: &str) -> Result<(), String> {
    let mut parts = path.split('/');
    let is_plain = |part: &str| !part.is_empty() && part != ".." && part != ".";
    if path.is_empty() || path.starts_with("..") || !parts.all(is_plain) || path.contains('\0') {
        return Err(format!(
            "{path:?} must be a relative path without \"..\" and not begin with it"
        ));
    }
    Ok(())
}

/// How often values are fetched, in seconds as a [`Delivery`] has it.
#[must_use]
pub fn refresh_seconds(refresh: Refresh) -> u64 {
    match refresh.policy {
        RefreshPolicy::Periodic => match refresh.interval.as_secs() {
            seconds if seconds > 0 => seconds.unsigned_abs(),
            _ => u64::from(refresh.interval.is_positive()),
        },
        RefreshPolicy::CreatedOnce | RefreshPolicy::OnChange => 0,
    }
}

/// The agent of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent<'p> {
    /// Index among the init containers.
    pub index: usize,
    /// Name of the container.
    pub name: &'p str,
    /// Name of the volume with its token.
    pub token_volume: &'p str,
    /// What it was told.
    pub deliveries: Vec<Delivery>,
}

/// A volume made of Secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVolume<'p> {
    /// Index of the volume.
    pub index: usize,
    /// Its name.
    pub name: &'p str,
    /// The member that makes it, `secret` or `projected`.
    pub member: &'static str,
    /// Mode of files whose item chooses none.
    pub mode: u32,
    /// The Secrets.
    pub sources: Vec<SecretSource<'p>>,
    /// Whether it is made of other things too.
    pub is_mixed: bool,
}

/// A Secret of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSource<'p> {
    /// Its name.
    pub secret: &'p str,
    /// Which keys become which files.
    pub items: Vec<Item>,
    /// Whether the pod starts without it.
    pub optional: bool,
}

/// Where a container mounts a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount<'p> {
    /// JSON Pointer to the mount.
    pub pointer: String,
    /// Name of the container.
    pub container: &'p str,
    /// Name of the volume.
    pub volume: &'p str,
    /// Whether the container cannot write there.
    pub is_read_only: bool,
    /// The user that the container says it runs as, itself or by its pod.
    pub user: Option<i64>,
}

impl Pod<'_> {
    /// The agent, if the pod has one. A container that is only called like it is none.
    #[must_use]
    pub fn agent(&self) -> Option<Agent<'_>> {
        let mut containers = self.spec.init_containers.iter().flatten().enumerate();
        containers.find_map(|(index, container)| {
            let texts = container.args.iter().flatten();
            let told = texts.filter_map(|text| text.0.strip_prefix(DELIVERY_FLAG));
            Some(Agent {
                index,
                name: &container.name.0,
                token_volume: token_volume(container)?,
                deliveries: told.filter_map(|text| Delivery::parse(text).ok()).collect(),
            })
        })
    }

    /// The volumes that are made of Secrets, at least in part.
    #[must_use]
    pub fn secret_volumes(&self) -> Vec<SecretVolume<'_>> {
        let volumes = self.spec.volumes.iter().flatten().enumerate();
        volumes
            .filter_map(|(index, volume)| secret_volume(index, volume))
            .collect()
    }

    /// Names of the volumes and their positions.
    pub fn volume_names(&self) -> impl Iterator<Item = (usize, &str)> {
        let volumes = self.spec.volumes.iter().flatten().enumerate();
        volumes.map(|(index, volume)| (index, &*volume.name.0))
    }

    /// Whether the pod has a list of volumes.
    #[must_use]
    pub fn has_volumes(&self) -> bool {
        self.spec.volumes.is_some()
    }

    /// Whether the pod has a list of init containers.
    #[must_use]
    pub fn has_init_containers(&self) -> bool {
        self.spec.init_containers.is_some()
    }

    /// Names of all containers.
    pub fn container_names(&self) -> impl Iterator<Item = &str> {
        self.containers().map(|(_, container)| &*container.name.0)
    }

    /// Where containers other than the agent mount volumes.
    #[must_use]
    pub fn volume_mounts(&self) -> Vec<VolumeMount<'_>> {
        let of_pod = self.spec.security_context.as_ref();
        let of_pod = of_pod.and_then(|context| context.run_as_user);
        let mut found = Vec::new();
        let others = |(_, container): &(_, &Container<'_>)| token_volume(container).is_none();
        for (place, container) in self.containers().filter(others) {
            let own = container.security_context.as_ref();
            let user = own.and_then(|context| context.run_as_user).or(of_pod);
            let mounts = container.volume_mounts.iter().flatten().enumerate();
            found.extend(mounts.map(|(index, mount)| VolumeMount {
                pointer: format!("{}/volumeMounts/{index}", place.pointer()),
                container: &container.name.0,
                volume: &mount.name.0,
                is_read_only: mount.read_only == Some(true),
                user,
            }));
        }
        found
    }

    /// The user that the pod says its containers run as.
    #[must_use]
    pub fn user(&self) -> Option<i64> {
        self.spec.security_context.as_ref()?.run_as_user
    }

    /// Whether files of volumes belong to a group of the pod's.
    #[must_use]
    pub fn has_group(&self) -> bool {
        let context = self.spec.security_context.as_ref();
        context.is_some_and(|context| context.fs_group.is_some())
    }
}

/// The volume with an agent's token; `None` where the container is no agent.
fn token_volume<'p>(container: &'p Container<'_>) -> Option<&'p str> {
    let mut args = container.args.iter().flatten().map(|text| &*text.0);
    let is_agent = container.name.0.starts_with(AGENT_NAME)
        && AGENT_COMMAND.iter().all(|word| args.next() == Some(*word));
    let mut mounts = container.volume_mounts.iter().flatten();
    let token = mounts.find(|mount| is_agent && mount.path.0 == TOKEN_FOLDER)?;
    Some(&token.name.0)
}

fn secret_volume<'p>(index: usize, volume: &'p Volume<'_>) -> Option<SecretVolume<'p>> {
    let mode = |mode: Option<u32>| mode.unwrap_or(DEFAULT_MODE);
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_ref()?;
        return Some(SecretVolume {
            index,
            name: &volume.name.0,
            member: "secret",
            mode: mode(secret.default_mode),
            sources: vec![SecretSource {
                secret: &name.0,
                items: items(secret.items.as_ref()),
                optional: secret.optional.unwrap_or(false),
            }],
            is_mixed: false,
        });
    }
    let projected = volume.projected.as_ref()?;
    let projections = projected.sources.iter().flatten();
    let sources: Vec<_> = projections
        .clone()
        .filter_map(|one| secret_source(one))
        .collect();
    Some(SecretVolume {
        index,
        name: &volume.name.0,
        member: "projected",
        mode: mode(projected.default_mode),
        is_mixed: sources.len() < projections.count(),
        sources,
    })
    .filter(|volume| !volume.sources.is_empty())
}

fn secret_source<'p>(projection: &'p Projection<'_>) -> Option<SecretSource<'p>> {
    let secret = projection.secret.as_ref()?;
    let name: &Text<'_> = secret.name.as_ref()?;
    Some(SecretSource {
        secret: &name.0,
        items: items(secret.items.as_ref()),
        optional: secret.optional.unwrap_or(false),
    })
}

fn items(items: Option<&Items<'_>>) -> Vec<Item> {
    let items = items.into_iter().flatten();
    items
        .map(|item| Item {
            key: item.key.0.clone().into_owned(),
            path: item.path.0.clone().into_owned(),
            mode: item.mode,
        })
        .collect()
}

/// What the agent of a pod may ask for.
///
/// A declaration is believed only if it reproduces a name that the agent was told: annotations of a live
/// pod can be edited, its arguments cannot.
#[must_use]
pub fn pinned(namespace: &str, pod: &Pod<'_>, keys: &KeyRing) -> Vec<Materialisation> {
    let Some(agent) = pod.agent() else {
        return Vec::new();
    };
    let told = |name: &String| agent.deliveries.iter().any(|told| told.name == *name);
    let refresh = settings(pod).refresh;
    let mut found = Vec::new();
    for (key, value) in pod.metadata.annotations() {
        let Some(alias) = key.strip_prefix(ALIAS_PREFIX) else {
            continue;
        };
        let Ok((Source::Spec(spec), _)) = declaration(namespace, alias, value, refresh) else {
            continue;
        };
        let names = keys.names(namespace, pod.account(), alias, &spec);
        found.extend(names.filter(told).map(|secret_name| Materialisation {
            secret_name,
            alias: alias.to_owned(),
            account: pod.account().to_owned(),
            spec: (*spec).clone(),
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_delivery_is_read_as_it_was_told_and_nothing_in_it_is_expanded() {
        let delivery = Delivery {
            name: "inj-tls-aaaaaaaaaaaaaaaaaaaa".to_owned(),
            volume: "tls".to_owned(),
            mode: 0o400,
            items: vec![Item {
                key: "k".to_owned(),
                path: "a/$(HOME)\"".to_owned(),
                mode: Some(0o440),
            }],
            optional: true,
            refresh: 60,
        };
        let argument = delivery.argument();
        assert!(!argument.contains('$'), "{argument}");
        let value = argument.strip_prefix("--secret=").unwrap();
        assert_eq!(Delivery::parse(value), Ok(delivery));
        assert!(Delivery::parse("{}").is_err());
    }

    #[rstest]
    #[case("a", true)]
    #[case("a/b.c", true)]
    #[case("a/..b", true)]
    #[case("", false)]
    #[case("/a", false)]
    #[case("../a", false)]
    #[case("..data", false)]
    #[case("a/../b", false)]
    #[case("a//b", false)]
    #[case("a/", false)]
    fn a_path_stays_below_its_volume(#[case] path: &str, #[case] is_legal: bool) {
        assert_eq!(check_path(path).is_ok(), is_legal, "{path}");
    }

    #[rstest]
    #[case(RefreshPolicy::Periodic, 90_000, 90)]
    #[case(RefreshPolicy::Periodic, 300, 1)]
    #[case(RefreshPolicy::Periodic, 0, 0)]
    #[case(RefreshPolicy::CreatedOnce, 90_000, 0)]
    fn an_interval_that_is_none_fetches_once(
        #[case] policy: RefreshPolicy,
        #[case] milliseconds: i64,
        #[case] seconds: u64,
    ) {
        let interval = jiff::SignedDuration::from_millis(milliseconds);
        assert_eq!(refresh_seconds(Refresh { policy, interval }), seconds);
    }
}
