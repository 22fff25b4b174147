use rstest::rstest;

use super::tests::{json, open, seal, unseal};
use super::*;

fn encrypted(text: &str) -> String {
    encrypt_secrets(text, &mut |plaintext| seal(plaintext)).unwrap()
}

fn decrypted(text: &str) -> String {
    decrypt_secrets(text, &mut |envelope| unseal(envelope)).unwrap()
}

#[rstest]
#[case(
    "values:\n  # note\n  a:\n    fn::secret: pw # why\n  b: 1\n",
    "pw",
    "values:\n  # note\n  a:\n    fn::secret: {ciphertext: @} # why\n  b: 1\n"
)]
#[case(
    "values: {a: {fn::secret: pw}, b: {\"fn::secret\":\"p w\"}}",
    "p w",
    "values: {a: {fn::secret: {ciphertext: =}}, b: {\"fn::secret\":{ciphertext: @}}}"
)]
#[case(
    "values:\n- fn::secret: |  # key\n    l1\n    l2\n\n- x\n",
    "l1\nl2\n",
    "values:\n- fn::secret: {ciphertext: @}  # key\n\n- x\n"
)]
#[case(
    "a:\n  fn::secret: >-\n    f1\n    f2\n# end\n",
    "f1 f2",
    "a:\n  fn::secret: {ciphertext: @}\n# end\n"
)]
#[case(
    "a:\n  fn::secret: 'multi\n    line'\nb: 1",
    "multi line",
    "a:\n  fn::secret: {ciphertext: @}\nb: 1"
)]
#[case("a: {fn::secret: !!str 12}", "12", "a: {fn::secret: {ciphertext: @}}")]
#[case(
    "a: {fn::secret: 'pa$$word'}",
    "pa$$word",
    "a: {fn::secret: {ciphertext: @}}"
)]
#[case(
    "? a\n: ? fn::secret\n  : pw\n",
    "pw",
    "? a\n: ? fn::secret\n  : {ciphertext: @}\n"
)]
#[case("a: {fn::secret: |-\n  pw\n }", "", "")]
fn plaintexts_are_replaced_in_place(
    #[case] text: &str,
    #[case] plaintext: &str,
    #[case] expected: &str,
) {
    if expected.is_empty() {
        assert!(encrypt_secrets(text, &mut |text| seal(text)).is_err());
        return;
    }
    let expected = expected
        .replace('@', &seal(plaintext))
        .replace('=', &seal("pw"));
    let expected = if text.contains("p w") {
        format!(
            "values: {{a: {{fn::secret: {{ciphertext: {}}}}}, b: {{\"fn::secret\":{{ciphertext: {}}}}}}}",
            seal("pw"),
            seal("p w")
        )
    } else {
        expected
    };
    assert_eq!(encrypted(text), expected);
}

#[rstest]
#[case("")]
#[case("# only\n")]
#[case("values: {a: 1,  b:   'x'}  # c\r\n")]
#[case("values: {a: {fn::secret: {ciphertext: abc}}}")]
#[case("values: {a: {fn::secret: 12}, b: {fn::secret: '${x}'}, c: {fn::secret: [x]}}")]
#[case("values: {a: {fn::secret: x, other: y}}")]
fn a_text_without_plaintexts_is_untouched(#[case] text: &str) {
    assert_eq!(encrypted(text), text);
}

#[test]
fn a_syntax_error_says_its_line() {
    let errors = encrypt_secrets("a: 1\nb: [\n", &mut |_| String::new()).unwrap_err();
    let range = errors[0].range.as_ref().unwrap();
    assert_eq!((range.begin.line, range.begin.column), (2, 4));
}

#[rstest]
#[case("simple")]
#[case("")]
#[case("0777")]
#[case("true")]
#[case("yes")]
#[case("it's: #1 {x}")]
#[case("two\nlines\n")]
#[case("tab\tquote\" back\\ nul\0 \u{85}\u{2028}\u{feff}é😀")]
#[case("pa$$word")]
#[case(" lead and trail ")]
fn a_decrypted_text_means_the_same(#[case] plaintext: &str) {
    for layout in [
        "values:\n  a:\n    fn::secret:\n      ciphertext: @\n",
        "values: {a: {fn::secret: {ciphertext: '@'}}}",
    ] {
        let text = layout.replace('@', &seal(plaintext));
        let clear = decrypted(&text);
        assert!(!clear.contains("ciphertext"), "{clear}");
        assert_eq!(json(&open(&clear)), json(&open(&text)), "{clear}");
        assert_eq!(decrypted(&encrypted(&clear)), clear);
    }
}

#[test]
fn only_values_are_decrypted_and_references_stay_sealed() {
    let text = format!(
        "other: {{fn::secret: {{ciphertext: {0}}}}}\nvalues: {{a: {{fn::secret: {{ciphertext: {1}}}}}}}\n",
        seal("x"),
        seal("${ref}")
    );
    assert_eq!(decrypted(&text), text);
    let broken = "values: {a: {fn::secret: {ciphertext: AAAA}}}";
    let errors = decrypt_secrets(broken, &mut |envelope| unseal(envelope)).unwrap_err();
    assert_eq!(errors[0].summary, "invalid ciphertext: EOF");
}

