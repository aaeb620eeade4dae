//! The PES header: which stream, how long, when (ISO/IEC 13818-1, 2.4.3.6 and 2.4.3.7).

use crate::base::Pts;
use crate::media::{Track, h264};

/// Bytes of an audio header: start code, length, flags and one timestamp.
pub(super) const AUDIO_HEADER_LEN: usize = FIXED_LEN + STAMP_LEN;

const FIXED_LEN: usize = 9;
const STAMP_LEN: usize = 5;
const MAX_LEN: usize = FIXED_LEN + 2 * STAMP_LEN + h264::ACCESS_UNIT_DELIMITER.len();

// stream_id (table 2-22)
const AUDIO_STREAM: u8 = 0xC0;
const VIDEO_STREAM: u8 = 0xE0;
/// private_stream_1, which metadata may use (table 2-22; Apple, Timed Metadata for HTTP Live Streaming, 2.2).
const NOTES_STREAM: u8 = 0xBD;
/// What a PES packet may carry behind a header of one timestamp where its length is told.
pub(super) const MAX_TAG: usize = 0xFFFF - (AUDIO_HEADER_LEN - LENGTH_END);
/// PES_packet_length counts what follows it.
const LENGTH_END: usize = 6;
/// '10', not scrambled, data_alignment_indicator: a unit begins right behind the header.
const ALIGNED: u8 = 0x84;
// PTS_DTS_flags, and the four bits before each stamp (table 2-21)
const ONLY_PTS: u8 = 0x80;
const BOTH_STAMPS: u8 = 0xC0;

/// What stands before a unit's bytes: the PES header, and an access unit delimiter where one was missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Head {
    /// For `len` bytes of ADTS frames, the first of them heard at `pts`.
    pub(super) fn audio(pts: Pts, len: usize) -> Self {
        Self::sized(AUDIO_STREAM, pts, len)
    }

    /// For an ID3 tag of `len` bytes, at most [`MAX_TAG`], about the instant `pts`.
    pub(super) fn note(pts: Pts, len: usize) -> Self {
        Self::sized(NOTES_STREAM, pts, len)
    }

    /// With its length told: a bundle of frames always fits 16 bits.
    fn sized(stream: u8, pts: Pts, len: usize) -> Self {
        let mut head = Self::new(stream, pts, pts);
        let length = head.len - LENGTH_END + len;
        head.bytes[4..LENGTH_END].copy_from_slice(&(length as u16).to_be_bytes());
        head
    }

    /// For an H.264 access unit, which must begin with a delimiter (2.14.1).
    pub(super) fn video(pts: Pts, dts: Pts, access_unit: &[u8]) -> Self {
        // PES_packet_length 0: unbounded, allowed for video in a transport stream.
        let mut head = Self::new(VIDEO_STREAM, pts, dts);
        if !h264::begins_with_delimiter(access_unit) {
            head.push(&h264::ACCESS_UNIT_DELIMITER);
        }
        head
    }

    fn new(stream: u8, pts: Pts, dts: Pts) -> Self {
        let mut head = Self { bytes: [0; MAX_LEN], len: 0 };
        // DTS only where it differs (2.4.3.7).
        let (flags, stamps) = if pts == dts { (ONLY_PTS, 1) } else { (BOTH_STAMPS, 2) };
        head.push(&[0, 0, 1, stream, 0, 0, ALIGNED, flags, (stamps * STAMP_LEN) as u8]);
        head.push(&stamp(flags >> 2, pts));
        if stamps == 2 {
            head.push(&stamp(0x10, dts));
        }
        head
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Four bits that say which, then 33 bits in three pieces, a marker bit behind each.
fn stamp(which: u8, pts: Pts) -> [u8; STAMP_LEN] {
    let ticks = pts.wire();
    [
        which | (ticks >> 29) as u8 & 0x0E | 1,
        (ticks >> 22) as u8,
        (ticks >> 14) as u8 | 1,
        (ticks >> 7) as u8,
        (ticks << 1) as u8 | 1,
    ]
}

fn read_stamp(bytes: &[u8; STAMP_LEN]) -> u64 {
    let [a, b, c, d, e] = bytes.map(u64::from);
    (a & 0x0E) << 29 | b << 22 | (c & 0xFE) << 14 | d << 7 | e >> 1
}

/// A PES header as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// 33 bits each; both alike where only the PTS is written, absent where none is.
    pub(super) stamps: Option<(u64, u64)>,
    /// Where the payload begins.
    pub(super) payload: usize,
    /// Where the PES packet ends, if it says so.
    pub(super) end: Option<usize>,
}

