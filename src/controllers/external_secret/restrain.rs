//! What the brake on mass deletion lets pass of a write.

use std::time::Duration;

use super::brake::{Loss, Verdict};
use super::observe::Snapshot;
use super::plan::{Content, Existing, Failure, Keeps, Object, Write, dropped, plan_write};
use super::status;
use crate::api::well_known::ALLOW_DELETION_ANNOTATION;
use crate::controllers::Context;

/// Why nothing, or not all of it, was written.
pub(super) enum Stop {
    /// With this to tell.
    Failed(Failure),
    /// Until this wait is over.
    Later(Duration),
}

/// The write as far as the brake on mass deletion lets it pass, and what to tell if that is not all
/// of it. Only what the store took away is looked at: what the user took out of the object goes.
pub(super) fn restrained(
    context: &Context,
    snapshot: &Snapshot,
    object: &Object<'_>,
    content: Content,
    existing: Option<&Existing<'_>>,
    write: Write,
) -> Result<(Write, Option<Failure>), Stop> {
    let loses_keys = || {
        snapshot.is_as_synced(context)
            && existing.is_some_and(|existing| dropped(existing, &write) > 0)
    };
    let loss = match &write {
        Write::Delete(_) => Loss::Secret,
        _ if loses_keys() => Loss::Part,
        _ => {
            context.brake.withdraw(&snapshot.key);
            return Ok((write, None));
        }
    };
    let allowed = object.annotations.get(ALLOW_DELETION_ANNOTATION);
    if allowed.is_some_and(|value| value == "true") {
        return Ok((write, None));
    }
    match context.brake.ask(&snapshot.key, loss, context.now()) {
        Verdict::Granted => return Ok((write, None)),
        Verdict::Pause(wait) => return Err(Stop::Later(wait)),
        Verdict::Held => {}
    }
    let failure = held();
    if loss == Loss::Secret {
        return Err(Stop::Failed(failure));
    }
    let kept = Content {
        keeps: Keeps::All,
        ..content
    };
    let kept = plan_write(object, kept, existing, context.consent).map_err(Stop::Failed)?;
    Ok((kept, Some(failure)))
}

/// Why a deletion is held back.
pub(super) fn held() -> Failure {
    let cause = format!(
        "more objects than --deletion-limit would lose values at about the same time; if that is meant, annotate \
         the ExternalSecret with {ALLOW_DELETION_ANNOTATION}=true or run latchkey with a higher limit"
    );
    Failure {
        reason: status::DELETION_HELD,
        ..Failure::passing(status::HELD, cause)
    }
}
