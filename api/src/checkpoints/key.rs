//! The instance's key, which signs checkpoints.
//!
//! Always: the secret half is in no log, no error and no answer; a file that is made here is its owner's only.

use std::{io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tlog::SigningKey;

/// Reads the key from `file`, or makes it there.
pub fn open_or_make(file: &Path) -> io::Result<SigningKey> {
    let der = match std::fs::read(file) {
        Ok(der) => der,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(file)?,
        Err(error) => return Err(error),
    };
    parse(&der, file)
}

/// The key that a setting means: PKCS #8 in base64, else the file that holds it (DER).
pub fn configured(setting: &str) -> io::Result<SigningKey> {
    let inline = STANDARD.decode(setting.trim()).ok();
    if let Some(key) = inline.and_then(|der| SigningKey::from_pkcs8(&der).ok()) {
        return Ok(key);
    }
    let file = Path::new(setting);
    parse(&std::fs::read(file)?, file)
}

fn parse(der: &[u8], file: &Path) -> io::Result<SigningKey> {
    SigningKey::from_pkcs8(der).map_err(|error| {
        let message = format!("{}: {error}, as PKCS #8", file.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

fn make(file: &Path) -> io::Result<Vec<u8>> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let der = SigningKey::generate().ok_or_else(|| io::Error::other("no randomness for a key"))?;
    let temporary = file.with_extension("new");
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    out.write_all(&der)?;
    out.sync_all()?;
    std::fs::rename(&temporary, file)?;
    Ok(der)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("checkpoint-key.p8");
        let first = open_or_make(&file).unwrap();
        let second = open_or_make(&file).unwrap();
        assert_eq!(first.verifier(), second.verifier());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_setting_is_a_file_or_the_key_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("checkpoint-key.p8");
        let key = open_or_make(&file).unwrap();
        let inline = STANDARD.encode(std::fs::read(&file).unwrap());
        for setting in [file.to_str().unwrap(), &inline] {
            assert_eq!(configured(setting).unwrap().verifier(), key.verifier());
        }
        std::fs::write(&file, "half").unwrap();
        let error = configured(file.to_str().unwrap()).unwrap_err().to_string();
        assert!(
            error.ends_with("this is not an Ed25519 key, as PKCS #8"),
            "{error}"
        );
        assert_eq!(
            open_or_make(&file).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        // A key that is cut off is no file's name that may be repeated.
        let error = configured(&inline[1..]).unwrap_err().to_string();
        assert!(!error.contains(&inline[1..]), "{error}");
    }
}
