//! The plan as people and programs read it. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::change::{Change, Direction};
use super::plan::{Plan, Scope, Verdict};

/// Objects without anything to say that are listed by name; the others are counted.
const QUIET_SHOWN: usize = 20;

/// For people.
pub(super) fn text(scope: &Scope, plan: &Plan) -> String {
    let mut text = format!("Handing {} over to latchkey\n\n", scope.title());
    let mut quiet = 0;
    for found in &plan.objects {
        if found.verdict == Verdict::Unchanged && found.reasons.is_empty() {
            quiet += 1;
            if quiet > QUIET_SHOWN {
                continue;
            }
        }
        let name = if found.namespace.is_empty() {
            found.name.clone()
        } else {
            format!("{}/{}", found.namespace, found.name)
        };
        line(
            &mut text,
            &format!("{:<8}{} {name}", found.verdict.as_str(), found.kind),
        );
        for reason in &found.reasons {
            line(&mut text, &format!("        → {reason}"));
        }
    }
    if quiet > QUIET_SHOWN {
        let more = quiet - QUIET_SHOWN;
        line(
            &mut text,
            &format!("{:<8}and {more} more", Verdict::Unchanged.as_str()),
        );
    }
    line(&mut text, &format!("\n{}", summary(plan)));
    if !plan.changes.is_empty() {
        line(&mut text, "\nChanges, in this order:");
        text.push_str(&changes(&plan.changes, Direction::Forth));
    }
    for note in &plan.notes {
        line(&mut text, &format!("\nNote: {note}"));
    }
    text
}

/// One sentence with the numbers.
pub(super) fn summary(plan: &Plan) -> String {
    format!(
        "{} taken over without a write, {} rewritten, {} blocked, {} left as they are",
        plan.count(Verdict::Unchanged),
        plan.count(Verdict::Rewritten),
        plan.count(Verdict::Blocked),
        plan.count(Verdict::Left)
    )
}

/// The changes, a line each.
pub(super) fn changes(changes: &[Change], direction: Direction) -> String {
    let mut text = String::new();
    for (number, change) in changes.iter().enumerate() {
        let shown = |value: Option<&Value>| match value {
            None => "nothing".to_owned(),
            Some(Value::Object(_)) => "{…}".to_owned(),
            Some(value) => value.to_string(),
        };
        let (from, to) = match direction {
            Direction::Forth => (&change.before, &change.after),
            Direction::Back => (&change.after, &change.before),
        };
        let values = format!("{} → {}", shown(from.as_ref()), shown(to.as_ref()));
        let title = change.place.title();
        line(
            &mut text,
            &format!("{:>3}. {title} {}: {values}", number + 1, change.field),
        );
        if direction == Direction::Forth {
            line(&mut text, &format!("     {}", change.why));
        }
    }
    text
}

/// For programs.
pub(super) fn json(scope: &Scope, plan: &Plan) -> String {
    let value = json!({
        "scope": match scope {
            Scope::Cluster => json!({"cluster": true}),
            Scope::Namespace(namespace) => json!({"namespace": namespace}),
        },
        "summary": {
            "unchanged": plan.count(Verdict::Unchanged),
            "rewritten": plan.count(Verdict::Rewritten),
            "blocked": plan.count(Verdict::Blocked),
            "left": plan.count(Verdict::Left),
        },
        "objects": plan.objects,
        "changes": plan.changes,
        "notes": plan.notes,
    });
    let mut text = serde_json::to_string_pretty(&value).expect("the plan must be JSON");
    text.push('\n');
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String must succeed");
}
