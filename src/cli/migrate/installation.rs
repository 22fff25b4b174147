//! How ESO and latchkey are installed, as far as the hand-over must know.

use anyhow::Context as _;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};

use super::observe::Question;
use super::plan::{Definition, Gate, Own, Part, Role};
use crate::api::crds;
use crate::cli::listing::all;
use crate::cluster::request::bounded;

/// Last part of the path of ESO's images, and the chart's name.
const ESO: &str = "external-secrets";
/// How the names of ESO's webhooks end (ESO 2.9.0, its certificate controller goes by it as well).
const WEBHOOK_SUFFIX: &str = "external-secrets.io";

/// ESO's Deployments and webhooks.
pub(super) async fn parts_and_gates(client: &Client) -> anyhow::Result<(Vec<Part>, Vec<Gate>)> {
    let deployments: Vec<Deployment> = all(&Api::all(client.clone()), ListParams::default())
        .await
        .context("failed to list Deployments")?;
    let configurations: Vec<ValidatingWebhookConfiguration> =
        all(&Api::all(client.clone()), ListParams::default())
            .await
            .context("failed to list ValidatingWebhookConfigurations")?;
    let parts = deployments.iter().filter_map(part).collect();
    Ok((parts, configurations.iter().flat_map(gates).collect()))
}

fn part(deployment: &Deployment) -> Option<Part> {
    let spec = deployment.spec.as_ref()?;
    let containers = &spec.template.spec.as_ref()?.containers;
    let container = containers.iter().find(|container| {
        let image = container.image.as_deref().unwrap_or_default();
        let path = image.split('@').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        last.split(':').next() == Some(ESO)
    })?;
    let arguments: Vec<&str> = container
        .command
        .iter()
        .flatten()
        .chain(container.args.iter().flatten())
        .map(String::as_str)
        .collect();
    let role = if arguments.contains(&"webhook") {
        Role::Webhook
    } else if arguments.contains(&"certcontroller") {
        Role::Certificates
    } else {
        Role::Controller
    };
    Some(Part {
        namespace: deployment.namespace().unwrap_or_default(),
        name: deployment.name_any(),
        replicas: spec.replicas.unwrap_or(1),
        role,
        class: class(&arguments),
    })
}

fn class(arguments: &[&str]) -> String {
    const FLAG: &str = "--controller-class";
    let mut rest = arguments.iter();
    let named = rest.find_map(|argument| {
        let after = argument.strip_prefix(FLAG)?;
        after
            .strip_prefix('=')
            .or_else(|| after.is_empty().then_some(""))
    });
    let named = match named {
        Some("") => rest.next().copied(),
        other => other,
    };
    named.unwrap_or("default").to_owned()
}

fn gates(configuration: &ValidatingWebhookConfiguration) -> Vec<Gate> {
    let webhooks = configuration.webhooks.iter().flatten().enumerate();
    let ours = webhooks.filter(|(_, webhook)| webhook.name.ends_with(WEBHOOK_SUFFIX));
    ours.map(|(position, webhook)| Gate {
        configuration: configuration.name_any(),
        position,
        name: webhook.name.clone(),
        failure_policy: webhook
            .failure_policy
            .clone()
            .unwrap_or_else(|| "Fail".to_owned()),
    })
    .collect()
}

/// The CRDs, against those built in.
pub(super) async fn definitions(client: &Client) -> anyhow::Result<Vec<Definition>> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut found = Vec::new();
    for wanted in crds::all() {
        let name = wanted.name_any();
        let present = bounded(api.get_opt(&name)).await;
        let present = present.with_context(|| format!("failed to read CRD {name}"))?;
        found.push(definition(&wanted, present.as_ref()));
    }
    Ok(found)
}

