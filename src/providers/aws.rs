//! Provider `aws`: Secrets Manager and Systems Manager's Parameter Store.
//!
//! One login per store and one read per secret and refresh window, however many objects and keys ask;
//! reads that come together share calls where the service allows it, see [`batch`]. Differences to
//! External Secrets Operator, all deliberate: a property that is deleted leaves the rest of its secret,
//! a search tells which secret cannot be read, searches without a path stay below the store's prefix,
//! tags and resource policies that the object does not name stay, and Parameter Store takes a whole
//! source as text and not as base64.

mod access;
mod batch;
#[cfg(any(feature = "provider-openbao", feature = "provider-vault"))]
mod caller;
mod document;
mod failure;
mod login;
mod parameter_store;
mod process;
mod secrets_manager;
mod settings;
mod transport;

use std::sync::Arc;

use async_trait::async_trait;

use super::logins::{Identity, Logins};
use super::window::Window;
use super::{
    Abilities, ClientContext, Clock, Error, ErrorKind, FindBy, Options, Provider, SecretsClient,
};
use crate::api::v1::{AwsProvider, AwsService, AwsSessionTagsPolicy};
use crate::model::secret_store::Store;
use crate::secret::SecretBytes;

use access::Access;
use batch::Batches;
use process::Bases;
use transport::Transport;

pub(crate) use access::{Outsider, Session};
#[cfg(any(feature = "provider-openbao", feature = "provider-vault"))]
pub(super) use caller::caller_identity;
pub(crate) use failure::Failure;
pub(crate) use login::SESSION_NAME;
#[cfg(any(feature = "provider-openbao", feature = "provider-vault"))]
pub(super) use login::check as check_auth;

pub(super) const NAME: &str = "aws";

/// Name and value of the tag on what was pushed; ESO's, so that either operator goes on where the other
/// stopped.
const MARK: (&str, &str) = ("managed-by", "external-secrets");

/// Secrets that one search may name; more is taken for a mistake in the search.
const MAX_FOUND: usize = 10_000;

/// Reads of one search that are under way at once.
const PARALLEL: usize = 8;

/// The provider, with what all its stores share.
pub(super) struct Aws {
    engine: Arc<Engine>,
}

struct Engine {
    clock: Clock,
    transport: Transport,
    bases: Bases,
    logins: Logins<Session>,
    window: Window<Asked, Fetched>,
    batches: Batches<Identity>,
}

/// What was asked for, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    identity: Identity,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// A value by name or ARN, and version.
    Value(String, String),
    /// The tags of a secret or parameter.
    Tags(String),
}

/// What the service answered; `None` where there is no such secret.
type Fetched = Option<SecretBytes>;

impl Aws {
    /// Makes the provider; calls nobody.
    pub(super) fn new(options: &Options) -> Self {
        let clock = Arc::clone(&options.clock);
        let engine = Engine {
            transport: Transport::new(options),
            bases: Bases::new(Arc::clone(&clock)),
            logins: Logins::new(Arc::clone(&clock)),
            window: Window::new(Arc::clone(&clock)),
            batches: Batches::new(Arc::clone(&clock)),
            clock,
        };
        Self {
            engine: Arc::new(engine),
        }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "Secrets Manager, Parameter Store; access keys, roles, IRSA, pod identity",
    find: &[FindBy::Name, FindBy::Path, FindBy::Tags],
    push: "yes, marked by tag",
    version: "stage, id, number, label",
    metadata: "tags",
    tested: "moto 5.2, which checks signatures and policies",
};

#[async_trait]
impl Provider for Aws {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        let block = block(store)?;
        if block.region.trim().is_empty() {
            return Err(invalid("region must be set"));
        }
        if block.service == AwsService::CertificateManager {
            let message = "service CertificateManager is not served by this build; use SecretsManager or ParameterStore";
            return Err(Error::new(ErrorKind::Unsupported, NAME, message));
        }
        if block.role.is_none() && !is_empty(block.external_id.as_deref()) {
            return Err(invalid("externalID is presented with role; set role"));
        }
        if let Some(deletion) = &block.secrets_manager {
            let is_forced = deletion.force_delete_without_recovery == Some(true);
            match deletion.recovery_window_in_days {
                Some(_) if is_forced => {
                    return Err(invalid(
                        "secretsManager: forceDeleteWithoutRecovery and recoveryWindowInDays exclude each other",
                    ));
                }
                Some(days) if !(7..=30).contains(&days) => {
                    return Err(invalid(
                        "secretsManager.recoveryWindowInDays must be from 7 to 30",
                    ));
                }
                _ => {}
            }
        }
        login::check(block.auth.as_ref())
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        self.check(&context.store)?;
        let block = block(&context.store)?.clone();
        let is_referent = login::is_referent(&context.store, block.auth.as_ref());
        // Sessions that are tagged with the consumer's namespace are its own too.
        let is_tagged = block.role.is_some()
            && matches!(
                block.session_tags_policy,
                Some(AwsSessionTagsPolicy::Simple | AwsSessionTagsPolicy::Custom)
            );
        let is_own = is_referent || is_tagged;
        let access = Access {
            engine: Arc::clone(&self.engine),
            identity: Identity::new(&context, is_own),
            has_consumer: !is_own || !context.namespace.is_empty(),
            context,
            block,
        };
        Ok(match access.block.service {
            AwsService::ParameterStore => Box::new(parameter_store::ParameterStore { access }),
            AwsService::SecretsManager | AwsService::CertificateManager => {
                Box::new(secrets_manager::SecretsManager { access })
            }
        })
    }

    fn sweep(&self) {
        self.engine.window.sweep();
    }
}

fn block(store: &Store) -> Result<&AwsProvider, Error> {
    let block = store.provider.aws.as_deref();
    block.ok_or_else(|| invalid("spec.provider.aws is missing"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, NAME, message)
}

fn is_empty(text: Option<&str>) -> bool {
    text.unwrap_or_default().is_empty()
}
