//! Microsoft Entra ID's token endpoint, and the managed identities of machines and of App Service.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Answer, Call, World, held, tokens};

/// The tenant of all applications here.
pub(crate) const TENANT: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// How long a token is valid, in seconds.
const LIFE: u64 = 3600;

/// An application.
#[derive(Clone, Default)]
pub(crate) struct Application {
    pub(crate) secret: Option<String>,
    /// Certificates in DER.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Public key (PKCS#1), issuer and subject of tokens that vouch for it.
    pub(crate) trusted: Option<(Vec<u8>, String, String)>,
}

/// Applications by client id, and the client ids of the machine's identities.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) applications: BTreeMap<String, Application>,
    pub(crate) identities: Vec<String>,
    /// The secret header of App Service's endpoint.
    pub(crate) identity_header: String,
}

fn refused(status: u16, code: &str, words: &str) -> Answer {
    let words = format!("{words} Trace ID: 0c1f Correlation ID: 9d2e Timestamp: 2026-01-01");
    Answer::json(
        status,
        &json!({"error": code, "error_description": words, "error_codes": [1]}),
    )
}

/// A token of `client` for `resource`.
pub(crate) fn mint(world: &World, client: &str, resource: &str, life: u64) -> String {
    let now = (world.now)();
    world.tokens.sign(&json!({
        "aud": resource, "iss": format!("https://sts.windows.net/{TENANT}/"), "tid": TENANT,
        "appid": client, "iat": now, "nbf": now, "exp": now + life,
    }))
}

pub(crate) fn discovery(call: &Call, tenant: &str) -> Answer {
    let base = format!("https://{}/{tenant}", call.host);
    Answer::ok(&json!({
        "issuer": format!("{base}/v2.0"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
    }))
}

pub(crate) fn token(world: &World, call: &Call, tenant: &str) -> Answer {
    if tenant != TENANT {
        return refused(400, "invalid_request", "AADSTS90002: Tenant not found.");
    }
    if call.method != "POST" || call.field("grant_type") != "client_credentials" {
        return refused(
            400,
            "unsupported_grant_type",
            "AADSTS70003: Unsupported grant.",
        );
    }
    let client = call.field("client_id");
    let application = held(&world.entra).applications.get(&client).cloned();
    let Some(application) = application else {
        return refused(
            400,
            "unauthorized_client",
            "AADSTS700016: Application not found.",
        );
    };
    let assertion = call.field("client_assertion");
    let is_proven = if assertion.is_empty() {
        application
            .secret
            .is_some_and(|secret| secret == call.field("client_secret"))
    } else {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let endpoint = format!("https://{}{}", call.host, call.path);
        call.field("client_assertion_type") == kind
            && (is_of_certificate(world, &application, &assertion, &client, &endpoint)
                || is_federated(world, &application, &assertion))
    };
    if !is_proven {
        let words = "AADSTS7000215: Invalid client secret or assertion provided.";
        return refused(401, "invalid_client", words);
    }
    let scope = call.field("scope");
    let Some(resource) = scope
        .split(' ')
        .find_map(|scope| scope.strip_suffix("/.default"))
    else {
        return refused(
            400,
            "invalid_scope",
            "AADSTS1002012: The scope must end with /.default.",
        );
    };
    issued(world, &client, resource)
}

fn issued(world: &World, client: &str, resource: &str) -> Answer {
    let token = mint(world, client, resource, LIFE);
    Answer::ok(
        &json!({"token_type": "Bearer", "expires_in": LIFE, "ext_expires_in": LIFE, "access_token": token}),
    )
}

/// Whether a certificate of the application signed it for this endpoint.
fn is_of_certificate(
    world: &World,
    application: &Application,
    assertion: &str,
    client: &str,
    endpoint: &str,
) -> bool {
    let now = (world.now)();
    application.certificates.iter().any(|der| {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return false;
        };
        let key = &certificate.public_key().subject_public_key.data;
        let Ok((header, claims)) = tokens::verified(assertion, key, now) else {
            return false;
        };
        // Some of Microsoft's clients pad thumbprints.
        let is_print = |name: &str, algorithm| {
            let print = header[name].as_str().unwrap_or_default();
            print.trim_end_matches('=') == URL_SAFE_NO_PAD.encode(digest(algorithm, der))
        };
        let is_named = match header["alg"].as_str() {
            Some("PS256") => is_print("x5t#S256", &SHA256),
            _ => is_print("x5t", &SHA1_FOR_LEGACY_USE_ONLY),
        };
        is_named
            && claims["iss"] == client
            && claims["sub"] == client
            && claims["aud"] == endpoint
            && claims["jti"].is_string()
    })
}

