//! ID3v2.4 tags, for timed metadata: a frame of a user's own text (TXXX) for each field of a note.

use crate::base::{Pts, WallTime};
use crate::media::Field;
use crate::media::marker::Marker;

/// What a size of four bytes can tell, of which each gives seven bits (ID3v2.4.0 structure, 6.2).
const MAX_SIZE: usize = (1 << 28) - 1;
const HEADER_LEN: usize = 10;
/// UTF-8 (ID3v2.4.0 structure, 4).
const UTF_8: u8 = 3;

/// Writes a tag behind what is in `out`. A field that the tag has no more room for (256 MiB) is left out; a zero
/// character, which would end a text too early, is too.
pub fn write<'a>(fields: impl IntoIterator<Item = Field<'a>>, out: &mut Vec<u8>) {
    let tag = out.len();
    // Version 4, revision 0, no flags; the size comes last.
    out.extend_from_slice(b"ID3\x04\x00\x00\0\0\0\0");
    for Field { name, text } in fields {
        let frame = out.len();
        let body = 1 + name.len() + 1 + text.len();
        if frame - tag + body > MAX_SIZE {
            continue;
        }
        out.extend_from_slice(b"TXXX\0\0\0\0\0\0");
        // Text encoding, description, its end, value (ID3v2.4.0 native frames, 4.2.6).
        out.push(UTF_8);
        out.extend(name.bytes().filter(|byte| *byte != 0));
        out.push(0);
        out.extend(text.bytes().filter(|byte| *byte != 0));
        let size = synchsafe(out.len() - frame - HEADER_LEN);
        out[frame + 4..frame + 8].copy_from_slice(&size);
    }
    let size = synchsafe(out.len() - tag - HEADER_LEN);
    out[tag + 6..tag + 10].copy_from_slice(&size);
}

/// Writes a tag that tells of a marker behind what is in `out`; `date` tells civil time.
pub fn write_marker(marker: &Marker, date: impl Fn(Pts) -> WallTime, out: &mut Vec<u8>) {
    let Marker { id, kind, from, to, level, label, edition: _ } = marker;
    let (from, to) = (date(*from).to_string(), to.map(|to| date(to).to_string()));
    let level = level.map(|level| format!("{level:.1}"));
    let fields = [
        (Field::MARKER, Some(id.as_str())),
        ("kind", Some(kind.as_str())),
        ("from", Some(&*from)),
        ("to", to.as_deref()),
        ("level_dbfs", level.as_deref()),
        ("label", label.as_ref().map(|label| label.as_str())),
    ];
    write(fields.into_iter().filter_map(|(name, text)| Some(Field { name, text: text? })), out);
}

/// Seven bits in each of four bytes, so that no size looks like the beginning of a frame of MPEG audio.
fn synchsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7F)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::marker::{MarkerId, MarkerKind};
    use proptest::prelude::*;

    #[test]
    fn a_tag_byte_by_byte() {
        let mut out = vec![7];
        write([Field { name: "a", text: "2026-11-21" }], &mut out);
        let expected = b"\x07ID3\x04\0\0\0\0\0\x17TXXX\0\0\0\x0D\0\0\x03a\x002026-11-21";
        assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn a_marker_is_told_with_what_is_known_of_it() {
        let mut marker = Marker {
            id: MarkerId::new(0xab, 7),
            kind: MarkerKind::TRANSMISSION,
            from: Pts::from_ticks(90_000),
            to: None,
            level: None,
            label: None,
            edition: 0,
        };
        let told = |marker: &Marker| {
            let mut out = Vec::new();
            write_marker(marker, |at| WallTime::from_unix_nanos(at.ticks() * 100_000 / 9), &mut out);
            let fields = out[HEADER_LEN..].split(|byte| *byte == UTF_8).skip(1);
            let end = |field: &[u8]| field.windows(4).position(|it| it == b"TXXX").unwrap_or(field.len());
            let field = |field: &[u8]| field[..end(field)].escape_ascii().to_string();
            fields.map(field).collect::<Vec<_>>()
        };
        let begun = ["marker\\x00ab-7", "kind\\x00transmission", "from\\x001970-01-01T00:00:01.000Z"];
        assert_eq!(told(&marker), begun);
        marker.to = Some(Pts::from_ticks(180_000));
        marker.level = Some(-20.04);
        marker.label = Some("Tür".parse().expect("a label"));
        let ended = ["to\\x001970-01-01T00:00:02.000Z", "level_dbfs\\x00-20.0", "label\\x00T\\xc3\\xbcr"];
        assert_eq!(told(&marker), [&begun[..], &ended[..]].concat());
    }

    #[test]
    fn sizes_have_seven_bits_a_byte() {
        for (size, bytes) in
            [(127, [0, 0, 0, 127]), (128, [0, 0, 1, 0]), (MAX_SIZE, [127; 4]), (300, [0, 0, 2, 44])]
        {
            assert_eq!(synchsafe(size), bytes);
        }
    }

    fn size(bytes: &[u8]) -> usize {
        bytes.iter().fold(0, |size, byte| size << 7 | usize::from(*byte))
    }

    /// A tag's fields, read by the letter of the standard.
    fn read(tag: &[u8]) -> Vec<(String, String)> {
        let (head, mut rest) = tag.split_at(HEADER_LEN);
        assert_eq!((&head[..6], size(&head[6..])), (&b"ID3\x04\0\0"[..], rest.len()));
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (head, behind) = rest.split_at(HEADER_LEN);
            assert_eq!((&head[..4], &head[8..]), (&b"TXXX"[..], &[0, 0][..]));
            let (frame, behind) = behind.split_at(size(&head[4..8]));
            assert_eq!(frame[0], UTF_8);
            let text = std::str::from_utf8(&frame[1..]).expect("UTF-8");
            let (name, text) = text.split_once('\0').expect("a description and its end");
            fields.push((name.to_owned(), text.to_owned()));
            rest = behind;
        }
        fields
    }

    proptest! {
        #[test]
        fn any_texts_are_read_back_but_for_zeros(
            fields in proptest::collection::vec((any::<String>(), any::<String>()), 0..6),
            long in 0usize..70_000,
        ) {
            let mut fields = fields;
            fields.push(("long".into(), "é".repeat(long)));
            let lent = fields.iter().map(|(name, text)| Field { name, text });
            let mut tag = Vec::new();
            write(lent, &mut tag);
            let expected: Vec<_> =
                fields.iter().map(|(name, text)| (name.replace('\0', ""), text.replace('\0', ""))).collect();
            prop_assert_eq!(read(&tag), expected);
        }
    }
}
