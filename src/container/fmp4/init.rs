//! The initialisation segment: what a decoder must know before the first chunk (ISO/IEC 23000-19, 7.3.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::boxes::{full, plain};
use super::{TRACK_ID, TrackConfig};
use crate::base::time::TICKS_PER_SECOND;
use crate::media::AacConfig;
use crate::media::h264::ParameterSets;

/// The unit matrix: nine fixed-point numbers (ISO/IEC 14496-12, 8.2.2.2).
const MATRIX: [u8; 36] = [
    0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, //
    0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0,
];
/// "und", of no language told: three letters of five bits (ISO/IEC 14496-12, 8.4.2.3).
const NO_LANGUAGE: u16 = 0x55C4;

impl TrackConfig {
    /// Ticks per second of the track's own timeline.
    pub fn timescale(&self) -> u32 {
        match self {
            Self::Video { .. } => TICKS_PER_SECOND as u32,
            Self::Audio(config) => config.rate(),
        }
    }
}

/// The initialisation segment of a track.
pub fn init(track: &TrackConfig) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    plain(&mut out, b"ftyp", |out| {
        // Signed composition offsets and no defaults outside the chunks: what "cmf2" asks (23000-19, 7.7.3).
        out.put_slice(b"iso6");
        out.put_u32(0);
        out.put_slice(b"iso6cmfccmf2");
    });
    plain(&mut out, b"moov", |out| {
        full(out, b"mvhd", 0, 0, |out| {
            out.put_slice(&[0; 8]); // creation_time, modification_time
            out.put_u32(track.timescale());
            out.put_u32(0); // duration: not known
            out.put_u32(0x1_0000); // rate
            out.put_u16(0x100); // volume
            out.put_slice(&[0; 10]);
            out.put_slice(&MATRIX);
            out.put_slice(&[0; 24]);
            out.put_u32(TRACK_ID + 1); // next_track_ID
        });
        plain(out, b"trak", |out| trak(out, track));
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

fn trak(out: &mut BytesMut, track: &TrackConfig) {
    let (width, height, volume) = match track {
        TrackConfig::Video { sets, .. } => {
            let size = sets.sps().size;
            (size.width() as u32, size.height() as u32, 0)
        }
        TrackConfig::Audio(_) => (0, 0, 0x100),
    };
    // Enabled, in the presentation.
    full(out, b"tkhd", 0, 3, |out| {
        out.put_slice(&[0; 8]); // creation_time, modification_time
        out.put_u32(TRACK_ID);
        out.put_slice(&[0; 4]);
        out.put_u32(0); // duration: not known
        out.put_slice(&[0; 12]); // reserved, layer, alternate_group
        out.put_u16(volume);
        out.put_slice(&[0; 2]);
        out.put_slice(&MATRIX);
        out.put_u32(width << 16);
        out.put_u32(height << 16);
    });
    plain(out, b"mdia", |out| {
        full(out, b"mdhd", 0, 0, |out| {
            out.put_slice(&[0; 8]);
            out.put_u32(track.timescale());
            out.put_u32(0);
            out.put_u16(NO_LANGUAGE);
            out.put_u16(0);
        });
        full(out, b"hdlr", 0, 0, |out| {
            out.put_u32(0);
            out.put_slice(match track {
                TrackConfig::Video { .. } => b"vide",
                TrackConfig::Audio(_) => b"soun",
            });
            out.put_slice(&[0; 12]);
            out.put_u8(0); // name: an empty text
        });
        plain(out, b"minf", |out| {
            match track {
                // Flags 1, as 12.1.2.2 asks; graphicsmode and opcolor, balance
                TrackConfig::Video { .. } => full(out, b"vmhd", 0, 1, |out| out.put_slice(&[0; 8])),
                TrackConfig::Audio(_) => full(out, b"smhd", 0, 0, |out| out.put_slice(&[0; 4])),
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
                    match track {
                        TrackConfig::Video { sets, .. } => plain(out, b"avc1", |out| avc1(out, sets)),
                        TrackConfig::Audio(config) => plain(out, b"mp4a", |out| mp4a(out, config)),
                    }
                });
                // No samples here: they are in the chunks.
                for kind in [b"stts", b"stsc", b"stco"] {
                    full(out, kind, 0, 0, |out| out.put_u32(0));
                }
                full(out, b"stsz", 0, 0, |out| out.put_slice(&[0; 8]));
            });
        });
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
