//! The entries of `data` and `dataFrom`.

use regex::Regex;

use crate::api::meta::SecretStoreRef;
use crate::api::v1::DeletionPolicy;
use crate::api::v1::{
    ConversionStrategy, DecodingStrategy, ExternalSecretData, ExternalSecretDataFrom,
    ExternalSecretDataRemoteRef, ExternalSecretFind, ExternalSecretRewrite, ExternalSecretSpec,
    MetadataPolicy, NullBytePolicy, SourceRef,
};
use crate::model::complaint::Complaint;
use crate::model::keys;
use crate::model::remote::{Find, RemoteRef};
use crate::model::rewrite::Rewrite;
use crate::model::secret_store::StoreId;

/// One source of values.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the entry stands, for example `spec.data[0]`.
    pub field: String,
    /// The store it reads; a generator reads none.
    pub store: Option<StoreId>,
    /// What it reads.
    pub source: Source,
    /// How each value is decoded.
    pub decoding: DecodingStrategy,
    /// How keys are made legal, unless they are rewritten.
    pub conversion: ConversionStrategy,
    /// Changes of the keys.
    pub rewrite: Vec<Rewrite>,
    /// Whether a zero byte in a value is an error.
    pub refuse_null_bytes: bool,
}

/// What an entry reads.
#[derive(Clone, Debug)]
pub enum Source {
    /// One value, stored under `secret_key`.
    Single {
        /// Key in the Secret.
        secret_key: String,
        /// The remote value.
        reference: RemoteRef,
    },
    /// The members of one remote secret.
    Extract(RemoteRef),
    /// Many remote secrets.
    Find(Find),
    /// What a generator makes.
    Generate(GeneratorId),
}

/// Names a generator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GeneratorId {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Entry {
    /// How the entry is named in errors: its field, and its key where it has one.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.source {
            Source::Single { reference, .. } => format!("{} (key: {})", self.field, reference.key),
            Source::Extract(reference) => {
                format!("{}.extract (key: {})", self.field, reference.key)
            }
            Source::Find(_) => format!("{}.find", self.field),
            Source::Generate(generator) => format!(
                "{}.sourceRef.generatorRef ({} {})",
                self.field, generator.kind, generator.name
            ),
        }
    }
}

/// Reads every entry; what is wrong goes to `complaints`.
pub(super) fn parse_all(
    namespace: &str,
    spec: &ExternalSecretSpec,
    complaints: &mut Vec<Complaint>,
) -> Vec<Entry> {
    if spec.data.is_empty() && spec.data_from.is_empty() {
        complaints.push(Complaint::error(
            "spec",
            "either data or dataFrom should be specified",
        ));
    }
    refuse_duplicates(spec, complaints);
    let mut reader = Reader {
        namespace,
        store: spec.secret_store_ref.as_ref(),
        complaints,
    };
    let maps = spec
        .data_from
        .iter()
        .enumerate()
        .map(|(i, entry)| (format!("spec.dataFrom[{i}]"), entry));
    let mut entries: Vec<Entry> = maps
        .filter_map(|(field, entry)| reader.map(field, entry))
        .collect();
    let singles = spec
        .data
        .iter()
        .enumerate()
        .map(|(i, entry)| (format!("spec.data[{i}]"), entry));
    entries.extend(singles.filter_map(|(field, entry)| reader.single(field, entry)));
    entries
}

fn refuse_duplicates(spec: &ExternalSecretSpec, complaints: &mut Vec<Complaint>) {
    let deletion = spec
        .target
        .as_ref()
        .and_then(|target| target.deletion_policy)
        .unwrap_or_default();
    if deletion != DeletionPolicy::Retain {
        return;
    }
    for (i, entry) in spec.data.iter().enumerate() {
        if spec.data[..i]
            .iter()
            .any(|earlier| earlier.secret_key == entry.secret_key)
        {
            let message = format!("duplicate secretKey found: {}", entry.secret_key);
            complaints.push(Complaint::error(
                format!("spec.data[{i}].secretKey"),
                message,
            ));
        }
    }
}

