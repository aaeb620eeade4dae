//! `[stream.encryption]` and `[stream.access]`, as they are written and as they are checked.

use std::num::NonZeroU64;
use std::path::PathBuf;

use serde::Deserialize;

use super::super::fault::Wrong;
use super::super::{AccessSettings, EncryptionSettings, KeyPrefix};
use super::Check;
use crate::serve::Token;

/// How many segments share a key unless the configuration says otherwise: a minute of the usual ones.
const ROTATE: NonZeroU64 = NonZeroU64::new(30).expect("thirty");

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Encryption {
    rotate: Option<u64>,
    keys: Option<KeyPrefix>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Access {
    token: Option<Token>,
    token_file: Option<PathBuf>,
}

impl Check<'_, '_> {
    pub(super) fn encryption(&self, encryption: Encryption) -> Result<EncryptionSettings, Wrong> {
        let Encryption { rotate, keys } = encryption;
        let rotate = rotate.map_or(Some(ROTATE), NonZeroU64::new).ok_or_else(|| {
            self.wrong("encryption.rotate", "0 is out of range; a key serves for 1 segment or more")
        })?;
        Ok(EncryptionSettings { rotate, keys })
    }

    pub(super) fn access(
        &self,
        access: Option<Access>,
        encryption: Option<&EncryptionSettings>,
    ) -> Result<AccessSettings, Wrong> {
        let Some(Access { token, token_file }) = access else { return Ok(AccessSettings::Open) };
        if encryption.is_none() {
            let what = "it guards the keys, and there are none: segments are sent in the clear; add \
                        [stream.encryption], or remove this";
            return Err(self.wrong("access", what));
        }
        match (token, token_file) {
            (Some(token), None) => Ok(AccessSettings::Token(token)),
            (None, Some(path)) => Ok(AccessSettings::TokenFile(path)),
            (None, None) => {
                let what = "there is nothing to be let in by; write a token, or a token_file in which one stands \
                            (`openssl rand -hex 16` makes one)";
                Err(self.wrong("access", what))
            }
            (Some(_), Some(_)) => {
                Err(self.wrong("access.token_file", "there is a token already; remove one of the two"))
            }
        }
    }
}
