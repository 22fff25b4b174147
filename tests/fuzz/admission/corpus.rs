//! Real input, and words that have a meaning in it.

/// Pods as people write them.
pub(crate) const PODS: [&str; 7] = [
    "
metadata:
  generateName: web-
  labels: {app: web}
  annotations: {latchkey.dev/secret.db: 'secret://cluster:vault/apps/web/db'}
spec:
  serviceAccountName: web
  containers:
  - name: app
    env:
    - {name: P, valueFrom: {secretKeyRef: {name: db, key: password}}}
    - {name: R, valueFrom: {secretKeyRef: {name: db, key: replica, optional: true}}}
  - {name: metrics, image: m}
",
    "
metadata:
  generateName: worker-
  annotations:
    latchkey.dev/secret.settings: secret://vault/apps/worker/settings?version=12
    latchkey.dev/refresh: 15m
    latchkey.dev/on-change: restart
    latchkey.dev/on-error: wait
spec:
  containers:
  - name: app
    envFrom:
    - {prefix: APP_, secretRef: {name: settings}}
    - {secretRef: {name: plain}}
    - {configMapRef: {name: settings}}
",
    "
metadata:
  annotations:
    latchkey.dev/secret.conf: |
      secretStoreRef: {kind: ClusterSecretStore, name: vault}
      dataFrom: [{extract: {key: apps/api/db}}]
      target: {template: {data: {app.properties: 'user={{ .user | upper }}'}}}
spec:
  containers: [{name: app, volumeMounts: [{name: conf, mountPath: /etc/api}]}]
  volumes: [{name: conf, secret: {secretName: conf, defaultMode: 256}}]
",
    "
metadata:
  annotations: {latchkey.dev/inline: 'true'}
spec:
  initContainers:
  - {name: migrate, env: [{name: T, value: 'secret://cluster:vault/apps/shop/admin#token'}]}
  containers:
  - name: app
    env:
    - {name: LEVEL, value: info}
    - name: URL
      value: 'pg://${secret://vault/db#user}:${secret://vault/db#password}@$(HOST)/$$(x)'
    - {name: HOST, value: h}
",
    "
metadata:
  annotations:
    latchkey.dev/secret.regcred: |
      secretStoreRef: {kind: ClusterSecretStore, name: vault}
      data: [{secretKey: .dockerconfigjson, remoteRef: {key: r, property: p}}]
      target: {template: {type: kubernetes.io/dockerconfigjson}}
    latchkey.dev/secret.api: externalsecret/payments-api
spec:
  imagePullSecrets: [{name: regcred}, {name: other}]
  initContainers: [{name: proxy, restartPolicy: Always}]
  containers: [{name: app}]
  ephemeralContainers:
  - {name: d, env: [{name: A, valueFrom: {secretKeyRef: {name: api, key: k}}}]}
  volumes:
  - name: creds
    projected: {sources: [{secret: {name: api, items: [{key: token, path: t}]}}, {configMap: {name: api}}]}
  - {name: csi, csi: {driver: d, nodePublishSecretRef: {name: regcred}}}
",
    "
metadata:
  name: bare
  labels: {latchkey.dev/injected: 'true'}
  annotations:
    latchkey.dev/status: '{\"db\":\"inj-db-s7zrki42lcsypt4pwmpr\"}'
    latchkey.dev/inline-references: '{\"inj-inline-aaaaaaaaaaaaaaaaaaaa\":[\"secret://vault/x#y\"]}'
    latchkey.dev/secret.db: secret://vault/db
    latchkey.dev/inline: 'true'
spec:
  containers:
  - name: app
    env:
    - {name: A, valueFrom: {secretKeyRef: {name: inj-db-s7zrki42lcsypt4pwmpr, key: k}}}
    - {name: INJ_AAAAAA_Y, valueFrom: {secretKeyRef: {name: inj-inline-aaaaaaaaaaaaaaaaaaaa, key: y}}}
    - {name: B, value: 'x $(INJ_AAAAAA_Y)'}
",
    "
metadata: {annotations: {example.com/a: b}}
spec: {containers: [{name: app}]}
",
];

