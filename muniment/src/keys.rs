//! What an installation without a provider must remember: the keys of its object store, and the port that
//! its presigned URLs name.

use std::{fs, io, io::Write as _, net::SocketAddr, path::Path};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use runtime::aws::Keys;

const KEYS: &str = "object-store.keys";
const PORT: &str = "object-store.port";

/// The keys of the object store in `folder`, made on the first call.
pub(crate) fn object_store(folder: &Path) -> io::Result<Keys> {
    let file = folder.join(KEYS);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!("{}\n{}\n", random(10)?, random(20)?);
            write_private(&file, &text)?;
            text
        }
        Err(error) => return Err(error),
    };
    match text.lines().collect::<Vec<_>>()[..] {
        [access_key, secret_key] if !access_key.is_empty() && !secret_key.is_empty() => Ok(Keys {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned().into(),
        }),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is damaged", file.display()),
        )),
    }
}

/// The port that the object store had last time: URLs that were handed out still name it.
pub(crate) fn last_port(folder: &Path) -> u16 {
    fs::read_to_string(folder.join(PORT))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// Remembers the port of the object store.
pub(crate) fn remember_port(folder: &Path, address: SocketAddr) -> io::Result<()> {
    write_private(&folder.join(PORT), &format!("{}\n", address.port()))
}

fn random(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the system gives no randomness"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let temporary = file.with_extension("new");
    let mut out = options.open(&temporary)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(temporary, file)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use runtime::secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn keys_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = object_store(folder.path()).unwrap();
        let second = object_store(folder.path()).unwrap();
        assert_eq!(first.access_key, second.access_key);
        assert_eq!(
            first.secret_key.expose_secret(),
            second.secret_key.expose_secret()
        );
        assert_eq!(first.secret_key.expose_secret().len(), 40);
    }

    #[test]
    fn damaged_keys_are_said_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KEYS), "half").unwrap();
        assert!(
            object_store(folder.path())
                .unwrap_err()
                .to_string()
                .contains("damaged")
        );
        assert_eq!(
            fs::read_to_string(folder.path().join(KEYS)).unwrap(),
            "half"
        );
    }
}
