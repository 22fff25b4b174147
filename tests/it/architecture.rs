//! The law of the tree: who may import whom, what a file may contain, how large it may be.
//!
//! `violations` is a pure function of source texts, so that each rule is shown to fail on a planted
//! violation; one test then holds the real tree against it.

mod rules;
mod source;

use std::path::Path;

use rules::violations;
use source::SourceFile;

fn read_tree() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        collect(root, &root.join(folder), &mut files);
    }
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    let entries = std::fs::read_dir(folder).expect("the folder must be readable");
    for entry in entries {
        let path = entry.expect("the entry must be readable").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("the file must be readable");
            let name = path.strip_prefix(root).expect("must be below the root");
            files.push(SourceFile::parse(&name.to_string_lossy(), &text));
        }
    }
}

#[test]
fn the_tree_keeps_the_law() {
    let found = violations(&read_tree());
    assert!(
        found.is_empty(),
        "{} violations:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// A planted violation must be found, and be the only one.
fn finds(path: &str, text: &str, expected: &str) {
    let found = violations(&[SourceFile::parse(path, text)]);
    assert!(
        found.len() == 1 && found[0].contains(expected),
        "want {expected:?}, found {found:?}"
    );
}

#[test]
fn an_import_against_the_arrows_is_found() {
    finds(
        "src/model/x.rs",
        "use crate::controllers::Context;",
        "model must not import controllers",
    );
    finds(
        "src/admission/x.rs",
        "fn f() { crate::controllers::run(); }",
        "admission must not import controllers",
    );
    finds(
        "src/secret.rs",
        "use super::api;",
        "secret must not import api",
    );
    finds(
        "src/providers/fake.rs",
        "use crate::cluster::events::Events;",
        "providers must not import cluster::events",
    );
    finds(
        "src/providers/fake.rs",
        "use crate::esc::server::run;",
        "providers must not import esc::server",
    );
}

#[test]
fn a_permitted_import_is_not_found() {
    for (path, text) in [
        (
            "src/providers/fake.rs",
            "use crate::cluster::secrets::SecretReader;",
        ),
        ("src/providers/pulumi.rs", "use crate::esc::client::Client;"),
        ("src/cli/run.rs", "use crate::controllers::run;"),
        (
            "src/controllers/x.rs",
            "#[cfg(test)] mod tests { use crate::admission::Server; }",
        ),
    ] {
        assert_eq!(
            violations(&[SourceFile::parse(path, text)]),
            Vec::<String>::new(),
            "{path}"
        );
    }
}

#[test]
fn an_import_between_providers_is_found() {
    finds(
        "src/providers/pulumi/x.rs",
        "use crate::providers::fake::Fake;",
        "providers/pulumi must not import providers/fake",
    );
}

#[test]
fn kubernetes_types_in_the_wrong_place_are_found() {
    finds("src/model/x.rs", "use kube::Client;", "must not name kube");
    finds(
        "src/providers/x.rs",
        "fn f(a: k8s_openapi::api::core::v1::Pod) {}",
        "must not name k8s_openapi",
    );
    finds(
        "src/controllers/x/plan.rs",
        "use kube::Client;",
        "must not name kube",
    );
}

#[test]
fn waiting_in_a_plan_is_found() {
    finds(
        "src/controllers/x/plan.rs",
        "async fn f() {}",
        "no async in a plan",
    );
    finds(
        "src/controllers/x/plan/step.rs",
        "fn f() { let _ = async { 1 }; }",
        "no async in a plan",
    );
    finds(
        "src/controllers/x/status.rs",
        "async fn f() { g().await }",
        "no async in a plan",
    );
}

#[test]
fn forbidden_names_are_found() {
    finds("src/model/utils.rs", "", "forbidden module name");
    finds("src/model/mod.rs", "", "no mod.rs");
    finds("src/model/x.rs", "mod helpers { }", "forbidden module name");
}

#[test]
fn oversized_files_and_functions_are_found() {
    finds(
        "src/model/x.rs",
        &"//! x\n".repeat(601),
        "601 lines, at most 600",
    );
    finds(
        "src/model/x.rs",
        &"const A: u8 = 1;\n".repeat(451),
        "451 lines without tests, at most 450",
    );
    let long = format!("fn f() {{\n{}}}", "    g();\n".repeat(60));
    finds(
        "src/model/x.rs",
        &long,
        "function f has 62 lines, at most 60",
    );
    finds(
        "tests/it/x.rs",
        &"const A: u8 = 1;\n".repeat(801),
        "801 lines, at most 800",
    );
}

#[test]
fn careless_code_is_found() {
    finds(
        "src/model/x.rs",
        "fn f() { g().unwrap(); }",
        "unwrap outside of tests",
    );
    finds(
        "src/model/x.rs",
        "fn f() { println!(); }",
        "only cli prints",
    );
    finds(
        "src/model/x.rs",
        "fn f() { std::env::var(\"A\"); }",
        "only cli reads the environment",
    );
    finds(
        "src/model/x.rs",
        "fn f() { std::process::exit(1); }",
        "only main ends the process",
    );
    finds(
        "src/controllers/x.rs",
        "fn f() { tokio::spawn(g()); }",
        "tokio::spawn",
    );
    finds(
        "src/model/x.rs",
        "use anyhow::Result;",
        "must not name anyhow",
    );
}

#[test]
fn objects_in_logs_are_found() {
    finds(
        "src/controllers/x.rs",
        "fn f() { tracing::info!(?pod, \"x\"); }",
        "a log shows an object whole",
    );
    finds(
        "src/controllers/x.rs",
        "fn f() { tracing::debug!(a = ?review, \"x\"); }",
        "a log shows an object whole",
    );
}

#[test]
fn a_secrets_api_outside_of_its_places_is_found() {
    finds(
        "src/controllers/x.rs",
        "fn f(api: Api<Secret>) {}",
        "only cluster and certs handle Secrets",
    );
}
