//! Random passwords with a given number of digits and symbols.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use data_encoding::{BASE32, HEXLOWER};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use zeroize::Zeroizing;

use super::{Context, Error, Generator};
use crate::api::generators::{PasswordEncoding, PasswordSpec};
use crate::secret::{SecretBytes, SecretMap};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
/// Symbols of a generator that names none (ESO 2.9.0).
const SYMBOLS: &str = "~!@#$%^&*()_+`-={}|[]\\:\"<>?,./";
/// Length of a generator that names none.
const DEFAULT_LENGTH: i64 = 24;
/// Longest password, in characters.
const MAX_LENGTH: usize = 65_536;

#[async_trait]
impl Generator for PasswordSpec {
    async fn generate(&self, _: &Context) -> Result<SecretMap, Error> {
        let rules = Rules::of(self)?;
        let keys = if self.secret_keys.is_empty() {
            vec!["password".to_owned()]
        } else {
            self.secret_keys.clone()
        };
        if let Some(empty) = keys.iter().position(String::is_empty) {
            return Err(Error::invalid(format!(
                "spec.secretKeys[{empty}]: is empty"
            )));
        }
        Ok(keys.into_iter().map(|key| (key, rules.draw())).collect())
    }
}

/// How many characters of which kinds.
struct Rules {
    parts: [(Vec<char>, usize); 3],
    repeat: bool,
    encoding: PasswordEncoding,
}

impl Rules {
    fn of(spec: &PasswordSpec) -> Result<Self, Error> {
        let count = |field: &str, wanted: i64| {
            usize::try_from(wanted)
                .ok()
                .filter(|count| *count <= MAX_LENGTH)
                .ok_or_else(|| {
                    Error::invalid(format!("spec.{field}: must be from 0 to {MAX_LENGTH}"))
                })
        };
        let length = count("length", spec.length.unwrap_or(DEFAULT_LENGTH))?;
        let quarter = i64::try_from(length / 4).unwrap_or_default();
        let digits = count("digits", spec.digits.unwrap_or(quarter))?;
        let symbols = count("symbols", spec.symbols.unwrap_or(quarter))?;
        let letters = length
            .checked_sub(digits + symbols)
            .filter(|_| length > 0)
            .ok_or_else(|| {
                Error::invalid(
                    "spec.length: must be more than 0 and at least digits and symbols together",
                )
            })?;
        let alphabet = if spec.no_upper.unwrap_or(false) {
            LOWER.to_owned()
        } else {
            format!("{LOWER}{UPPER}")
        };
        let named = spec
            .symbol_characters
            .as_deref()
            .filter(|named| !named.is_empty());
        let repeat = spec.allow_repeat.unwrap_or(false);
        let parts = [
            ("letters", distinct(&alphabet), letters),
            ("digits", distinct(DIGITS), digits),
            ("symbols", distinct(named.unwrap_or(SYMBOLS)), symbols),
        ];
        for (name, set, wanted) in &parts {
            if !repeat && *wanted > set.len() {
                return Err(Error::invalid(format!(
                    "spec.{name}: {wanted} are asked for but there are only {}; set allowRepeat",
                    set.len()
                )));
            }
        }
        Ok(Self {
            parts: parts.map(|(_, set, wanted)| (set, wanted)),
            repeat,
            encoding: spec.encoding.unwrap_or(PasswordEncoding::Raw),
        })
    }

    fn draw(&self) -> SecretBytes {
        let mut random = rand::rng();
        let mut drawn: Zeroizing<Vec<char>> = Zeroizing::new(Vec::new());
        for (set, wanted) in &self.parts {
            if self.repeat {
                let each = std::iter::repeat_with(|| set.choose(&mut random).copied());
                drawn.extend(each.take(*wanted).flatten());
            } else {
                drawn.extend(set.sample(&mut random, *wanted));
            }
        }
        drawn.shuffle(&mut random);
        let text: Zeroizing<String> = Zeroizing::new(drawn.iter().collect());
        encoded(&text, self.encoding)
    }
}

fn encoded(text: &str, encoding: PasswordEncoding) -> SecretBytes {
    let bytes = text.as_bytes();
    match encoding {
        PasswordEncoding::Raw => SecretBytes::from(text),
        PasswordEncoding::Base64 => SecretBytes::from(STANDARD.encode(bytes)),
        PasswordEncoding::Base64url => SecretBytes::from(URL_SAFE.encode(bytes)),
        PasswordEncoding::Base32 => SecretBytes::from(BASE32.encode(bytes)),
        PasswordEncoding::Hex => SecretBytes::from(HEXLOWER.encode(bytes)),
    }
}

/// The characters of `text`, each once: a doubled one would be drawn more often.
fn distinct(text: &str) -> Vec<char> {
    let mut set: Vec<char> = Vec::new();
    for character in text.chars() {
        if !set.contains(&character) {
            set.push(character);
        }
    }
    set
}
