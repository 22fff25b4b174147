//! Paths as clients spell them, made into the one spelling that is routed.

use std::fmt::Write as _;

use axum::http::Request;
use axum::http::uri::{PathAndQuery, Uri};

/// Where older clients look for the API.
const OLD_ROOT: &str = "/api/preview/";
const ROOT: &str = "/api/esc/";

/// Rewrites the path of a request: no empty segments (SDKs send `/open//{id}`), no needless escapes,
/// the present root. Nothing is redirected, since clients drop their token on the way.
pub(super) fn normalise<B>(mut request: Request<B>) -> Request<B> {
    let path = canonical(request.uri().path());
    let whole = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    if let Ok(whole) = whole.parse::<PathAndQuery>() {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(whole);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

fn canonical(path: &str) -> String {
    let mut canonical = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        canonical.push('/');
        unescape(segment, &mut canonical);
    }
    if canonical.is_empty() {
        return "/".to_owned();
    }
    match canonical.strip_prefix(OLD_ROOT) {
        Some(rest) => format!("{ROOT}{rest}"),
        None => canonical,
    }
}

/// Resolves escapes of characters that need none (RFC 3986 §2.3); `%2F` stays within its segment.
fn unescape(segment: &str, into: &mut String) {
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        into.push_str(&rest[..at]);
        let escaped = rest.get(at + 1..at + 3);
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                into.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            Some(byte) => {
                write!(into, "%{byte:02X}").expect("writing to a String must succeed");
                rest = &rest[at + 3..];
            }
            None => {
                into.push_str("%25");
                rest = &rest[at + 1..];
            }
        }
    }
    into.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_routed_alike() {
        for (given, routed) in [
            ("/", "/"),
            (
                "/api/esc/environments/o/p/e/open//id",
                "/api/esc/environments/o/p/e/open/id",
            ),
            ("//api///esc/x/", "/api/esc/x"),
            ("/api/preview/environments/o", "/api/esc/environments/o"),
            ("/api/esc/%6Fpen/a%2fb/c%20d", "/api/esc/open/a%2Fb/c%20d"),
            ("/a/%zz/%", "/a/%25zz/%25"),
            ("/a/%2e%2E/b", "/a/../b"),
        ] {
            let uri: Uri = given.parse().unwrap();
            let request = Request::builder().uri(uri).body(()).unwrap();
            assert_eq!(normalise(request).uri().path(), routed);
        }
    }

    #[test]
    fn the_query_stays() {
        let request = Request::builder()
            .uri("/a//b?property=x%2Fy")
            .body(())
            .unwrap();
        assert_eq!(normalise(request).uri().to_string(), "/a/b?property=x%2Fy");
    }
}
