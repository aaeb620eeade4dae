//! What every MP4 file says of its tracks, wherever their samples are (ISO/IEC 14496-12, 8.2 to 8.5).

use bytes::{BufMut, BytesMut};

use super::boxes::{full, plain};
use crate::base::time::TICKS_PER_SECOND;
use crate::media::AacConfig;
use crate::media::h264::{self, NalType, ParameterSets};

/// The unit matrix: nine fixed-point numbers (ISO/IEC 14496-12, 8.2.2.2).
const MATRIX: [u8; 36] = [
    0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, //
    0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0,
];
/// "und", of no language told: three letters of five bits (ISO/IEC 14496-12, 8.4.2.3).
const NO_LANGUAGE: u16 = 0x55C4;

/// How a track is coded, and what its decoder must know.
#[derive(Clone, Copy, Debug)]
pub enum Codec<'a> {
    /// H.264, its timescale 90,000.
    Video(&'a ParameterSets),
    /// AAC, its timescale the rate of the decoded sound.
    Audio(&'a AacConfig),
}

impl Codec<'_> {
    /// Ticks per second of the track's own timeline.
    pub fn timescale(&self) -> u32 {
        match self {
            Self::Video(_) => TICKS_PER_SECOND as u32,
            Self::Audio(config) => config.rate(),
        }
    }
}

/// The NAL units that a sample has of an access unit in Annex B form, each to stand behind its length in four bytes.
/// Delimiters are not needed where sizes are told, and parameter sets stand in the sample entry (ISO/IEC 14496-15,
/// 5.3.2, 5.4.2).
pub fn nal_units(access_unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let kept = |nal: &&[u8]| !matches!(NalType::of(nal[0]), NalType::Aud | NalType::Sps | NalType::Pps);
    h264::nal_units(access_unit).filter(kept)
}

/// The movie's header; `length` in ticks of `timescale`, 0 where it is not known.
pub(in crate::container) fn mvhd(out: &mut BytesMut, timescale: u32, length: u32, next_track: u32) {
    full(out, b"mvhd", 0, 0, |out| {
        out.put_slice(&[0; 8]); // creation_time, modification_time
        out.put_u32(timescale);
        out.put_u32(length);
        out.put_u32(0x1_0000); // rate
        out.put_u16(0x100); // volume
        out.put_slice(&[0; 10]);
        out.put_slice(&MATRIX);
        out.put_slice(&[0; 24]);
        out.put_u32(next_track);
    });
}

/// A track's number, coding and length: in ticks of the movie, and in its own. 0 where that is not known.
#[derive(Clone, Copy, Debug)]
pub(in crate::container) struct Header<'a> {
    pub(in crate::container) id: u32,
    pub(in crate::container) codec: Codec<'a>,
    pub(in crate::container) length: u32,
    pub(in crate::container) media_length: u32,
}

/// A track: `edits` writes its edit list, if it has one, `tables` what follows the sample entry.
pub(in crate::container) fn trak(
    out: &mut BytesMut,
    header: Header<'_>,
    edits: impl FnOnce(&mut BytesMut),
    tables: impl FnOnce(&mut BytesMut),
) {
    let Header { id, codec, length, media_length } = header;
    plain(out, b"trak", |out| {
        tkhd(out, id, codec, length);
        edits(out);
        plain(out, b"mdia", |out| {
            full(out, b"mdhd", 0, 0, |out| {
                out.put_slice(&[0; 8]);
                out.put_u32(codec.timescale());
                out.put_u32(media_length);
                out.put_u16(NO_LANGUAGE);
                out.put_u16(0);
            });
            full(out, b"hdlr", 0, 0, |out| {
                out.put_u32(0);
                out.put_slice(match codec {
                    Codec::Video(_) => b"vide",
                    Codec::Audio(_) => b"soun",
                });
                out.put_slice(&[0; 12]);
                out.put_u8(0); // name: an empty text
            });
            plain(out, b"minf", |out| minf(out, codec, tables));
        });
    });
}

