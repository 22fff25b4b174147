//! The envelope around a ciphertext: `escx`, version, payload, CRC-32.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"escx";
const VERSION: u32 = 1;
const SHORTEST: usize = 16;

/// Decodes the base64 of an envelope and checks it; the payload is not looked at.
pub(super) fn decode(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let envelope = decode_base64(text)?;
    if envelope.len() < SHORTEST {
        return Err("EOF".to_owned());
    }
    let (body, checksum) = envelope.split_at(envelope.len() - 4);
    if !body.starts_with(MAGIC) {
        return Err("invalid header".to_owned());
    }
    if crc32fast::hash(body).to_be_bytes() != checksum {
        return Err("invalid checksum".to_owned());
    }
    if body[4..8] != VERSION.to_be_bytes() {
        return Err("unsupported version".to_owned());
    }
    Ok(envelope)
}

/// Decodes padded standard base64 as Go does, which skips line breaks.
pub(super) fn decode_base64(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let packed: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.iter()
            .copied()
            .filter(|byte| !matches!(byte, b'\r' | b'\n'))
            .collect(),
    );
    STANDARD
        .decode(&packed)
        .map(Zeroizing::new)
        .map_err(|error| {
            let offset = match error {
                base64::DecodeError::InvalidByte(offset, _)
                | base64::DecodeError::InvalidLastSymbol(offset, _) => offset,
                base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
                    packed.len()
                }
            };
            format!("illegal base64 data at input byte {offset}")
        })
}
