use proptest::prelude::*;
use rstest::rstest;

use super::*;

const DOCUMENT: &str = r#"{"name": "x", "n": 1.50, "flag": true, "none": null,
    "a": {"b": [ {"c": 1}, "two" ]}, "tls.crt": "pem"}"#;

fn text(value: &SecretBytes) -> &str {
    value.expose_str().unwrap()
}

#[rstest]
#[case("name", "x")]
#[case("n", "1.50")]
#[case("flag", "true")]
#[case("none", "")]
#[case("a.b.1", "two")]
#[case("a.b.0", r#"{"c": 1}"#)]
#[case("a.b.#", "2")]
#[case(r"tls\.crt", "pem")]
fn a_property_is_converted_as_gjson_does(#[case] path: &str, #[case] expected: &str) {
    let found = property(&DOCUMENT.into(), path).unwrap().unwrap();
    assert_eq!(text(&found), expected);
}

#[test]
fn a_missing_property_differs_from_a_value_without_properties() {
    assert_eq!(property(&DOCUMENT.into(), "a.x"), Ok(None));
    let error = property(&"hunter2".into(), "a").unwrap_err();
    assert!(matches!(error, Error::ReadJson(_)));
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn members_keep_the_spelling_of_what_is_not_text() {
    let members = members(&DOCUMENT.into()).unwrap();
    let of = |key: &str| members.get(key).map(text);
    assert_eq!(of("name"), Some("x"));
    assert_eq!(of("n"), Some("1.50"));
    assert_eq!(of("none"), Some(""));
    assert_eq!(of("a"), Some(r#"{"b": [ {"c": 1}, "two" ]}"#));
    assert_eq!(of("tls.crt"), Some("pem"));
}

#[test]
fn what_is_no_object_has_no_members() {
    let error = members(&r#"["a"]"#.into()).unwrap_err();
    assert_eq!(error.to_string(), "the value is a list, not an object");
    assert!(matches!(members(&"".into()), Err(Error::ReadJson(_))));
}

#[rstest]
#[case("1", "1")]
#[case("1.50", "1.5")]
#[case("-0.10", "-0.1")]
#[case("1e3", "1000")]
#[case("1.25E+1", "12.5")]
#[case("12e-4", "0.0012")]
#[case("0.0", "0")]
#[case("12345678901234567890", "12345678901234567890")]
#[case("1e999999", "1e999999")]
#[case(r#""text""#, "text")]
#[case("null", "")]
#[case("false", "false")]
#[case(r#"["a", 1e3]"#, r#"["a",1e3]"#)]
#[case(r#"{"b":"<","a":1}"#, r#"{"a":1,"b":"\u003c"}"#)]
fn decoded_values_become_bytes(#[case] json: &str, #[case] expected: &str) {
    let json = Json::parse(json.as_bytes()).unwrap();
    assert_eq!(text(&bytes(&json)), expected);
}

proptest! {
    #[test]
    fn no_path_makes_the_lookup_panic(path in r#"[a-c.#*?@|\[\]{}"':=<>!%\\,0-9 ~()é]{0,24}"#) {
        let _found = property(&DOCUMENT.into(), &path);
        let _found = property(&r#"[{"a":1},{"a":"é"}]"#.into(), &path);
    }

    #[test]
    fn plain_decimals_have_the_value_of_their_source(value in -1e15f64..1e15) {
        let spelled = format!("{value:e}");
        let plain = plain_decimal(&spelled).unwrap();
        let parsed: f64 = text(&plain).parse().unwrap();
        prop_assert_eq!(parsed.to_bits(), value.to_bits());
    }
}
