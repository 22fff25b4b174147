//! Reviews of pods as the API server sends them when a ReplicaSet's controller creates one: with the
//! fields that controllers, admission plugins and the API server itself add, which are most of the bytes.

use serde_json::{Map, Value, json};

/// A review by name; `build` makes its body.
pub(crate) struct Body {
    /// What it is called in tables.
    pub(crate) name: &'static str,
    /// What is in it.
    pub(crate) about: &'static str,
    shape: Shape,
}

#[derive(Clone, Copy)]
struct Shape {
    containers: usize,
    variables: usize,
    /// Aliases that the pod declares.
    aliases: usize,
    /// Variables of each container that are read from the Secret of an alias.
    secrets: usize,
    /// Variables of each container with a reference in the value.
    references: usize,
    /// Bytes of an annotation of somebody else's, as JSON.
    ballast: usize,
}

const SHAPE: Shape = Shape {
    containers: 2,
    variables: 20,
    aliases: 2,
    secrets: 3,
    references: 0,
    ballast: 0,
};

/// The bodies that are measured.
pub(crate) const BODIES: [Body; 8] = [
    Body {
        name: "small",
        about: "1 container, 2 variables, 1 alias",
        shape: Shape {
            containers: 1,
            variables: 2,
            aliases: 1,
            secrets: 1,
            ..SHAPE
        },
    },
    Body {
        name: "plain",
        about: "typical, without our annotations",
        shape: Shape {
            aliases: 0,
            ..SHAPE
        },
    },
    Body {
        name: "typical",
        about: "2 containers, 20 variables each, 2 aliases",
        shape: SHAPE,
    },
    Body {
        name: "aliases",
        about: "typical with 6 aliases",
        shape: Shape {
            aliases: 6,
            secrets: 6,
            ..SHAPE
        },
    },
    Body {
        name: "inline",
        about: "typical, with 4 references within values",
        shape: Shape {
            aliases: 0,
            references: 2,
            ..SHAPE
        },
    },
    Body {
        name: "variables",
        about: "1 container, 200 variables, 2 aliases",
        shape: Shape {
            containers: 1,
            variables: 200,
            secrets: 20,
            ..SHAPE
        },
    },
    Body {
        name: "large",
        about: "6 containers, 150 variables each, 2 aliases",
        shape: Shape {
            containers: 6,
            variables: 150,
            secrets: 10,
            ..SHAPE
        },
    },
    Body {
        name: "huge",
        about: "large, with an annotation of 900 KB",
        shape: Shape {
            containers: 6,
            variables: 150,
            secrets: 10,
            ballast: 900_000,
            ..SHAPE
        },
    },
];

/// The body of this name.
pub(crate) fn body(name: &str) -> Option<Vec<u8>> {
    let body = BODIES.iter().find(|body| body.name == name)?;
    Some(body.build())
}

impl Body {
    /// The bytes that the API server would send.
    pub(crate) fn build(&self) -> Vec<u8> {
        let gvk = json!({"group": "", "version": "v1", "kind": "Pod"});
        let gvr = json!({"group": "", "version": "v1", "resource": "pods"});
        let review = json!({
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": "3f2a7c1e-9d54-4b6b-8a0e-5c7d1f0b9e42",
                "kind": gvk,
                "resource": gvr,
                "requestKind": gvk,
                "requestResource": gvr,
                "namespace": "shop",
                "operation": "CREATE",
                "userInfo": {
                    "username": "system:serviceaccount:kube-system:replicaset-controller",
                    "uid": "b7a0c1d2-6f0e-4a3b-9c58-1e2d3f4a5b6c",
                    "groups": [
                        "system:serviceaccounts",
                        "system:serviceaccounts:kube-system",
                        "system:authenticated",
                    ],
                    "extra": {"authentication.kubernetes.io/credential-id": [
                        "JTI=6e0f3a52-31c5-4d7c-a1f7-0b9d6f8e2c11",
                    ]},
                },
                "object": self.shape.pod(),
                "oldObject": null,
                "dryRun": false,
                "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            },
        });
        review.to_string().into_bytes()
    }
}

