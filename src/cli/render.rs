//! `latchkey render`: the Secrets that ExternalSecrets lead to, without writing any.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::ResourceExt as _;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::cluster;
use super::material::{Files, Material};
use crate::api::well_known::DATA_HASH_ANNOTATION;
use crate::cluster::secret_object::Desired;
use crate::controllers::external_secret::rendered;
use crate::model::complaint;
use crate::model::external_secret::ExternalSecret;
use crate::providers::ESC_URL;

/// What stands in the place of a value.
const MASK: &str = "********";

/// Flags of `latchkey render`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// YAML files with ExternalSecrets, and with stores, Secrets and ConfigMaps that stand in for those
    /// of the cluster; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Namespace of objects that name none
    #[arg(short, long, default_value = "default", value_name = "NAMESPACE")]
    namespace: String,
    /// Asks no cluster: the files must hold all that is needed
    #[arg(long)]
    offline: bool,
    /// Prints values instead of a mask
    #[arg(long)]
    show_values: bool,
    /// Address of the ESC API for stores without `apiUrl`
    #[arg(
        long,
        default_value = ESC_URL,
        value_name = "URL"
    )]
    esc_url: String,
}

/// Prints a Secret for each ExternalSecret of the files.
///
/// # Errors
/// When a file cannot be read, or an object leads to no Secret; the others are printed all the same.
pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let files = Files::read(&args.files, &args.namespace)?;
    if files.external_secrets.is_empty() {
        bail!("there is no ExternalSecret in the files");
    }
    let client = if args.offline {
        None
    } else {
        Some(cluster().await?)
    };
    let material = Material::new(files, client, &args.esc_url, false)?;
    let mut failures = Vec::new();
    for object in &material.files.external_secrets {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let secret = match ExternalSecret::parse(&namespace, &name, &object.spec) {
            Err(complaints) => Err(complaint::join(&complaints)),
            Ok(spec) => {
                let stores = material.stores_of(object).await?;
                let made = rendered(&material.context, object, &spec, &stores).await;
                made.map(|made| manifest(&namespace, &spec.target.name, &made, args.show_values))
            }
        };
        match secret {
            Ok(secret) => print(&secret)?,
            Err(why) => failures.push(format!("ExternalSecret {namespace}/{name}: {why}")),
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{}", failures.join("\n"))
}

fn print(secret: &Value) -> anyhow::Result<()> {
    let text = Zeroizing::new(serde_saphyr::to_string(secret)?);
    let mut out = std::io::stdout().lock();
    out.write_all(b"---\n")?;
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The Secret as a manifest. The hash of the values is left out, for short values can be guessed by it.
fn manifest(namespace: &str, name: &str, secret: &Desired, show_values: bool) -> Value {
    let annotations = secret.annotations.iter();
    let annotations: Map<String, Value> = annotations
        .filter(|(key, _)| *key != DATA_HASH_ANNOTATION)
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let mut metadata = json!({"name": name, "namespace": namespace});
    if !secret.labels.is_empty() {
        metadata["labels"] = json!(secret.labels);
    }
    if !annotations.is_empty() {
        metadata["annotations"] = Value::Object(annotations);
    }
    let (mut texts, mut bytes) = (Map::new(), Map::new());
    for (key, value) in secret.data.iter() {
        match (show_values, value.expose_str()) {
            (false, _) => texts.insert(key.to_owned(), json!(MASK)),
            (true, Some(text)) => texts.insert(key.to_owned(), json!(text)),
            (true, None) => bytes.insert(key.to_owned(), json!(STANDARD.encode(value.expose()))),
        };
    }
    let mut manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata,
        "type": secret.type_.as_deref().unwrap_or("Opaque"),
    });
    if secret.immutable {
        manifest["immutable"] = json!(true);
    }
    if !bytes.is_empty() {
        manifest["data"] = Value::Object(bytes);
    }
    if !texts.is_empty() {
        manifest["stringData"] = Value::Object(texts);
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretBytes;

    #[test]
    fn values_are_masked_unless_they_are_asked_for() {
        let mut secret = Desired::default();
        secret.data.insert("text", SecretBytes::from("hunter2"));
        secret.data.insert("bytes", SecretBytes::new(vec![0xff]));
        let hash = DATA_HASH_ANNOTATION.to_owned();
        secret.annotations.insert(hash, "abc".to_owned());
        let masked = manifest("team", "db", &secret, false);
        assert_eq!(
            masked["stringData"],
            json!({"text": MASK, "bytes": MASK}),
            "{masked}"
        );
        assert_eq!(
            masked["metadata"],
            json!({"name": "db", "namespace": "team"})
        );
        let shown = manifest("team", "db", &secret, true);
        assert_eq!(shown["stringData"], json!({"text": "hunter2"}));
        assert_eq!(shown["data"], json!({"bytes": "/w=="}));
    }
}
