//! Expected texts are Go's own output.

use super::{printed, sprint, sprintf, sprintln};
use crate::template::value::{List, Map, Value};

fn formatted(format: &str, args: &[Value]) -> String {
    String::from_utf8(sprintf(format.as_bytes(), args).unwrap()).unwrap()
}

#[test]
fn floats_print_as_in_go() {
    for (value, expected) in [
        (1.0, "1"),
        (-0.0, "-0"),
        (1_000_000.0, "1e+06"),
        (100_000.0, "100000"),
        (123_456_789.0, "1.23456789e+08"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5, "1.5"),
        (1e21, "1e+21"),
        (f64::INFINITY, "+Inf"),
        (f64::NAN, "NaN"),
    ] {
        let value = Value::Float64(value);
        assert_eq!(printed(&value).unwrap(), expected.as_bytes(), "{expected}");
    }
}

#[test]
fn verbs_format_numbers_as_in_go() {
    let int = |n| Value::Int(n);
    let float = Value::Float64;
    for (format, value, expected) in [
        ("%5d|", int(42), "   42|"),
        ("%-5d|", int(42), "42   |"),
        ("%05d", int(-42), "-0042"),
        ("%+d", int(42), "+42"),
        ("%x %[1]X %#[1]x", int(255), "ff FF 0xff"),
        ("%o %[1]O %#[1]o", int(8), "10 0o10 010"),
        ("%b %#[1]b", int(5), "101 0b101"),
        (
            "%c %[1]q %[1]U %#[1]U",
            int(0x263a),
            "☺ '☺' U+263A U+263A '☺'",
        ),
        ("%.3d|%6.3d", int(7), "007|%!d(MISSING)"),
        (
            "%e %[1]E %[1]f %.2[1]f %[1]g",
            float(1234.5),
            "1.234500e+03 1.234500E+03 1234.500000 1234.50 1234.5",
        ),
        ("%08.3f", float(-3.25), "-003.250"),
        ("%+.2e", float(0.0), "+0.00e+00"),
        ("%#g", float(1.0), "1.00000"),
        ("%.3g", float(1_000_000.0), "1e+06"),
        ("%.10g", float(123_456_789.0), "123456789"),
        ("%x", float(1.0), "0x1p+00"),
        ("%b", float(1.0), "4503599627370496p-52"),
        ("%6.2f|", float(1.005), "  1.00|"),
        ("%d", float(1.5), "%!d(float64=1.5)"),
        ("%s", int(1), "%!s(int=1)"),
        ("%v", Value::Complex128(1.0, -2.0), "(1-2i)"),
    ] {
        assert_eq!(formatted(format, &[value]), expected, "{format}");
    }
}

#[test]
fn verbs_format_strings_as_in_go() {
    for (format, text, expected) in [
        ("%s|%[1]q|%[1]x|% [1]X", "hi", "hi|\"hi\"|6869|68 69"),
        ("%5s|%-5[1]s|%.1[1]s", "äb", "   äb|äb   |ä"),
        ("%#q %+[1]q", "ä", "`ä` \"\\u00e4\""),
        ("%d", "x", "%!d(string=x)"),
        ("%v %#[1]v %[1]T", "a\"", "a\" \"a\\\"\" string"),
        ("%05s", "ab", "000ab"),
        ("%!", "x", "%!!(string=x)"),
        ("%", "x", "%!(NOVERB)%!(EXTRA string=x)"),
        ("%%", "x", "%%!(EXTRA string=x)"),
        ("%z", "x", "%!z(string=x)"),
        ("%[3]d", "x", "%!d(BADINDEX)"),
        ("%*d", "x", "%!(BADWIDTH)%!d(MISSING)"),
    ] {
        assert_eq!(formatted(format, &[text.into()]), expected, "{format}");
    }
    assert_eq!(
        formatted(
            "%*d|%-*d|%.*f",
            &[
                Value::Int(4),
                Value::Int(1),
                Value::Int(3),
                Value::Int(2),
                Value::Int(1),
                Value::Float64(2.55),
            ]
        ),
        "   1|2  |2.5"
    );
    assert_eq!(formatted("%d", &[]), "%!d(MISSING)");
    assert_eq!(
        formatted("%d %v", &[Value::Nil, Value::Nil]),
        "%!d(<nil>) <nil>"
    );
}

#[test]
fn containers_print_as_in_go() {
    let map = Map::new();
    map.insert("b", Value::Nil).unwrap();
    map.insert("a", List::strings(["x", "y"]).into()).unwrap();
    let list = Value::from(List::new(vec![
        Value::Int(1),
        "s".into(),
        map.clone().into(),
    ]));
    for (format, expected) in [
        ("%v", "[1 s map[a:[x y] b:<nil>]]"),
        ("%T", "[]interface {}"),
        (
            "%#v",
            "[]interface {}{1, \"s\", map[string]interface {}{\"a\":[]string{\"x\", \"y\"}, \"b\":interface {}(nil)}}",
        ),
        (
            "%d",
            "[1 %!d(string=s) map[%!d(string=a):[%!d(string=x) %!d(string=y)] %!d(string=b):<nil>]]",
        ),
    ] {
        assert_eq!(formatted(format, std::slice::from_ref(&list)), expected);
    }
}

#[test]
fn arguments_are_spaced_as_in_go() {
    let args = [
        Value::Int(1),
        Value::Int(2),
        "a".into(),
        Value::Int(3),
        Value::Nil,
    ];
    assert_eq!(sprint(&args).unwrap(), b"1 2a3 <nil>");
    assert_eq!(sprintln(&args).unwrap(), b"1 2 a 3 <nil>\n");
    assert_eq!(printed(&Value::NoValue).unwrap(), b"<no value>");
}

#[test]
fn bytes_survive() {
    assert_eq!(
        sprintf(b"\xff%s\xfe", &[Value::from(b"\x80".as_slice())]).unwrap(),
        b"\xff\x80\xfe"
    );
}
