use proptest::prelude::*;

use super::tests::{json, open, seal, unseal};
use super::*;

/// Texts that look like definitions: fragments of the grammar in any order.
fn definition() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("x".to_owned()),
        Just("'${a}'".to_owned()),
        Just("'p${b.c[0]}$$'".to_owned()),
        Just("0777".to_owned()),
        Just("~".to_owned()),
        Just("\"q\\n\\\"é\"".to_owned()),
        "[a-z$ {}\\[\\].\"':#é-]{0,8}".prop_map(|text| render::scalar(&text)),
    ];
    let value = scalar.prop_recursive(4, 24, 4, |inner| {
        let call = prop_oneof![
            Just("fn::secret"),
            Just("fn::toJSON"),
            Just("fn::fromJSON"),
            Just("fn::toString"),
            Just("fn::toBase64"),
            Just("fn::fromBase64"),
            Just("fn::concat"),
            Just("fn::join"),
            Just("fn::split"),
            Just("fn::final"),
            Just("fn::validate"),
            Just("fn::open::p"),
            Just("fn::nope"),
        ];
        let key = prop_oneof![Just("a"), Just("b"), Just("c"), Just("'k 1'")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((key, inner.clone()), 0..4).prop_map(|members| {
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(key, value)| format!("{key}: {value}"))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }),
            (call, inner).prop_map(|(call, argument)| format!("{{{call}: {argument}}}")),
        ]
    });
    let secret = "[ -~é\n]{0,12}".prop_map(|text| {
        let body: String = text
            .lines()
            .flat_map(|line| ["      x", line, "\n"])
            .collect();
        format!("    fn::secret: |-\n{body}")
    });
    let entry = prop_oneof![
        4 => ("[abcd]", value).prop_map(|(key, value)| format!("  {key}: {value} # note\n")),
        1 => ("[efg]", secret).prop_map(|(key, value)| format!("  {key}:\n{value}")),
    ];
    prop::collection::vec(entry, 0..6)
        .prop_map(|entries| format!("# head\nvalues:\n{}", entries.concat()))
}

/// A definition with a few characters replaced.
fn damaged() -> impl Strategy<Value = String> {
    let damage = prop::collection::vec((any::<prop::sample::Index>(), "[\\PC\n\t]{0,3}"), 1..4);
    (definition(), damage).prop_map(|(text, damage)| {
        let mut chars: Vec<String> = text.chars().map(String::from).collect();
        for (at, replacement) in damage {
            let at = at.index(chars.len());
            chars[at] = replacement;
        }
        chars.concat()
    })
}

fn exercise(text: &str) {
    let evaluation = open(text);
    let _secret = evaluation.properties.values().any(Value::contains_secret);
    json(&evaluation);
    let _members = expressions("app/dev", text);
    let _sealed = encrypt_secrets(text, &mut |plaintext| seal(plaintext));
    let _clear = decrypt_secrets(text, &mut |envelope| unseal(envelope));
    for path in ["a", "a.b", "b[0]", "e", "[\"k 1\"]"] {
        let path = PropertyPath::parse(path).unwrap();
        let _set = set_property(text, &path, "k: [1]");
        let _removed = remove_property(text, &path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(128)
    })]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        exercise(&text);
        exercise(&format!("values:\n  a: {text}\n"));
    }

    #[test]
    fn no_damaged_definition_makes_it_panic(text in damaged()) {
        exercise(&text);
    }

    #[test]
    fn encryption_preserves_what_a_definition_means(text in definition()) {
        let sealed = encrypt_secrets(&text, &mut |plaintext| seal(plaintext)).unwrap();
        let clear = decrypt_secrets(&sealed, &mut |envelope| unseal(envelope)).unwrap();
        let before = json(&open(&text));
        prop_assert_eq!(&before, &json(&open(&sealed)));
        prop_assert_eq!(&before, &json(&open(&clear)));
        if !text.contains("fn::secret") {
            prop_assert_eq!(&text, &sealed);
        }
    }

    #[test]
    fn a_property_that_is_set_can_be_removed(text in definition(), nested in any::<bool>()) {
        let path = PropertyPath::parse(if nested { "zz.y" } else { "zz" }).unwrap();
        let set = set_property(&text, &path, "'v: #'").unwrap();
        prop_assert!(set.contains("zz"));
        let top = PropertyPath::parse("zz").unwrap();
        let removed = remove_property(&set, &top).unwrap();
        prop_assert_eq!(json(&open(&text)), json(&open(&removed)));
    }

    #[test]
    fn any_text_survives_as_a_scalar(text in any::<String>()) {
        let line = format!("values: {{a: {}}}", render::scalar(&text.replace('$', "")));
        let evaluation = open(&line);
        let Content::String(value) = &evaluation.properties["a"].content else {
            panic!("a must be a string: {line:?}");
        };
        prop_assert_eq!(value.expose_str().unwrap(), text.replace('$', ""));
    }
}
