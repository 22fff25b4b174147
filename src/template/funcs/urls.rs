//! sprig's URLs: Go's `net/url`, as far as its parts can be seen.

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::format::quoted;
use crate::template::value::{DICT, Map, Type, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("urlParse", &[Type::String], url_parse),
    Function::new("urlJoin", &[DICT], url_join),
];

/// The parts of a URL, decoded where Go decodes them.
#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    userinfo: Option<Userinfo>,
    host: Vec<u8>,
    path: Vec<u8>,
    /// The path as it was written, where that is not how it would be written.
    raw_path: Vec<u8>,
    query: Vec<u8>,
    fragment: Vec<u8>,
}

struct Userinfo {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// Where a text stands, which decides what must be escaped (RFC 3986 §3).
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Path,
    Host,
    Userinfo,
    Fragment,
}

fn stays(byte: u8, place: Place) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return true;
    }
    match place {
        Place::Path => b"$&+,/:;=@".contains(&byte),
        Place::Host => b"!$&'()*+,;=:[]<>\"".contains(&byte),
        Place::Userinfo => b"$&+,;=".contains(&byte),
        Place::Fragment => b"$&+,/:;=?@!()*".contains(&byte),
    }
}

fn escape(text: &[u8], place: Place) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in text {
        if stays(byte, place) {
            out.push(byte);
        } else {
            out.extend(format!("%{byte:02X}").into_bytes());
        }
    }
    out
}

fn unescape(text: &[u8], place: Place) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            if place == Place::Host && byte.is_ascii() && !stays(*byte, place) {
                let shown = quoted(&[*byte]);
                return Err(format!("invalid character {shown} in host name"));
            }
            out.push(*byte);
            continue;
        }
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(value) = value else {
            let shown = quoted(&text[text.len() - rest.len() - 1..][..(rest.len() + 1).min(3)]);
            return Err(format!("invalid URL escape {shown}"));
        };
        out.push(value);
        rest = &after[2..];
    }
    Ok(out)
}

/// The text before and behind the first `byte`.
fn cut(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|other| *other == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

impl Url {
    fn parse(text: &[u8]) -> Outcome<Self> {
        let (rest, fragment) = cut(text, b'#').unwrap_or((text, b""));
        let refused = |shown, reason: String| format!("parse {}: {reason}", quoted(shown));
        let mut url = Self::without_fragment(rest).map_err(|reason| refused(rest, reason))?;
        let fragment = unescape(fragment, Place::Fragment);
        url.fragment = fragment.map_err(|reason| refused(text, reason))?;
        Ok(url)
    }

    fn without_fragment(text: &[u8]) -> Outcome<Self> {
        if text.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = text.to_vec();
            return Ok(url);
        }
        let (scheme, rest) = scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (rest, query) = cut(rest, b'?').unwrap_or((rest, b""));
        url.query = query.to_vec();
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            let segment = cut(rest, b'/').map_or(rest, |(segment, _)| segment);
            if segment.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let mut path = rest;
        if let Some(after) = rest.strip_prefix(b"//")
            && (!url.scheme.is_empty() || !rest.starts_with(b"///"))
        {
            let end = after
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(after.len());
            url.authority(&after[..end])?;
            path = &after[end..];
        }
        url.path = unescape(path, Place::Path)?;
        if escape(&url.path, Place::Path) != path {
            url.raw_path = path.to_vec();
        }
        Ok(url)
    }

    fn authority(&mut self, text: &[u8]) -> Outcome<()> {
        let at = text.iter().rposition(|byte| *byte == b'@');
        let host = at.map_or(text, |at| &text[at + 1..]);
        self.host = host_of(host)?;
        let Some(at) = at else {
            return Ok(());
        };
        let info = &text[..at];
        let valid =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
        if !info.iter().all(valid) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = match cut(info, b':') {
            Some((name, password)) => (name, Some(unescape(password, Place::Userinfo)?)),
            None => (info, None),
        };
        let name = unescape(name, Place::Userinfo)?;
        self.userinfo = Some(Userinfo { name, password });
        Ok(())
    }

    fn hostname(&self) -> &[u8] {
        if let Some(rest) = self.host.strip_prefix(b"[")
            && let Some((inner, _)) = cut(rest, b']')
        {
            return inner;
        }
        let port = self.host.iter().rposition(|byte| *byte == b':');
        port.map_or(&self.host, |port| &self.host[..port])
    }

    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend([self.scheme.as_slice(), b":"].concat());
        }
        if self.opaque.is_empty() {
            let authority = !self.host.is_empty() || self.userinfo.is_some();
            if !self.scheme.is_empty() || authority {
                if authority || self.path.starts_with(b"//") {
                    out.extend(b"//");
                }
                if let Some(info) = &self.userinfo {
                    out.extend(info.text());
                    out.push(b'@');
                }
                out.extend(escape(&self.host, Place::Host));
            }
            let path = self.written_path();
            if !path.is_empty() && path[0] != b'/' && !self.host.is_empty() {
                out.push(b'/');
            }
            let first = cut(&path, b'/').map_or(path.as_slice(), |(first, _)| first);
            if out.is_empty() && first.contains(&b':') {
                out.extend(b"./");
            }
            out.extend(path);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.extend([b"?".as_slice(), &self.query].concat());
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Place::Fragment));
        }
        out
    }

    fn written_path(&self) -> Vec<u8> {
        match self.path.as_slice() {
            b"*" => b"*".to_vec(),
            path if self.raw_path.is_empty() => escape(path, Place::Path),
            _ => self.raw_path.clone(),
        }
    }
}

