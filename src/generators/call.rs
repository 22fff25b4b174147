//! Calls of generators that ask a server: JSON out, JSON back, a sentence where that fails.

use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, StatusCode, Url};

use super::{Context, Error};
use crate::api::meta::{CaProvider, CaProviderKind, ServiceAccountSelector};
use crate::cluster::secrets;
use crate::http;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Longest part of the server's words that is repeated, in characters.
const MAX_WORDS: usize = 300;

/// Validity of requested ServiceAccount tokens in seconds (ESO).
const TOKEN_SECONDS: i64 = 600;

/// One call.
pub(super) struct Call<'a> {
    /// For messages, after "failed to".
    pub(super) action: &'a str,
    pub(super) method: Method,
    pub(super) url: Url,
    /// Name and value of the header that logs in.
    pub(super) credential: Option<(&'static str, HeaderValue)>,
    pub(super) body: Option<serde_json::Value>,
}

/// What a server answered.
pub(super) enum Answer {
    /// The body of a success; null where it is empty.
    Done(Json),
    /// Status and words of a refusal that the caller may know how to take.
    Refused(StatusCode, Error),
}

impl Answer {
    /// The body, a refusal being an error.
    pub(super) fn done(self) -> Result<Json, Error> {
        match self {
            Self::Done(json) => Ok(json),
            Self::Refused(_, error) => Err(error),
        }
    }

    /// Nothing; what does not exist is as good as gone.
    pub(super) fn gone(self) -> Result<(), Error> {
        match self {
            Self::Refused(StatusCode::NOT_FOUND | StatusCode::GONE, _) => Ok(()),
            other => other.done().map(drop),
        }
    }
}

/// Makes a call, once: what it makes must not be made twice.
pub(super) async fn call(context: &Context, call: Call<'_>) -> Result<Answer, Error> {
    let http = context.registry.http().map_err(Error::from)?;
    let mut request = request(http, call.method, call.url);
    if let Some((name, value)) = call.credential {
        request = request.header(name, value);
    }
    if let Some(body) = &call.body {
        request = request.json(body);
    }
    send(http, call.action, request).await
}

/// A request for JSON.
pub(super) fn request(http: &http::Client, method: Method, url: Url) -> RequestBuilder {
    let request = http.request(method, url);
    request.header("accept", "application/json")
}

/// Sends a request, once; `action` is for messages, after "failed to".
pub(super) async fn send(
    http: &http::Client,
    action: &str,
    request: RequestBuilder,
) -> Result<Answer, Error> {
    let failed = |error: &http::Error| Error::unavailable(format!("failed to {action}: {error}"));
    let answer = http.send(request).await;
    let answer = answer.map_err(|error| failed(&error))?;
    let status = answer.status();
    let retry_after = http::retry_after(answer.headers());
    let body = http::read_body(answer).await;
    let body = body.map_err(|error| failed(&error))?;
    let json = Json::parse(body.expose()).ok();
    if status.is_success() {
        return match json {
            Some(json) => Ok(Answer::Done(json)),
            None if body.is_empty() => Ok(Answer::Done(Json::Null)),
            None => Err(Error::unavailable(format!(
                "failed to {action}: the answer is not JSON; check the address"
            ))),
        };
    }
    let words = json.as_ref().map(words).unwrap_or_default();
    let advice = match status.as_u16() {
        401 | 403 => "; check the credentials and what they may do",
        _ => "",
    };
    let message = format!(
        "failed to {action}: HTTP {}{words}{advice}",
        status.as_u16()
    );
    let mut error = Error::unavailable(message);
    error.retry_after = retry_after;
    Ok(Answer::Refused(status, error))
}

/// What a server says for people; its other members may repeat what was sent.
fn words(json: &Json) -> String {
    let said = ["message", "error", "detail"]
        .iter()
        .find_map(|name| text(json, name).ok())
        .unwrap_or_default();
    let said: String = said
        .replace(char::is_control, " ")
        .trim()
        .chars()
        .take(MAX_WORDS)
        .collect();
    if said.is_empty() {
        said
    } else {
        format!(": {said}")
    }
}

/// A member of an object.
pub(super) fn member<'a>(json: &'a Json, name: &str) -> Result<&'a Json, Error> {
    let found = match json {
        Json::Object(members) => members.get(name),
        _ => None,
    };
    found.ok_or_else(|| Error::unavailable(format!("the server's answer has no {name:?}")))
}

