//! Expected outputs and texts are Go's own, except where the module's head says that ours differ.

use proptest::prelude::*;

use super::{Environment, Limits, MissingKey, Options, Template, Value};
use crate::template::value::Map;

/// Renders and gives the output, or the error's text.
fn rendered(text: &str, dot: &Value, missing_key: MissingKey, limits: Limits) -> String {
    let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    let random = |buffer: &mut [u8]| buffer.fill(7);
    let options = Options {
        missing_key,
        limits,
        ..Options::new(Environment {
            now: &now,
            random: &random,
        })
    };
    let output = Template::parse("t", text).and_then(|parsed| parsed.render(dot, &options));
    match output {
        Ok(output) => String::from_utf8_lossy(&output).into_owned(),
        Err(error) => error.to_string(),
    }
}

fn dot() -> Value {
    Value::from_json(&serde_json::json!({
        "s": "hello", "n": 3, "nil": null, "l": [1, "a", null, [2]],
        "m": {"a": 1, "b": {"c": "x"}, "z": null}, "e": "", "el": [], "k-v": "d",
    }))
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let output = rendered(text, &dot(), MissingKey::Error, Limits::default());
        assert_eq!(output, *expected, "{text}");
    }
}

#[test]
fn values_print_and_pipe() {
    check(&[
        (
            "{{.s}}|{{.n}}|{{.nil}}|{{.l}}|{{.m}}",
            "hello|3|<no value>|[1 a <nil> [2]]|map[a:1 b:map[c:x] z:<nil>]",
        ),
        ("{{.m.b.c}}{{(index .m \"b\").c}}{{($).s}}", "xxhello"),
        (
            "{{ 1 }} {{ 1.0 }} {{ 0x10 }} {{ 1e3 }} {{ 'a' }} {{ 1_000 }} {{ 1+2i }}",
            "1 1 16 1000 97 1000 (1+2i)",
        ),
        ("{{ \"a\\x41\\u00e9\" }}{{ `raw\\n` }}", "aAéraw\\n"),
        ("{{ .s | len | printf \"%03d\" }}", "005"),
        ("{{ print 1 2 \"a\" 3 nil }}", "1 2a3 <nil>"),
        (
            "{{ index . \"k-v\" }}{{ index .l 3 0 }}{{ slice .l 1 2 }}",
            "d2[a]",
        ),
        (
            "{{ and 1 0 2 }}{{ or 0 \"\" \"x\" }}{{ not 0 }}{{ or true (index .l 99) }}",
            "0xtruetrue",
        ),
        (
            "{{ eq 1 2 1 }}{{ lt .n 4.5 }}{{ eq .nil nil }}",
            "truetruetrue",
        ),
    ]);
}

#[test]
fn space_is_trimmed_where_asked() {
    check(&[
        ("a \n {{- \" b \" -}} \n c", "a b c"),
        ("a {{- /* comment */ -}} b", "ab"),
        ("{{-3}}", "-3"),
        ("{{3 -}}  x", "3x"),
    ]);
}

#[test]
fn branches_and_ranges() {
    check(&[
        ("{{if .e}}y{{else if .n}}z{{else}}n{{end}}", "z"),
        ("{{with .e}}x{{else with .s}}{{.}}{{end}}", "hello"),
        (
            "{{range $i, $v := .l}}{{$i}}={{$v}};{{end}}",
            "0=1;1=a;2=<no value>;3=[2];",
        ),
        ("{{range $k, $v := .m}}{{$k}} {{end}}", "a b z "),
        (
            "{{range .el}}x{{else}}empty{{end}}{{range 3}}{{.}}{{end}}",
            "empty012",
        ),
        (
            "{{range .l}}{{if eq . \"a\"}}{{break}}{{end}}{{.}}{{end}}",
            "template: t:1:17: executing \"t\" at <eq . \"a\">: error calling eq: incompatible types for comparison: float64 and string",
        ),
        (
            "{{range 9}}{{if eq . 4}}{{break}}{{end}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}",
            "013",
        ),
        (
            "{{range .s}}{{end}}",
            "template: t:1:8: executing \"t\" at <.s>: range can't iterate over a value of type string",
        ),
    ]);
}