fn definition(
    wanted: &CustomResourceDefinition,
    present: Option<&CustomResourceDefinition>,
) -> Definition {
    let stored = |crd: &CustomResourceDefinition| {
        let versions = crd.spec.versions.iter();
        let stored = versions.filter(|version| version.storage);
        stored.map(|version| version.name.clone()).next()
    };
    let read = stored(wanted).unwrap_or_default();
    let has = |name: &String| {
        wanted
            .spec
            .versions
            .iter()
            .any(|version| version.name == *name)
    };
    let annotation = |key: &str| present.and_then(|crd| crd.annotations().get(key).cloned());
    let release = annotation("meta.helm.sh/release-name").map(|name| {
        let namespace = annotation("meta.helm.sh/release-namespace").unwrap_or_default();
        format!("{namespace}/{name}")
    });
    let stored_as = present
        .and_then(|crd| crd.status.as_ref()?.stored_versions.clone())
        .unwrap_or_default();
    let conversion = present.and_then(|crd| crd.spec.conversion.as_ref());
    let converts = conversion.filter(|conversion| conversion.strategy == "Webhook");
    Definition {
        name: wanted.name_any(),
        is_served: present.is_some_and(|crd| {
            let mut versions = crd.spec.versions.iter();
            versions.any(|version| version.name == read && version.served)
        }),
        unknown_stored: stored_as.into_iter().filter(|name| !has(name)).collect(),
        conversion: converts.and_then(|conversion| serde_json::to_value(conversion).ok()),
        resource_policy: annotation("helm.sh/resource-policy"),
        release,
    }
}

/// latchkey's Deployment.
pub(super) async fn own(client: &Client, question: &Question) -> anyhow::Result<Option<Own>> {
    let (namespace, name) = (&question.own_namespace, &question.deployment);
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let found = bounded(api.get_opt(name)).await;
    let found = found.with_context(|| format!("failed to read Deployment {namespace}/{name}"))?;
    Ok(found.map(|deployment| Own {
        namespace: namespace.clone(),
        name: name.clone(),
        replicas: deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1),
        wanted: question.replicas,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(image: &str, args: &[&str]) -> Option<Part> {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "eso", "namespace": "ops"},
            "spec": {"replicas": 2, "selector": {}, "template": {"spec": {"containers": [
                {"name": "a", "image": image, "args": args}]}}}
        }))
        .unwrap();
        part(&deployment)
    }

    #[test]
    fn the_deployments_of_eso_are_known_by_their_image() {
        let controller = deployment(
            "ghcr.io/external-secrets/external-secrets:v2.9.0",
            &["--concurrent=1"],
        );
        let controller = controller.unwrap();
        assert_eq!(
            (controller.role, controller.replicas),
            (Role::Controller, 2)
        );
        assert_eq!(controller.class, "default");
        let mirrored = deployment(
            "registry:5000/x/external-secrets@sha256:00",
            &["webhook", "--port=1"],
        );
        assert_eq!(mirrored.unwrap().role, Role::Webhook);
        let certificates = deployment("external-secrets", &["certcontroller"]);
        assert_eq!(certificates.unwrap().role, Role::Certificates);
        assert!(deployment("ghcr.io/latchkey/latchkey:1", &["run"]).is_none());
        assert!(deployment("external-secrets-tools:1", &[]).is_none());
    }

    #[test]
    fn the_class_of_eso_is_read_from_its_arguments() {
        assert_eq!(class(&["--controller-class=a"]), "a");
        assert_eq!(class(&["--controller-class", "b", "--x"]), "b");
        assert_eq!(class(&[]), "default");
    }

    #[test]
    fn a_crd_that_serves_what_latchkey_reads_is_known() {
        let wanted = crds::all().remove(0);
        let found = definition(&wanted, Some(&wanted));
        assert!(found.is_served && found.conversion.is_none() && found.release.is_none());
        assert!(!definition(&wanted, None).is_served);
        let mut old = wanted.clone();
        old.spec.versions.retain(|version| version.name != "v1");
        old.status =
            serde_json::from_value(json!({"storedVersions": ["v1alpha1", "v1beta1"]})).unwrap();
        old.spec.conversion = serde_json::from_value(json!({"strategy": "Webhook"})).unwrap();
        let found = definition(&wanted, Some(&old));
        assert!(!found.is_served && found.conversion.is_some());
        assert_eq!(found.unknown_stored, ["v1alpha1"]);
    }
}
