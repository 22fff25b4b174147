//! `latchkey migrate`: hands a namespace or a cluster over from External Secrets Operator, and back.
//!
//! Secrets are written by neither way: both controllers leave the same hashes and labels. What changes is
//! who looks after the objects. Each field that is changed is recorded beforehand, so that it can be put
//! back as it was.

mod change;
mod installation;
mod observe;
mod perform;
mod plan;
mod record;
mod report;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use kube::Client;

use crate::controllers::external_secret::Values;
use crate::providers::ESC_URL;

use change::{Change, Direction, joined};
use observe::{Question, observe};
use perform::{Made, Way, make};
use plan::{Plan, Scope, Verdict, plan};
use record::Record;

/// Exit code when Secrets would be written.
const REWRITES: u8 = 3;
/// Exit code when objects are blocked.
const BLOCKED: u8 = 4;

/// `latchkey migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says what would happen to each object and writes nothing; ends with 0 when no Secret would be
    /// written, 3 when some would, 4 when objects are blocked
    Plan(PlanArgs),
    /// Hands over, after saying what will happen and asking
    Apply(ApplyArgs),
    /// Puts back every field that apply changed
    Undo(UndoArgs),
}

/// What is handed over.
#[derive(Debug, clap::Args)]
#[group(id = "what", required = true, multiple = false, args = ["namespace", "all_namespaces"])]
struct ScopeArgs {
    /// Hands the stores of one namespace over and the objects that use no others; latchkey runs beside
    /// ESO with --controller-class and --require-controller-class
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Hands the whole cluster over; ESO stops
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Namespace of latchkey, where the record of the changes is kept
    #[arg(
        long,
        env = "POD_NAMESPACE",
        default_value = "latchkey-system",
        value_name = "NAMESPACE"
    )]
    own_namespace: String,
}

impl ScopeArgs {
    fn scope(&self) -> Scope {
        match &self.namespace {
            Some(namespace) => Scope::Namespace(namespace.clone()),
            None => Scope::Cluster,
        }
    }
}

/// Flags of `latchkey migrate plan`.
#[derive(Debug, clap::Args)]
struct PlanArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Class that the stores of a namespace are given
    #[arg(long, default_value = "latchkey", value_name = "CLASS")]
    controller_class: String,
    /// Asks the stores and renders templates, as latchkey would, instead of comparing with what the
    /// Secrets have; needs what latchkey needs to reach them
    #[arg(long)]
    fetch: bool,
    /// Address of the ESC API for stores without `apiUrl`, with --fetch
    #[arg(
        long,
        default_value = ESC_URL,
        value_name = "URL"
    )]
    esc_url: String,
    /// Takes it that latchkey runs with --adopt-unowned-secrets
    #[arg(long)]
    adopt_unowned_secrets: bool,
    /// Leaves stores that a blocked object uses with ESO; of one namespace alone
    #[arg(long, requires = "namespace")]
    skip_blocked: bool,
    /// latchkey's Deployment, which is started when it has no replicas and the whole cluster is handed
    /// over
    #[arg(long, default_value = "latchkey", value_name = "NAME")]
    deployment: String,
    /// Replicas to start it with
    #[arg(long, default_value_t = 2, value_name = "N")]
    replicas: i32,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    output: Output,
}

/// Flags of `latchkey migrate apply`.
#[derive(Debug, clap::Args)]
struct ApplyArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// Hands over although objects are blocked: their Secrets stay and are not refreshed
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// Flags of `latchkey migrate undo`.
#[derive(Debug, clap::Args)]
struct UndoArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// How changes are made.
#[derive(Debug, clap::Args)]
struct ConsentArgs {
    /// Does not ask
    #[arg(short, long)]
    yes: bool,
    /// Lets the API server check every change and makes none
    #[arg(long)]
    dry_run: bool,
    /// Seconds that a Deployment may take to start or stop
    #[arg(long, default_value_t = 180, value_name = "SECONDS")]
    timeout: u64,
}

/// Form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// An object with `summary`, `objects`, `changes` and `notes`.
    Json,
}

/// Runs the subcommand.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = super::cluster().await?;
    match args.command {
        Command::Plan(args) => {
            let plan = show_plan(&client, &args).await?;
            let code = match (plan.count(Verdict::Blocked), plan.count(Verdict::Rewritten)) {
                (0, 0) => return Ok(ExitCode::SUCCESS),
                (0, _) => REWRITES,
                _ => BLOCKED,
            };
            Ok(ExitCode::from(code))
        }
        Command::Apply(args) => apply(&client, &args).await,
        Command::Undo(args) => undo(&client, &args).await,
    }
}