/// A member that is text.
pub(super) fn text<'a>(json: &'a Json, name: &str) -> Result<&'a str, Error> {
    match member(json, name)? {
        Json::Text(text) => text.expose_str(),
        _ => None,
    }
    .ok_or_else(|| Error::unavailable(format!("{name:?} in the server's answer is no text")))
}

/// A member that is a whole number.
pub(super) fn number(json: &Json, name: &str) -> Result<i64, Error> {
    match member(json, name)? {
        Json::Number(digits) => digits.expose_str().and_then(|digits| digits.parse().ok()),
        _ => None,
    }
    .ok_or_else(|| Error::unavailable(format!("{name:?} in the server's answer is no number")))
}

/// The address in `field`, or `default` where it is empty, with more segments.
pub(super) fn address<'a>(
    field: &str,
    named: Option<&str>,
    default: &str,
    segments: impl IntoIterator<Item = &'a str>,
) -> Result<Url, Error> {
    let named = named.map(str::trim).filter(|named| !named.is_empty());
    let named = named.unwrap_or(default);
    let refused = || {
        Error::invalid(format!(
            "{field}: {named:?} must be an http or https address without user and query"
        ))
    };
    let url = Url::parse(named).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    });
    let mut url = url.ok_or_else(refused)?;
    url.path_segments_mut()
        .map_err(|()| refused())?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

/// The value of a header that logs in.
pub(super) fn header(scheme: &str, credential: &SecretBytes) -> Result<HeaderValue, Error> {
    let text = [scheme.as_bytes(), credential.expose().trim_ascii()].concat();
    let text = zeroize::Zeroizing::new(text);
    let refused = || Error::unavailable("the credential has characters that cannot be sent");
    let mut value = HeaderValue::from_bytes(&text).map_err(|_| refused())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The CA certificates that a spec names with `caBundle` or `caProvider` under `at`, which are read in the
/// namespace that asks; PEM.
pub(super) async fn ca(
    context: &Context,
    at: &str,
    bundle: Option<&str>,
    provider: Option<&CaProvider>,
) -> Result<Option<Vec<u8>>, Error> {
    let inline = bundle.filter(|text| !text.is_empty());
    let (field, bundle) = match (inline, provider) {
        (Some(text), _) => ("caBundle", Some(SecretBytes::from(text))),
        (None, Some(ca)) => {
            let found = named_ca(context, ca).await;
            let failed = |error| Error::unavailable(format!("{at}.caProvider: {error}"));
            ("caProvider", found.map_err(failed)?)
        }
        (None, None) => return Ok(None),
    };
    let pem = bundle.and_then(|bundle| http::ca_pem(bundle.expose()));
    let pem = pem.ok_or_else(|| {
        Error::unavailable(format!(
            "{at}.{field}: must be there and PEM, or base64 of PEM"
        ))
    });
    pem.map(Some)
}

async fn named_ca(
    context: &Context,
    ca: &CaProvider,
) -> Result<Option<SecretBytes>, secrets::Error> {
    let (namespace, name) = (&context.namespace, &ca.name);
    let key = ca.key.as_deref().unwrap_or("ca.crt");
    match ca.kind {
        CaProviderKind::Secret => {
            let data = context.secrets.read_secret(namespace, name).await;
            data.map(|data| data.and_then(|mut data| data.remove(key)))
        }
        CaProviderKind::ConfigMap => {
            let data = context.secrets.read_config_map(namespace, name).await;
            let text = data.map(|data| data.and_then(|mut data| data.remove(key)));
            text.map(|text| text.map(SecretBytes::from))
        }
    }
}

/// A new token of a ServiceAccount of the namespace that asks.
pub(super) async fn account_token(
    context: &Context,
    account: &ServiceAccountSelector,
) -> Result<SecretBytes, Error> {
    let token = context.secrets.service_account_token(
        &context.namespace,
        &account.name,
        &account.audiences,
        TOKEN_SECONDS,
    );
    let named = |error| Error::unavailable(format!("spec.serviceAccountRef: {error}"));
    token.await.map_err(named)
}

/// When a JSON Web Token ends, in Unix seconds as text. Its signature is for whom it is shown to.
pub(super) fn expiry(token: &str) -> Result<String, Error> {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap_or_default();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims);
    let claims = claims.map(zeroize::Zeroizing::new).ok();
    let claims = claims.and_then(|text| Json::parse(&text).ok());
    let unreadable = || Error::unavailable("the server's token is no JSON Web Token with an end");
    let claims = claims.ok_or_else(unreadable)?;
    number(&claims, "exp").map(|seconds| seconds.to_string())
}