struct Reader<'a> {
    namespace: &'a str,
    store: Option<&'a SecretStoreRef>,
    complaints: &'a mut Vec<Complaint>,
}

impl Reader<'_> {
    fn single(&mut self, field: String, entry: &ExternalSecretData) -> Option<Entry> {
        if let Err(message) = keys::check_key(&entry.secret_key) {
            self.complaints
                .push(Complaint::error(format!("{field}.secretKey"), message));
        }
        let store = Some(self.entry_store(&field, entry.source_ref.as_ref())?);
        let reference = self.reference(&format!("{field}.remoteRef"), &entry.remote_ref);
        Some(Entry {
            store,
            source: Source::Single {
                secret_key: entry.secret_key.clone(),
                reference,
            },
            decoding: entry
                .remote_ref
                .decoding_strategy
                .unwrap_or(DecodingStrategy::None),
            conversion: ConversionStrategy::Default,
            rewrite: Vec::new(),
            refuse_null_bytes: entry.remote_ref.null_byte_policy == Some(NullBytePolicy::Fail),
            field,
        })
    }

    fn map(&mut self, field: String, entry: &ExternalSecretDataFrom) -> Option<Entry> {
        let source = entry.source_ref.as_ref();
        let generator = source.is_some_and(|source| source.generator_ref.is_some());
        let rewrite = self.rewrites(&field, &entry.rewrite);
        let complaint = match (&entry.extract, &entry.find, generator) {
            (Some(extract), None, false) => {
                return Some(Entry {
                    store: Some(self.entry_store(&field, source)?),
                    source: Source::Extract(self.reference(&format!("{field}.extract"), extract)),
                    decoding: extract.decoding_strategy.unwrap_or(DecodingStrategy::None),
                    conversion: extract
                        .conversion_strategy
                        .unwrap_or(ConversionStrategy::Default),
                    rewrite,
                    refuse_null_bytes: extract.null_byte_policy == Some(NullBytePolicy::Fail),
                    field,
                });
            }
            (None, Some(find), false) => {
                return Some(Entry {
                    store: Some(self.entry_store(&field, source)?),
                    source: Source::Find(self.find(&field, find)),
                    decoding: find.decoding_strategy.unwrap_or(DecodingStrategy::None),
                    conversion: find
                        .conversion_strategy
                        .unwrap_or(ConversionStrategy::Default),
                    rewrite,
                    refuse_null_bytes: find.null_byte_policy == Some(NullBytePolicy::Fail),
                    field,
                });
            }
            (None, None, true) => return self.generated(field, source?, rewrite),
            (None, None, false) => Complaint::error(
                field,
                "either extract, find, or sourceRef must be set to dataFrom",
            ),
            _ => Complaint::error(
                field,
                "extract, find, or generatorRef cannot be set at the same time",
            ),
        };
        self.complaints.push(complaint);
        None
    }

    fn generated(
        &mut self,
        field: String,
        source: &SourceRef,
        rewrite: Vec<Rewrite>,
    ) -> Option<Entry> {
        let reference = source.generator_ref.as_ref()?;
        if source.store_ref.is_some() {
            let message = "storeRef and generatorRef cannot be set at the same time";
            self.complaints
                .push(Complaint::error(format!("{field}.sourceRef"), message));
            return None;
        }
        if reference.name.is_empty() {
            let field = format!("{field}.sourceRef.generatorRef.name");
            self.complaints.push(Complaint::error(
                field,
                "the name of the generator is empty",
            ));
            return None;
        }
        Some(Entry {
            store: None,
            source: Source::Generate(GeneratorId {
                kind: reference.kind.clone(),
                name: reference.name.clone(),
            }),
            decoding: DecodingStrategy::None,
            conversion: ConversionStrategy::Default,
            rewrite,
            refuse_null_bytes: false,
            field,
        })
    }

    fn entry_store(&mut self, field: &str, source: Option<&SourceRef>) -> Option<StoreId> {
        if let Some(source) = source {
            if source.generator_ref.is_some() {
                let message = "a generator cannot give a single value; use dataFrom";
                self.complaints.push(Complaint::error(
                    format!("{field}.sourceRef.generatorRef"),
                    message,
                ));
                return None;
            }
            if source.store_ref.is_none() {
                let message = "generatorRef or storeRef must be set when using sourceRef";
                self.complaints
                    .push(Complaint::error(format!("{field}.sourceRef"), message));
                return None;
            }
        }
        let overriding = source.and_then(|source| source.store_ref.as_ref());
        let reference = overriding.or(self.store);
        let name = reference
            .and_then(|reference| reference.name.as_deref())
            .filter(|name| !name.is_empty());
        let Some((reference, name)) = reference.zip(name) else {
            let message =
                "no store is named; set spec.secretStoreRef.name or sourceRef.storeRef.name";
            self.complaints.push(Complaint::error(field, message));
            return None;
        };
        Some(StoreId::new(
            reference.kind.unwrap_or_default(),
            self.namespace,
            name,
        ))
    }

    fn reference(&mut self, field: &str, reference: &ExternalSecretDataRemoteRef) -> RemoteRef {
        if reference.key.is_empty() {
            let message = "the key of the remote secret is empty";
            self.complaints
                .push(Complaint::error(format!("{field}.key"), message));
        }
        RemoteRef {
            key: reference.key.clone(),
            property: reference.property.clone().unwrap_or_default(),
            version: reference.version.clone().unwrap_or_default(),
            metadata: reference.metadata_policy == Some(MetadataPolicy::Fetch),
        }
    }

    fn find(&mut self, field: &str, find: &ExternalSecretFind) -> Find {
        let expression = find.name.as_ref().and_then(|name| name.regexp.as_deref());
        let name =
            expression.and_then(|text| self.expression(&format!("{field}.find.name.regexp"), text));
        Find {
            path: find.path.clone(),
            name,
            tags: find.tags.clone(),
        }
    }

    fn rewrites(&mut self, field: &str, rewrites: &[ExternalSecretRewrite]) -> Vec<Rewrite> {
        let mut parsed = Vec::new();
        for (i, rewrite) in rewrites.iter().enumerate() {
            let field = format!("{field}.rewrite[{i}]");
            match rewrite {
                ExternalSecretRewrite {
                    regexp: Some(regexp),
                    merge: None,
                    transform: None,
                } => {
                    let source = self.expression(&format!("{field}.regexp.source"), &regexp.source);
                    parsed.extend(source.map(|source| Rewrite::Regexp {
                        source,
                        target: regexp.target.clone(),
                    }));
                }
                ExternalSecretRewrite {
                    regexp: None,
                    merge: Some(merge),
                    transform: None,
                } => parsed.push(Rewrite::Merge(merge.clone())),
                ExternalSecretRewrite {
                    regexp: None,
                    merge: None,
                    transform: Some(transform),
                } => parsed.push(Rewrite::Transform(transform.template.clone())),
                ExternalSecretRewrite {
                    regexp: None,
                    merge: None,
                    transform: None,
                } => self.complaints.push(Complaint::error(
                    field,
                    "one of merge, regexp and transform must be set",
                )),
                _ => self.complaints.push(Complaint::error(
                    field,
                    "merge, regexp and transform cannot be set at the same time",
                )),
            }
        }
        parsed
    }

    fn expression(&mut self, field: &str, text: &str) -> Option<Regex> {
        match Regex::new(text) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let message = format!("not a regular expression: {error}");
                self.complaints.push(Complaint::error(field, message));
                None
            }
        }
    }
}
