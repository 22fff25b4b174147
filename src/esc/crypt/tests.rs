use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn keyring(master: &MasterKey) -> Keyring {
    let wrapped = Keyring::new_wrapped_key(master, 256).unwrap();
    Keyring::unwrap_keys(master, &[(256, wrapped)]).unwrap()
}

fn master(byte: u8) -> MasterKey {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode([byte; KEY_LEN]);
    MasterKey::load(&MasterKeySource::Text(SecretBytes::from(text)), false).unwrap()
}

#[test]
fn a_secret_comes_back_in_its_own_environment_only() {
    let keyring = keyring(&master(1));
    let envelope = keyring.encrypt("env-a", b"hunter2").unwrap();
    assert_eq!(
        keyring.decrypt("env-a", &envelope).unwrap().expose(),
        b"hunter2"
    );
    assert!(matches!(
        keyring.decrypt("env-b", &envelope),
        Err(Error::Decrypt)
    ));
}

#[test]
fn the_envelope_has_the_shape_of_the_cloud() {
    let envelope = keyring(&master(1)).encrypt("env", b"12345").unwrap();
    assert_eq!(envelope[..8], *b"escx\0\0\0\x01");
    assert_eq!(envelope[8..12], [0, 0, 1, 0], "data key 256");
    assert_eq!(envelope.len(), 8 + 4 + 28 + 5 + 4);
}

#[test]
fn a_broken_envelope_is_named_as_upstream_does() {
    let keyring = keyring(&master(1));
    let envelope = keyring.encrypt("env", b"x").unwrap();
    let reason = |bytes: &[u8]| keyring.decrypt("env", bytes).unwrap_err().to_string();
    assert_eq!(reason(&envelope[..15]), "invalid ciphertext: EOF");
    let mut header = envelope.clone();
    header[0] = b'x';
    assert_eq!(reason(&header), "invalid ciphertext: invalid header");
    let mut changed = envelope.clone();
    changed[20] ^= 1;
    assert_eq!(reason(&changed), "invalid ciphertext: invalid checksum");
    let mut version = envelope[..envelope.len() - 4].to_vec();
    version[7] = 2;
    version.extend(crc32fast::hash(&version).to_be_bytes());
    assert_eq!(reason(&version), "invalid ciphertext: unsupported version");
}

#[test]
fn a_changed_payload_with_a_fresh_checksum_does_not_open() {
    let keyring = keyring(&master(1));
    let envelope = keyring.encrypt("env", b"secret").unwrap();
    for index in 8..envelope.len() - 4 {
        let mut changed = envelope[..envelope.len() - 4].to_vec();
        changed[index] ^= 0x80;
        changed.extend(crc32fast::hash(&changed).to_be_bytes());
        assert!(matches!(
            keyring.decrypt("env", &changed),
            Err(Error::Decrypt)
        ));
    }
}

#[test]
fn another_master_key_does_not_unwrap() {
    let wrapped = Keyring::new_wrapped_key(&master(1), 7).unwrap();
    let unwrapped = Keyring::unwrap_keys(&master(2), &[(7, wrapped.clone())]);
    assert!(matches!(unwrapped, Err(Error::UnwrapDataKey(7))));
    let moved = Keyring::unwrap_keys(&master(1), &[(8, wrapped)]);
    assert!(matches!(moved, Err(Error::UnwrapDataKey(8))));
}

#[test]
fn the_key_file_is_made_once_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let source = MasterKeySource::File(path.clone());
    assert!(matches!(
        MasterKey::load(&source, false),
        Err(Error::FindMasterKey(_))
    ));
    let made = MasterKey::load(&source, true).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let wrapped = Keyring::new_wrapped_key(&made, 1).unwrap();
    let read = MasterKey::load(&source, true).unwrap();
    assert!(Keyring::unwrap_keys(&read, &[(1, wrapped)]).is_ok());
}

#[test]
fn a_short_master_key_is_refused() {
    let source = MasterKeySource::Text(SecretBytes::from("c2hvcnQ="));
    assert!(matches!(
        MasterKey::load(&source, false),
        Err(Error::ReadMasterKey(_))
    ));
}
