//! What credentials may do in another cluster, as its API server says.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, ResourceRule, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
    SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::{Error, failed, sent};

const ACTION: &str = "ask for own permissions";

/// Objects of one kind, by group (empty is the core group) and plural.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) group: &'a str,
    pub(super) plural: &'a str,
}

/// Whether they may get each object of a namespace, or of all where `namespace` is `None`.
pub(super) async fn may_get(
    client: &Client,
    of: Of<'_>,
    namespace: Option<&str>,
) -> Result<bool, Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(of.group.to_owned()).filter(|group| !group.is_empty()),
                namespace: namespace.map(str::to_owned),
                resource: Some(of.plural.to_owned()),
                verb: Some("get".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let reviewed = sent(api.create(&PostParams::default(), &review)).await;
    let reviewed = reviewed.map_err(|error| failed(ACTION, error))?;
    Ok(reviewed.status.is_some_and(|status| status.allowed))
}

/// The rules of a namespace by which they may get objects: all of them, or those that a rule names.
pub(super) async fn rules_to_get(
    client: &Client,
    of: Of<'_>,
    namespace: &str,
) -> Result<Vec<ResourceRule>, Error> {
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some(namespace.to_owned()),
        },
        ..SelfSubjectRulesReview::default()
    };
    let api: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let reviewed = sent(api.create(&PostParams::default(), &review)).await;
    let reviewed = reviewed.map_err(|error| failed(ACTION, error))?;
    let covers = |listed: Option<&[String]>, wanted: &str| {
        let mut listed = listed.unwrap_or_default().iter();
        listed.any(|one| one == wanted || one == "*")
    };
    let rules = reviewed.status.map(|status| status.resource_rules);
    let mut rules = rules.unwrap_or_default();
    rules.retain(|rule| {
        covers(Some(&rule.verbs), "get")
            && covers(rule.resources.as_deref(), of.plural)
            && covers(rule.api_groups.as_deref(), of.group)
    });
    Ok(rules)
}
