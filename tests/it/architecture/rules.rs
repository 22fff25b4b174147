//! The rules.

use super::source::SourceFile;

/// What each module may import of ours; `a::b` permits that part of `a` alone. Everything may import
/// itself.
const LAYERS: [(&str, &[&str]); 16] = [
    ("secret", &[]),
    ("api", &[]),
    ("template", &[]),
    ("telemetry", &[]),
    ("budget", &["telemetry"]),
    ("model", &["api", "secret"]),
    ("http", &["secret", "telemetry", "budget"]),
    ("cluster", &["api", "secret", "telemetry", "budget"]),
    ("esc", &["secret", "http", "telemetry"]),
    (
        "providers",
        &[
            "model",
            "api",
            "secret",
            "http",
            "budget",
            "cluster::secrets",
            "cluster::remote",
            "esc::client",
            "telemetry",
            "template",
        ],
    ),
    ("certs", &["cluster", "api", "secret", "telemetry"]),
    ("runtime", &["cluster", "telemetry"]),
    (
        "controllers",
        &[
            "generators",
            "providers",
            "template",
            "model",
            "cluster",
            "api",
            "secret",
            "telemetry",
        ],
    ),
    (
        "admission",
        &[
            "generators",
            "providers",
            "template",
            "model",
            "cluster",
            "api",
            "secret",
            "telemetry",
        ],
    ),
    // Runs in pods of others: it knows no cluster, no store and no Kubernetes.
    ("agent", &["model", "http", "secret"]),
    (
        "generators",
        &[
            "providers",
            "model",
            "api",
            "secret",
            "http",
            "cluster::secrets",
            "telemetry",
        ],
    ),
];

/// Modules that may name Kubernetes' own types. `runtime` may for its Lease alone.
const KUBERNETES: [&str; 6] = ["api", "cluster", "certs", "admission", "controllers", "cli"];

/// Names that say nothing about what a module holds.
const FORBIDDEN_NAMES: [&str; 9] = [
    "utils", "util", "common", "helpers", "helper", "misc", "types", "prelude", "manager",
];

/// Objects that must never be logged whole.
const UNLOGGABLE: [&str; 12] = [
    "obj", "object", "req", "request", "review", "pod", "secret", "body", "response", "patch",
    "token", "value",
];

/// Files that may be longer, and why.
const LONG_FILES: [(&str, &str); 1] = [(
    "src/api/v1/external_secret.rs",
    "the fields of one kind, each with its sentence for the schema",
)];

/// Everything in `files` that is against the law, a sentence each.
pub(crate) fn violations(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let mut report = |what: String| found.push(format!("{}: {what}", file.path));
        names(file, &mut report);
        sizes(file, &mut report);
        if file.path.starts_with("src/") && !file.is_test() {
            layers(file, &mut report);
            kubernetes(file, &mut report);
            plans(file, &mut report);
            careless(file, &mut report);
            logs(file, &mut report);
        }
    }
    found
}

fn names(file: &SourceFile, report: &mut dyn FnMut(String)) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if name == "mod.rs" {
        report("no mod.rs: write foo.rs beside foo/".to_owned());
        return;
    }
    let stem = name.trim_end_matches(".rs");
    let modules = file.modules.iter().map(String::as_str);
    for module in modules
        .chain([stem])
        .filter(|module| FORBIDDEN_NAMES.contains(module))
    {
        report(format!("forbidden module name {module}"));
    }
}

fn sizes(file: &SourceFile, report: &mut dyn FnMut(String)) {
    if LONG_FILES.iter().any(|(path, _)| *path == file.path) {
        return;
    }
    let limit = if file.is_test() { 800 } else { 600 };
    let net = file.lines - file.test_lines.min(file.lines);
    if file.lines > limit {
        report(format!("{} lines, at most {limit}", file.lines));
    } else if !file.is_test() && net > 450 {
        report(format!("{net} lines without tests, at most 450"));
    }
    if file.is_test() {
        return;
    }
    for (name, lines) in file.functions.iter().filter(|(_, lines)| *lines > 60) {
        report(format!("function {name} has {lines} lines, at most 60"));
    }
}

/// The absolute path, below the crate, of a name that is ours.
fn ours(file: &SourceFile, name: &[String]) -> Option<Vec<String>> {
    let module = file.module();
    match name.first().map(String::as_str) {
        Some("crate") => Some(name[1..].to_vec()),
        Some("super") => {
            let ups = name
                .iter()
                .take_while(|segment| *segment == "super")
                .count();
            let base = module.len().checked_sub(ups)?;
            let base = module[..base].iter().map(|segment| (*segment).to_owned());
            Some(base.chain(name[ups..].iter().cloned()).collect())
        }
        _ => None,
    }
}