/// Whether an issuer that the application trusts signed it for the exchange.
fn is_federated(world: &World, application: &Application, assertion: &str) -> bool {
    let Some((key, issuer, subject)) = &application.trusted else {
        return false;
    };
    let now = (world.now)();
    let Ok((_, claims)) = tokens::verified(assertion, key, now) else {
        return false;
    };
    let audience = "api://AzureADTokenExchange";
    let is_meant = claims["aud"] == audience || claims["aud"] == json!([audience]);
    is_meant && claims["iss"] == issuer.as_str() && claims["sub"] == subject.as_str()
}

/// The machine's endpoint, or App Service's where its secret header comes.
pub(crate) fn managed(world: &World, call: &Call) -> Answer {
    let directory = held(&world.entra);
    let is_service = call.path.starts_with("/msi");
    let (is_allowed, version) = if is_service {
        let sent = call.header("x-identity-header");
        (
            sent == directory.identity_header && !sent.is_empty(),
            "2019-08-01",
        )
    } else {
        (call.header("metadata") == "true", "2018-02-01")
    };
    if !is_allowed || call.asked("api-version") != version {
        return refused(
            400,
            "invalid_request",
            "Required metadata header not specified",
        );
    }
    let asked = call.asked("client_id");
    let identities = &directory.identities;
    let client = match (asked.as_str(), identities.as_slice()) {
        ("", [only]) => only.clone(),
        (asked, all) if all.iter().any(|one| one == asked) => asked.to_owned(),
        _ => return refused(400, "invalid_request", "Identity not found"),
    };
    drop(directory);
    let resource = call.asked("resource");
    let until = (world.now)() + LIFE;
    let token = mint(world, &client, &resource, LIFE);
    let mut answer = json!({"access_token": token, "expires_on": until.to_string(), "resource": resource, "token_type": "Bearer"});
    if !is_service {
        answer["expires_in"] = LIFE.to_string().into();
    }
    Answer::ok(&answer)
}

/// The exchange of a container registry: a refresh token for a token of Entra ID, an access token for
/// that.
pub(crate) fn registry(world: &World, call: &Call, endpoint: &str) -> Answer {
    let now = (world.now)();
    let service = call.field("service");
    let unauthorized = || Answer::json(401, &json!({"errors": [{"code": "UNAUTHORIZED"}]}));
    if call.method != "POST" || service != call.host {
        return unauthorized();
    }
    let until = now + LIFE;
    if endpoint == "exchange" {
        let claims = world.tokens.verified(&call.field("access_token"), now);
        let is_meant = claims.is_ok_and(|claims| {
            claims["aud"] == "https://containerregistry.azure.net" && claims["tid"] == TENANT
        });
        if !is_meant || call.field("grant_type") != "access_token" {
            return unauthorized();
        }
        let token = world
            .tokens
            .sign(&json!({"aud": service, "kind": "refresh", "exp": until}));
        return Answer::ok(&json!({"refresh_token": token}));
    }
    let claims = world.tokens.verified(&call.field("refresh_token"), now);
    let is_meant = claims.is_ok_and(|claims| claims["aud"] == service.as_str());
    if !is_meant || call.field("grant_type") != "refresh_token" {
        return unauthorized();
    }
    let access = json!({"aud": service, "scope": call.field("scope"), "exp": until});
    Answer::ok(&json!({"access_token": world.tokens.sign(&access)}))
}
