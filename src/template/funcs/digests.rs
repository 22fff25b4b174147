//! sprig's checksums, password hashes and AES.

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptionContext, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::Function;
use crate::template::error::Outcome;
use crate::template::value::{Type, Value};
use crate::template::{Environment, budget};

const TWO: &[Type] = &[Type::String, Type::String];
const THREE: &[Type] = &[Type::String, Type::String, Type::String];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("sha1sum", &[Type::String], |args| {
        sum(&digest::SHA1_FOR_LEGACY_USE_ONLY, args)
    }),
    Function::new("sha256sum", &[Type::String], |args| {
        sum(&digest::SHA256, args)
    }),
    Function::new("sha512sum", &[Type::String], |args| {
        sum(&digest::SHA512, args)
    }),
    Function::new("adler32sum", &[Type::String], adler32sum),
    Function::with_environment("bcrypt", &[Type::String], bcrypt),
    Function::with_environment("htpasswd", THREE, htpasswd),
    Function::new(
        "derivePassword",
        &[
            Type::Int,
            Type::String,
            Type::String,
            Type::String,
            Type::String,
        ],
        derive_password,
    ),
    Function::with_environment("encryptAES", TWO, encrypt_aes),
    Function::new("decryptAES", TWO, decrypt_aes),
];

/// Work of one password hash, in the account's units: some tens of milliseconds.
const SLOW: usize = 1_000_000;
/// Go's `bcrypt.DefaultCost`.
const BCRYPT_COST: u32 = 10;
/// The longest password that bcrypt does not truncate, in bytes.
const BCRYPT_LONGEST: usize = 72;
/// Bytes of an AES block.
const BLOCK: usize = 16;

fn sum(algorithm: &'static digest::Algorithm, args: &[Value]) -> Outcome {
    budget::spend(args[0].bytes().len())?;
    let sum = digest::digest(algorithm, args[0].bytes());
    Ok(HEXLOWER.encode(sum.as_ref()).into())
}

/// RFC 1950's checksum, in decimal.
#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn adler32sum(args: &[Value]) -> Outcome {
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in args[0].bytes() {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    Ok(((high << 16) | low).to_string().into())
}

fn bcrypt(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    Ok(bcrypt_of(environment, args[0].bytes())?.into())
}

/// The hash, or sprig's sentence in its place.
fn bcrypt_of(environment: &Environment<'_>, password: &[u8]) -> Outcome<String> {
    if password.len() > BCRYPT_LONGEST {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
                .to_owned(),
        );
    }
    budget::spend(SLOW)?;
    let mut salt = [0; 16];
    (environment.random)(&mut salt);
    ::bcrypt::hash_with_salt(password, BCRYPT_COST, salt)
        .map(|hash| hash.format_for_version(::bcrypt::Version::TwoA))
        .map_err(|error| format!("failed to encrypt string with bcrypt: {error}"))
}

/// A line of Apache's password file: user, password, and `sha` or anything else for bcrypt.
fn htpasswd(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    let [user, password, algorithm] = [0, 1, 2].map(|at| args[at].bytes());
    if user.contains(&b':') {
        return Ok([b"invalid username: ".as_slice(), user].concat().into());
    }
    let hash = if algorithm == b"sha" {
        let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password);
        format!("{{SHA}}{}", STANDARD.encode(sum))
    } else {
        bcrypt_of(environment, password)?
    };
    Ok([user, b":", hash.as_bytes()].concat().into())
}

/// The Master Password algorithm (v2 over bytes), as sprig has it.
fn derive_password(args: &[Value]) -> Outcome {
    let counter = u32::try_from(args[0].int())
        .map_err(|_| format!("{} is not a counter from 0 to 4294967295", args[0].int()))?;
    let [kind, password, user, site] = [1, 2, 3, 4].map(|at| args[at].bytes());
    let Some(layouts) = layouts(kind) else {
        return Ok([b"cannot find password template ".as_slice(), kind]
            .concat()
            .into());
    };
    budget::spend(SLOW)?;
    let salt = scoped(user)?;
    let mut key = Zeroizing::new([0; 64]);
    let cost = scrypt::Params::new(15, 8, 2).map_err(|error| error.to_string())?;
    scrypt::scrypt(password, &salt, &cost, key.as_mut_slice())
        .map_err(|error| error.to_string())?;
    let mut message = scoped(site)?;
    message.extend(counter.to_be_bytes());
    let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), &message);
    let seed = seed.as_ref();
    let layout = layouts[usize::from(seed[0]) % layouts.len()];
    let drawn = layout.bytes().zip(&seed[1..]).map(|(class, byte)| {
        let characters = characters(class);
        characters[usize::from(*byte) % characters.len()]
    });
    Ok(drawn.collect::<Vec<_>>().into())
}

