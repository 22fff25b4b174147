//! The rights of the account that runs this, which in a pod is latchkey's own.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::check::Check;
use crate::api::well_known::GROUP;
use crate::cluster::request::bounded;

/// A resource, the verbs that are needed for it, and what is lost without them. Those of the own
/// namespace alone are marked.
struct Need {
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    verbs: &'static [&'static str],
    own: bool,
    optional: Option<&'static str>,
}

const READ: &[&str] = &["get", "list", "watch"];

const fn need(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Need {
    Need {
        group,
        resource,
        subresource: "",
        verbs,
        own: false,
        optional: None,
    }
}

const NEEDS: [Need; 15] = [
    need(GROUP, "externalsecrets", READ),
    need(GROUP, "secretstores", READ),
    need(GROUP, "clustersecretstores", READ),
    Need {
        subresource: "status",
        ..need(GROUP, "externalsecrets", &["patch"])
    },
    Need {
        subresource: "status",
        ..need(GROUP, "secretstores", &["patch"])
    },
    need(
        "",
        "secrets",
        &["get", "list", "watch", "create", "update", "delete"],
    ),
    need("", "pods", READ),
    need("", "namespaces", READ),
    need("events.k8s.io", "events", &["create", "patch"]),
    need("authorization.k8s.io", "subjectaccessreviews", &["create"]),
    Need {
        optional: Some("needed for pods with latchkey.dev/mode: memory only"),
        ..need("authentication.k8s.io", "tokenreviews", &["create"])
    },
    Need {
        own: true,
        ..need(
            "coordination.k8s.io",
            "leases",
            &["get", "create", "update"],
        )
    },
    need(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        &["get", "patch"],
    ),
    Need {
        optional: Some("needed for --restart=template only"),
        ..need("apps", "deployments", &["get", "patch"])
    },
    Need {
        optional: Some("needed for --restart=evict only"),
        subresource: "eviction",
        ..need("", "pods", &["create"])
    },
];

/// Asks for every right; those that are there make one line.
pub(super) async fn own(client: &Client, own_namespace: &str) -> Vec<Check> {
    let check = "Rights";
    let mut checks = Vec::new();
    let mut granted = 0;
    for need in &NEEDS {
        for verb in need.verbs {
            let attributes = attributes(need, verb, own_namespace);
            match is_allowed(client, attributes).await {
                Ok(true) => granted += 1,
                Ok(false) => checks.push(judge(need, verb)),
                Err(error) => return vec![Check::unseen(check, error)],
            }
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok(check, format!("all {granted} are granted")));
    }
    checks
}

fn attributes(need: &Need, verb: &str, own_namespace: &str) -> ResourceAttributes {
    let subresource = Some(need.subresource.to_owned());
    // latchkey patches its own configuration and no other.
    let named = need.group == "admissionregistration.k8s.io";
    ResourceAttributes {
        group: Some(need.group.to_owned()),
        resource: Some(need.resource.to_owned()),
        subresource: subresource.filter(|name| !name.is_empty()),
        namespace: need.own.then(|| own_namespace.to_owned()),
        name: named.then(|| crate::admission::registration::NAME.to_owned()),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    }
}

fn judge(need: &Need, verb: &str) -> Check {
    let subresource = match need.subresource {
        "" => String::new(),
        name => format!("/{name}"),
    };
    let group = match need.group {
        "" => String::new(),
        name => format!(".{name}"),
    };
    let detail = format!("may not {verb} {}{subresource}{group}", need.resource);
    match need.optional {
        Some(why) => Check::warn("Rights", detail, why),
        None => Check::fail(
            "Rights",
            detail,
            "grant it in latchkey's ClusterRole or Role",
        ),
    }
}

async fn is_allowed(
    client: &Client,
    attributes: ResourceAttributes,
) -> Result<bool, crate::cluster::request::Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = bounded(api.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
