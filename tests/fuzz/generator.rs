//! Templates at random: mostly sensible, by the types that functions want, so that they get far.

#![expect(clippy::format_collect, reason = "speed is Go's matter here")]

use serde::Serialize;

/// What both engines are asked to render.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) template: String,
    pub(crate) data: serde_json::Value,
    pub(crate) dot: &'static str,
    pub(crate) missing_key: &'static str,
}

/// Functions with the kinds of their arguments and of what they give: `s`tring, `i`nteger, `f`loat,
/// `b`oolean, `l`ist, `d`ict, `a`nything; `.` repeats the last argument. Left out is what depends on
/// chance, the time or the order of a map, and what takes long.
const FUNCTIONS: &[&str] = &[
    "abbrev is s",
    "abbrevboth iis s",
    "add a. i",
    "add1 a i",
    "add1f a f",
    "addf a. f",
    "adler32sum s s",
    "all a. b",
    "and a. a",
    "any a. b",
    "append la l",
    "atoi s i",
    "b32dec s s",
    "b32enc s s",
    "b64dec s s",
    "b64enc s s",
    "base s s",
    "biggest a. i",
    "camelcase t s",
    "cat a. s",
    "ceil a f",
    "chunk il l",
    "clean s s",
    "coalesce a. a",
    "compact l l",
    "concat l. l",
    "contains ss b",
    "deepCopy a a",
    "deepEqual aa b",
    "default aa a",
    "dict sasa d",
    "dig ssad a",
    "dir s s",
    "div ai i",
    "divf aa f",
    "duration a s",
    "durationRound s s",
    "empty a b",
    "eq aa b",
    "ext s s",
    "first l a",
    "float64 a f",
    "floor a f",
    "fromJson s a",
    "fromYaml y d",
    "ge ii b",
    "get ds a",
    "gt ss b",
    "has al b",
    "hasKey ds b",
    "hasPrefix ss b",
    "hasSuffix ss b",
    "hexdec s s",
    "html a. s",
    "indent is s",
    "index la a",
    "index ds a",
    "initial l l",
    "initials s s",
    "int a i",
    "int64 a i",
    "isAbs s b",
    "join sl s",
    "js a. s",
    "kebabcase t s",
    "kindIs sa b",
    "kindOf a s",
    "last l a",
    "le ff b",
    "len a i",
    "list a. l",
    "lower s s",
    "lt ii b",
    "max a. i",
    "maxf a. f",
    "merge dd d",
    "mergeOverwrite dd d",
    "min a. i",
    "minf a. f",
    "mod ai i",
    "mul a. i",
    "mulf a. f",
    "mustFromJson s a",
    "mustSlice lii a",
    "mustToJson a s",
    "ne aa b",
    "nindent is s",
    "nospace s s",
    "not a b",
    "omit ds d",
    "or a. a",
    "osBase s s",
    "osDir s s",
    "osExt s s",
    "pick dss d",
    "pluck sdd l",
    "plural ssi s",
    "prepend la l",
    "print a. s",
    "println a. s",
    "push la l",
    "quote a. s",
    "regexFind rs s",
    "regexFindAll rsi l",
    "regexMatch rs b",
    "regexQuoteMeta s s",
    "regexReplaceAll rss s",
    "regexReplaceAllLiteral rss s",
    "regexSplit rsi l",
    "repeat is s",
    "replace sss s",
    "rest l l",
    "reverse l l",
    "round fi f",
    "semver v a",
    "semverCompare cv b",
    "seq i s",
    "seq iii s",
    "set dsa d",
    "sha256sum s s",
    "slice li a",
    "snakecase t s",
    "sortAlpha l l",
    "split ss a",
    "splitList ss l",
    "splitn sis a",
    "squote a. s",
    "sub aa i",
    "subf aa f",
    "substr iis s",
    "swapcase s s",
    "ternary aab a",
    "title s s",
    "toDecimal a i",
    "toJson a s",
    "toPrettyJson a s",
    "toRawJson a s",
    "toString a s",
    "toStrings a l",
    "toYaml a s",
    "trim s s",
    "trimAll ss s",
    "trimPrefix ss s",
    "trimSuffix ss s",
    "trunc is s",
    "typeIs sa b",
    "typeIsLike sa b",
    "typeOf a s",
    "uniq l l",
    "unset ds d",
    "until i l",
    "untilStep iii l",
    "untitle s s",
    "upper s s",
    "urlParse u d",
    "urlJoin d s",
    "urlquery a. s",
    "without la. l",
    "wrap is s",
    "wrapWith iss s",
    "filterPEM ss s",
    "filterCertChain ss s",
];

