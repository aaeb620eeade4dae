//! Segments enciphered: AES-128 in CBC mode, each segment by itself (RFC 8216, 4.3.2.4 and 5.2).
//!
//! Belongs here: the secret everything is derived from, keys, enciphering and deciphering. Does not: who may fetch a
//! key, or how a playlist names it.

mod seal;
mod vault;

pub(super) use seal::enciphered;
pub use seal::{Seal, clear};
pub use vault::{Keyring, Vault, VaultError};
