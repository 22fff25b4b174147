//! Google's token services: OAuth 2.0 for service accounts, the Security Token Service, GKE's older
//! exchange, impersonation, and the metadata server.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Call, World, held, tokens};

/// The project that the metadata server tells.
pub(crate) const PROJECT: &str = "own-project";

/// How long a token is valid, in seconds.
const LIFE: u64 = 3600;

/// The public endpoint of OAuth 2.0.
const ENDPOINT: &str = "https://oauth2.googleapis.com/token";

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Who is known, and who may become whom.
#[derive(Default)]
pub(crate) struct Accounts {
    /// Public keys (PKCS#1) of service accounts by email.
    pub(crate) keys: BTreeMap<String, Vec<u8>>,
    /// Issuer and its public key, by the audience of an exchange.
    pub(crate) pools: BTreeMap<String, (String, Vec<u8>)>,
    /// Service accounts by the principal that may become them.
    pub(crate) impersonators: BTreeMap<String, String>,
    /// Service account of the machine.
    pub(crate) machine: Option<String>,
}

fn refused(status: u16, code: &str, words: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "error_description": words}))
}

/// An access token of `principal`.
pub(crate) fn mint(world: &World, principal: &str, life: u64) -> String {
    let now = (world.now)();
    world
        .tokens
        .sign(&json!({"aud": "google", "sub": principal, "exp": now + life}))
}

