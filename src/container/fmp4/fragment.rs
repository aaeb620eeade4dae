//! Chunks: a movie fragment of one track, and its media (ISO/IEC 14496-12, 8.8; 23000-19, 7.3.2.3).

use bytes::{BufMut, Bytes, BytesMut};

use super::{TRACK_ID, TrackConfig};
use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Pts, Span};
use crate::container::mp4::boxes::{full, plain};
use crate::container::mp4::nal_units;
use crate::media::{Entry, Packet};

/// A greater distance between two units is no gap, but another timeline.
const MAX_STEP: Span = Span::from_millis(10_000);

// What a track fragment header has (8.8.7.1): addresses count from its moof; defaults for its samples.
const BASE_IS_MOOF: u32 = 0x02_0000;
const DEFAULT_DURATION: u32 = 0x08;
const DEFAULT_FLAGS: u32 = 0x20;
// What a track run has (8.8.8.1): where its bytes begin, then for each sample …
const DATA_OFFSET: u32 = 0x001;
const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const COMPOSITION: u32 = 0x800;
// sample_flags (8.8.3.1): it depends on no other; it depends on others, and is no sync sample.
const SYNC: u32 = 0x0200_0000;
const NO_SYNC: u32 = 0x0101_0000;

/// The scheme of an event message that is an ID3 tag (AOM, Carriage of ID3 Timed Metadata in CMAF, 4).
const ID3_SCHEME: &[u8] = b"https://aomedia.org/emsg/ID3\0";
/// event_duration where it is not known (ISO/IEC 23009-1, 5.10.3.3.4).
const NO_DURATION: u32 = 0xFFFF_FFFF;

/// A box's size and letters.
const BOX_LEN: u32 = 8;
/// A chunk's moof without its samples, and the beginning of its mdat, take no more bytes.
const MAX_HEAD: usize = 128;
/// Memory is taken in slabs of so many bytes. Each lives as long as any piece of it: it is small enough that the last
/// reader of a chunk of sound (2 KB) holds little else.
const SLAB_LEN: usize = 32 << 10;
/// A sample takes no more in a trun.
const SAMPLE_LEN: usize = 16;

/// Why a unit was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MuxError {
    /// The unit cannot follow the one before it. After [`Mux::interrupt`] it can.
    #[error(
        "unit at tick {to} does not follow the one at {from} (backwards, or over 10 s); interrupt the track first",
        to = to.ticks(), from = from.ticks()
    )]
    Jump {
        /// DTS of the last unit.
        from: Pts,
        /// DTS of the unit refused.
        to: Pts,
    },
    /// The unit has no bytes a decoder could use: no NAL unit but a delimiter and parameter sets.
    #[error("a unit without media")]
    Empty,
}

/// How time is told.
#[derive(Clone, Copy, Debug)]
enum Timeline {
    /// In ticks of 90 kHz.
    Pictures {
        /// How long one lasts when all is well.
        usual: Span,
    },
    /// In samples, which are counted.
    Sound {
        /// Samples in a second.
        rate: u32,
        /// Samples in a unit.
        frame: u32,
    },
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    duration: u32,
    size: u32,
    entry: Entry,
    /// From its decoding to its showing.
    composition: i32,
}

/// Makes chunks of one track's units.
///
/// A chunk must be complete with its last unit, before it is known when the next one comes. So a picture is written as
/// decoded when the one before it was due, and lasts until it is due itself: the timeline of decoding runs on from
/// chunk to chunk without a gap, however the source jitters, and composition offsets show each picture at its PTS.
/// They are hardly ever negative, which ffmpeg would take for a delay of the whole track. A unit's bytes are copied
/// once, into the chunk; no memory is taken but for them.
#[derive(Clone, Debug)]
pub struct Mux {
    timeline: Timeline,
    /// sequence_number of the last chunk.
    sequence: u32,
    /// DTS of the last unit.
    last: Option<Pts>,
    /// Where the chunk begins, and where the next unit is decoded, in the track's own ticks.
    begin: i64,
    next: Option<i64>,
    samples: Vec<Sample>,
    media: Media,
    /// Event messages, as boxes.
    events: BytesMut,
    /// The number of the last event.
    event: u32,
}

