//! The pods of the design and their patches, under a key of our own: shapes are compared, MACs are not.

use serde_json::{Value, json};

use crate::admission_world::{pod, world};
use crate::agent_world::TRUST;

/// The patch with each 20-character MAC replaced by `MAC`, and without the record of in-line references.
fn shape(patch: &Value) -> Value {
    let mac = regex::Regex::new("-[a-z2-7]{20}").expect("the expression is legal");
    let text = mac.replace_all(&patch.to_string(), "-MAC").into_owned();
    let tag = regex::Regex::new("INJ_[A-Z2-7]{6}_").expect("the expression is legal");
    let text = tag.replace_all(&text, "INJ_TAG_");
    let mut shape: Value = serde_json::from_str(&text).expect("it is still JSON");
    shape
        .as_array_mut()
        .expect("a patch is a list")
        .retain(|operation| {
            operation["path"] != "/metadata/annotations/latchkey.dev~1inline-references"
        });
    shape
}

fn closing(status: &str) -> [Value; 2] {
    [
        json!({"op": "add", "path": "/metadata/labels/latchkey.dev~1injected", "value": "true"}),
        json!({"op": "add", "path": "/metadata/annotations/latchkey.dev~1status", "value": status}),
    ]
}

async fn patches(yaml: &str, operations: Vec<Value>, status: &str) {
    let world = world();
    world.know(|tables| {
        let target = ("payments-api".to_owned(), "payments-api".to_owned());
        tables.targets.extend([target]);
    });
    let outcome = world.settle(&pod(yaml)).await;
    let patch = outcome.patch.expect("there is something to do");
    let expected: Vec<Value> = operations.into_iter().chain(closing(status)).collect();
    assert_eq!(shape(&patch), Value::from(expected));
}

fn replace(path: &str, value: &str) -> Value {
    json!({"op": "replace", "path": path, "value": value})
}

#[tokio::test]
async fn example_1_keys_of_an_alias() {
    let yaml = "
metadata:
  generateName: web-5d4f8c7b9-
  labels: {app: web}
  annotations: {latchkey.dev/secret.db: 'secret://cluster:vault/apps/web/db'}
spec:
  serviceAccountName: web
  containers:
  - name: app
    image: registry.example.com/web:1.4
    env:
    - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
    - {name: DB_REPLICA_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: replica-password, optional: true}}}
  - {name: metrics, image: 'registry.example.com/metrics:2.0'}
";
    let env = "/spec/containers/0/env";
    let operations = vec![
        replace(
            &format!("{env}/0/valueFrom/secretKeyRef/name"),
            "inj-db-MAC",
        ),
        replace(
            &format!("{env}/1/valueFrom/secretKeyRef/name"),
            "inj-db-MAC",
        ),
    ];
    patches(yaml, operations, r#"{"db":"inj-db-MAC"}"#).await;
}

#[tokio::test]
async fn example_2_a_whole_secret_beside_an_ordinary_one() {
    let yaml = "
metadata:
  labels: {app: worker}
  annotations:
    latchkey.dev/secret.settings: secret://vault/apps/worker/settings?version=12
    latchkey.dev/refresh: 15m
    latchkey.dev/on-change: restart
spec:
  serviceAccountName: worker
  containers:
  - name: app
    envFrom:
    - {prefix: APP_, secretRef: {name: settings}}
    - {secretRef: {name: plain-secret}}
";
    let path = "/spec/containers/0/envFrom/0/secretRef/name";
    let status = r#"{"settings":"inj-settings-MAC"}"#;
    patches(yaml, vec![replace(path, "inj-settings-MAC")], status).await;
}

#[tokio::test]
async fn example_3_a_rendered_file() {
    let yaml = "
metadata:
  labels: {app: api}
  annotations:
    latchkey.dev/secret.conf: |
      secretStoreRef: {kind: ClusterSecretStore, name: vault}
      dataFrom: [{extract: {key: apps/api/db}}]
      target:
        template:
          data:
            app.properties: |
              url=jdbc:postgresql://db:5432/api
              user={{ .user }}
spec:
  serviceAccountName: api
  containers:
  - {name: app, volumeMounts: [{name: conf, mountPath: /etc/api, readOnly: true}]}
  volumes:
  - {name: conf, secret: {secretName: conf, defaultMode: 256}}
";
    let path = "/spec/volumes/0/secret/secretName";
    let status = r#"{"conf":"inj-conf-MAC"}"#;
    patches(yaml, vec![replace(path, "inj-conf-MAC")], status).await;
}