fn issued(world: &World, principal: &str) -> Answer {
    let token = mint(world, principal, LIFE);
    Answer::ok(
        &json!({"access_token": token, "expires_in": LIFE, "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}),
    )
}

/// The JWT bearer grant of a service account (RFC 7523).
pub(crate) fn token(world: &World, call: &Call) -> Answer {
    if call.field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return refused(400, "unsupported_grant_type", "Invalid grant_type");
    }
    let assertion = call.field("assertion");
    let accounts = held(&world.accounts);
    let now = (world.now)();
    let signer = accounts.keys.iter().find_map(|(email, key)| {
        let (_, claims) = tokens::verified(&assertion, key, now).ok()?;
        (claims["iss"] == email.as_str()).then_some((email.clone(), claims))
    });
    let Some((email, claims)) = signer else {
        return refused(400, "invalid_grant", "Invalid JWT Signature.");
    };
    let scheme = if call.is_secure { "https" } else { "http" };
    let endpoint = format!("{scheme}://{}{}", call.host, call.path);
    // Google's own clients name the public endpoint wherever they send the token.
    let endpoints = [Value::from(endpoint), Value::from(ENDPOINT)];
    let life = claims["exp"]
        .as_u64()
        .unwrap_or(0)
        .saturating_sub(claims["iat"].as_u64().unwrap_or(0));
    if !endpoints.contains(&claims["aud"]) || life > LIFE {
        return refused(400, "invalid_grant", "Invalid JWT: audience or lifetime.");
    }
    let scope = claims["scope"].as_str().unwrap_or_default();
    if !scope.split(' ').any(|one| one == SCOPE) {
        return refused(
            400,
            "invalid_scope",
            "Invalid OAuth scope or ID token audience provided.",
        );
    }
    drop(accounts);
    issued(world, &email)
}

/// Both exchanges of a token of another issuer (RFC 8693).
pub(crate) fn exchange(world: &World, call: &Call, is_binding: bool) -> Answer {
    let body = call.json();
    let field = |name: &str| {
        if is_binding {
            body[name].as_str().unwrap_or_default().to_owned()
        } else {
            call.field(name)
        }
    };
    let prefix = "urn:ietf:params:oauth:";
    if field("grant_type") != format!("{prefix}grant-type:token-exchange")
        || field("requested_token_type") != format!("{prefix}token-type:access_token")
        || field("subject_token_type") != format!("{prefix}token-type:jwt")
        || field("scope") != SCOPE
    {
        return refused(400, "invalid_request", "Invalid request.");
    }
    let audience = field("audience");
    let accounts = held(&world.accounts);
    let Some((issuer, key)) = accounts.pools.get(&audience) else {
        return refused(
            400,
            "invalid_target",
            "The target service indicated by the audience parameter is invalid.",
        );
    };
    let verified = tokens::verified(&field("subject_token"), key, (world.now)());
    let Ok((_, claims)) = verified else {
        return refused(
            400,
            "invalid_grant",
            "The given credential is rejected by the attribute condition.",
        );
    };
    // GKE's tokens are for the pool, those of other clusters for the provider itself.
    let pool = audience.strip_prefix("identitynamespace:");
    let wanted = pool
        .and_then(|rest| rest.split(':').next())
        .unwrap_or(&audience);
    let is_meant = claims["aud"] == wanted
        || claims["aud"]
            .as_array()
            .is_some_and(|all| all.contains(&Value::from(wanted)));
    if !is_meant || claims["iss"] != issuer.as_str() {
        return refused(
            400,
            "invalid_grant",
            "The audience in ID Token does not match the expected audience.",
        );
    }
    drop(accounts);
    issued(world, claims["sub"].as_str().unwrap_or_default())
}

/// A token of another service account.
pub(crate) fn impersonation(world: &World, call: &Call, email: &str) -> Answer {
    let bearer = call
        .header("authorization")
        .strip_prefix("Bearer ")
        .unwrap_or_default();
    let Ok(claims) = world.tokens.verified(bearer, (world.now)()) else {
        return Answer::google(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        );
    };
    let principal = claims["sub"].as_str().unwrap_or_default();
    let may = held(&world.accounts).impersonators.get(principal).cloned();
    if may.as_deref() != Some(email) || call.json()["scope"] != json!([SCOPE]) {
        let told = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
        return Answer::google(403, "PERMISSION_DENIED", told);
    }
    let until = i64::try_from((world.now)() + LIFE).unwrap_or(i64::MAX);
    let until = jiff::Timestamp::from_second(until).unwrap_or_default();
    let token = mint(world, email, LIFE);
    Answer::ok(&json!({"accessToken": token, "expireTime": until.to_string()}))
}

/// A token whose claims a service account names and Google signs for it.
pub(crate) fn signature(world: &World, call: &Call, email: &str) -> Answer {
    let bearer = call.header("authorization").strip_prefix("Bearer ");
    let claims = world
        .tokens
        .verified(bearer.unwrap_or_default(), (world.now)());
    if claims.is_ok_and(|claims| claims["sub"] == email) {
        let body = call.json();
        let payload = body["payload"].as_str().unwrap_or_default();
        return match serde_json::from_str::<Value>(payload) {
            Ok(payload) => {
                Answer::ok(&json!({"keyId": "k1", "signedJwt": world.tokens.sign(&payload)}))
            }
            Err(_) => Answer::google(400, "INVALID_ARGUMENT", "Invalid payload."),
        };
    }
    let told = "Permission 'iam.serviceAccounts.signJwt' denied on resource (or it may not exist).";
    Answer::google(403, "PERMISSION_DENIED", told)
}

/// The metadata server.
pub(crate) fn metadata(world: &World, call: &Call, path: &[&str]) -> Answer {
    if call.header("metadata-flavor") != "Google" {
        return Answer::text(403, "Missing Metadata-Flavor:Google header.");
    }
    match path {
        ["project", "project-id"] => Answer::text(200, PROJECT),
        ["instance", "attributes", "cluster-name"] => Answer::text(200, "own-cluster"),
        ["instance", "attributes", "cluster-location"] => Answer::text(200, "europe-west1"),
        ["instance", "service-accounts", name, rest @ ..] => {
            let machine = held(&world.accounts).machine.clone();
            let machine = machine.filter(|email| *name == "default" || name == email);
            let Some(email) = machine else {
                return Answer::text(404, "no service account");
            };
            match rest {
                ["token"] => issued(world, &email),
                ["identity"] => {
                    let until = (world.now)() + 600;
                    let claims = json!({"aud": call.asked("audience"), "sub": "1", "email": email,
                        "exp": until});
                    Answer::text(200, &world.tokens.sign(&claims))
                }
                _ => {
                    Answer::ok(&json!({"aliases": ["default"], "email": email, "scopes": [SCOPE]}))
                        .with("metadata-flavor", "Google")
                }
            }
        }
        _ => Answer::text(404, "not found"),
    }
}