impl Mux {
    /// For a track whose initialisation segment is that of `config`.
    pub fn new(config: &TrackConfig) -> Self {
        let timeline = match config {
            TrackConfig::Video { rate, .. } => Timeline::Pictures { usual: rate.span() },
            TrackConfig::Audio(config) => {
                Timeline::Sound { rate: config.rate(), frame: config.frame_samples() }
            }
        };
        Self {
            timeline,
            sequence: 0,
            last: None,
            begin: 0,
            next: None,
            samples: Vec::new(),
            media: Media::default(),
            events: BytesMut::new(),
            event: 0,
        }
    }

    /// What comes next need not follow what came: the timeline begins anew with the next unit. A chunk that has been
    /// begun must be finished before.
    pub fn interrupt(&mut self) {
        (self.last, self.next) = (None, None);
    }

    /// Takes a unit into the chunk. Units come in decoding order; their `track` does not matter.
    ///
    /// # Errors
    /// If the unit cannot be carried; it is left out, and the next one is taken.
    pub fn push(&mut self, unit: &Packet<'_>) -> Result<(), MuxError> {
        if let Some(from) = self.last
            && (unit.dts <= from || unit.dts - from > MAX_STEP)
        {
            return Err(MuxError::Jump { from, to: unit.dts });
        }
        let begun = self.media.len;
        match self.timeline {
            Timeline::Pictures { .. } => {
                for nal in nal_units(unit.data) {
                    self.media.push(&(nal.len() as u32).to_be_bytes());
                    self.media.push(nal);
                }
            }
            Timeline::Sound { .. } => self.media.push(unit.data),
        }
        let size = self.media.len - begun;
        if size == 0 {
            return Err(MuxError::Empty);
        }
        let (at, duration, composition) = match self.timeline {
            Timeline::Pictures { usual } => {
                let dts = unit.dts.ticks();
                let at = self.next.unwrap_or(dts - usual.ticks());
                (at, (dts - at).max(1), unit.pts.ticks() - at)
            }
            Timeline::Sound { rate, frame } => (self.place(unit.pts, rate, frame), i64::from(frame), 0),
        };
        if self.samples.is_empty() {
            self.begin = at;
        }
        self.next = Some(at + duration);
        self.last = Some(unit.dts);
        let (duration, composition) = (duration as u32, composition as i32);
        self.samples.push(Sample { duration, size, entry: unit.entry, composition });
        Ok(())
    }

    /// The last unit lasts until `end`: what comes next is decoded there, as far as that lies behind it. Without this, a
    /// picture lasts until it is due. Units of sound last as long as they are.
    pub fn until(&mut self, end: Pts) {
        let (Timeline::Pictures { usual }, Some(next), Some(last)) =
            (self.timeline, &mut self.next, self.samples.last_mut())
        else {
            return;
        };
        let at = *next - i64::from(last.duration);
        let duration = ((end - usual).ticks() - at).max(1);
        (last.duration, *next) = (duration as u32, at + duration);
    }

    /// Where a unit of sound lies. Samples are counted; where they lie more than a millisecond beside their PTS the
    /// unit before makes up for it, and a hole between two chunks stays one.
    fn place(&mut self, pts: Pts, rate: u32, frame: u32) -> i64 {
        let truth = (pts - Pts::default()).to_samples(rate);
        let Some(at) = self.next else { return truth };
        let away = truth - at;
        if away.abs() <= i64::from(rate / 1000) {
            return at;
        }
        match self.samples.last_mut() {
            Some(before) => {
                let duration = (i64::from(before.duration) + away).max(1);
                let moved = duration - i64::from(before.duration);
                before.duration = duration as u32;
                at + moved
            }
            None if away >= i64::from(frame) => truth,
            None => at,
        }
    }

    /// Says something of the instant `at`, with a tag as [`crate::container::id3`] writes it; it goes before the
    /// chunk's media.
    pub fn note(&mut self, at: Pts, tag: &[u8]) {
        self.event = self.event.wrapping_add(1);
        // ISO/IEC 23009-1, 5.10.3.3: version 1 has the instant itself, on a timescale of its own.
        full(&mut self.events, b"emsg", 1, 0, |out| {
            out.put_u32(TICKS_PER_SECOND as u32);
            out.put_u64(at.ticks().max(0) as u64);
            out.put_u32(NO_DURATION);
            out.put_u32(self.event);
            out.put_slice(ID3_SCHEME);
            out.put_u8(0); // value: an empty text
            out.put_slice(tag);
        });
    }

