//! From templates to a request. Pure.

use std::collections::BTreeMap;

use data_encoding::HEXUPPER;
use jiff::Zoned;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::{API, timeout};
use crate::api::v1::{WebhookAuth, WebhookProvider};
use crate::http;
use crate::providers::Error;
use crate::providers::logins::Fingerprint;
use crate::providers::rest::Request;
use crate::secret::{SecretBytes, SecretMap};
use crate::template::value::Map;
use crate::template::{Environment, Options, Template, Value};

/// What a store or a generator says of its requests; empty texts count as none.
pub(crate) struct Call<'a> {
    pub(crate) url: &'a str,
    pub(crate) method: Option<&'a str>,
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) body: Option<&'a str>,
    pub(crate) timeout: Option<&'a str>,
    pub(crate) json_path: Option<&'a str>,
    pub(crate) auth: Option<&'a WebhookAuth>,
}

/// What templates see.
pub(super) struct Dot<'a> {
    /// Members of `.remoteRef`.
    pub(super) remote: Vec<(&'a str, &'a str)>,
    /// Another member of `.remoteRef`: the value that is pushed, by its remote key.
    pub(super) pushed: Option<(&'a str, &'a SecretBytes)>,
    pub(super) secrets: &'a [(String, SecretMap)],
}

/// A request to be.
pub(super) struct Rendered {
    method: Method,
    url: Url,
    headers: HeaderMap,
    pub(super) body: Option<SecretBytes>,
}

impl<'a> Call<'a> {
    /// What a store says.
    pub(super) fn of(block: &'a WebhookProvider) -> Self {
        let result = block.result.as_ref();
        Self {
            url: &block.url,
            method: filled(block.method.as_deref()),
            headers: &block.headers,
            body: filled(block.body.as_deref()),
            timeout: filled(block.timeout.as_deref()),
            json_path: result.and_then(|result| filled(result.json_path.as_deref())),
            auth: block.auth.as_ref(),
        }
    }

    /// Checks what can be checked without values.
    ///
    /// # Errors
    /// [`super::ErrorKind::Invalid`] or [`super::ErrorKind::Unsupported`], naming the field.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.auth.is_some_and(|auth| auth.ntlm.is_some()) {
            return Err(API.unsupported(
                "auth.ntlm is not served: NTLM is broken; let the server take a token and send it in headers",
            ));
        }
        if self.url.trim().is_empty() {
            return Err(API.invalid("url must not be empty"));
        }
        self.method()?;
        self.timeout.map(timeout).transpose()?;
        let headers = self.headers.iter();
        let headers = headers.map(|(name, text)| (format!("headers[{name:?}]"), text.as_str()));
        let others = [
            ("url", Some(self.url)),
            ("body", self.body),
            ("result.jsonPath", self.json_path),
        ];
        let others = others.map(|(field, text)| (field.to_owned(), text.unwrap_or_default()));
        for (field, text) in headers.chain(others) {
            let parsed = Template::parse(&field, text);
            parsed.map_err(|error| API.invalid(format!("{field}: {error}")))?;
        }
        Ok(())
    }

    /// How its client behaves.
    ///
    /// # Errors
    /// [`super::ErrorKind::Invalid`] when the timeout is none.
    pub(super) fn options(&self, base: &http::Options) -> Result<http::Options, Error> {
        let timeout = self.timeout.map(timeout).transpose()?;
        Ok(http::Options {
            timeout: timeout.unwrap_or(base.timeout),
            ..base.clone()
        })
    }

    fn method(&self) -> Result<Option<Method>, Error> {
        let method = self.method.map(|name| {
            let method = Method::from_bytes(name.trim().to_ascii_uppercase().as_bytes());
            method.map_err(|_| API.invalid(format!("method: {name:?} is no HTTP method")))
        });
        method.transpose()
    }

    /// The request for `dot`; `method` goes before the store's.
    ///
    /// # Errors
    /// [`super::ErrorKind::Invalid`] when a template fails or what it gives cannot be sent.
    pub(super) fn render(
        &self,
        dot: &Dot<'_>,
        method: Option<Method>,
        now: &Zoned,
    ) -> Result<Rendered, Error> {
        let raw = dot.value(str::to_owned);
        let escaped = dot.value(query_escaped);
        let url = rendered("url", self.url, &escaped, now)?;
        let url = text(&url, "url")?;
        // The parser's errors do not repeat the text.
        let url = Url::parse(url.trim())
            .map_err(|error| API.invalid(format!("url: {error}, once it is rendered")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(API.invalid("url must begin with http:// or https://, once it is rendered"));
        }
        let mut headers = HeaderMap::new();
        for (name, template) in self.headers {
            let field = format!("headers[{name:?}]");
            let value = rendered(&field, template, &raw, now)?;
            let parsed = HeaderName::from_bytes(name.as_bytes());
            let parsed =
                parsed.map_err(|_| API.invalid(format!("{field}: no name of a header")))?;
            let value = text(&value, &field)?.trim().to_owned();
            let value = HeaderValue::from_str(&value);
            let mut value = value
                .map_err(|_| API.invalid(format!("{field}: has characters no header can hold")))?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        let body = self.body.map(|body| rendered("body", body, &raw, now));
        Ok(Rendered {
            method: method.or(self.method()?).unwrap_or(Method::GET),
            url,
            headers,
            body: body.transpose()?,
        })
    }

    /// The path to what is wanted of the answer; empty is all of it.
    ///
    /// # Errors
    /// [`super::ErrorKind::Invalid`] when the template fails.
    pub(super) fn path(&self, dot: &Dot<'_>, now: &Zoned) -> Result<String, Error> {
        let field = "result.jsonPath";
        let Some(template) = self.json_path else {
            return Ok(String::new());
        };
        let path = rendered(field, template, &dot.value(str::to_owned), now)?;
        Ok(text(&path, field)?.trim().to_owned())
    }
}

impl Dot<'_> {
    fn value(&self, escape: impl Fn(&str) -> String) -> Value {
        let remote = self.remote.iter();
        let mut remote: Vec<(Vec<u8>, Vec<u8>)> = remote
            .map(|(key, value)| (key.as_bytes().to_vec(), escape(value).into_bytes()))
            .collect();
        if let Some((key, value)) = self.pushed {
            let value = match value.expose_str() {
                Some(text) => escape(text).into_bytes(),
                None => value.expose().to_vec(),
            };
            remote.push((key.as_bytes().to_vec(), value));
        }
        let secrets = self.secrets.iter().map(|(name, data)| {
            let data = data.iter().map(|(key, value)| (key, value.expose()));
            (name.as_bytes().to_vec(), Value::Map(Map::strings(data)))
        });
        let remote = (b"remoteRef".to_vec(), Value::Map(Map::strings(remote)));
        Value::Map(Map::from_fresh(std::iter::once(remote).chain(secrets)))
    }
}

