//! A file whose tables stand before its media (ISO/IEC 14496-12, 8.6 and 8.7): whoever plays it can seek at once.

use bytes::{BufMut, Bytes, BytesMut};

use super::boxes::{full, plain};
use super::header::{Codec, Header, mvhd, trak};
use crate::base::Span;
use crate::base::time::TICKS_PER_SECOND;
use crate::media::Entry;

/// The box around the media: its size and letters.
const BOX_LEN: u64 = 8;

/// One unit in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Bytes.
    pub size: u32,
    /// From its decoding to that of the next, in the track's ticks.
    pub duration: u32,
    /// From its decoding to its showing.
    pub composition: u32,
    /// Whether one can begin with it.
    pub entry: Entry,
}

/// What is shown of a track, and when (8.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Before that there is nothing of it.
    pub delay: Span,
    /// So much of its beginning is decoded and not shown, in its own ticks.
    pub skip: u32,
    /// How long it is then shown.
    pub length: Span,
}

/// A track with all its samples.
#[derive(Clone, Debug)]
pub struct TrackTable<'a> {
    /// How it is coded.
    pub codec: Codec<'a>,
    /// In the order of decoding.
    pub samples: Vec<Sample>,
    /// How many of them lie together, again and again; may be none.
    pub chunks: Vec<u32>,
    /// What of it is shown.
    pub edit: Edit,
}

/// A file has room for 4 GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it would have more than 4 GB; ask for less")]
pub struct TooLarge;

