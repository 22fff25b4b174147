//! `latchkey diff`: what the next refresh would change in Secrets; keys and never values.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};

use super::cluster;
use super::listing::all;
use super::material::{Files, Material, kind_and_name};
use crate::api::v1;
use crate::cluster::request::bounded;
use crate::controllers::external_secret::{Forecast, Values, forecast};
use crate::model::complaint;
use crate::model::external_secret::ExternalSecret;
use crate::providers::ESC_URL;

/// Exit code when something would change, and when that cannot be told (`kubectl diff`).
const DIFFERENCES: u8 = 1;
const TROUBLE: u8 = 2;

/// Flags of `latchkey diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// ExternalSecrets to look at, as `externalsecret/NAME`; all of the namespace, where none is named
    #[arg(value_name = "KIND/NAME", conflicts_with = "filename")]
    objects: Vec<String>,
    /// Looks at the ExternalSecrets of YAML files, as if they were applied; their stores, Secrets and
    /// ConfigMaps stand in for those of the cluster
    #[arg(short, long, value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Namespace of the objects
    #[arg(short, long, default_value = "default", value_name = "NAMESPACE")]
    namespace: String,
    /// Looks at every namespace
    #[arg(short = 'A', long, conflicts_with_all = ["objects", "filename", "namespace"])]
    all_namespaces: bool,
    /// Address of the ESC API for stores without `apiUrl`
    #[arg(
        long,
        default_value = ESC_URL,
        value_name = "URL"
    )]
    esc_url: String,
    /// Takes it that latchkey runs with --adopt-unowned-secrets
    #[arg(long)]
    adopt_unowned_secrets: bool,
}

/// Prints what would change. Ends with 0 when nothing would, with 1 when something would and with 2 when
/// that cannot be told of an object.
#[expect(
    clippy::print_stderr,
    reason = "the exit code of a failure is another one than that of other commands"
)]
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::from(match compare(args).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("latchkey: {error:#}");
            TROUBLE
        }
    }))
}

async fn compare(args: &Args) -> anyhow::Result<u8> {
    let client = cluster().await?;
    let files = Files::read(&args.filename, &args.namespace)?;
    let adopt = args.adopt_unowned_secrets;
    let material = Material::new(files, Some(client.clone()), &args.esc_url, adopt)?;
    let objects = objects(args, &material, &client).await?;
    let mut code = 0;
    let mut out = std::io::stdout().lock();
    for object in &objects {
        let told = look(&material, object).await?;
        let name = format!(
            "{}/{}",
            object.namespace().unwrap_or_default(),
            object.name_any()
        );
        out.write_all(told.text(&name).as_bytes())?;
        code = code.max(told.code());
    }
    Ok(code)
}

async fn objects(
    args: &Args,
    material: &Material,
    client: &kube::Client,
) -> anyhow::Result<Vec<v1::ExternalSecret>> {
    if !args.filename.is_empty() {
        let mut objects = material.files.external_secrets.clone();
        if objects.is_empty() {
            bail!("there is no ExternalSecret in the files");
        }
        for object in &mut objects {
            let namespace = object.namespace().unwrap_or_default();
            let api: Api<v1::ExternalSecret> = Api::namespaced(client.clone(), &namespace);
            // Secrets belong to an object by its uid, which a file does not know.
            let live = bounded(api.get_metadata_opt(&object.name_any())).await;
            let live = live.context("failed to read the ExternalSecret of the cluster")?;
            object.metadata.uid = live.and_then(|live| live.metadata.uid);
        }
        return Ok(objects);
    }
    let api: Api<v1::ExternalSecret> = if args.all_namespaces {
        Api::all(client.clone())
    } else {
        Api::namespaced(client.clone(), &args.namespace)
    };
    if args.objects.is_empty() {
        let found = all(&api, ListParams::default()).await;
        return found.context("failed to list ExternalSecrets");
    }
    let mut objects = Vec::new();
    for named in &args.objects {
        let (kind, name) = kind_and_name(named)?;
        if kind != "ExternalSecret" {
            bail!("{named}: only ExternalSecrets have a Secret to compare");
        }
        let found = bounded(api.get(name)).await;
        objects.push(found.with_context(|| format!("failed to read ExternalSecret {name:?}"))?);
    }
    Ok(objects)
}

/// What is told of an object.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Forecast(String, Forecast),
    Wrong(String),
}

async fn look(material: &Material, object: &v1::ExternalSecret) -> anyhow::Result<Told> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let spec = match ExternalSecret::parse(&namespace, &name, &object.spec) {
        Ok(spec) => spec,
        Err(complaints) => return Ok(Told::Wrong(complaint::join(&complaints))),
    };
    let stores = material.stores_of(object).await?;
    let told = forecast(&material.context, object, &spec, &stores, Values::Fetched).await;
    let told = told.with_context(|| format!("failed to read Secret of {namespace}/{name}"))?;
    Ok(Told::Forecast(spec.target.name, told))
}

impl Told {
    fn code(&self) -> u8 {
        match self {
            Self::Forecast(_, Forecast::Unchanged | Forecast::Elsewhere) => 0,
            Self::Forecast(_, Forecast::Created | Forecast::Rewritten(_) | Forecast::Deleted) => {
                DIFFERENCES
            }
            Self::Forecast(_, Forecast::Refused(_) | Forecast::Unfetched(_)) | Self::Wrong(_) => {
                TROUBLE
            }
        }
    }

    /// A line, and one more for each difference; nothing where nothing would change.
    fn text(&self, name: &str) -> String {
        let (secret, forecast) = match self {
            Self::Forecast(secret, forecast) => (secret, forecast),
            Self::Wrong(why) => return format!("! ExternalSecret {name}: {why}\n"),
        };
        match forecast {
            Forecast::Unchanged => String::new(),
            Forecast::Elsewhere => {
                format!("? ExternalSecret {name}: its target is no Secret and is not compared\n")
            }
            Forecast::Created => {
                format!("+ Secret {secret:?} of ExternalSecret {name} would be made\n")
            }
            Forecast::Deleted => {
                format!("- Secret {secret:?} of ExternalSecret {name} would be deleted\n")
            }
            Forecast::Rewritten(differences) => {
                let lines = differences.iter().map(|told| format!("    {told}\n"));
                let lines: String = lines.collect();
                format!("~ Secret {secret:?} of ExternalSecret {name} would change\n{lines}")
            }
            Forecast::Refused(why) | Forecast::Unfetched(why) => {
                format!("! ExternalSecret {name}: {why}\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_differences_from_trouble() {
        let told = |forecast| Told::Forecast("db".to_owned(), forecast);
        let changed = told(Forecast::Rewritten(vec!["data \"a\" changes".to_owned()]));
        assert_eq!(
            changed.text("shop/db"),
            "~ Secret \"db\" of ExternalSecret shop/db would change\n    data \"a\" changes\n"
        );
        let refused = told(Forecast::Refused("it is another's".to_owned()));
        let codes = [told(Forecast::Unchanged), changed, refused].map(|told| told.code());
        assert_eq!(codes, [0, 1, 2]);
        assert_eq!(told(Forecast::Unchanged).text("shop/db"), "");
    }
}
