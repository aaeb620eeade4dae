//! What keeps a stream from those it is not for.

use std::sync::Arc;

use super::BuildError;
use crate::app::config::{EncryptionSettings, KeyPrefix, StreamConfig};
use crate::base::Clock;
use crate::segment::{Keyring, Seal, Vault};
use crate::serve::Access;

/// Where the playlists of a stream's renditions find its keys, unless these are kept elsewhere.
const KEYS: &str = "../keys/";

/// The keys of one stream, if it is enciphered, and who may have them.
pub(super) struct Protection {
    keys: Option<Keyring>,
    /// What stands before a key's name in playlists.
    pub(super) prefix: String,
    pub(super) access: Access,
}

impl Protection {
    /// As the stream is configured; `vault` is there if any stream is enciphered.
    pub(super) fn of(
        stream: &StreamConfig,
        vault: Option<&Vault>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let name = stream.name.as_str();
        let no_token = |source| BuildError::Token { stream: name.to_owned(), source };
        let token = stream.access.token().map_err(no_token)?;
        let encryption = stream.encryption.as_ref();
        Ok(Self {
            keys: encryption.zip(vault).map(|(it, vault)| vault.keys(name, it.rotate)),
            prefix: prefix(encryption),
            access: token.map_or(Access::Open, |token| Access::Token(token, Arc::clone(clock))),
        })
    }

    /// What enciphers one rendition.
    pub(super) fn seal(&self) -> Option<Seal> {
        self.keys.clone().map(Seal::new)
    }
}

fn prefix(encryption: Option<&EncryptionSettings>) -> String {
    encryption.and_then(|it| it.keys.as_ref()).map_or(KEYS, KeyPrefix::as_str).to_owned()
}
