//! Which path is which operation. The names are the label `operation` of the request counter.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, delete, get, patch, post};

use super::guard::{Guard, guard};
use super::problem::Problem;
use super::{Shared, definition, environments, labels, open, revisions, secrets, user};

const USER: &str = "/api/user";
const TOKENS: &str = "/api/latchkey/tokens";
const ENVIRONMENTS: &str = "/api/esc/environments";
const ORGANIZATION: &str = "/api/esc/environments/{organization}";
const ENVIRONMENT: &str = "/api/esc/environments/{organization}/{project}/{environment}";

type Route = (&'static str, String, MethodRouter<Shared>);

pub(super) fn router(state: &Shared) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics));
    let routes = [account(), organization(), environment(), versions(), tags()];
    for (operation, path, route) in routes.into_iter().flatten() {
        let guarded = Guard {
            operation,
            metrics: state.metrics.clone(),
        };
        let route = route.layer(middleware::from_fn_with_state(guarded, guard));
        router = router.route(&path, route);
    }
    router
        .fallback(|| async { Problem::not_found("there is no such path in this API") })
        .method_not_allowed_fallback(|| async {
            let message = "this path does not know the method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, message)
        })
        .with_state(state.clone())
}

async fn metrics(State(state): State<Shared>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        state.metrics.encode(),
    )
}

fn account() -> Vec<Route> {
    let default = format!("{USER}/organizations/default");
    vec![
        ("user", USER.into(), get(user::user)),
        (
            "default_organization",
            default,
            get(user::default_organization),
        ),
        ("tokens", TOKENS.into(), get(user::tokens)),
        ("create_token", TOKENS.into(), post(user::create_token)),
        (
            "delete_token",
            format!("{TOKENS}/{{id}}"),
            delete(user::delete_token),
        ),
    ]
}

fn organization() -> Vec<Route> {
    let at = |rest: &str| format!("{ORGANIZATION}{rest}");
    vec![
        ("list", ENVIRONMENTS.into(), get(environments::list_all)),
        ("list", at(""), get(environments::list_one)),
        ("create", at(""), post(environments::create)),
        ("check", at("/yaml/check"), post(open::check_anonymous)),
        ("open", at("/yaml/open"), post(open::open_anonymous)),
        (
            "read",
            at("/yaml/open/{session}"),
            get(open::read_anonymous),
        ),
    ]
}

fn environment() -> Vec<Route> {
    let at = |rest: &str| format!("{ENVIRONMENT}{rest}");
    vec![
        ("definition", at(""), get(definition::read)),
        ("update", at(""), patch(definition::update)),
        ("delete", at(""), delete(environments::delete)),
        ("decrypt", at("/decrypt"), get(definition::decrypt)),
        ("check", at("/check"), post(open::check)),
        ("open", at("/open"), post(open::open)),
        ("read", at("/open/{session}"), get(open::read)),
        ("clone", at("/clone"), post(environments::clone)),
        ("settings", at("/settings"), get(environments::settings)),
        (
            "change_settings",
            at("/settings"),
            patch(environments::change_settings),
        ),
        (
            "encrypt_secrets",
            at("/encrypt-secrets"),
            post(secrets::encrypt),
        ),
        (
            "decrypt_secrets",
            at("/decrypt-secrets"),
            post(secrets::decrypt),
        ),
    ]
}

fn versions() -> Vec<Route> {
    let at = |rest: &str| format!("{ENVIRONMENT}/versions{rest}");
    vec![
        ("history", at(""), get(revisions::history)),
        ("revision_tags", at("/tags"), get(revisions::tags)),
        (
            "create_revision_tag",
            at("/tags"),
            post(revisions::create_tag),
        ),
        ("revision_tag", at("/tags/{tag}"), get(revisions::tag)),
        (
            "move_revision_tag",
            at("/tags/{tag}"),
            patch(revisions::move_tag),
        ),
        (
            "delete_revision_tag",
            at("/tags/{tag}"),
            delete(revisions::delete_tag),
        ),
        ("definition", at("/{version}"), get(definition::read)),
        (
            "decrypt",
            at("/{version}/decrypt"),
            get(definition::decrypt),
        ),
        ("check", at("/{version}/check"), post(open::check)),
        ("open", at("/{version}/open"), post(open::open)),
        (
            "retract",
            at("/{version}/retract"),
            post(revisions::retract),
        ),
    ]
}

fn tags() -> Vec<Route> {
    let at = |rest: &str| format!("{ENVIRONMENT}/tags{rest}");
    vec![
        ("tags", at(""), get(labels::list)),
        ("create_tag", at(""), post(labels::create)),
        ("tag", at("/{tag}"), get(labels::read)),
        ("change_tag", at("/{tag}"), patch(labels::change)),
        ("delete_tag", at("/{tag}"), delete(labels::delete)),
    ]
}
