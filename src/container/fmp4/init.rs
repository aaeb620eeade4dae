//! The initialisation segment: what a decoder must know before the first chunk (ISO/IEC 23000-19, 7.3.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::{TRACK_ID, TrackConfig};
use crate::container::mp4::boxes::{full, plain};
use crate::container::mp4::header::{Header, mvhd, trak};

/// The initialisation segment of a track. How long it will be is not known.
pub fn init(track: &TrackConfig) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    plain(&mut out, b"ftyp", |out| {
        // Signed composition offsets and no defaults outside the chunks: what "cmf2" asks (23000-19, 7.7.3).
        out.put_slice(b"iso6");
        out.put_u32(0);
        out.put_slice(b"iso6cmfccmf2");
    });
    let header = Header { id: TRACK_ID, codec: track.codec(), length: 0, media_length: 0 };
    plain(&mut out, b"moov", |out| {
        mvhd(out, header.codec.timescale(), 0, TRACK_ID + 1);
        // No samples here: they are in the chunks.
        let tables = |out: &mut BytesMut| {
            for kind in [b"stts", b"stsc", b"stco"] {
                full(out, kind, 0, 0, |out| out.put_u32(0));
            }
            full(out, b"stsz", 0, 0, |out| out.put_slice(&[0; 8]));
        };
        trak(out, header, |_| {}, tables);
        plain(out, b"mvex", |out| {
            full(out, b"trex", 0, 0, |out| {
                out.put_u32(TRACK_ID);
                out.put_u32(1); // default_sample_description_index
                out.put_slice(&[0; 12]); // default duration, size and flags: each chunk has its own
            });
        });
    });
    out.freeze()
}
