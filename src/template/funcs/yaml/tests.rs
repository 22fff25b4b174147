//! YAML against what Go's functions give.

use super::super::samples::{call, text};
use crate::template::value::{List, Map, Value};

#[test]
fn the_order_of_keys_counts_as_people_do() {
    let keys = ["b", "a10", "a2", "A", "_", "1", "10", "2"];
    let map = Map::from_fresh(keys.map(|key| (key, Value::Nil)));
    let yaml = call("toYaml", &[map.into()]).unwrap();
    assert_eq!(
        String::from_utf8_lossy(yaml.bytes()),
        "_: null\n\"1\": null\n\"2\": null\n\"10\": null\nA: null\na2: null\na10: null\nb: null"
    );
}

#[test]
fn lists_below_keys_are_not_indented() {
    let inner = Map::from_fresh([("x", Value::Int(1)), ("y", "a\nb\n".into())]);
    let list = List::new(vec![inner.into(), List::new(vec!["p".into()]).into()]);
    let map = Map::from_fresh([
        ("list", Value::from(list)),
        ("none", List::new(vec![]).into()),
    ]);
    let yaml = call("toYaml", &[map.into()]).unwrap();
    assert_eq!(
        String::from_utf8_lossy(yaml.bytes()),
        "list:\n- x: 1\n  \"y\": |\n    a\n    b\n- - p\nnone: []"
    );
}

#[test]
fn what_is_read_and_written_stays_the_same() {
    for yaml in [
        "a: 1",
        "a: \"1\"",
        "a: \"yes\"",
        "a: '- b'",
        "a: |-\n  x\n  y",
        "a:\n  b:\n  - c\n  - d: e",
        "a: 2001-01-01x",
        "a: \"2001-01-01\"",
        "a: 1.5",
        "a: 1e+21",
        "a: \"\"",
    ] {
        let value = call("fromYaml", &[yaml.into()]).unwrap();
        let written = call("toYaml", &[value]).unwrap();
        assert_eq!(String::from_utf8_lossy(written.bytes()), yaml);
    }
}

#[test]
fn aliases_and_merges_are_followed() {
    let value = call(
        "fromYaml",
        &["a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3".into()],
    )
    .unwrap();
    let yaml = call("toYaml", &[value]).unwrap();
    let yaml = String::from_utf8_lossy(yaml.bytes()).into_owned();
    assert_eq!(yaml, "a:\n  p: 1\n  q: 2\nb:\n  p: 1\n  q: 3");
}

#[test]
fn an_unreadable_document_gives_its_error_as_a_value() {
    for yaml in ["a: [", "- a", "just text", "a: .nan", "a: &x [*x]"] {
        let Value::Map(map) = call("fromYaml", &[yaml.into()]).unwrap() else {
            panic!("must be a map");
        };
        assert!(map.contains(b"Error"), "{yaml}");
    }
    assert_eq!(text("toYaml", &["\u{7f}"]).unwrap(), "");
}