#[test]
fn variables_have_scopes() {
    check(&[
        (
            "{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}{{if true}}{{$x = 3}}{{end}}{{$x}}",
            "213",
        ),
        (
            "{{$k := 0}}{{$v := 0}}{{range $k, $v = .m}}{{end}}{{$k}}{{$v}}",
            "z<no value>",
        ),
        (
            "{{if $x := .n}}{{$x}}{{end}}{{$x}}",
            "template: t:1: undefined variable \"$x\"",
        ),
        (
            "{{define \"u\"}}{{$}}{{end}}{{$x := 1}}{{template \"u\" .s}}{{template \"u\"}}",
            "hello<no value>",
        ),
        ("{{block \"b\" .m}}{{.a}}{{end}}", "1"),
    ]);
}

#[test]
fn parse_errors_have_gos_texts() {
    check(&[
        ("\n{{", "template: t:2: unclosed action"),
        ("{{ .s\n", "template: t:2: unclosed action started at t:1"),
        ("{{ (.s }}", "template: t:1: unclosed left paren"),
        ("{{ foo }}", "template: t:1: function \"foo\" not defined"),
        (
            "{{ . | . }}",
            "template: t:1: non executable command in pipeline stage 2",
        ),
        ("{{ 1a }}", "template: t:1: bad number syntax: \"1a\""),
        ("{{ \"a\\qb\" }}", "template: t:1: invalid syntax"),
        ("{{break}}", "template: t:1: {{break}} outside {{range}}"),
        ("{{if .s}}x", "template: t:1: unexpected EOF"),
        ("{{end}}", "template: t:1: unexpected {{end}}"),
        ("{{ .s# }}", "template: t:1: bad character U+0023 '#'"),
        (
            "{{define \"a\"}}1{{end}}{{define \"a\"}}2{{end}}",
            "template: t:1: template: multiple definition of template \"a\"",
        ),
    ]);
}

#[test]
fn execution_errors_name_line_column_and_expression() {
    check(&[
        (
            "x\n {{ .q }}",
            "template: t:2:4: executing \"t\" at <.q>: map has no entry for key \"q\"",
        ),
        (
            "{{ .nil.x }}",
            "template: t:1:7: executing \"t\" at <.nil.x>: nil pointer evaluating interface {}.x",
        ),
        (
            "{{ .s.x }}",
            "template: t:1:5: executing \"t\" at <.s.x>: can't evaluate field x in type interface {}",
        ),
        (
            "{{ index .l 77 }}",
            "template: t:1:3: executing \"t\" at <index .l 77>: error calling index: index out of range: 77",
        ),
        (
            "{{ printf .n }}",
            "template: t:1:10: executing \"t\" at <.n>: wrong type for value; expected string; got float64",
        ),
        (
            "{{ printf 1 }}",
            "template: t:1:10: executing \"t\" at <1>: expected string; found 1",
        ),
        (
            "{{ not 1 2 }}",
            "template: t:1:3: executing \"t\" at <not>: wrong number of args for not: want 1 got 2",
        ),
        (
            "{{ .s | .n }}",
            "template: t:1:8: executing \"t\" at <.n>: n is not a method but has arguments",
        ),
        (
            "{{ \"a\" 1 }}",
            "template: t:1:3: executing \"t\" at <\"a\">: can't give argument to non-function \"a\"",
        ),
        (
            "{{ template \"no\" }}",
            "template: t:1:12: executing \"t\" at <{{template \"no\"}}>: template \"no\" not defined",
        ),
        (
            "{{define \"u\"}}\n{{.q}}{{end}}{{template \"u\" .m}}",
            "template: t:2:2: executing \"u\" at <.q>: map has no entry for key \"q\"",
        ),
    ]);
}

#[test]
fn a_missing_key_follows_the_option() {
    let strings = Value::from(Map::strings([("a", "b")]));
    for (text, default, zero) in [
        ("{{ .x }}|{{ .a }}", "<no value>|b", "|b"),
        (
            "{{ .x.y }}",
            "<no value>",
            "template: t:1:5: executing \"t\" at <.x.y>: can't evaluate field y in type string",
        ),
    ] {
        let limits = Limits::default();
        assert_eq!(
            rendered(text, &strings, MissingKey::Default, limits),
            default
        );
        assert_eq!(rendered(text, &strings, MissingKey::Zero, limits), zero);
    }
}

