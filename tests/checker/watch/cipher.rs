//! What was enciphered, deciphered by openssl.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// A key, and the initialisation vector in 32 hexadecimal digits.
#[derive(Clone)]
pub(super) struct Secret {
    pub(super) key: Vec<u8>,
    pub(super) iv: String,
}

/// AES-128 in CBC mode with padding (RFC 8216, 4.3.2.4); `None` if openssl finds the padding wrong.
pub(super) fn decipher(bytes: &[u8], secret: &Secret) -> Option<Vec<u8>> {
    let key = secret.key.iter().fold(String::new(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    });
    let mut openssl = Command::new("openssl")
        .args(["enc", "-d", "-aes-128-cbc", "-K", &key, "-iv", &secret.iv])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs (Debian: openssl)");
    let mut input = openssl.stdin.take().expect("piped above");
    let bytes = bytes.to_vec();
    // It writes while it reads: whoever did one after the other would wait for ever.
    let writing = std::thread::spawn(move || input.write_all(&bytes));
    let output = openssl.wait_with_output().expect("openssl ends");
    let _ = writing.join();
    output.status.success().then_some(output.stdout)
}

/// `echo outpost | openssl enc -aes-128-cbc -K 000102…0f -iv 00…01`
#[test]
fn what_openssl_has_enciphered() {
    let secret = Secret { key: (0..16).collect(), iv: format!("{:032x}", 1) };
    let enciphered = [190, 231, 131, 166, 190, 235, 136, 143, 156, 211, 218, 113, 210, 96, 161, 74];
    assert_eq!(decipher(&enciphered, &secret).as_deref(), Some(&b"outpost\n"[..]));
    assert_eq!(decipher(&enciphered, &Secret { key: vec![1; 16], ..secret }), None);
}