const STRINGS: &[&str] = &[
    "",
    "a",
    "abc",
    "Hello World",
    " x ",
    "a,b,c",
    "foo_bar-baz",
    "HTTPServer2xx",
    "ünïcode 世界",
    "1",
    "-5",
    "0x1f",
    "010",
    "1.5",
    "1e3",
    "true",
    "null",
    "a\nb",
    "tab\there",
    "\u{0}",
    "<a href='x'>&\"",
    "aGVsbG8=",
    "NBSWY3DP",
    "68656c6c6f",
    "{\"a\":1,\"b\":[1,2.5,\"x\",null]}",
    "[1,\"two\",{}]",
    "a: 1\nb: [x, y]",
    "key",
    "k2",
    "int",
    "string",
    "%d %s",
    "2006-01-02",
    "/a/b/../c.txt",
    "don't \\stop",
    "é",
    "ß",
    "_x__Y_",
    "99999999999999999999",
    "1_000",
    "b: yes\nc: ~",
    "  ",
    "{{",
    "😀z",
    "- 1\n- two",
    "a: |\n  x\n  y\n",
    "3h2m",
    "-1.5",
    "infinity",
    "a b  c\td",
    "x=1&y=2",
];
const PATTERNS: &[&str] = &[
    "a",
    "[a-z]+",
    "(a)(b)?",
    "\\d+",
    "^.",
    "x*",
    "",
    "b|c",
    "(?i)HELLO",
    "\\s",
    "(?P<n>o)",
    "[^a]",
    "\\bw",
    ".*",
    "(",
    "a{2}",
    "\\pL",
    "$",
];
const YAML: &[&str] = &[
    "",
    "a: 1",
    "a: 1\nb: [x, y]",
    "b: yes\nc: ~",
    "a: |\n  x\n  y\n",
    "key: {k2: 1.5, n: null}",
    "a: 0x10\nb: 010\nc: 1e3\nd: .5\ne: '1'",
    "x: >-\n  folded\n  text\ny: \"q\\n\"",
    "a: &x [1]\nb: *x",
    "1: one\ntrue: two",
    "a:\n- 1\n- b: 2\n  c: 3",
    "d: 2024-01-01\ne: 1_000",
];
const VERSIONS: &[&str] = &["1.2.3", "v2.0", "1.0.0-rc.1", "0.3.9+x", "bad", "1"];
const CONSTRAINTS: &[&str] = &[
    ">=1.0",
    "^1.2",
    "~1",
    "1.x",
    "<2 || >3",
    "!=1.2.3",
    "*",
    "bad",
    "1.0 - 2.0",
];
const URLS: &[&str] = &[
    "http://u:p@h:80/p?q=1#f",
    "/x y",
    "mailto:a@b",
    "",
    "https://h/%41?a=%20",
    "//h/p",
    "h:1",
    "http://[::1]/",
];
const INTEGERS: &[&str] = &[
    "0", "1", "2", "3", "-1", "7", "10", "-3", "0x10", "'a'", "100",
];
const FLOATS: &[&str] = &[
    "0.0",
    "1.5",
    "-2.25",
    "3.14159",
    "1e3",
    "1e21",
    "1e-7",
    "0.1",
    "123456789.5",
    "2.0",
    "-0.5",
    "1e100",
];
const VERBS: &[&str] = &[
    "%v", "%d", "%s", "%q", "%x", "%5v", "%-5d|", "%05d", "%+v", "%#v", "%T", "%.2f", "%8.3f",
    "%e", "%g", "%t", "%c", "%U", "%X", "% x", "%#x", "%b", "%o", "%%", "%6.2s", "%+q", "%#q",
    "%[1]v", "%w", "%*d",
];
const KEYS: &[&str] = &["key", "k2", "empty", "n", "json", "list", "multi", "nope"];

/// The template of that seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut generator = Generator {
        state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        variables: Vec::new(),
        in_range: 0,
        any: false,
    };
    generator.any = generator.one_in(3);
    let data = generator.data();
    let count = 1 + generator.below(4);
    let template = (0..count).map(|_| generator.statement(3)).collect();
    Case {
        template,
        data,
        dot: if generator.any { "any" } else { "" },
        missing_key: ["", "", "default", "zero"][generator.below(4)],
    }
}