/// What the bytes of a PES packet so far tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The header is not complete yet.
    Short,
    /// It is no PES packet of this kind of stream.
    Malformed,
    /// The header is complete.
    Header(Read),
}

/// Reads the header of a PES packet of a track.
pub(super) fn read(bytes: &[u8], track: Track) -> Progress {
    let Some([0, 0, 1, stream, len_high, len_low, marker, flags, header_len]) = bytes.first_chunk::<9>()
    else {
        return if bytes.len() < FIXED_LEN { Progress::Short } else { Progress::Malformed };
    };
    let of_track = match track {
        Track::Audio => stream & 0xE0 == AUDIO_STREAM,
        Track::Video => stream & 0xF0 == VIDEO_STREAM,
    };
    let payload = FIXED_LEN + usize::from(*header_len);
    let length = usize::from(*len_high) << 8 | usize::from(*len_low);
    let end = (length != 0).then_some(LENGTH_END + length);
    if !of_track || marker & 0xC0 != 0x80 || end.is_some_and(|end| end < payload) {
        return Progress::Malformed;
    }
    let Some(optional) = bytes.get(FIXED_LEN..payload) else { return Progress::Short };
    let (first, rest) = match optional.split_first_chunk::<STAMP_LEN>() {
        Some((stamp, rest)) => (Some(read_stamp(stamp)), rest),
        None => (None, optional),
    };
    let stamps = match (flags & BOTH_STAMPS, first, rest.first_chunk::<STAMP_LEN>()) {
        (BOTH_STAMPS, Some(pts), Some(dts)) => Some((pts, read_stamp(dts))),
        (ONLY_PTS, Some(pts), _) => Some((pts, pts)),
        (0, _, _) => None,
        _ => return Progress::Malformed,
    };
    Progress::Header(Read { stamps, payload, end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_byte_by_byte() {
        let at = Pts::from_ticks;
        let idr = [0, 0, 1, 0x65, 0x88];
        let with_delimiter = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 0x88];
        let table: &[(Head, &[u8])] = &[
            (
                Head::audio(at(126_000), 2930),
                &[0, 0, 1, 0xC0, 0x0B, 0x7A, 0x84, 0x80, 5, 0x21, 0x00, 0x07, 0xD8, 0x61],
            ),
            (
                Head::note(at(126_000), 60),
                &[0, 0, 1, 0xBD, 0, 68, 0x84, 0x80, 5, 0x21, 0x00, 0x07, 0xD8, 0x61],
            ),
            (
                Head::video(at(133_200), at(126_000), &with_delimiter),
                &[
                    0, 0, 1, 0xE0, 0, 0, 0x84, 0xC0, 10, 0x31, 0x00, 0x09, 0x10, 0xA1, 0x11, 0x00, 0x07,
                    0xD8, 0x61,
                ],
            ),
            (
                Head::video(at((1 << 33) - 1), at((1 << 33) - 1), &idr),
                &[0, 0, 1, 0xE0, 0, 0, 0x84, 0x80, 5, 0x2F, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0x09, 0xF0],
            ),
        ];
        for (head, expected) in table {
            assert_eq!(head.bytes(), *expected);
        }
    }

    proptest! {
        #[test]
        fn stamps_are_read_back(pts in 0i64..1 << 33, dts in 0i64..1 << 33) {
            let head = Head::video(Pts::from_ticks(pts), Pts::from_ticks(dts), &[0, 0, 1, 9, 0xF0]);
            let payload = head.bytes().len();
            let expected = Read { stamps: Some((pts as u64, dts as u64)), payload, end: None };
            prop_assert_eq!(read(head.bytes(), Track::Video), Progress::Header(expected));
            prop_assert_eq!(read(head.bytes(), Track::Audio), Progress::Malformed);
            prop_assert_eq!(read(&head.bytes()[..payload - 1], Track::Video), Progress::Short);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (read(&bytes, Track::Audio), read(&bytes, Track::Video));
        }
    }
}