/// The algorithm's scope, followed by the length and the bytes of `name`.
fn scoped(name: &[u8]) -> Outcome<Vec<u8>> {
    let length = u32::try_from(name.len()).map_err(|error| error.to_string())?;
    Ok([
        b"com.lyndir.masterpassword".as_slice(),
        &length.to_be_bytes(),
        name,
    ]
    .concat())
}

/// The layouts of a kind of password: one letter for the class of each character.
fn layouts(kind: &[u8]) -> Option<&'static [&'static str]> {
    Some(match kind {
        b"maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        b"long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        b"medium" => &["CvcnoCvc", "CvcCvcno"],
        b"short" => &["Cvcn"],
        b"basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        b"pin" => &["nnnn"],
        _ => return None,
    })
}

/// The characters of a class.
fn characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The password's first 32 bytes, filled up with zeros.
fn aes_key(password: &[u8]) -> Outcome<UnboundCipherKey> {
    let mut key = Zeroizing::new([0; 32]);
    let length = password.len().min(32);
    key[..length].copy_from_slice(&password[..length]);
    UnboundCipherKey::new(&AES_256, key.as_slice()).map_err(|error| error.to_string())
}

/// Base64 of the initialisation vector and the text under AES-256-CBC, padded as in PKCS#7.
fn encrypt_aes(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    let text = args[1].bytes();
    if text.is_empty() {
        return Ok("".into());
    }
    budget::spend(text.len().saturating_mul(2))?;
    let mut iv = [0; BLOCK];
    (environment.random)(&mut iv);
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(aes_key(args[0].bytes())?)
        .map_err(|error| error.to_string())?;
    let mut bytes = text.to_vec();
    key.less_safe_encrypt(&mut bytes, EncryptionContext::Iv128(FixedLength::from(iv)))
        .map_err(|error| error.to_string())?;
    Ok(STANDARD.encode([iv.as_slice(), &bytes].concat()).into())
}

/// The inverse. As in Go, a wrong password is noticed only where the padding cannot be right.
fn decrypt_aes(args: &[Value]) -> Outcome {
    if args[1].bytes().is_empty() {
        return Ok("".into());
    }
    budget::spend(args[1].bytes().len())?;
    let mut bytes = STANDARD
        .decode(args[1].bytes())
        .map_err(|error| illegal(&error, args[1].bytes().len()))?;
    let Some((iv, content)) = bytes.split_first_chunk_mut::<BLOCK>() else {
        return Err("the encrypted text is shorter than an initialisation vector".to_owned());
    };
    if content.len() % BLOCK != 0 {
        return Err("crypto/cipher: input not full blocks".to_owned());
    }
    let key = DecryptingKey::cbc(aes_key(args[0].bytes())?).map_err(|error| error.to_string())?;
    let context = DecryptionContext::Iv128(FixedLength::from(*iv));
    let plain = key
        .decrypt(content, context)
        .map_err(|error| error.to_string())?;
    let padding = plain.last().map_or(0, |byte| usize::from(*byte));
    let length = plain.len().checked_sub(padding).ok_or_else(|| {
        let missing = padding - plain.len();
        format!("runtime error: slice bounds out of range [:-{missing}]")
    })?;
    Ok(plain[..length].into())
}

/// Go's words for what is no base64.
fn illegal(error: &base64::DecodeError, length: usize) -> String {
    use base64::DecodeError;
    let at = match error {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => *at,
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => length,
    };
    format!("illegal base64 data at input byte {at}")
}

#[cfg(test)]
mod tests {
    use super::super::samples::call;

    #[test]
    fn what_aes_encrypts_it_decrypts_with_the_same_password_only() {
        for length in [1, 15, 16, 17, 300] {
            let text = "x".repeat(length);
            let sealed = call("encryptAES", &["secret".into(), text.as_str().into()]).unwrap();
            let opened = call("decryptAES", &["secret".into(), sealed.clone()]).unwrap();
            assert_eq!(opened.bytes(), text.as_bytes());
            let other = call("decryptAES", &["Secret".into(), sealed]);
            assert!(other.is_err() || other.unwrap().bytes() != text.as_bytes());
        }
    }

    #[test]
    fn a_password_matches_its_bcrypt_hash() {
        let hash = call("bcrypt", &["hunter2".into()]).unwrap();
        let hash = std::str::from_utf8(hash.bytes()).unwrap().to_owned();
        assert!(hash.starts_with("$2a$10$"));
        assert!(::bcrypt::verify("hunter2", &hash).unwrap());
        let long = call("bcrypt", &["x".repeat(73).into()]).unwrap();
        assert!(
            long.bytes()
                .ends_with(b"bcrypt: password length exceeds 72 bytes")
        );
    }

    #[test]
    fn known_sums_are_met() {
        for (name, expected) in [
            ("adler32sum", "38600999"),
            ("sha1sum", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ] {
            let sum = call(name, &["abc".into()]).unwrap();
            assert_eq!(String::from_utf8_lossy(sum.bytes()), expected, "{name}");
        }
    }
}