    /// Puts the chunk's pieces behind those in `out`, and begins the next one; nothing if no unit was taken.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) {
        if self.samples.is_empty() {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let mut head = self.media.head(self.events.len() + MAX_HEAD + self.samples.len() * SAMPLE_LEN);
        self.write_head(&mut head);
        out.push(head.split().freeze());
        self.media.finish(head, out);
        self.events.clear();
        self.samples.clear();
    }

    /// Everything before the media.
    fn write_head(&self, out: &mut BytesMut) {
        out.put_slice(&self.events);
        let (begin, mut offset) = (out.len(), 0);
        plain(out, b"moof", |out| {
            full(out, b"mfhd", 0, 0, |out| out.put_u32(self.sequence));
            plain(out, b"traf", |out| {
                self.head(out);
                // Before the clock's zero nothing was captured.
                full(out, b"tfdt", 1, 0, |out| out.put_u64(self.begin.max(0) as u64));
                offset = self.run(out);
            });
        });
        let moof = (out.len() - begin) as u32;
        out[offset..offset + 4].copy_from_slice(&(moof + BOX_LEN).to_be_bytes());
        out.put_u32(BOX_LEN + self.media.len);
        out.put_slice(b"mdat");
    }

    /// tfhd (8.8.7)
    fn head(&self, out: &mut BytesMut) {
        match self.timeline {
            Timeline::Pictures { .. } => {
                full(out, b"tfhd", 0, BASE_IS_MOOF, |out| out.put_u32(TRACK_ID));
            }
            Timeline::Sound { frame, .. } => {
                full(out, b"tfhd", 0, BASE_IS_MOOF | DEFAULT_DURATION | DEFAULT_FLAGS, |out| {
                    out.put_u32(TRACK_ID);
                    out.put_u32(frame);
                    out.put_u32(SYNC);
                });
            }
        }
    }

    /// trun (8.8.8), version 1 for its signed offsets; gives where its data_offset stands, which is not known yet.
    fn run(&self, out: &mut BytesMut) -> usize {
        let has = match self.timeline {
            Timeline::Pictures { .. } => DURATION | SIZE | FLAGS | COMPOSITION,
            Timeline::Sound { frame, .. } if self.samples.iter().all(|one| one.duration == frame) => SIZE,
            Timeline::Sound { .. } => DURATION | SIZE,
        };
        let mut offset = out.len();
        full(out, b"trun", 1, DATA_OFFSET | has, |out| {
            out.put_u32(self.samples.len() as u32);
            offset = out.len();
            out.put_u32(0);
            for sample in &self.samples {
                if has & DURATION != 0 {
                    out.put_u32(sample.duration);
                }
                out.put_u32(sample.size);
                if has & FLAGS != 0 {
                    out.put_u32(if sample.entry == Entry::Key { SYNC } else { NO_SYNC });
                    out.put_i32(sample.composition);
                }
            }
        });
        offset
    }
}

/// The media of a chunk, in slabs that neighbouring chunks share: what is written here is never copied again.
#[derive(Clone, Debug, Default)]
struct Media {
    slab: BytesMut,
    /// Of this chunk, in slabs that are full.
    pieces: Vec<Bytes>,
    /// Bytes of this chunk.
    len: u32,
}

impl Media {
    fn push(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u32;
        while !bytes.is_empty() {
            if self.slab.capacity() == self.slab.len() {
                self.pieces.extend(piece(&mut self.slab));
                self.slab = BytesMut::with_capacity(SLAB_LEN);
            }
            let room = self.slab.capacity() - self.slab.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.slab.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Takes the slab, of whose bytes this chunk is complete, for a head of at most `len` bytes.
    fn head(&mut self, len: usize) -> BytesMut {
        self.pieces.extend(piece(&mut self.slab));
        let slab = std::mem::take(&mut self.slab);
        if slab.capacity() < len { BytesMut::with_capacity(len.max(SLAB_LEN)) } else { slab }
    }

    /// Hands out the chunk's pieces; the next chunk goes on in `slab`.
    fn finish(&mut self, slab: BytesMut, out: &mut Vec<Bytes>) {
        out.append(&mut self.pieces);
        (self.slab, self.len) = (slab, 0);
    }
}

/// What is in a slab, unless that is nothing.
fn piece(slab: &mut BytesMut) -> Option<Bytes> {
    (!slab.is_empty()).then(|| slab.split().freeze())
}