fn tkhd(out: &mut BytesMut, id: u32, codec: Codec<'_>, length: u32) {
    let (width, height, volume) = match codec {
        Codec::Video(sets) => {
            let size = sets.sps().size;
            (size.width() as u32, size.height() as u32, 0)
        }
        Codec::Audio(_) => (0, 0, 0x100),
    };
    // Enabled, in the presentation.
    full(out, b"tkhd", 0, 3, |out| {
        out.put_slice(&[0; 8]); // creation_time, modification_time
        out.put_u32(id);
        out.put_slice(&[0; 4]);
        out.put_u32(length);
        out.put_slice(&[0; 12]); // reserved, layer, alternate_group
        out.put_u16(volume);
        out.put_slice(&[0; 2]);
        out.put_slice(&MATRIX);
        out.put_u32(width << 16);
        out.put_u32(height << 16);
    });
}

fn minf(out: &mut BytesMut, codec: Codec<'_>, tables: impl FnOnce(&mut BytesMut)) {
    match codec {
        // Flags 1, as 12.1.2.2 asks; graphicsmode and opcolor, balance
        Codec::Video(_) => full(out, b"vmhd", 0, 1, |out| out.put_slice(&[0; 8])),
        Codec::Audio(_) => full(out, b"smhd", 0, 0, |out| out.put_slice(&[0; 4])),
    }
    plain(out, b"dinf", |out| {
        full(out, b"dref", 0, 0, |out| {
            out.put_u32(1);
            // Flags 1: the media are in this file.
            full(out, b"url ", 0, 1, |_| {});
        });
    });
    plain(out, b"stbl", |out| {
        full(out, b"stsd", 0, 0, |out| {
            out.put_u32(1);
            match codec {
                Codec::Video(sets) => plain(out, b"avc1", |out| avc1(out, sets)),
                Codec::Audio(config) => plain(out, b"mp4a", |out| mp4a(out, config)),
            }
        });
        tables(out);
    });
}

/// A visual sample entry (ISO/IEC 14496-12, 12.1.3; 14496-15, 5.4.2).
fn avc1(out: &mut BytesMut, sets: &ParameterSets) {
    let size = sets.sps().size;
    out.put_slice(&[0; 6]);
    out.put_u16(1); // data_reference_index
    out.put_slice(&[0; 16]);
    out.put_u16(size.width() as u16);
    out.put_u16(size.height() as u16);
    out.put_u32(0x48_0000); // 72 dpi, across and down
    out.put_u32(0x48_0000);
    out.put_u32(0);
    out.put_u16(1); // frame_count
    out.put_slice(&[0; 32]); // compressorname: an empty text
    out.put_u16(0x18); // depth: colour, no alpha
    out.put_i16(-1);
    plain(out, b"avcC", |out| out.put_slice(&sets.record()));
}

/// An audio sample entry (ISO/IEC 14496-12, 12.2.3; 14496-14, 5.6.1).
fn mp4a(out: &mut BytesMut, config: &AacConfig) {
    out.put_slice(&[0; 6]);
    out.put_u16(1); // data_reference_index
    out.put_slice(&[0; 8]);
    out.put_u16(u16::from(config.channels()));
    out.put_u16(16); // samplesize
    out.put_u32(0);
    // Whole hertz in 16 bits; a rate that has no room is told by the AudioSpecificConfig alone.
    out.put_u16(u16::try_from(config.rate()).unwrap_or(0));
    out.put_u16(0);
    full(out, b"esds", 0, 0, |out| {
        // ES_Descriptor: ES_ID 0, no flags (ISO/IEC 14496-1, 7.2.6.5; 14496-14, 3.1.2)
        let specific = config.bytes();
        let decoder = 13 + descriptor_len(specific.len());
        descriptor(out, 3, 3 + descriptor_len(decoder) + descriptor_len(1));
        out.put_slice(&[0; 3]);
        // DecoderConfigDescriptor: MPEG-4 audio, an audio stream, buffer and rates not told
        descriptor(out, 4, decoder);
        out.put_slice(&[0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        // DecoderSpecificInfo
        descriptor(out, 5, specific.len());
        out.put_slice(specific);
        // SLConfigDescriptor: as in MP4 files
        descriptor(out, 6, 1);
        out.put_u8(2);
    });
}

/// The bytes that a descriptor with `content` bytes takes; its length has four bytes, as most write it.
const fn descriptor_len(content: usize) -> usize {
    5 + content
}

/// A descriptor's tag and length: seven bits in each byte, more follow where the eighth is set (14496-1, 8.3.3).
fn descriptor(out: &mut BytesMut, tag: u8, content: usize) {
    let bits = |shift: usize| (content >> shift) as u8 & 0x7F;
    out.put_slice(&[tag, 0x80 | bits(21), 0x80 | bits(14), 0x80 | bits(7), bits(0)]);
}