impl Shape {
    fn pod(self) -> Value {
        let containers: Vec<Value> = (0..self.containers).map(|i| self.container(i)).collect();
        json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                "generateName": "checkout-7d9f8c6b54-",
                "namespace": "shop",
                "creationTimestamp": null,
                "labels": {
                    "app.kubernetes.io/name": "checkout",
                    "app.kubernetes.io/part-of": "shop",
                    "pod-template-hash": "7d9f8c6b54",
                },
                "annotations": self.annotations(),
                "ownerReferences": [{
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "checkout-7d9f8c6b54",
                    "uid": "0c9b8a7d-6e5f-4d3c-8b2a-190807060504",
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
                "managedFields": [self.managed_fields()],
            },
            "spec": {
                "volumes": [account_volume()],
                "containers": containers,
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "serviceAccountName": "checkout",
                "serviceAccount": "checkout",
                "securityContext": {"runAsNonRoot": true, "fsGroup": 65532},
                "schedulerName": "default-scheduler",
                "tolerations": [
                    toleration("node.kubernetes.io/not-ready"),
                    toleration("node.kubernetes.io/unreachable"),
                ],
                "priority": 0,
                "enableServiceLinks": true,
                "preemptionPolicy": "PreemptLowerPriority",
            },
            "status": {},
        })
    }

    fn annotations(self) -> Value {
        let mut annotations = Map::new();
        let mut set = |key: String, value: String| annotations.insert(key, value.into());
        set(
            "kubectl.kubernetes.io/restartedAt".to_owned(),
            "2026-08-01T12:00:00Z".to_owned(),
        );
        for i in 0..self.aliases {
            set(
                format!("latchkey.dev/secret.{}", alias(i)),
                format!("secret://cluster:vault/apps/checkout/{}", alias(i)),
            );
        }
        if self.references > 0 {
            set("latchkey.dev/inline".to_owned(), "true".to_owned());
        }
        if self.ballast > 0 {
            let line = r#"{"kind":"Note","text":"somebody keeps \"things\" here"}"#;
            let encoded = Value::from(line).to_string().len();
            let text = line.repeat(self.ballast / encoded);
            set("example.com/notes".to_owned(), text);
        }
        annotations.into()
    }

    fn container(self, index: usize) -> Value {
        let variables: Vec<Value> = (0..self.variables)
            .map(|i| self.variable(index, i))
            .collect();
        let probe = json!({
            "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
            "timeoutSeconds": 1,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        });
        json!({
            "name": format!("worker-{index}"),
            "image": format!("registry.example.com/shop/worker-{index}:1.42.0"),
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "env": variables,
            "resources": {
                "limits": {"memory": "512Mi"},
                "requests": {"cpu": "250m", "memory": "256Mi"},
            },
            "volumeMounts": [{
                "name": "kube-api-access-x7k2p",
                "readOnly": true,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            }],
            "livenessProbe": probe,
            "readinessProbe": probe,
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
            "securityContext": {
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
                "allowPrivilegeEscalation": false,
            },
        })
    }

    fn variable(self, container: usize, index: usize) -> Value {
        let name = variable_name(index);
        if index < self.secrets {
            // A plain pod names Secrets too: it differs from the typical one in its annotations alone.
            let secret = alias(index % self.aliases.max(1));
            return json!({"name": name, "valueFrom": {
                "secretKeyRef": {"name": secret, "key": format!("key-{index}")},
            }});
        }
        if index < self.secrets + self.references {
            let property = if index.is_multiple_of(2) {
                "user"
            } else {
                "password"
            };
            let value = format!(
                "postgres://${{secret://cluster:vault/apps/checkout/db-{container}#{property}}}@db:5432/shop"
            );
            return json!({"name": name, "value": value});
        }
        if index + 1 == self.variables {
            return json!({"name": name, "valueFrom": {
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"},
            }});
        }
        json!({"name": name, "value": format!("value {index}")})
    }

    fn managed_fields(self) -> Value {
        let mut variables = json!({".": {}});
        for i in 0..self.variables {
            let key = json!({"name": variable_name(i)});
            variables[format!("k:{key}")] = json!({".": {}, "f:name": {}, "f:value": {}});
        }
        let mut containers = Map::new();
        for i in 0..self.containers {
            let key = json!({"name": format!("worker-{i}")});
            containers.insert(
                format!("k:{key}"),
                json!({
                    ".": {},
                    "f:env": variables,
                    "f:image": {},
                    "f:imagePullPolicy": {},
                    "f:livenessProbe": {},
                    "f:name": {},
                    "f:readinessProbe": {},
                    "f:resources": {},
                    "f:securityContext": {},
                    "f:terminationMessagePath": {},
                }),
            );
        }
        json!({
            "manager": "kube-controller-manager",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-08-01T12:00:01Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:generateName": {}, "f:labels": {}, "f:ownerReferences": {}},
                "f:spec": {
                    "f:containers": containers,
                    "f:dnsPolicy": {},
                    "f:restartPolicy": {},
                    "f:schedulerName": {},
                    "f:securityContext": {},
                    "f:serviceAccount": {},
                },
            },
        })
    }
}

fn alias(index: usize) -> String {
    format!("credentials-{index}")
}

fn variable_name(index: usize) -> String {
    format!("SETTING_{index}")
}

fn toleration(key: &str) -> Value {
    json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
}

fn account_volume() -> Value {
    json!({
        "name": "kube-api-access-x7k2p",
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }},
                {"downwardAPI": {"items": [{
                    "path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                }]}},
            ],
        },
    })
}
