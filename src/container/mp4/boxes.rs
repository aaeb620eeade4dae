//! Boxes (ISO/IEC 14496-12, 4.2): a size, four letters, and what is in it.

use bytes::{BufMut, BytesMut};

/// Writes a box around what `content` writes.
pub(in crate::container) fn plain(out: &mut BytesMut, kind: &[u8; 4], content: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    content(out);
    let size = (out.len() - at) as u32;
    out[at..at + 4].copy_from_slice(&size.to_be_bytes());
}

/// Writes a box that has a version and 24 bits of flags.
pub(in crate::container) fn full(
    out: &mut BytesMut,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    content: impl FnOnce(&mut BytesMut),
) {
    plain(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        content(out);
    });
}
