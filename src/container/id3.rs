//! ID3v2.4 tags, for timed metadata: a frame of a user's own text (TXXX) for each field of a note.

use crate::media::Field;

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

/// Seven bits in each of four bytes, so that no size looks like the beginning of a frame of MPEG audio.
fn synchsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7F)
}
