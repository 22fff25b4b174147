//! Opening environments, reading what was opened, and checking definitions.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::body::Text;
use super::evaluation::Evaluator;
use super::params::Params;
use super::problem::Problem;
use super::session::Properties;
use super::target::{InOrganization, Target};
use super::{Shared, blocking, evaluating, wire};
use crate::esc::eval::{self, Evaluation, Found, Mode, PropertyPath};
use crate::esc::store::{Permission, Token};

pub(super) async fn open(
    State(state): State<Shared>,
    target: Target,
    params: Params,
) -> Result<Response, Problem> {
    target.require(Permission::Open)?;
    let lifetime = params.lifetime()?;
    evaluating(&state, move |state| {
        let token = &target.identity.0;
        let evaluator = Evaluator::new(state, &target.name.organization, token)?;
        let (environment, revision) = evaluator.find(&target.name, target.version.as_deref())?;
        let evaluation = evaluator.evaluate(&environment, &revision.yaml, Mode::Open);
        opened(state, evaluation, token, &environment.id, lifetime)
    })
    .await
}

pub(super) async fn open_anonymous(
    State(state): State<Shared>,
    target: InOrganization,
    params: Params,
    Text(yaml): Text,
) -> Result<Response, Problem> {
    target
        .identity
        .require(&target.organization, Permission::Open)?;
    let lifetime = params.lifetime()?;
    evaluating(&state, move |state| {
        let token = &target.identity.0;
        let evaluator = Evaluator::new(state, &target.organization, token)?;
        let evaluation = evaluator.evaluate_anonymous(&yaml, Mode::Open);
        opened(state, evaluation, token, &target.organization, lifetime)
    })
    .await
}

fn opened(
    state: &Shared,
    evaluation: Evaluation,
    token: &Token,
    place: &str,
    lifetime: Duration,
) -> Result<Response, Problem> {
    if evaluation.has_errors() {
        return Err(Problem::diagnostics(evaluation.diagnostics));
    }
    let sessions = &state.sessions;
    let id = sessions.open(
        &token.id,
        place,
        evaluation.properties,
        state.now(),
        lifetime,
    );
    let id = id.ok_or_else(Problem::internal)?;
    wire::answer(&json!({"id": id}))
}

pub(super) async fn read(
    State(state): State<Shared>,
    target: Target,
    params: Params,
) -> Result<Response, Problem> {
    target.require(Permission::Open)?;
    blocking(&state, move |state| {
        let environment = state.store.snapshot()?.environment(&target.name)?;
        let token = &target.identity.0;
        let session = &target.session;
        let properties = session_of(state, session, token, &environment.id)?;
        selected(&properties, params.text("property"))
    })
    .await
}

pub(super) async fn read_anonymous(
    State(state): State<Shared>,
    target: InOrganization,
    params: Params,
) -> Result<Response, Problem> {
    let InOrganization {
        identity,
        organization,
        session,
    } = target;
    identity.require(&organization, Permission::Open)?;
    let session = session.unwrap_or_default();
    let properties = session_of(&state, &session, &identity.0, &organization)?;
    selected(&properties, params.text("property"))
}

fn session_of(
    state: &Shared,
    session: &str,
    token: &Token,
    place: &str,
) -> Result<Properties, Problem> {
    state
        .sessions
        .read(session, &token.id, place, state.now())
        .ok_or_else(|| Problem::not_found("session not found; it may have expired: open again"))
}

fn selected(properties: &Properties, path: Option<&str>) -> Result<Response, Problem> {
    let path = path.unwrap_or_default();
    let parsed = PropertyPath::parse(path).map_err(Problem::bad_request)?;
    match eval::lookup(properties, &parsed) {
        Some(Found::All(all)) => wire::answer(&Opened {
            properties: wire::Properties(all),
        }),
        Some(Found::One(value)) => wire::answer(&wire::Wrapped(value)),
        None => Err(Problem::not_found(format!("property '{path}' not found"))),
    }
}

#[derive(serde::Serialize)]
struct Opened<'a> {
    properties: wire::Properties<'a>,
}

#[derive(serde::Serialize)]
struct Checked<'a> {
    exprs: Json,
    properties: wire::Properties<'a>,
    schema: Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<Json>,
}

/// Checks what is stored, or the body if there is one, as a definition of the environment.
pub(super) async fn check(
    State(state): State<Shared>,
    target: Target,
    params: Params,
    Text(yaml): Text,
) -> Result<Response, Problem> {
    let mode = check_mode(&params);
    target.require(permission(mode))?;
    evaluating(&state, move |state| {
        let organization = &target.name.organization;
        let evaluator = Evaluator::new(state, organization, &target.identity.0)?;
        let (environment, revision) = evaluator.find(&target.name, target.version.as_deref())?;
        let yaml = if yaml.is_empty() { revision.yaml } else { yaml };
        let evaluation = evaluator.evaluate(&environment, &yaml, mode);
        checked(&environment.short_name(), &yaml, evaluation)
    })
    .await
}

/// Checks a definition that belongs to no environment yet, or whose environment is not told.
pub(super) async fn check_anonymous(
    State(state): State<Shared>,
    target: InOrganization,
    params: Params,
    Text(yaml): Text,
) -> Result<Response, Problem> {
    let mode = check_mode(&params);
    let organization = target.organization;
    target.identity.require(&organization, permission(mode))?;
    evaluating(&state, move |state| {
        let evaluator = Evaluator::new(state, &organization, &target.identity.0)?;
        let evaluation = evaluator.evaluate_anonymous(&yaml, mode);
        checked("<yaml>", &yaml, evaluation)
    })
    .await
}

fn check_mode(params: &Params) -> Mode {
    Mode::Check {
        show_secrets: params.flag("showSecrets"),
    }
}

fn permission(mode: Mode) -> Permission {
    match mode {
        Mode::Open | Mode::Check { show_secrets: true } => Permission::Open,
        Mode::Check {
            show_secrets: false,
        } => Permission::Read,
    }
}

/// A malformed text is refused; with any other error the best that could be evaluated is answered,
/// since `esc env get` cannot do without.
fn checked(name: &str, yaml: &str, evaluation: Evaluation) -> Result<Response, Problem> {
    if evaluation.malformed {
        return Err(Problem::diagnostics(evaluation.diagnostics));
    }
    let diagnostics = &evaluation.diagnostics;
    wire::answer(&Checked {
        exprs: wire::expressions(&eval::expressions(name, yaml)),
        properties: wire::Properties(&evaluation.properties),
        schema: json!({"type": "object"}),
        diagnostics: (!diagnostics.is_empty()).then(|| wire::diagnostics(diagnostics)),
    })
}