/// Everything before the media. They follow in the order of chunks: the first of each track, the second of each, and so
/// on.
///
/// # Errors
/// If the file would be too large.
pub fn head(tracks: &[TrackTable<'_>]) -> Result<Bytes, TooLarge> {
    let media: u64 = tracks.iter().flat_map(|it| &it.samples).map(|it| u64::from(it.size)).sum();
    let mut out = BytesMut::new();
    // What the tables say of places does not change their size.
    write(&mut out, tracks, 0);
    let begin = out.len() as u64 + BOX_LEN;
    u32::try_from(begin + media).map_err(|_| TooLarge)?;
    out.clear();
    write(&mut out, tracks, begin as u32);
    out.put_u32((BOX_LEN + media) as u32);
    out.put_slice(b"mdat");
    Ok(out.freeze())
}

/// Where the media begin at `begin`.
fn write(out: &mut BytesMut, tracks: &[TrackTable<'_>], begin: u32) {
    plain(out, b"ftyp", |out| {
        let pictures = tracks.iter().any(|it| matches!(it.codec, Codec::Video(_)));
        let (major, others): (_, &[u8]) =
            if pictures { (b"isom", b"iso2avc1mp41") } else { (b"M4A ", b"isomiso2") };
        out.put_slice(major);
        out.put_u32(0);
        out.put_slice(major);
        out.put_slice(others);
    });
    let places = places(tracks, begin);
    plain(out, b"moov", |out| {
        let length = tracks.iter().map(TrackTable::length).max().unwrap_or(0);
        mvhd(out, TICKS_PER_SECOND as u32, length, tracks.len() as u32 + 1);
        for ((track, places), id) in tracks.iter().zip(&places).zip(1..) {
            track.write(out, id, places);
        }
    });
}

/// Where each track's chunks begin.
fn places(tracks: &[TrackTable<'_>], begin: u32) -> Vec<Vec<u32>> {
    let mut places: Vec<_> = tracks.iter().map(|it| Vec::with_capacity(it.chunks.len())).collect();
    let mut rest: Vec<_> = tracks.iter().map(|it| &it.samples[..]).collect();
    let (mut at, most) = (begin, tracks.iter().map(|it| it.chunks.len()).max().unwrap_or(0));
    for chunk in 0..most {
        for ((track, places), rest) in tracks.iter().zip(&mut places).zip(&mut rest) {
            let count = track.chunks.get(chunk).map_or(0, |count| *count as usize).min(rest.len());
            if count > 0 {
                places.push(at);
            }
            let (samples, behind) = rest.split_at(count);
            at = samples.iter().fold(at, |at, it| at.wrapping_add(it.size));
            *rest = behind;
        }
    }
    places
}

impl TrackTable<'_> {
    /// In the movie's ticks, those of 90 kHz.
    fn length(&self) -> u32 {
        ticks(self.edit.delay).saturating_add(ticks(self.edit.length))
    }

    fn write(&self, out: &mut BytesMut, id: u32, places: &[u32]) {
        let media_length = self.samples.iter().fold(0u32, |sum, it| sum.saturating_add(it.duration));
        let header = Header { id, codec: self.codec, length: self.length(), media_length };
        trak(out, header, |out| self.edit.write(out), |out| self.tables(out, places));
    }

    fn tables(&self, out: &mut BytesMut, places: &[u32]) {
        runs(out, b"stts", self.samples.iter().map(|it| it.duration));
        if self.samples.iter().any(|it| it.composition != 0) {
            runs(out, b"ctts", self.samples.iter().map(|it| it.composition));
        }
        // Where the table is missing, every sample is one to begin with (8.6.2).
        if self.samples.iter().any(|it| it.entry != Entry::Key) {
            let keys = (1..).zip(&self.samples).filter(|(_, it)| it.entry == Entry::Key);
            list(out, b"stss", keys.map(|(number, _)| number));
        }
        // first_chunk, samples_per_chunk, sample_description_index, where the number of samples changes (8.7.4)
        let chunks = (1u32..).zip(self.chunks.iter().filter(|count| **count > 0));
        let mut last = 0;
        let changes: Vec<_> =
            chunks.filter(|(_, count)| std::mem::replace(&mut last, **count) != **count).collect();
        full(out, b"stsc", 0, 0, |out| {
            out.put_u32(changes.len() as u32);
            for (first, count) in changes {
                out.put_u32(first);
                out.put_u32(*count);
                out.put_u32(1);
            }
        });
        full(out, b"stsz", 0, 0, |out| {
            out.put_u32(0); // sample_size: each has its own
            out.put_u32(self.samples.len() as u32);
            self.samples.iter().for_each(|it| out.put_u32(it.size));
        });
        list(out, b"stco", places.iter().copied());
    }
}

impl Edit {
    fn write(&self, out: &mut BytesMut) {
        plain(out, b"edts", |out| {
            full(out, b"elst", 0, 0, |out| {
                let empty = self.delay > Span::ZERO;
                out.put_u32(1 + u32::from(empty));
                // segment_duration, media_time, media_rate; nothing at all is media_time -1.
                if empty {
                    out.put_u32(ticks(self.delay));
                    out.put_i32(-1);
                    out.put_u32(0x1_0000);
                }
                out.put_u32(ticks(self.length));
                out.put_u32(self.skip);
                out.put_u32(0x1_0000);
            });
        });
    }
}

fn ticks(span: Span) -> u32 {
    u32::try_from(span.ticks().max(0)).unwrap_or(u32::MAX)
}

/// A table of numbers.
fn list(out: &mut BytesMut, kind: &[u8; 4], numbers: impl Iterator<Item = u32>) {
    let numbers: Vec<_> = numbers.collect();
    full(out, kind, 0, 0, |out| {
        out.put_u32(numbers.len() as u32);
        numbers.into_iter().for_each(|number| out.put_u32(number));
    });
}

/// A table that tells how often each number comes in a row.
fn runs(out: &mut BytesMut, kind: &[u8; 4], numbers: impl Iterator<Item = u32>) {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((count, last)) if *last == number => *count += 1,
            _ => runs.push((1, number)),
        }
    }
    full(out, kind, 0, 0, |out| {
        out.put_u32(runs.len() as u32);
        for (count, number) in runs {
            out.put_u32(count);
            out.put_u32(number);
        }
    });
}