#[tokio::test]
async fn example_4_references_in_values() {
    let yaml = "
metadata:
  labels: {app: shop}
  annotations: {latchkey.dev/inline: 'true'}
spec:
  serviceAccountName: shop
  initContainers:
  - name: migrate
    env:
    - {name: ADMIN_TOKEN, value: 'secret://cluster:vault/apps/shop/admin#token'}
  containers:
  - name: app
    env:
    - {name: LOG_LEVEL, value: info}
    - name: DATABASE_URL
      value: 'postgres://${secret://cluster:vault/apps/shop/db#user}:${secret://cluster:vault/apps/shop/db#password}@db:5432/shop'
    - {name: REGION, value: eu}
";
    let source = |key: &str| json!({"secretKeyRef": {"name": "inj-inline-MAC", "key": key}});
    let added = |i: u8, name: &str, key: &str| {
        json!({"op": "add", "path": format!("/spec/containers/0/env/{i}"),
               "value": {"name": name, "valueFrom": source(key)}})
    };
    let operations = vec![
        json!({"op": "remove", "path": "/spec/initContainers/0/env/0/value"}),
        json!({"op": "add", "path": "/spec/initContainers/0/env/0/valueFrom", "value": source("token")}),
        added(1, "INJ_TAG_USER", "user"),
        added(2, "INJ_TAG_PASSWORD", "password"),
        replace(
            "/spec/containers/0/env/3/value",
            "postgres://$(INJ_TAG_USER):$(INJ_TAG_PASSWORD)@db:5432/shop",
        ),
    ];
    let status = r#"{"inline":["inj-inline-MAC","inj-inline-MAC"]}"#;
    patches(yaml, operations, status).await;
}

#[tokio::test]
async fn example_5_a_pull_secret_and_an_external_secret() {
    let yaml = "
metadata:
  labels: {app: pay}
  annotations:
    latchkey.dev/secret.regcred: |
      secretStoreRef: {kind: ClusterSecretStore, name: vault}
      data: [{secretKey: .dockerconfigjson, remoteRef: {key: platform/registry, property: dockerconfigjson}}]
      target: {template: {type: kubernetes.io/dockerconfigjson}}
    latchkey.dev/secret.api: externalsecret/payments-api
spec:
  serviceAccountName: pay
  imagePullSecrets: [{name: regcred}]
  initContainers:
  - {name: proxy, restartPolicy: Always, volumeMounts: [{name: creds, mountPath: /creds}]}
  containers: [{name: app}]
  volumes:
  - name: creds
    projected:
      sources:
      - secret: {name: api, items: [{key: token, path: token}]}
      - configMap: {name: pay}
";
    let operations = vec![
        replace(
            "/spec/volumes/0/projected/sources/0/secret/name",
            "payments-api",
        ),
        replace("/spec/imagePullSecrets/0/name", "inj-regcred-MAC"),
    ];
    let status = r#"{"api":"payments-api","regcred":"inj-regcred-MAC"}"#;
    patches(yaml, operations, status).await;
}

#[tokio::test]
async fn example_6_in_memory_and_nothing_in_etcd() {
    let yaml = "
metadata:
  generateName: edge-
  labels: {app: edge}
  annotations:
    latchkey.dev/secret.tls: secret://cluster:vault/apps/edge/tls
    latchkey.dev/mode: memory
spec:
  serviceAccountName: edge
  containers:
  - name: app
    volumeMounts: [{name: tls, mountPath: /etc/tls, readOnly: true}]
  volumes:
  - {name: tls, secret: {secretName: tls}}
";
    let told = r#"--secret={"name":"inj-tls-MAC","volume":"tls","mode":420,"refresh":3600}"#;
    let token = json!({"name": "inj-token", "projected": {"sources": [{"serviceAccountToken": {
        "audience": "latchkey.dev", "expirationSeconds": 600, "path": "token"}}]}});
    let agent = json!({
        "name": "inj-agent",
        "image": "registry.example.com/latchkey:1",
        "command": ["/latchkey"],
        "args": ["agent", "serve", "--server=https://latchkey-webhook.latchkey-system.svc:443", told],
        "env": [{"name": "LATCHKEY_AGENT_CA", "value": TRUST}],
        "restartPolicy": "Always",
        "startupProbe": {"exec": {"command": ["/latchkey", "agent", "ready"]},
            "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 86400},
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
        "volumeMounts": [{"name": "tls", "mountPath": "/inj/tls"},
            {"name": "inj-token", "mountPath": "/var/run/inject", "readOnly": true}],
        "securityContext": {"runAsNonRoot": true, "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}},
    });
    let operations = vec![
        json!({"op": "remove", "path": "/spec/volumes/0/secret"}),
        json!({"op": "add", "path": "/spec/volumes/0/emptyDir",
            "value": {"medium": "Memory", "sizeLimit": "4Mi"}}),
        json!({"op": "add", "path": "/spec/volumes/-", "value": token}),
        json!({"op": "add", "path": "/spec/initContainers", "value": [agent]}),
    ];
    patches(yaml, operations, r#"{"tls":"memory"}"#).await;
}