#[test]
fn bytes_that_are_not_utf8_survive() {
    let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    let random = |_: &mut [u8]| {};
    let options = Options::new(Environment {
        now: &now,
        random: &random,
    });
    let dot = Value::from(Map::strings([("a", b"\x80\xff".as_slice())]));
    let template = Template::parse("t", b"\xfe{{.a}}{{ \"\\xfd\" }}").unwrap();
    let output = template.render(&dot, &options).unwrap();
    assert_eq!(output, b"\xfe\x80\xff\xfd");
}

#[test]
fn no_template_escapes_its_limits() {
    let limits = Limits {
        work: 100_000,
        output: 1000,
        ..Limits::default()
    };
    for (text, expected) in [
        ("{{range 1000000000}}{{end}}", "more work than is allowed"),
        ("{{range 1000}}xxxxxxxxxx{{end}}", "larger than 1000 bytes"),
        (
            "{{define \"r\"}}{{template \"r\"}}{{end}}{{template \"r\"}}",
            "nested more deeply than is allowed",
        ),
        (
            "{{$x := \"xx\"}}{{range 100}}{{$x = print $x $x}}{{end}}",
            "more work than is allowed",
        ),
        ("{{printf \"%1000000d\" 1}}", "more work than is allowed"),
        ("{{printf \"%.1000000f\" 1.0}}", "more work than is allowed"),
    ] {
        let error = rendered(text, &Value::Nil, MissingKey::Error, limits);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    let error = rendered(&deep, &Value::Nil, MissingKey::Error, limits);
    assert_eq!(error, "template: t:1: max expression depth exceeded");
}

#[test]
fn the_deepest_template_fits_a_small_stack() {
    let deepest = "{{if 1}}".repeat(150) + "{{template \"r\" (print (print (print 1)))}}";
    let text = format!(
        "{{{{define \"r\"}}}}{deepest}{}{{{{end}}}}{{{{template \"r\"}}}}",
        "{{end}}".repeat(150)
    );
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let output =
        thread.spawn(move || rendered(&text, &Value::Nil, MissingKey::Error, Limits::default()));
    let output = output.unwrap().join().unwrap();
    assert!(output.contains("more deeply"), "{output}");
}

#[test]
fn other_delimiters_are_used() {
    let delimiters = super::Delimiters {
        left: "[[",
        right: "]]",
    };
    let template = Template::parse_between("t", "[[ 1 -]] {{ 2 }}", delimiters).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    let random = |_: &mut [u8]| {};
    let options = Options::new(Environment {
        now: &now,
        random: &random,
    });
    assert_eq!(template.render(&Value::Nil, &options).unwrap(), b"1{{ 2 }}");
}

/// Text that is likely to get far into the engine.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "{{",
        "}}",
        "{{- ",
        " -}}",
        " ",
        ".s",
        ".l",
        ".m.b",
        "$",
        "$x",
        ":=",
        "=",
        "|",
        "(",
        ")",
        "if ",
        "else",
        "end",
        "range ",
        "with ",
        "define ",
        "template ",
        "block ",
        "break",
        "\"a\"",
        "`r`",
        "1",
        "2.5",
        "'c'",
        "nil",
        "print ",
        "printf \"%5d%v\" ",
        "len ",
        "index ",
        "slice ",
        "eq ",
        "and ",
        "\n",
        "{{end}}",
        "{{else}}",
        "{{if .s}}",
        "{{range .l}}",
        "/*",
        "*/",
        "é",
    ];
    let word = proptest::sample::select(words.to_vec());
    proptest::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_engine_panic(text in soup(), noise in ".{0,40}") {
        let limits = Limits { work: 100_000, ..Limits::default() };
        for text in [text.clone(), noise.clone(), format!("{{{{{noise}}}}}"), format!("{{{{{text}}}}}")] {
            drop(rendered(&text, &dot(), MissingKey::Default, limits));
        }
    }

    #[test]
    fn text_without_actions_is_its_own_output(text in "[^{]{0,200}") {
        prop_assert_eq!(rendered(&text, &Value::Nil, MissingKey::Error, Limits::default()), text);
    }

    #[test]
    fn what_is_printed_of_a_pipeline_parses_to_the_same(text in soup()) {
        let shown = |text: &str| {
            let parsed = Template::parse("t", text).ok()?;
            let nodes = &parsed.trees["t"].nodes;
            Some(nodes.iter().map(ToString::to_string).collect::<String>())
        };
        if let Some(first) = shown(&text).filter(|first| !first.contains("{{template")) {
            prop_assert_eq!(shown(&first), Some(first.clone()), "{}", first);
        }
    }
}
