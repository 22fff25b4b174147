//! Access tokens: only their hashes are kept.

use std::sync::PoisonError;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::environments::new_id;
use super::name::check_organization;
use super::table::{self, Write as _};
use super::{Error, Permission, Store, Token, crypt};
use crate::secret::SecretBytes;

/// Id of the token that the server is started with.
const FIRST: &str = "admin";

/// A token to be made.
#[derive(Clone, Debug)]
pub struct TokenDraft {
    /// What it is for.
    pub name: String,
    /// Whose it is.
    pub login: String,
    /// The only organisation it opens.
    pub organization: Option<String>,
    /// What it allows.
    pub permission: Permission,
}

impl Store {
    /// Makes a token; it can be read from the answer and never again.
    ///
    /// # Errors
    /// [`Error::ReadName`] for an organisation that cannot be, [`Error::UseDatabase`].
    pub fn create_token(
        &self,
        draft: TokenDraft,
        now: Timestamp,
    ) -> Result<(Token, SecretBytes), Error> {
        if let Some(organization) = &draft.organization {
            check_organization(organization)?;
        }
        let secret = new_token()?;
        let token = Token {
            id: new_id(),
            sha256: hash(&secret),
            name: draft.name,
            login: draft.login,
            organization: draft.organization,
            permission: draft.permission,
            created: now,
        };
        self.put_token(&token)?;
        Ok((token, secret))
    }

    /// Makes `secret` the first administrator's token, in place of the one before.
    ///
    /// # Errors
    /// [`Error::UseDatabase`].
    pub fn ensure_first_token(&self, secret: &SecretBytes, now: Timestamp) -> Result<(), Error> {
        let sha256 = hash(secret);
        let known = |token: &Token| token.id == FIRST && token.sha256 == sha256;
        if self.read_tokens().iter().any(known) {
            return Ok(());
        }
        self.put_token(&Token {
            id: FIRST.to_owned(),
            sha256,
            name: "first administrator".to_owned(),
            login: FIRST.to_owned(),
            organization: None,
            permission: Permission::Admin,
            created: now,
        })
    }

    /// Ends a token.
    ///
    /// # Errors
    /// [`Error::Find`]; [`Error::Protect`] for the one the server is started with.
    pub fn delete_token(&self, id: &str) -> Result<(), Error> {
        if id == FIRST {
            return Err(Error::Protect(
                "the first administrator's token is protected: start the server with another one"
                    .to_owned(),
            ));
        }
        self.write(|transaction| {
            if transaction.remove(table::TOKENS, id)? {
                Ok(())
            } else {
                Err(Error::find("token", id))
            }
        })?;
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|token| token.id != id);
        Ok(())
    }

    /// All tokens, oldest first.
    #[must_use]
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens = self.read_tokens().clone();
        tokens.sort_by_key(|token| token.created);
        tokens
    }

    /// The token that `presented` is. Takes as long for a wrong one as for a right one.
    #[must_use]
    pub fn authenticate(&self, presented: &[u8]) -> Option<Token> {
        let presented = HEXLOWER.encode(digest(&SHA256, presented).as_ref());
        let mut found = None;
        for token in self.read_tokens().iter() {
            if verify_slices_are_equal(token.sha256.as_bytes(), presented.as_bytes()).is_ok() {
                found = Some(token.clone());
            }
        }
        found
    }

    fn put_token(&self, token: &Token) -> Result<(), Error> {
        self.write(|transaction| transaction.put(table::TOKENS, &token.id, token))?;
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|other| other.id != token.id);
        tokens.push(token.clone());
        Ok(())
    }
}

/// A new random token in the form of Pulumi's.
///
/// # Errors
/// [`Error::UseKey`] when there is no randomness.
pub fn new_token() -> Result<SecretBytes, Error> {
    let mut bytes = [0; 20];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| crypt::Error::UseLibrary)?;
    Ok(SecretBytes::from(format!(
        "pul-{}",
        HEXLOWER.encode(&bytes)
    )))
}

fn hash(secret: &SecretBytes) -> String {
    HEXLOWER.encode(digest(&SHA256, secret.expose()).as_ref())
}
