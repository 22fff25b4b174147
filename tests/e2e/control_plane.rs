//! The machinery of the other tests: without it none of them proves anything.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;

use crate::support::metrics::Resource;
use crate::support::{scenario, shared};

#[tokio::test]
async fn the_crds_install_by_client_side_apply_and_are_served() -> anyhow::Result<()> {
    let plane = shared::control_plane().await?;

    // A second apply over the first is what an upgrade does.
    plane.install_crds().await?;

    let crds: Api<CustomResourceDefinition> = Api::all(plane.client().await?);
    for name in ["externalsecrets", "secretstores", "clustersecretstores"] {
        let crd = crds.get(&format!("{name}.external-secrets.io")).await?;
        let conditions = crd
            .status
            .unwrap_or_default()
            .conditions
            .unwrap_or_default();
        for wanted in ["Established", "NamesAccepted"] {
            let met = conditions
                .iter()
                .any(|c| c.type_ == wanted && c.status == "True");
            assert!(met, "{name} must be {wanted}: {conditions:?}");
        }
        let complaint = conditions.iter().find(|c| c.type_ == "NonStructuralSchema");
        assert!(complaint.is_none(), "{name}: {complaint:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_api_server_counts_each_write() -> anyhow::Result<()> {
    let plane = shared::control_plane().await?;
    scenario::run(plane, "counted", async |scenario| {
        // Nothing else in this process creates objects of this kind.
        let quotas = Resource {
            group: "",
            plural: "resourcequotas",
            subresource: "",
        };
        let before = plane.metrics().await?.api_writes(quotas);
        let namespace = scenario.namespace();
        let create = ["create", "quota", "q", "--hard=pods=1", "-n", namespace];
        scenario.kubectl().run(create).await?;
        let after = plane.metrics().await?.api_writes(quotas);
        assert_eq!(after - before, 1);
        Ok(())
    })
    .await
}
