//! `latchkey template` as a person runs it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn latchkey(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .arg("template")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary must start");
    let mut stdin = child.stdin.take().expect("stdin must be a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("the input must be taken");
    drop(stdin);
    child.wait_with_output().expect("the binary must end")
}

#[test]
fn a_template_is_rendered_over_json() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.json");
    std::fs::write(&data, r#"{"user": "ann", "port": 5432}"#).unwrap();
    let output = latchkey(
        &["-", "--engine", "v2", "--data", data.to_str().unwrap()],
        "{{ .user }}:{{ .port }}",
    );
    assert!(output.status.success());
    assert_eq!(output.stdout, b"ann:5432");
}

#[test]
fn a_template_that_fails_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, "a\n{{ nil.x }}").unwrap();
    let output = latchkey(&[file.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "latchkey: template: config:2: unexpected . after term \"nil\"\n"
    );
    let output = latchkey(&["-"], "{{ index \"ab\" 7 }}");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "latchkey: template: stdin:1:3: executing \"stdin\" at <index \"ab\" 7>: \
         error calling index: index out of range: 7\n"
    );
}

#[test]
fn a_batch_reads_standard_input() {
    let cases = r#"[{"name": "n", "template": "{{ .a }}", "data": {}, "missingKey": "zero"}]"#;
    let output = latchkey(&["--batch", "-"], cases);
    assert!(output.status.success());
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        answer,
        serde_json::json!([{"name": "n", "output": "<no value>"}])
    );
}