struct Generator {
    state: u64,
    variables: Vec<String>,
    in_range: usize,
    any: bool,
}

impl Generator {
    /// The splitmix64 sequence: the same templates for a seed on every machine.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn small(&mut self) -> u16 {
        u16::try_from(self.below(2000)).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn variable(&mut self) -> String {
        let at = self.below(self.variables.len());
        self.variables[at].clone()
    }

    fn data(&mut self) -> serde_json::Value {
        let mut entries = serde_json::Map::new();
        for key in &KEYS[..KEYS.len() - 1] {
            let value = match *key {
                "empty" => "".into(),
                _ if self.any => self.json(2),
                "json" => r#"{"x":[1,2.5,"y",null],"z":{"k":true}}"#.into(),
                _ => self.pick(STRINGS).into(),
            };
            entries.insert((*key).to_owned(), value);
        }
        entries.into()
    }

    fn json(&mut self, depth: usize) -> serde_json::Value {
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => serde_json::Value::Null,
            1 => self.one_in(2).into(),
            2 => (i64::from(self.small()) - 1000).into(),
            3 => ((f64::from(self.small()) - 1000.0) / 64.0).into(),
            4 => self.pick(STRINGS).into(),
            5 | 6 => (0..self.below(4)).map(|_| self.json(depth - 1)).collect(),
            _ => {
                let entries = (0..self.below(4)).map(|_| {
                    let key = self.pick(&KEYS[..5]).to_owned();
                    (key, self.json(depth - 1))
                });
                serde_json::Value::Object(entries.collect())
            }
        }
    }

    fn statement(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.action(1);
        }
        match self.below(14) {
            0 => [" x\n", "plain ", "\n\t", "a{b}", "ü"][self.below(5)].to_owned(),
            1 => format!(
                "{{{{if {}}}}}{}{{{{else}}}}{}{{{{end}}}}",
                self.pipe(2),
                self.scoped(depth),
                self.scoped(depth)
            ),
            2 => format!(
                "{{{{with {}}}}}{}{{{{end}}}}",
                self.pipe(2),
                self.scoped(depth)
            ),
            3 => self.range(depth),
            4 => {
                let (value, name) = (self.pipe(2), format!("$v{}", self.variables.len()));
                self.variables.push(name.clone());
                format!("{{{{{name} := {value}}}}}")
            }
            5 if !self.variables.is_empty() => {
                let name = self.variable();
                format!("{{{{{name} = {}}}}}", self.pipe(2))
            }
            6 => {
                let body = std::mem::take(&mut self.variables);
                let in_range = std::mem::take(&mut self.in_range);
                let text = format!(
                    "{{{{block \"b{depth}\" {}}}}}{}{{{{end}}}}",
                    self.leaf('a'),
                    self.scoped(depth)
                );
                self.in_range = in_range;
                self.variables = body;
                text
            }
            7 if self.in_range > 0 => format!(
                "{{{{if {}}}}}{{{{{}}}}}{{{{end}}}}",
                self.pipe(1),
                self.pick(&["break", "continue"])
            ),
            8 => format!("x {{{{- {} -}}}} y", self.pipe(2)),
            9 => {
                let count = 1 + self.below(3);
                let verbs: Vec<&str> = (0..count).map(|_| self.pick(VERBS)).collect();
                let args: Vec<String> = (0..count).map(|_| self.operand(1, 'a')).collect();
                format!("{{{{printf {:?} {}}}}}", verbs.join(" "), args.join(" "))
            }
            _ => self.action(3),
        }
    }

    fn scoped(&mut self, depth: usize) -> String {
        let variables = self.variables.len();
        let count = 1 + self.below(2);
        let text = (0..count).map(|_| self.statement(depth - 1)).collect();
        self.variables.truncate(variables);
        text
    }

    fn range(&mut self, depth: usize) -> String {
        let variables = self.variables.len();
        let over = self.operand(2, 'l');
        let head = match self.below(3) {
            0 => over,
            1 => {
                self.variables.push("$e".to_owned());
                format!("$e := {over}")
            }
            _ => {
                self.variables.extend(["$i".to_owned(), "$e".to_owned()]);
                format!("$i, $e := {over}")
            }
        };
        self.in_range += 1;
        let body = self.scoped(depth);
        self.in_range -= 1;
        self.variables.truncate(variables);
        format!("{{{{range {head}}}}}{body};{{{{else}}}}none{{{{end}}}}")
    }

    fn action(&mut self, depth: usize) -> String {
        format!("{{{{{}}}}}", self.pipe(depth))
    }

    fn pipe(&mut self, depth: usize) -> String {
        let mut text = self.call(depth, 'a').unwrap_or_else(|| self.leaf('a'));
        while self.one_in(4) {
            let function = FUNCTIONS[self.below(FUNCTIONS.len())];
            let (name, parameters, _) = parsed(function);
            let mut kinds: Vec<char> = parameters.chars().filter(|kind| *kind != '.').collect();
            kinds.pop();
            let args: String = kinds
                .iter()
                .map(|kind| format!(" {}", self.operand(1, *kind)))
                .collect();
            text = format!("{text} | {name}{args}");
        }
        text
    }

    /// A call that gives the kind, without brackets.
    fn call(&mut self, depth: usize, kind: char) -> Option<String> {
        if depth == 0 {
            return None;
        }
        let gives = |function: &&&str| kind == 'a' || parsed(function).2 == kind;
        let fitting: Vec<&&str> = FUNCTIONS.iter().filter(gives).collect();
        if fitting.is_empty() {
            return None;
        }
        let (name, parameters, _) = parsed(fitting[self.below(fitting.len())]);
        let mut args = String::new();
        let mut last = 'a';
        for parameter in parameters.chars() {
            if parameter == '.' {
                while self.one_in(2) {
                    args = format!("{args} {}", self.operand(depth - 1, last));
                }
                continue;
            }
            last = parameter;
            args = format!("{args} {}", self.operand(depth - 1, parameter));
        }
        Some(format!("{name}{args}"))
    }

    /// An argument: mostly of the kind.
    fn operand(&mut self, depth: usize, kind: char) -> String {
        let kind = if self.one_in(40) { 'a' } else { kind };
        if self.one_in(2)
            && let Some(call) = self.call(depth, kind)
        {
            return format!("({call})");
        }
        self.leaf(kind)
    }

    fn leaf(&mut self, kind: char) -> String {
        let kind = match kind {
            'a' => ['s', 'i', 'f', 'b', 'l', 'd', 'x', 'x'][self.below(8)],
            kind => kind,
        };
        match kind {
            's' if !self.any && self.one_in(3) => format!("$.{}", self.pick(&KEYS[..7])),
            's' | 't' => quoted(self.pick(STRINGS)),
            'r' => quoted(self.pick(PATTERNS)),
            'y' => quoted(self.pick(YAML)),
            'v' => quoted(self.pick(VERSIONS)),
            'c' => quoted(self.pick(CONSTRAINTS)),
            'u' => quoted(self.pick(URLS)),
            'i' => self.pick(INTEGERS).to_owned(),
            'f' => self.pick(FLOATS).to_owned(),
            'b' => self.pick(&["true", "false"]).to_owned(),
            'l' => {
                let items: String = (0..self.below(4))
                    .map(|_| format!(" {}", self.operand(0, 'a')))
                    .collect();
                self.pick(&[
                    "(until 3)",
                    "(splitList \",\" \"b,a,b\")",
                    "(list)",
                    "L",
                    "L",
                    "L",
                ])
                .replace('L', &format!("(list{items})"))
            }
            'd' => {
                let entries: String = (0..self.below(4))
                    .map(|_| {
                        format!(
                            " {} {}",
                            quoted(self.pick(&KEYS[..3])),
                            self.operand(0, 'a')
                        )
                    })
                    .collect();
                format!("(dict{entries})")
            }
            _ => self.reference(),
        }
    }

    fn reference(&mut self) -> String {
        if !self.variables.is_empty() && self.one_in(2) {
            return self.variable();
        }
        let key = self.pick(KEYS);
        match self.below(5) {
            0 => ".".to_owned(),
            1 => format!("$.{key}"),
            2 if self.any => format!("$.{key}.{}", self.pick(&KEYS[..3])),
            3 => "nil".to_owned(),
            _ => format!(".{key}"),
        }
    }
}

fn parsed(function: &str) -> (&str, &str, char) {
    let mut words = function.split(' ');
    let mut next = || words.next().unwrap_or_default();
    (next(), next(), next().chars().next().unwrap_or('a'))
}

/// A string literal, as JSON writes it, which both languages read alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
