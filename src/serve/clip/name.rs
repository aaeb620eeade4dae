//! What a clip is called where it is saved (RFC 6266).

use std::fmt::Write;

use hyper::header::HeaderValue;
use jiff::Timestamp;

use crate::base::WallTime;
use crate::clip::Kind;

/// The longest title that goes into a name, in characters; most file systems take 255 bytes.
const TITLE_LEN: usize = 50;

/// What a browser does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Disposition {
    /// Plays it, if it can.
    Inline,
    /// Saves it.
    Attachment,
}

/// The field for a clip of this stream that begins at `at`. A name of other letters than ASCII's is told twice: in words
/// that every program reads, and in full.
pub(super) fn field(disposition: Disposition, title: &str, at: WallTime, kind: Kind) -> HeaderValue {
    let name = name(title, at, kind);
    let mut field = match disposition {
        Disposition::Inline => "inline".to_owned(),
        Disposition::Attachment => "attachment".to_owned(),
    };
    let plain: String = name.chars().map(|c| if c.is_ascii() && c != '%' { c } else { '_' }).collect();
    // Writing to a String cannot fail.
    let _ = write!(field, "; filename=\"{plain}\"");
    if plain != name {
        field.push_str("; filename*=UTF-8''");
        name.bytes().for_each(|byte| encode(byte, &mut field));
    }
    HeaderValue::try_from(field).expect("letters, digits and punctuation are a field value")
}

/// Title, date and time in UTC, without what means something in a path on any system.
fn name(title: &str, at: WallTime, kind: Kind) -> String {
    let harmless = |c: char| if c.is_control() || "/\\:*?\"<>|".contains(c) { ' ' } else { c };
    let title: String = title.chars().map(harmless).collect();
    let words: Vec<_> = title.split_whitespace().collect();
    let title: String = words.join(" ").trim_matches(['.', ' ']).chars().take(TITLE_LEN).collect();
    let stamp = Timestamp::from_nanosecond(at.as_unix_nanos().into()).unwrap_or_default();
    let name = format!("{} {}", title.trim(), stamp.strftime("%Y-%m-%d %H.%M.%S UTC"));
    format!("{}.{}", name.trim(), kind.extension())
}

/// RFC 8187, 3.2.1: all but an attr-char is percent-encoded.
fn encode(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
        out.push(char::from(byte));
    } else {
        let _ = write!(out, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_and_when_and_lead_nowhere() {
        let noon = WallTime::from_unix_nanos(1_763_640_000_900_000_000);
        let table = [
            ("Attic scanner", "inline; filename=\"Attic scanner 2025-11-20 12.00.00 UTC.m4a\""),
            ("../../etc/\"x\"\n", "inline; filename=\"etc x 2025-11-20 12.00.00 UTC.m4a\""),
            ("", "inline; filename=\"2025-11-20 12.00.00 UTC.m4a\""),
            (
                "Türe",
                "inline; filename=\"T_re 2025-11-20 12.00.00 UTC.m4a\"; \
                 filename*=UTF-8''T%C3%BCre%202025-11-20%2012.00.00%20UTC.m4a",
            ),
        ];
        for (title, expected) in table {
            assert_eq!(field(Disposition::Inline, title, noon, Kind::M4a), expected, "{title:?}");
        }
        let long = field(Disposition::Attachment, &"é".repeat(500), noon, Kind::Mp4);
        assert!(long.as_bytes().starts_with(b"attachment; ") && long.len() < 600, "{long:?}");
    }
}
