//! What must be there before anything works: API server, CRDs, keys, a leader.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use serde_json::Value;

use super::check::Check;
use crate::api::crds;
use crate::cluster::injection_key;
use crate::cluster::request::bounded;

/// First minor version of Kubernetes 1 whose webhooks have match conditions by default.
const MATCH_CONDITIONS: u32 = 30;

/// The API server and its version.
pub(super) async fn api_server(client: &Client) -> Check {
    const CHECK: &str = "API server";
    match bounded(client.apiserver_version()).await {
        Ok(version) => judge_version(&version.major, &version.minor, &version.git_version),
        Err(error) => Check::fail(
            CHECK,
            format!("cannot be reached: {error}"),
            "check KUBECONFIG and the network",
        ),
    }
}

fn judge_version(major: &str, minor: &str, full: &str) -> Check {
    const CHECK: &str = "API server";
    let number: u32 = minor.trim_end_matches('+').parse().unwrap_or(0);
    if major == "1" && number < MATCH_CONDITIONS {
        return Check::warn(
            CHECK,
            format!("Kubernetes {full}"),
            "before 1.30 every new pod is sent to the webhook; upgrade the cluster",
        );
    }
    Check::ok(CHECK, format!("Kubernetes {full}"))
}

/// The CRDs, against those built in.
pub(super) async fn crds(client: &Client) -> Vec<Check> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut checks = Vec::new();
    for wanted in crds::all() {
        let name = wanted.name_any();
        let check = format!("CRD {name}");
        checks.push(match bounded(api.get_opt(&name)).await {
            Ok(present) => judge_crd(check, &wanted, present.as_ref()),
            Err(error) => Check::unseen(check, error),
        });
    }
    checks
}

fn judge_crd(
    check: String,
    wanted: &CustomResourceDefinition,
    present: Option<&CustomResourceDefinition>,
) -> Check {
    const INSTALL: &str = "apply the CRDs of this version: latchkey generate --dir DIR, then kubectl apply \
                           -f DIR/crds";
    let Some(present) = present else {
        return Check::fail(check, "missing", INSTALL);
    };
    let conditions = present
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let established = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Established" && condition.status == "True");
    if !established {
        return Check::fail(
            check,
            "not served yet",
            "look at its conditions with kubectl describe",
        );
    }
    let missing: Vec<&str> = wanted
        .spec
        .versions
        .iter()
        .filter(|version| {
            let is_served = |other: &&_| served(version) == served(other);
            !present.spec.versions.iter().any(|other| is_served(&other))
        })
        .map(|version| version.name.as_str())
        .collect();
    if missing.is_empty() {
        return Check::ok(check, "as built in");
    }
    Check::warn(
        check,
        format!("{} differs from what is built in", missing.join(", ")),
        INSTALL,
    )
}

/// What a version must have in common with another: its name, whether it is served, and its schema.
fn served(
    version: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionVersion,
) -> (String, bool, Value) {
    let mut schema = serde_json::to_value(&version.schema).unwrap_or_default();
    schema.sort_all_objects();
    (version.name.clone(), version.served, schema)
}

/// The Secret with the keys of names.
pub(super) async fn names(client: &Client, own_namespace: &str) -> Check {
    let check = "Key of names";
    match injection_key::load(client, own_namespace).await {
        Ok(Some(keys)) if keys.previous.is_some() => {
            Check::ok(check, "present, and so is the one before it")
        }
        Ok(Some(_)) => Check::ok(check, "present"),
        Ok(None) => Check::fail(
            check,
            format!(
                "Secret {own_namespace}/{} is missing",
                injection_key::SECRET_NAME
            ),
            "start latchkey, or restore the Secret; pods keep the names made under it (--own-namespace)",
        ),
        Err(error) => Check::unseen(check, error),
    }
}

/// The Lease of the operator.
pub(super) async fn lease(
    client: &Client,
    own_namespace: &str,
    name: &str,
    now: Timestamp,
) -> Check {
    let check = "Leader";
    let api: Api<Lease> = Api::namespaced(client.clone(), own_namespace);
    match bounded(api.get_opt(name)).await {
        Ok(Some(lease)) => judge_lease(&lease.spec.unwrap_or_default(), now),
        Ok(None) => Check::warn(
            check,
            format!("there is no Lease {own_namespace}/{name}"),
            "right for one replica without --enable-leader-election; else start the operator",
        ),
        Err(error) => Check::unseen(check, error),
    }
}

fn judge_lease(spec: &LeaseSpec, now: Timestamp) -> Check {
    let check = "Leader";
    let remedy = "look at the operator's log; is it running, and may it write its Lease?";
    let holder = spec.holder_identity.clone().unwrap_or_default();
    if holder.is_empty() {
        return Check::fail(check, "nobody leads", remedy);
    }
    let life = i64::from(spec.lease_duration_seconds.unwrap_or(15));
    let renewed = spec
        .renew_time
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let silent = now.duration_since(renewed);
    if silent > SignedDuration::from_secs(2 * life) {
        let seconds = silent.as_secs();
        return Check::fail(
            check,
            format!("{holder} has been silent for {seconds} s"),
            remedy,
        );
    }
    Check::ok(check, holder)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::super::check::Status;
    use super::*;

    #[test]
    fn an_old_api_server_is_named() {
        assert_eq!(judge_version("1", "35+", "v1.35.8").status, Status::Ok);
        assert_eq!(judge_version("1", "29", "v1.29.0").status, Status::Warn);
    }

    #[test]
    fn a_crd_is_compared_with_the_one_built_in() {
        let wanted = crds::all().remove(0);
        let mut present = wanted.clone();
        present.status = serde_json::from_value(serde_json::json!({
            "conditions": [{"type": "Established", "status": "True", "lastTransitionTime": null}],
        }))
        .unwrap();
        let status = |present: Option<&_>| judge_crd(String::new(), &wanted, present).status;
        assert_eq!(status(None), Status::Fail);
        assert_eq!(status(Some(&wanted)), Status::Fail);
        assert_eq!(status(Some(&present)), Status::Ok);
        present.spec.versions[0].schema = None;
        assert_eq!(status(Some(&present)), Status::Warn);
    }

    #[test]
    fn a_silent_leader_is_none() {
        let now = Timestamp::from_second(1000).unwrap();
        let at = |seconds: i64, holder: &str| LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            renew_time: Some(MicroTime(Timestamp::from_second(seconds).unwrap())),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        };
        assert_eq!(judge_lease(&at(990, "a"), now).status, Status::Ok);
        assert_eq!(judge_lease(&at(960, "a"), now).status, Status::Fail);
        assert_eq!(judge_lease(&at(990, ""), now).status, Status::Fail);
    }
}
