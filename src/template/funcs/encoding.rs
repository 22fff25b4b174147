//! sprig's encodings of bytes. Decoders give their error's text as the result, as sprig does.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::Function;
use crate::template::budget;
use crate::template::error::Outcome;
use crate::template::format;
use crate::template::value::{Type, Value};

const S: Type = Type::String;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("b64enc", &[S], |args| {
        budget::spend(args[0].bytes().len())?;
        Ok(base64(args[0].bytes()).into())
    }),
    Function::new("b64dec", &[S], |args| {
        decoded(decode_base64(args[0].bytes()))
    }),
    Function::new("b32enc", &[S], |args| {
        budget::spend(args[0].bytes().len())?;
        Ok(data_encoding::BASE32.encode(args[0].bytes()).into())
    }),
    Function::new("b32dec", &[S], |args| {
        decoded(decode_base32(args[0].bytes()))
    }),
    Function::new("hexdec", &[S], |args| decoded(decode_hex(args[0].bytes()))),
];

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn decoded(result: Result<Vec<u8>, String>) -> Outcome {
    let bytes = result.unwrap_or_else(String::into_bytes);
    budget::spend(bytes.len())?;
    Ok(bytes.into())
}

/// Whether Go's decoders skip the byte.
fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Bits behind the last byte may be anything.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Decodes standard base64 with padding.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, String> {
    if let Some(position) = illegal_base64(text) {
        return Err(format!("illegal base64 data at input byte {position}"));
    }
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !is_line_end(*byte))
        .collect();
    LENIENT.decode(text).map_err(|error| error.to_string())
}

/// Where Go's decoder finds `text` illegal: it tells the place in the text with its line ends.
fn illegal_base64(text: &[u8]) -> Option<usize> {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let skipped = |at: usize| {
        let line_ends = text[at..].iter().take_while(|byte| is_line_end(**byte));
        at + line_ends.count()
    };
    let (mut at, mut digits) = (0, 0);
    while at < text.len() {
        let byte = text[at];
        at += 1;
        match byte {
            _ if is_line_end(byte) => {}
            _ if is_digit(byte) => digits = (digits + 1) % 4,
            b'=' if digits >= 2 => {
                if digits == 2 {
                    at = skipped(at);
                    match text.get(at) {
                        None => return Some(text.len()),
                        Some(b'=') => at += 1,
                        Some(_) => return Some(at - 1),
                    }
                }
                at = skipped(at);
                return (at < text.len()).then_some(at);
            }
            _ => return Some(at - 1),
        }
    }
    (digits > 0).then(|| at - digits)
}

/// Decodes standard base32 with padding; what follows the first complete padding is ignored.
fn decode_base32(text: &[u8]) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !is_line_end(*byte))
        .collect();
    let illegal = |at: usize| Err(format!("illegal base32 data at input byte {at}"));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let (mut bits, mut digits) = (0_u64, 0);
        let mut is_last = false;
        while digits < 8 {
            let Some(byte) = text.get(at).copied() else {
                return illegal(text.len() - digits);
            };
            at += 1;
            let left = text.len() - at;
            if byte == b'=' && digits >= 2 && left < 8 {
                let missing = 7 - digits;
                if left < missing {
                    return illegal(text.len());
                }
                if let Some(k) = (0..missing).find(|k| text[at + k] != b'=') {
                    return illegal((at + k).saturating_sub(1));
                }
                if matches!(digits, 1 | 3 | 6) {
                    return illegal(at - 1);
                }
                is_last = true;
                break;
            }
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'2'..=b'7' => byte - b'2' + 26,
                _ => return illegal(at - 1),
            };
            bits = bits << 5 | u64::from(value);
            digits += 1;
        }
        let bytes = (bits << (64 - 5 * digits)).to_be_bytes();
        out.extend_from_slice(&bytes[..digits * 5 / 8]);
        if is_last {
            break;
        }
    }
    Ok(out)
}

fn decode_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let illegal = text.iter().find(|byte| !byte.is_ascii_hexdigit());
    if let Some(byte) = illegal {
        let shown = format::sprintf(b"%#U", &[Value::Int(i64::from(*byte))])?;
        return Err(format!(
            "encoding/hex: invalid byte: {}",
            String::from_utf8_lossy(&shown)
        ));
    }
    let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(text);
    decoded.map_err(|_| "encoding/hex: odd length hex string".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{decode_base32, decode_base64, decode_hex};

    #[test]
    fn base64_is_refused_where_go_refuses_it() {
        for (text, at) in [
            ("a", 0),
            ("aGVsbG8", 4),
            ("aGVsbG8==", 8),
            ("!!", 0),
            ("aG=sbG8=", 2),
            ("aA=", 3),
            ("=", 0),
        ] {
            let error = format!("illegal base64 data at input byte {at}");
            assert_eq!(decode_base64(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(decode_base64(b"aGVs\nbG9=\r\n").unwrap(), b"hello");
    }

    #[test]
    fn base32_and_hex_are_decoded() {
        assert_eq!(decode_base32(b"NBSW\nY3DP").unwrap(), b"hello");
        assert_eq!(decode_base32(b"ME======").unwrap(), b"a");
        assert!(decode_base32(b"nbswy3dp").is_err());
        assert_eq!(
            decode_hex(b"6z").unwrap_err(),
            "encoding/hex: invalid byte: U+007A 'z'"
        );
    }
}
