//! Values out of objects of a user's own kind, with the rights of a ServiceAccount.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::world::world;

const KIND: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NS.example.io}
spec:
  group: NS.example.io
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
";

const WORLD: &str = r"
apiVersion: NS.example.io/v1
kind: Widget
metadata: {name: db, namespace: NS}
spec: {user: me, pass: hunter2, port: 5432}
---
apiVersion: NS.example.io/v1
kind: Widget
metadata: {name: kept, namespace: NS}
spec: {user: nobody}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: NS}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: NS}
rules:
- {apiGroups: [NS.example.io], resources: [widgets], verbs: [get], resourceNames: [db]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: NS}]
";

const USES: &str = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: allowed, namespace: NS}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: reader}
  data:
  - {secretKey: pass, remoteRef: {key: db, property: spec.pass}}
  - {secretKey: port, remoteRef: {key: db, property: spec.port}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: forbidden, namespace: NS}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: reader}
  data: [{secretKey: user, remoteRef: {key: kept, property: spec.user}}]
";

#[tokio::test]
async fn a_widget_is_read_with_the_rights_of_a_service_account_and_no_others() -> anyhow::Result<()>
{
    let world = world().await?;
    world
        .run("crd", async |place| {
            place.apply(KIND).await?;
            let name = format!("crd/widgets.{}.example.io", place.namespace);
            let waiting = [
                "wait",
                "--for=condition=Established",
                &name,
                "--timeout=60s",
            ];
            place.kubectl.run(&waiting).await?;
            place.apply(WORLD).await?;
            let access = std::fs::read_to_string(world.plane.kubeconfig())?;
            let access: serde_json::Value = serde_json::from_str(&access)?;
            let cluster = &access["clusters"][0]["cluster"];
            let ca = cluster["certificate-authority"].as_str();
            let ca = std::fs::read_to_string(ca.context("the kubeconfig names its CA")?)?;
            for account in ["reader", "stranger"] {
                let store = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                    "metadata": {"name": account, "namespace": place.namespace},
                    "spec": {"provider": {"crd": {
                        "server": {"url": cluster["server"], "caBundle": STANDARD.encode(&ca)},
                        "auth": {"serviceAccount": {"name": account}},
                        "resource": {"group": format!("{}.example.io", place.namespace),
                            "version": "v1", "kind": "Widget"}}}}});
                place.kubectl.apply(&store.to_string()).await?;
            }
            place.ready("SecretStore", "reader", "True", "").await?;
            let says = "may not get widgets";
            place
                .ready("SecretStore", "stranger", "False", says)
                .await?;
            place.apply(USES).await?;
            let values = [("pass", "hunter2"), ("port", "5432")];
            place.holds("allowed", &values).await?;
            let says = "the API server refused";
            place
                .ready("ExternalSecret", "forbidden", "False", says)
                .await?;
            let kind = name.trim_start_matches("crd/");
            place
                .kubectl
                .run(&["delete", "crd", kind, "--wait=false"])
                .await?;
            Ok(())
        })
        .await
}
