//! The master secret, and the keys made from it.
//!
//! No key is kept: each is a function of the secret, the stream's name and its own number, so that a restart gives
//! out the same keys for what viewers still hold.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::segment::Key;

/// Bytes of the secret: as many as HMAC-SHA256 has strength (RFC 2104, 3).
const SECRET_LEN: usize = 32;

/// What all keys are made from: 32 random bytes in a file that only its owner can read.
#[derive(Clone)]
pub struct Vault {
    secret: Arc<[u8; SECRET_LEN]>,
}

/// Why there is no secret. Without one nothing is served, for it would be served in the clear.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It is there and cannot be read.
    #[error(
        "cannot read {}, which the keys of enciphered streams are made from; let this user read it, or delete it \
         and all keys will be others", path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is there and is something else.
    #[error(
        "{} should hold the {SECRET_LEN} bytes that the keys of enciphered streams are made from, and holds {len}; \
         restore it, or delete it and all keys will be others", path.display()
    )]
    Spoilt {
        /// The file.
        path: PathBuf,
        /// How many bytes there are, as far as was read.
        len: usize,
    },
    /// It is not there and cannot be made.
    #[error(
        "cannot make {}, which the keys of enciphered streams are to be made from; let this user write in its \
         directory, or choose another state_dir", path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Vault {
    /// Reads the secret at `path`; makes one where there is none. Waits for the disk.
    ///
    /// # Errors
    /// If it cannot be read, or made.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        if let Some(found) = Self::find(path)? {
            return Ok(found);
        }
        make(path).map(Self::of).map_err(|source| VaultError::Unwritable { path: path.to_owned(), source })
    }

    /// Reads the secret at `path`, if there is one. Waits for the disk.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn find(path: &Path) -> Result<Option<Self>, VaultError> {
        match read(path) {
            Ok(bytes) => {
                let spoilt = |bytes: Vec<u8>| VaultError::Spoilt { path: path.to_owned(), len: bytes.len() };
                bytes.try_into().map(|secret| Some(Self::of(secret))).map_err(spoilt)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(VaultError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// This secret.
    pub fn of(secret: [u8; SECRET_LEN]) -> Self {
        Self { secret: Arc::new(secret) }
    }

    /// The keys of the stream `stream`: a new one each `rotate` segments.
    pub fn keys(&self, stream: &str, rotate: NonZeroU64) -> Keyring {
        Keyring { vault: self.clone(), stream: stream.into(), rotate }
    }
}

/// Never the secret: this is for logs.
impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

/// The keys of one stream.
#[derive(Clone, Debug)]
pub struct Keyring {
    vault: Vault,
    stream: Arc<str>,
    rotate: NonZeroU64,
}

impl Keyring {
    /// The key of the segment with this media sequence number. All renditions share it, as they share the numbers.
    pub fn of(&self, sequence: u64) -> Key {
        let number = sequence / self.rotate;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.vault.secret).expect("HMAC takes keys of any length");
        // The name's length goes before it: no other stream's name and number make the same bytes.
        mac.update(&(self.stream.len() as u64).to_be_bytes());
        mac.update(self.stream.as_bytes());
        mac.update(&number.to_be_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut secret = [0; 16];
        secret.copy_from_slice(&digest[..16]);
        Key { number, secret }
    }
}

/// The file's bytes; of one that is too long, one more than there should be.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SECRET_LEN + 1);
    File::open(path)?.take(SECRET_LEN as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a secret and has it on the disk before anything is enciphered with it: a power cut leaves all of it or none.
fn make(path: &Path) -> io::Result<[u8; SECRET_LEN]> {
    let mut secret = [0; SECRET_LEN];
    getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Nobody else can have opened it before it had its mode: it is new, and made with it.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(directory)?.sync_all()?;
    tracing::info!(path = %path.display(), "made the secret that the keys of enciphered streams are derived from");
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const EVERY_30: NonZeroU64 = NonZeroU64::new(30).expect("thirty");

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("outpost-vault-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone_and_found_again() {
        let dir = scratch("made");
        let path = dir.join("state/secret");
        let first = Vault::open(&path).expect("it can be made");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let again = Vault::open(&path).expect("it can be read");
        assert_eq!(first.secret, again.secret);
        let other = Vault::open(&dir.join("other")).expect("it can be made");
        assert_ne!(first.secret, other.secret);
        let _ = fs::remove_dir_all(&dir);
    }

    #[test]
    fn a_secret_that_is_none_is_told_with_what_to_do() {
        let dir = scratch("spoilt");
        fs::create_dir_all(dir.join("secret-directory")).expect("a directory");
        for (name, len, told) in
            [("short", 31, "holds 31;"), ("long", 100, "holds 33;"), ("empty", 0, "holds 0;")]
        {
            fs::write(dir.join(name), vec![7; len]).expect("a file");
            let error = Vault::open(&dir.join(name)).expect_err("no secret").to_string();
            assert!(error.contains(told) && error.contains("or delete it"), "{error}");
        }
        let error = Vault::open(&dir.join("secret-directory")).expect_err("no file").to_string();
        assert!(error.starts_with("cannot read "), "{error}");
        let error = Vault::open(&dir.join("short/secret")).expect_err("not a directory").to_string();
        assert!(error.contains("state_dir") || error.starts_with("cannot read "), "{error}");
        let _ = fs::remove_dir_all(&dir);
    }

    #[test]
    fn keys_change_every_so_many_segments_and_are_each_streams_own() {
        let keys = Vault::of([7; 32]).keys("radio", EVERY_30);
        assert_eq!(keys.of(59), keys.of(30));
        assert_eq!((keys.of(59).number, keys.of(60).number), (1, 2));
        let all = [
            keys.of(59).secret,
            keys.of(60).secret,
            Vault::of([7; 32]).keys("radio2", EVERY_30).of(59).secret,
            Vault::of([8; 32]).keys("radio", EVERY_30).of(59).secret,
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(!all[..n].contains(one), "{n}");
        }
        assert_eq!(
            Vault::of([7; 32]).keys("radio", EVERY_30).of(59),
            keys.of(59),
            "the same after a restart"
        );
    }

    #[test]
    fn nothing_shows_a_secret() {
        let keys = Vault::of([0xA5; 32]).keys("radio", EVERY_30);
        let shown = format!("{keys:?} {:?}", keys.of(7));
        assert_eq!(
            shown,
            "Keyring { vault: Vault(..), stream: \"radio\", rotate: 30 } Key { number: 0, .. }"
        );
    }
}
