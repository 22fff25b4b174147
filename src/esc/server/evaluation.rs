//! The evaluator's view of the store.

use std::sync::Arc;

use super::Shared;
use super::problem::Problem;
use crate::esc::client::EnvironmentName;
use crate::esc::eval::{self, Caller, Decrypter, Evaluation, Loaded, Loader, Mode};
use crate::esc::store::{Environment, Revision, Snapshot, Token};
use crate::secret::SecretBytes;

/// The name of a definition that is not stored.
const ANONYMOUS: &str = "<yaml>";

/// An evaluation for one caller, over the store as it was at one moment.
pub(super) struct Evaluator {
    state: Shared,
    snapshot: Arc<Snapshot>,
    organization: String,
    caller: Caller,
}

impl Evaluator {
    pub(super) fn new(state: &Shared, organization: &str, token: &Token) -> Result<Self, Problem> {
        Ok(Self {
            state: Arc::clone(state),
            snapshot: Arc::new(state.store.snapshot()?),
            organization: organization.to_owned(),
            caller: Caller {
                user_login: token.login.clone(),
                user_id: token.id.clone(),
                organization: organization.to_owned(),
            },
        })
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// An environment and one of its revisions.
    pub(super) fn find(
        &self,
        name: &EnvironmentName,
        version: Option<&str>,
    ) -> Result<(Environment, Revision), Problem> {
        let environment = self.snapshot.environment(name)?;
        let revision = self.snapshot.revision(&environment, version)?;
        Ok((environment, revision))
    }

    /// Evaluates `text` as a definition of `environment`.
    pub(super) fn evaluate(&self, environment: &Environment, text: &str, mode: Mode) -> Evaluation {
        let decrypter = decrypter(&self.state, environment);
        let name = environment.short_name();
        eval::evaluate(&name, text, &decrypter, self, &self.caller, mode)
    }

    /// Evaluates a text that is not stored. It names no environment whose ciphertext it might hold.
    pub(super) fn evaluate_anonymous(&self, text: &str, mode: Mode) -> Evaluation {
        eval::evaluate(ANONYMOUS, text, &Nobody, self, &self.caller, mode)
    }
}

impl Loader for Evaluator {
    fn load(&self, name: &str) -> Result<Loaded, String> {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        let (project, environment) = path.split_once('/').unwrap_or(("default", path));
        let full_name = EnvironmentName {
            organization: self.organization.clone(),
            project: project.to_owned(),
            name: environment.to_owned(),
        };
        let found = self
            .snapshot
            .environment(&full_name)
            .and_then(|environment| {
                let revision = self.snapshot.revision(&environment, version)?;
                Ok((environment, revision))
            });
        let (environment, revision) = found.map_err(|error| error.to_string())?;
        Ok(Loaded {
            text: revision.yaml,
            decrypter: Box::new(decrypter(&self.state, &environment)),
        })
    }
}

/// Opens the ciphertexts of one environment.
pub(super) struct Keys {
    state: Shared,
    environment: String,
}

pub(super) fn decrypter(state: &Shared, environment: &Environment) -> Keys {
    Keys {
        state: Arc::clone(state),
        environment: environment.id.clone(),
    }
}

impl Decrypter for Keys {
    fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, String> {
        self.state
            .store
            .keyring()
            .decrypt(&self.environment, ciphertext)
            .map_err(|error| error.to_string())
    }
}

struct Nobody;

impl Decrypter for Nobody {
    fn decrypt(&self, _: &[u8]) -> Result<SecretBytes, String> {
        Err("this definition belongs to no environment".to_owned())
    }
}