/// Other objects that are reviewed, by resource.
pub(crate) const OBJECTS: [(&str, &str); 9] = [
    (
        "externalsecrets",
        "{kind: ExternalSecret, spec: {secretStoreRef: {name: vault}, refreshInterval: 1h, data: [{secretKey: a, remoteRef: {key: k, property: p, version: v}}], target: {deletionPolicy: Delete, template: {engineVersion: v2, mergePolicy: Merge, metadata: {labels: {a: '{{ .a }}'}}, templateFrom: [{literal: '{{ .a }}', target: Data}, {configMap: {name: c, items: [{key: k}]}}]}}}}",
    ),
    (
        "externalsecrets",
        "{kind: ExternalSecret, spec: {secretStoreRef: {name: vault, kind: ClusterSecretStore}, dataFrom: [{find: {name: {regexp: '^a.*'}, tags: {a: b}}, rewrite: [{regexp: {source: '(.*)', target: 'x-$1'}}, {merge: {into: i, strategy: JSON}}]}, {sourceRef: {generatorRef: {kind: Password, name: p}}}, {extract: {key: k, decodingStrategy: Auto}, sourceRef: {storeRef: {name: other}}}]}}",
    ),
    (
        "secretstores",
        "{kind: SecretStore, metadata: {name: s, annotations: {latchkey.dev/key-scope: 'apps/{namespace}/**'}}, spec: {refreshInterval: 60, provider: {fake: {data: [{key: k, value: v, version: '1'}]}}}}",
    ),
    (
        "clustersecretstores",
        "{kind: ClusterSecretStore, spec: {conditions: [{namespaceRegexes: ['^a'], namespaceSelector: {matchExpressions: [{key: k, operator: In, values: [v]}]}, namespaces: [n]}], provider: {vault: {server: 'https://v:8200', path: secret, version: v2, headers: {a: b}, caProvider: {type: Secret, name: ca, key: k, namespace: n}, auth: {appRole: {path: p, roleId: r, secretRef: {name: s, key: k, namespace: n}}}}}}}",
    ),
    (
        "secretstores",
        "{kind: SecretStore, spec: {provider: {pulumi: {organization: o, project: p, environment: e, apiUrl: 'https://a/api/esc', accessToken: {secretRef: {name: t, key: k}}}}}}",
    ),
    (
        "secretstores",
        "{kind: SecretStore, spec: {provider: {kubernetes: {remoteNamespace: r, server: {url: u, caProvider: {type: ConfigMap, name: c, key: k}}, auth: {serviceAccount: {name: a}}}}}}",
    ),
    (
        "pushsecrets",
        "{kind: PushSecret, spec: {secretStoreRefs: [{name: vault}, {labelSelector: {matchLabels: {a: b}}}], selector: {secret: {name: a}}, data: [{match: {secretKey: a, remoteRef: {remoteKey: r, property: p}}}], dataTo: [{storeRef: {name: vault}, match: {regexp: '^a'}, rewrite: [{regexp: {source: a, target: b}}]}]}}",
    ),
    (
        "clusterexternalsecrets",
        "{kind: ClusterExternalSecret, spec: {refreshTime: 1m, namespaceSelectors: [{matchLabels: {a: b}}], externalSecretSpec: {secretStoreRef: {name: vault, kind: ClusterSecretStore}, dataFrom: [{extract: {key: k}}]}}}",
    ),
    (
        "clustergenerators",
        "{kind: ClusterGenerator, spec: {kind: Password, generator: {passwordSpec: {length: 12, digits: 2}}}}",
    ),
];

/// Values of annotations.
pub(crate) const ANNOTATIONS: [(&str, &str); 14] = [
    ("latchkey.dev/secret.db", "secret://vault/apps/db"),
    (
        "latchkey.dev/secret.db",
        "secret://cluster:vault/a/b?version=3#p",
    ),
    ("latchkey.dev/secret.db", "secret://vault/a%2Fb%25%23#c.d"),
    ("latchkey.dev/secret.db", "externalsecret/payments-api"),
    (
        "latchkey.dev/secret.conf",
        "secretStoreRef: {kind: ClusterSecretStore, name: vault}\ndataFrom: [{extract: {key: a/b}}]\ntarget: {template: {data: {a: 'x={{ .y }}'}}}\n",
    ),
    (
        "latchkey.dev/secret.all",
        "refreshInterval: 90s\nrefreshPolicy: Periodic\nsecretStoreRef: {name: s}\ndata:\n- secretKey: a\n  remoteRef: {key: k, property: p, version: '1', decodingStrategy: Base64, conversionStrategy: Default, metadataPolicy: None, nullBytePolicy: Ignore}\n- secretKey: b\n  remoteRef: {key: k}\n  sourceRef: {storeRef: {name: t, kind: SecretStore}}\n",
    ),
    (
        "latchkey.dev/secret.find",
        "dataFrom:\n- find: {name: {regexp: '^a'}, path: p, tags: {a: b}, conversionStrategy: Unicode}\n  rewrite: [{regexp: {source: 'a(.*)', target: '$1'}}, {merge: {priority: [a], strategy: Extract}}]\nsecretStoreRef: {name: s}\n",
    ),
    (
        "latchkey.dev/secret.yaml",
        "&a\nsecretStoreRef: &s {name: s}\ndataFrom:\n- extract: {key: 'k'}\n  sourceRef: {storeRef: *s}\n",
    ),
    ("latchkey.dev/refresh", "1h30m"),
    ("latchkey.dev/inline", "true"),
    ("latchkey.dev/on-change", "restart"),
    ("latchkey.dev/on-error", "deny"),
    ("latchkey.dev/mode", "secret"),
    (
        "latchkey.dev/status",
        "{\"db\":\"inj-db-s7zrki42lcsypt4pwmpr\"}",
    ),
];

/// What is put in between.
pub(crate) const WORDS: [&str; 60] = [
    "secret://",
    "${secret://",
    "}",
    "${",
    "$(",
    "$$",
    "$",
    ")",
    "externalsecret/",
    "cluster:",
    "vault",
    "db",
    "other",
    "plain",
    "#",
    "?",
    "?version=",
    "%",
    "%2F",
    "%25",
    "%zz",
    "%C3",
    "/",
    "//",
    "..",
    ":",
    "true",
    "false",
    "null",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\n",
    "\n\n",
    "\t",
    " ",
    "- ",
    ": ",
    "{",
    "[",
    "&a",
    "*a",
    "<<: *a",
    "!!binary ",
    "|\n",
    "é",
    "\u{1F511}",
    "\u{0}",
    "~",
    "~1",
    "inj-",
    "inj-db-s7zrki42lcsypt4pwmpr",
    "INJ_",
    "latchkey.dev/",
    "latchkey.dev/secret.",
];