fn layers(file: &SourceFile, report: &mut dyn FnMut(String)) {
    let module = file.module();
    let Some((layer, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == module[0]) else {
        return;
    };
    let mut reported = Vec::new();
    for path in file.names.iter().filter_map(|name| ours(file, name)) {
        let Some(first) = path.first().filter(|first| *first != layer) else {
            provider_to_provider(file, &path, report);
            continue;
        };
        let known = LAYERS.iter().any(|(layer, _)| layer == first) || *first == "cli";
        let partly = path
            .get(1)
            .map(|second| format!("{first}::{second}"))
            .unwrap_or_default();
        let permitted = allowed
            .iter()
            .any(|allowed| allowed == first || *allowed == partly);
        if !known || permitted {
            continue;
        }
        let partial = allowed
            .iter()
            .any(|allowed| allowed.starts_with(&format!("{first}::")));
        let what = if partial { partly } else { first.clone() };
        if !reported.contains(&what) {
            report(format!("{layer} must not import {what}"));
            reported.push(what);
        }
    }
}

fn provider_to_provider(file: &SourceFile, path: &[String], report: &mut dyn FnMut(String)) {
    const PROVIDERS: [&str; 18] = [
        "akeyless",
        "aws",
        "azurekv",
        "barbican",
        "conjur",
        "crd",
        "doppler",
        "fake",
        "gcpsm",
        "github",
        "gitlab",
        "infisical",
        "kubernetes",
        "onepassword",
        "open_bao",
        "pulumi",
        "vault",
        "webhook",
    ];
    let module = file.module();
    let (Some(own), Some(other)) = (module.get(1), path.get(1)) else {
        return;
    };
    if path[0] == "providers"
        && PROVIDERS.contains(own)
        && PROVIDERS.contains(&other.as_str())
        && own != other
    {
        report(format!("providers/{own} must not import providers/{other}"));
    }
}

fn kubernetes(file: &SourceFile, report: &mut dyn FnMut(String)) {
    let module = file.module();
    let plan = is_plan(file);
    // The status of a condition has a time of Kubernetes' own type, and so has a Lease.
    let metadata = |name: &[String]| {
        name.iter().any(|segment| segment == "apimachinery")
            || name.iter().any(|segment| segment == "coordination")
    };
    let allowed = KUBERNETES.contains(&module[0]) && !plan || file.path == "src/runtime/lease.rs";
    for foreign in ["kube", "k8s_openapi"] {
        let mut named = file
            .names
            .iter()
            .filter(|name| name.first().is_some_and(|first| first == foreign));
        let excused = |name: &&Vec<String>| allowed || (foreign == "k8s_openapi" && metadata(name));
        if named.any(|name| !excused(&name)) {
            report(format!("{} must not name {foreign}", module.join("::")));
        }
    }
    let anyhow = file
        .names
        .iter()
        .any(|name| name.first().is_some_and(|first| first == "anyhow"));
    if anyhow && !matches!(module[0], "cli" | "main") {
        report(format!("{} must not name anyhow", module.join("::")));
    }
    let handles_secrets = file.generics.iter().any(|generic| generic == "Api<Secret>");
    if handles_secrets && !matches!(module[0], "cluster" | "certs") {
        report("only cluster and certs handle Secrets; use cluster::secret_object".to_owned());
    }
}

fn is_plan(file: &SourceFile) -> bool {
    let module = file.module();
    module
        .iter()
        .skip(1)
        .any(|segment| matches!(*segment, "plan" | "status"))
}

fn plans(file: &SourceFile, report: &mut dyn FnMut(String)) {
    if is_plan(file) && file.is_async {
        report("no async in a plan or a status".to_owned());
    }
}

fn careless(file: &SourceFile, report: &mut dyn FnMut(String)) {
    let module = file.module();
    let edge = matches!(module[0], "cli" | "main");
    if file.methods.iter().any(|method| method == "unwrap") {
        report("unwrap outside of tests".to_owned());
    }
    let prints = ["println", "eprintln", "print", "eprint", "dbg"];
    if !edge
        && file
            .macros
            .iter()
            .any(|(name, _)| prints.contains(&name.as_str()))
    {
        report("only cli prints".to_owned());
    }
    let names = |suffix: &[&str]| {
        file.names
            .iter()
            .any(|name| name.ends_with(&suffix.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()))
    };
    if !edge && (names(&["env", "var"]) || names(&["env", "var_os"])) {
        report("only cli reads the environment".to_owned());
    }
    if module[0] != "main" && names(&["process", "exit"]) {
        report("only main ends the process".to_owned());
    }
    let spawns = names(&["tokio", "spawn"]);
    let accepts = matches!(
        module.as_slice(),
        ["runtime", ..] | ["admission" | "esc", "server", ..]
    );
    if spawns && !accepts {
        report("tokio::spawn only in runtime and accept loops".to_owned());
    }
}

fn logs(file: &SourceFile, report: &mut dyn FnMut(String)) {
    const LEVELS: [&str; 7] = ["trace", "debug", "info", "warn", "error", "span", "event"];
    for (_, tokens) in file
        .macros
        .iter()
        .filter(|(name, _)| LEVELS.contains(&name.as_str()))
    {
        let words: Vec<&str> = tokens
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
            .collect();
        let shown = words
            .windows(2)
            .any(|pair| pair[0].ends_with('?') && UNLOGGABLE.contains(&pair[1]));
        let glued = words.iter().any(|word| {
            word.strip_prefix('?')
                .is_some_and(|name| UNLOGGABLE.contains(&name))
        });
        if shown || glued {
            report("a log shows an object whole: name it by reference".to_owned());
        }
    }
}