impl Rendered {
    /// Tells requests apart without keeping them.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let headers = self.headers.iter();
        let headers =
            headers.flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        let body = self.body.as_ref().map(SecretBytes::expose);
        let begin = [
            self.method.as_str().as_bytes(),
            self.url.as_str().as_bytes(),
        ];
        Fingerprint::of(begin.into_iter().chain(headers).chain(body))
    }

    /// The request; errors hide every value of the Secrets.
    pub(super) fn request(&self, action: &str, secrets: &[(String, SecretMap)]) -> Request {
        let values = secrets.iter().flat_map(|(_, data)| data.iter());
        let hidden = values.map(|(_, value)| value.duplicate());
        let body = self.body.iter().map(SecretBytes::duplicate);
        Request {
            method: self.method.clone(),
            headers: self.headers.clone(),
            body: self.body.as_ref().map(SecretBytes::duplicate),
            is_read: matches!(self.method, Method::GET | Method::HEAD),
            hidden: hidden.chain(body).collect(),
            ..Request::get(action, self.url.clone())
        }
    }
}

/// Scheme, host and port of an address whose template cannot change them.
pub(super) fn fixed_origin(template: &str) -> Option<Url> {
    let fixed = template.split("{{").next().unwrap_or_default();
    let (_, rest) = fixed.split_once("://")?;
    if fixed.len() < template.len() && !rest.contains(['/', '?']) {
        return None;
    }
    let mut url = Url::parse(fixed.trim()).ok()?;
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}

fn rendered(field: &str, template: &str, dot: &Value, now: &Zoned) -> Result<SecretBytes, Error> {
    let options = Options::new(Environment {
        now,
        random: &|buffer| rand::fill(buffer),
    });
    let parsed = Template::parse(field, template);
    let output = parsed.and_then(|parsed| parsed.render(dot, &options));
    output
        .map(SecretBytes::new)
        .map_err(|error| API.invalid(format!("{field}: {error}")))
}

fn text<'a>(value: &'a SecretBytes, field: &str) -> Result<&'a str, Error> {
    let text = value.expose_str();
    text.ok_or_else(|| API.invalid(format!("{field}: is not text, once it is rendered")))
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// As Go's `url.QueryEscape`.
fn query_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push_str(&HEXUPPER.encode(&[byte]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_fixed_where_no_template_reaches_it() {
        let origin = |url: &str| fixed_origin(url).map(|url| url.to_string());
        assert_eq!(origin("https://h:1/a?b#c").as_deref(), Some("https://h:1/"));
        assert_eq!(origin("http://h/{{.x}}").as_deref(), Some("http://h/"));
        assert_eq!(origin("https://h{{.x}}/a"), None);
        assert_eq!(origin("{{.x}}"), None);
    }

    #[test]
    fn a_url_is_escaped_as_go_does() {
        assert_eq!(query_escaped("a b/c~*é"), "a+b%2Fc~%2A%C3%A9");
    }
}