async fn show_plan(client: &Client, args: &PlanArgs) -> anyhow::Result<Plan> {
    let scope = args.scope.scope();
    let question = Question {
        scope: scope.clone(),
        class: args.controller_class.clone(),
        values: if args.fetch {
            Values::Fetched
        } else {
            Values::AsStored
        },
        adopt_unowned: args.adopt_unowned_secrets,
        esc_url: args.esc_url.clone(),
        own_namespace: args.scope.own_namespace.clone(),
        deployment: args.deployment.clone(),
        replicas: args.replicas,
    };
    let observed = observe(client, &question).await?;
    let plan = plan(&observed, args.skip_blocked);
    say(&match args.output {
        Output::Text => report::text(&scope, &plan),
        Output::Json => report::json(&scope, &plan),
    })?;
    Ok(plan)
}

async fn apply(client: &Client, args: &ApplyArgs) -> anyhow::Result<ExitCode> {
    let plan = show_plan(client, &args.plan).await?;
    let blocked = plan.count(Verdict::Blocked);
    if blocked > 0 && !args.force {
        tell(&format!(
            "{blocked} objects are blocked and nothing was changed; mend them, or use --skip-blocked for a \
             namespace, or --force"
        ));
        return Ok(ExitCode::from(BLOCKED));
    }
    let scope = args.plan.scope.scope();
    let record = Record::new(client, &args.plan.scope.own_namespace, &scope);
    let earlier = record.read().await?;
    if plan.changes.is_empty() {
        tell("nothing is left to change");
        return Ok(ExitCode::SUCCESS);
    }
    let way = |dry_run| way(Direction::Forth, &args.consent, dry_run);
    for change in &plan.changes {
        check(client, change, way(true)).await?;
    }
    if args.consent.dry_run {
        tell("the API server takes every change; nothing was changed");
        return Ok(ExitCode::SUCCESS);
    }
    let question = format!("Hand {} over to latchkey?", scope.title());
    if !agreed(&args.consent, &question)? {
        return Ok(ExitCode::FAILURE);
    }
    // Before the first change, so that an interruption at any moment can be undone.
    record.write(&joined(earlier, plan.changes.clone())).await?;
    for change in &plan.changes {
        check(client, change, way(false)).await?;
    }
    tell(&format!("{} is handed over", scope.title()));
    Ok(ExitCode::SUCCESS)
}

/// Makes a change that must be possible.
async fn check(client: &Client, change: &Change, way: Way) -> anyhow::Result<()> {
    match make(client, change, way).await? {
        Made::Now | Made::Before => Ok(()),
        Made::Gone => bail!(
            "{} is gone since the plan; run this again",
            change.place.title()
        ),
        Made::Foreign(_) => bail!(
            "{} of {} has changed since the plan; run this again",
            change.field,
            change.place.title()
        ),
    }
}

async fn undo(client: &Client, args: &UndoArgs) -> anyhow::Result<ExitCode> {
    let scope = args.scope.scope();
    let record = Record::new(client, &args.scope.own_namespace, &scope);
    let mut changes = record.read().await?;
    if changes.is_empty() {
        bail!(
            "there is no record of a hand-over of {} in ConfigMap {}/{}",
            scope.title(),
            args.scope.own_namespace,
            record::NAME
        );
    }
    changes.reverse();
    say(&report::changes(&changes, Direction::Back))?;
    let way = |dry_run| way(Direction::Back, &args.consent, dry_run);
    if args.consent.dry_run {
        for change in &changes {
            make(client, change, way(true)).await?;
        }
        tell("nothing was changed");
        return Ok(ExitCode::SUCCESS);
    }
    if !agreed(
        &args.consent,
        &format!("Hand {} back to ESO?", scope.title()),
    )? {
        return Ok(ExitCode::FAILURE);
    }
    for change in &changes {
        let title = change.place.title();
        match make(client, change, way(false)).await? {
            Made::Now | Made::Before => {}
            Made::Gone => tell(&format!("{title} is gone; nothing to put back")),
            Made::Foreign(_) => tell(&format!(
                "{title}: somebody has changed {} since, and it stays as it is",
                change.field
            )),
        }
    }
    record.remove().await?;
    tell(&format!("{} is handed back", scope.title()));
    if let Scope::Namespace(_) = scope {
        tell(
            "ESO does not watch stores: restart it (kubectl rollout restart), or it looks at these objects hours later",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn way(direction: Direction, consent: &ConsentArgs, dry_run: bool) -> Way {
    Way {
        direction,
        dry_run,
        patience: Duration::from_secs(consent.timeout),
    }
}

/// Asks the person at the terminal.
fn agreed(consent: &ConsentArgs, question: &str) -> anyhow::Result<bool> {
    if consent.yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to be asked; use --yes");
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Tells the person how it went, beside the report.
#[expect(
    clippy::print_stderr,
    reason = "the report is on standard output, for programs"
)]
fn tell(text: &str) {
    eprintln!("{text}");
}
