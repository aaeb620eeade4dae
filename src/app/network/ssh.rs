//! The public half of an SSH key, as the file that ends in `.pub` has it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};

use super::values::quoted;

/// The kinds that OpenSSH makes and takes (ssh-keygen(1)).
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Kind, key and comment on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshKey(String);

quoted!(SshKey);

impl FromStr for SshKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err(
                "this is the secret half of a key; write the line in the file that ends in .pub, and have another pair \
                 made (ssh-keygen): this one has been on a card that is not locked",
            );
        }
        let mut words = text.split(' ');
        let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if text.chars().any(char::is_control) || !KINDS.contains(&kind) {
            return Err(
                "this is no key; write the one line in the file that ends in .pub, as \"ssh-ed25519 AAAA… me@laptop\"",
            );
        }
        let whole = STANDARD.decode(key).is_ok_and(|key| is_whole(&key, kind));
        whole.then(|| Self(text.to_owned())).ok_or(
            "this key is damaged or not whole; copy the one line in the file that ends in .pub once more",
        )
    }
}

impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether these are strings under their lengths to the very end (RFC 4253, 6.6), and the first of several is `kind`.
fn is_whole(key: &[u8], kind: &str) -> bool {
    let (mut rest, mut count) = (key, 0);
    while let Some((length, more)) = rest.split_first_chunk() {
        let Some((string, more)) = more.split_at_checked(u32::from_be_bytes(*length) as usize) else {
            return false;
        };
        if count == 0 && string != kind.as_bytes() {
            return false;
        }
        (rest, count) = (more, count + 1);
    }
    rest.is_empty() && count > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by ssh-keygen for this test; nobody has its other half.
    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMjNb1UOAdY06uIqCBnldbemnCPBi0mfP7XM4sMbF1V/ me@laptop";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJ+Rr8gshhtvuSzsOBUHKtUvIGEQqanSjTdOB8dWbyHomE2tByRmmGuOznfFxdKMH4/McNdxedg+ZtEl9zriOaQ= me@laptop";

    #[test]
    fn keys_are_taken_whole_or_not_at_all() {
        for key in [ED25519, ECDSA] {
            assert_eq!(key.parse::<SshKey>().map(|it| it.to_string()).as_deref(), Ok(key));
            let bare = key.rsplit_once(' ').expect("a comment").0;
            assert!(bare.parse::<SshKey>().is_ok() && format!(" {key}\n").parse::<SshKey>().is_ok());
            for end in 0..bare.len() {
                assert!(bare[..end].parse::<SshKey>().is_err(), "{}", &bare[..end]);
            }
        }
        let blob = ED25519.split(' ').nth(1).expect("a key");
        for refused in [
            format!("{ED25519}\n{ED25519}"),
            format!("command=\"sh\" {ED25519}"),
            format!("ssh-rsa {blob}"),
            format!("ssh-dss {blob}"),
            format!("ssh-ed25519 {blob}AAAA"),
            format!("ssh-ed25519  {blob}"),
            "ssh-ed25519 AAAAC3Nza… me@laptop".to_owned(),
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA".to_owned(),
        ] {
            assert!(refused.parse::<SshKey>().is_err(), "{refused}");
        }
    }
}