impl Userinfo {
    fn text(&self) -> Vec<u8> {
        let mut out = escape(&self.name, Place::Userinfo);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Place::Userinfo));
        }
        out
    }
}

/// The scheme, if one begins `text`, and what follows its colon.
fn scheme(text: &[u8]) -> Outcome<(&[u8], &[u8])> {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn host_of(text: &[u8]) -> Outcome<Vec<u8>> {
    let port = if text.starts_with(b"[") {
        let end = text.iter().rposition(|byte| *byte == b']');
        let end = end.ok_or_else(|| "missing ']' in host".to_owned())?;
        &text[end + 1..]
    } else {
        text.iter()
            .rposition(|byte| *byte == b':')
            .map_or(&b""[..], |at| &text[at..])
    };
    let digits = port.strip_prefix(b":").unwrap_or(port);
    let valid = port.is_empty() || port.starts_with(b":") && digits.iter().all(u8::is_ascii_digit);
    if !valid {
        return Err(format!("invalid port {} after host", quoted(port)));
    }
    unescape(text, Place::Host)
}

/// A dictionary of the parts; all of them strings, absent ones empty.
fn url_parse(args: &[Value]) -> Outcome {
    budget::spend(args[0].bytes().len().saturating_mul(4))?;
    let url =
        Url::parse(args[0].bytes()).map_err(|reason| format!("unable to parse url: {reason}"))?;
    let hostname = url.hostname().to_vec();
    let userinfo = url
        .userinfo
        .as_ref()
        .map(Userinfo::text)
        .unwrap_or_default();
    let parts = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", hostname),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", userinfo),
    ];
    Ok(Map::from_fresh(parts.map(|(name, part)| (name, Value::from(part)))).into())
}

/// The inverse; parts that are not there count as empty.
fn url_join(args: &[Value]) -> Outcome {
    let Some(dictionary) = args[0].as_map() else {
        return Ok("".into());
    };
    let part = |name: &str| match dictionary.get(name.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(other) => Err(format!(
            "unable to parse {name} key, must be of type string, but {} found",
            other.kind().name()
        )),
    };
    let info = part("userinfo")?;
    let mut url = Url::default();
    if !info.is_empty() {
        let sample = [b"proto://".as_slice(), &info, b"@host"].concat();
        let parsed = Url::parse(&sample)
            .map_err(|reason| format!("unable to parse userinfo in dict: {reason}"))?;
        url.userinfo = parsed.userinfo;
    }
    url.scheme = part("scheme")?;
    url.host = part("host")?;
    url.path = part("path")?;
    url.query = part("query")?;
    url.opaque = part("opaque")?;
    url.fragment = part("fragment")?;
    let text = url.text();
    budget::spend(text.len())?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::super::samples::call;

    #[test]
    fn what_is_taken_apart_is_joined_again() {
        for url in [
            "http://admin:secret@server.com:8080/api?list=false#anchor",
            "mailto:a@example.com",
            "/just/a/path?q",
            "https://[::1]:443/",
            "https://user@host/a%20b",
            "postgres://u:p%40ss@db/x",
        ] {
            let parts = call("urlParse", &[url.into()]).unwrap();
            let joined = call("urlJoin", &[parts]).unwrap();
            assert_eq!(String::from_utf8_lossy(joined.bytes()), url);
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for (url, reason) in [
            (
                ":x",
                r#"unable to parse url: parse ":x": missing protocol scheme"#,
            ),
            (
                "http://h:x/",
                r#"unable to parse url: parse "http://h:x/": invalid port ":x" after host"#,
            ),
            (
                "/%zz",
                r#"unable to parse url: parse "/%zz": invalid URL escape "%zz""#,
            ),
        ] {
            assert_eq!(call("urlParse", &[url.into()]).unwrap_err(), reason);
        }
    }
}
