//! The envelope around a ciphertext, as Pulumi ESC stores it.

const MAGIC: &[u8; 4] = b"escx";
const VERSION: u32 = 1;
/// Magic, version, CRC and the least payload.
const SHORTEST: usize = 16;

/// Wraps a payload.
pub(super) fn close(payload: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

/// The payload of an envelope; what is wrong is tested in ESC's order and named in ESC's words.
pub(super) fn open(bytes: &[u8]) -> Result<&[u8], &'static str> {
    if bytes.len() < SHORTEST {
        return Err("EOF");
    }
    let (content, crc) = bytes.split_last_chunk::<4>().ok_or("EOF")?;
    let body = content.strip_prefix(MAGIC).ok_or("invalid header")?;
    if crc32fast::hash(content) != u32::from_be_bytes(*crc) {
        return Err("invalid checksum");
    }
    let (version, payload) = body.split_first_chunk::<4>().ok_or("EOF")?;
    if u32::from_be_bytes(*version) != VERSION {
        return Err("unsupported version");
    }
    Ok(payload)
}
