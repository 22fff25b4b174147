//! Files that are made from code are as the code would make them now.

use std::fs;
use std::path::{Path, PathBuf};

use latchkey::api::crds;

/// Set to 1 to write the files instead of comparing them.
const UPDATE: &str = "LATCHKEY_UPDATE";

#[test]
fn crds_are_as_the_types_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/crds");
    let expected = crds::render();
    if updating() {
        fs::create_dir_all(&directory).unwrap();
        for (name, yaml) in &expected {
            fs::write(directory.join(name), yaml).unwrap();
        }
    }
    for (name, yaml) in &expected {
        let path = directory.join(name);
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == *yaml,
            "{} is stale; run the test with {UPDATE}=1",
            path.display()
        );
    }
    assert_eq!(files(&directory).len(), expected.len());
}

#[test]
fn crds_are_the_same_once_read_back() {
    for ((name, yaml), crd) in crds::render().into_iter().zip(crds::all()) {
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(read, serde_json::to_value(&crd).unwrap(), "{name}");
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .expect("the directory can be listed")
        .map(|entry| entry.expect("its entries can be read").path())
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line of its own"
)]
fn updating() -> bool {
    std::env::var(UPDATE).is_ok_and(|value| value == "1")
}

#[test]
fn every_manifest_is_as_the_code_makes_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command
        .args(["generate", "--dir"])
        .arg(root.join("manifests"))
        .arg("--chart")
        .arg(root.join("charts/latchkey"))
        .arg("--readme")
        .arg(root.join("README.md"));
    if !updating() {
        command.arg("--check");
    }
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
}
