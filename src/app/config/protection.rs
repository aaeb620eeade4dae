//! What of a configuration concerns who may see and hear a stream.

use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;

use super::redact;
use crate::serve::Token;

/// How a stream is enciphered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionSettings {
    /// How many segments share a key.
    pub rotate: NonZeroU64,
    /// Where players fetch keys, if not here.
    pub keys: Option<KeyPrefix>,
}

/// Where keys are kept: an address to which a key's name is added, as `https://keys.example.org/radio/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

/// Who may have what is in the clear of an enciphered stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessSettings {
    /// Everybody.
    Open,
    /// Those who know this token.
    Token(Token),
    /// Those who know the token in this file, its first line.
    TokenFile(PathBuf),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its file cannot be read.
    #[error("cannot read the token in {}; let this user read it, or correct token_file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What stands in the file cannot be one.
    #[error("token_file {} holds no token: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl AccessSettings {
    /// The token, read now if it stands in a file of its own; nothing where everybody may.
    ///
    /// # Errors
    /// If the file cannot be read, or holds something else.
    pub fn token(&self) -> Result<Option<Token>, TokenError> {
        match self {
            Self::Open => Ok(None),
            Self::Token(token) => Ok(Some(token.clone())),
            Self::TokenFile(path) => {
                let unreadable = |source| TokenError::Unreadable { path: path.clone(), source };
                let text = std::fs::read_to_string(path).map_err(unreadable)?;
                let token = text.lines().next().unwrap_or_default().trim().parse();
                token.map(Some).map_err(|what| TokenError::Wrong { path: path.clone(), what })
            }
        }
    }
}

impl KeyPrefix {
    /// As it is written before a key's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        // RFC 3986: what an address is made of; a quotation mark would end the attribute it is written in.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]@!$&'()*+,;=%".contains(&byte);
        let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
        // The page's policy names it; and browsers ask nowhere by an address with a user's name in it (Fetch standard).
        let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
        if !host.is_empty() && is_host && text.ends_with('/') && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{:?} is no place for keys; write the address that is to stand before a key's name, with a slash at \
             its end, as \"https://keys.example.org/radio/\"",
            redact::address(text)
        ))
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_where_keys_can_be_kept() {
        for accepted in
            ["https://keys.example.org/radio/", "http://192.168.1.2:8080/", "https://[::1]/a%20b/"]
        {
            assert!(accepted.parse::<KeyPrefix>().is_ok(), "{accepted:?}");
        }
        for refused in [
            "",
            "keys/",
            "ftp://example.org/",
            "https://",
            "https:///",
            "https://example.org",
            "https://example.org/?key=/",
            "https://example.org/\"/",
            "https://example.org/ /",
            "https://example.org/\n/",
            "https://exämple.org/",
            "https://user@example.org/",
            "https://a;b/",
        ] {
            assert!(refused.parse::<KeyPrefix>().is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_token_stands_in_its_file_alone_or_before_other_lines() {
        let path = std::env::temp_dir().join(format!("outpost-token-{}", std::process::id()));
        let settings = AccessSettings::TokenFile(path.clone());
        let token = || settings.token().map_err(|error| error.to_string());
        let _ = std::fs::remove_file(&path);
        assert!(token().expect_err("no file").starts_with("cannot read the token in "));
        for (text, good) in
            [("0123456789abcdef", true), ("0123456789abcdef\r\nold\n", true), ("", false), ("short", false)]
        {
            std::fs::write(&path, text).expect("a file");
            assert_eq!(token().is_ok(), good, "{text:?}");
        }
        assert!(!token().expect_err("too short").contains("short"), "it is not told");
        let _ = std::fs::remove_file(&path);
    }
}
