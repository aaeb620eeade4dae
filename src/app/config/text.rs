//! Bytes of a file that somebody edited, as text.

/// The text of a file in UTF-8 or UTF-16, without the byte order mark that editors put before it. What is no letter in it
/// becomes U+FFFD.
pub(in crate::app) fn decoded(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], number: fn([u8; 2]) -> u16| {
        let (pairs, odd) = bytes.as_chunks();
        let mut text = String::from_utf16_lossy(&pairs.iter().copied().map(number).collect::<Vec<_>>());
        text.extend(odd.first().map(|_| char::REPLACEMENT_CHARACTER));
        text
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => String::from_utf8_lossy(rest).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_writes_is_read() {
        for (bytes, text) in [
            (&b"a = 1\r\n"[..], "a = 1\r\n"),
            (b"\xEF\xBB\xBFa = \"\xC3\xBC\"", "a = \"\u{fc}\""),
            (b"\xFF\xFEa\0\xFC\0\x3D\xD8\x00\xDE", "a\u{fc}\u{1f600}"),
            (b"\xFE\xFF\0a\0\xFC", "a\u{fc}"),
            (b"\xFF\xFEa\0b", "a\u{fffd}"),
            (b"\xEF\xBB\xBF", ""),
            (b"", ""),
            // Latin-1.
            (b"a = \"\xFC\"", "a = \"\u{fffd}\""),
        ] {
            assert_eq!(decoded(bytes), text, "{}", bytes.escape_ascii());
        }
    }
}