#[rstest]
#[case("", "a.b", "1", "values:\n  a:\n    b: 1\n")]
#[case("# top", "a", "x", "# top\nvalues:\n  a: x\n")]
#[case("imports: [x]\n", "a", "x", "imports: [x]\nvalues:\n  a: x\n")]
#[case("values:\n", "a.b", "1", "values:\n  a:\n    b: 1\n")]
#[case("values: {}\n", "a.b", "1", "values: {a: {b: 1}}\n")]
#[case(
    "values:\n  a: 1 # one\n  # two\n  b: 2\n",
    "a",
    "10",
    "values:\n  a: 10 # one\n  # two\n  b: 2\n"
)]
#[case(
    "values:\n  a: 1 # one\n  # two\n  b: 2\nimports: []\n",
    "c",
    "3",
    "values:\n  a: 1 # one\n  # two\n  b: 2\n  c: 3\nimports: []\n"
)]
#[case(
    "values:\n    a:\n        x: 1\n",
    "a.y",
    "2",
    "values:\n    a:\n        x: 1\n        y: 2\n"
)]
#[case("values:\n  a: [1, 2]\n", "a[2]", "3", "values:\n  a: [1, 2, 3]\n")]
#[case(
    "values:\n  a:\n  - 1\n  - x: 2\n",
    "a[1].y",
    "3",
    "values:\n  a:\n  - 1\n  - x: 2\n    y: 3\n"
)]
#[case(
    "values:\n  a:\n  - 1\n",
    "a[1].y",
    "3",
    "values:\n  a:\n  - 1\n  - y: 3\n"
)]
#[case(
    "values: {a: {b: 1}}",
    "a.c",
    "'x, y'",
    "values: {a: {b: 1, c: 'x, y'}}"
)]
#[case("values: {a: {b: 1}}", "a.b", "x, y", "values: {a: {b: 'x, y'}}")]
#[case(
    "values:\n  a: |\n    text\n  b: 1\n",
    "a",
    "x",
    "values:\n  a: x\n  b: 1\n"
)]
#[case(
    "values:\n  a:\n    x: 1\n    y: 2\n  b: 1\n",
    "a",
    "z",
    "values:\n  a: z\n  b: 1\n"
)]
#[case(
    "values:\n  a: 1\n",
    "a",
    "fn::secret: pw\n",
    "values:\n  a:\n    fn::secret: pw\n"
)]
#[case(
    "values:\n  a: 1\n",
    "b",
    "x:\n- 1\n- 2\n",
    "values:\n  a: 1\n  b:\n    x:\n    - 1\n    - 2\n"
)]
#[case(
    "values:\n  a: 1\n",
    "b",
    "\"two\\nlines\"",
    "values:\n  a: 1\n  b: \"two\\nlines\"\n"
)]
#[case("values:\n  a: 1\n", "[\"x.y\"]", "", "values:\n  a: 1\n  x.y: null\n")]
#[case("values:\n  a:\n  b: 1\n", "a", "2", "values:\n  a: 2\n  b: 1\n")]
#[case("Values:\n  a: 1", "b", "2", "Values:\n  a: 1\n  b: 2")]
fn a_property_is_set_in_place(
    #[case] text: &str,
    #[case] path: &str,
    #[case] value: &str,
    #[case] expected: &str,
) {
    let path = PropertyPath::parse(path).unwrap();
    assert_eq!(set_property(text, &path, value).unwrap(), expected);
}

#[rstest]
#[case(
    "values:\n  a: 1 # one\n  # two\n  b: 2\n",
    "a",
    "values:\n  # two\n  b: 2\n"
)]
#[case("values:\n  a: 1\n  b: 2", "b", "values:\n  a: 1\n")]
#[case(
    "values:\n  a:\n    x: 1\n  b: 2\n",
    "a.x",
    "values:\n  a: {}\n  b: 2\n"
)]
#[case("values:\n  a: 1\n", "a", "values: {}\n")]
#[case("values: {a: 1, b: 2, c: 3}", "a", "values: {b: 2, c: 3}")]
#[case("values: {a: 1, b: 2, c: 3}", "c", "values: {a: 1, b: 2}")]
#[case("values: {a: [1]}", "a[0]", "values: {a: []}")]
#[case(
    "values:\n  a:\n  - x: 1\n    y: 2\n  - 3\n",
    "a[0].x",
    "values:\n  a:\n  - y: 2\n  - 3\n"
)]
#[case(
    "values:\n  a:\n  - x: 1\n    y: 2\n  - 3\n",
    "a[0]",
    "values:\n  a:\n  - 3\n"
)]
#[case("values:\n  a: |\n    t\n    u\n  b: 1\n", "a", "values:\n  b: 1\n")]
#[case("values: {a: 1}", "b.c", "values: {a: 1}")]
#[case("", "a", "")]
fn a_property_is_removed_in_place(#[case] text: &str, #[case] path: &str, #[case] expected: &str) {
    let path = PropertyPath::parse(path).unwrap();
    assert_eq!(remove_property(text, &path).unwrap(), expected);
}

#[rstest]
#[case("values: {a: 1}", "a.b", "a: expected an array or an object")]
#[case("values: {a: []}", "a.b", "a: key for an array must be an int")]
#[case("values: {a: {}}", "a[0]", "a: key for a map must be a string")]
#[case("values: {a: []}", "a[1]", "a: array index out of range")]
#[case("values: {}", "", "property path must not be empty")]
fn a_path_that_does_not_fit_is_refused(
    #[case] text: &str,
    #[case] path: &str,
    #[case] summary: &str,
) {
    let path = PropertyPath::parse(path).unwrap();
    let errors = set_property(text, &path, "1").unwrap_err();
    assert_eq!(errors[0].summary, summary);
}
