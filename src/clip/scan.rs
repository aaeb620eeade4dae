//! What is in segments: their units, without their bytes.

use std::sync::Arc;

use crate::base::Pts;
use crate::container::mp4::nal_units;
use crate::container::ts::{Demux, Event};
use crate::media::h264::ParameterSets;
use crate::media::{AacConfig, Entry, Packet, Track};
use crate::segment::{Presence, Segment, crypt};

/// One unit, and where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// Of the segments that were read.
    pub(super) segment: usize,
    /// Among the units of its track in that segment.
    pub(super) number: usize,
    pub(super) pts: Pts,
    pub(super) dts: Pts,
    pub(super) entry: Entry,
    /// Bytes as a sample.
    pub(super) size: usize,
    /// Which decoder it is for: of the configurations found.
    pub(super) config: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) pictures: Vec<Unit>,
    pub(super) frames: Vec<Unit>,
    /// What the decoders of pictures must know, one after the other.
    pub(super) sets: Vec<ParameterSets>,
    /// The same for sound.
    pub(super) configs: Vec<AacConfig>,
}

/// Gives all units of a segment, and says what its sound is like. Each segment begins anew, with its tables and an entry
/// point, and ends no unit in the next; one that is lost, or cannot be deciphered, has none.
pub(super) fn units(segment: &Segment, mut tell: impl FnMut(Packet<'_>)) -> Option<AacConfig> {
    let chunks = crypt::clear(segment).filter(|_| segment.presence == Presence::There)?;
    let mut demux = Demux::new(segment.start);
    let mut take = |event: Event<'_>| {
        if let Event::Unit(unit) = event {
            tell(unit);
        }
    };
    chunks.iter().for_each(|chunk| demux.feed(chunk, &mut take));
    demux.finish(take);
    demux.audio().cloned()
}

/// Finds all units of these segments.
pub(super) fn scan(segments: &[Arc<Segment>]) -> Found {
    let Found { mut pictures, mut frames, mut sets, mut configs } = Found::default();
    for (segment, source) in segments.iter().enumerate() {
        let (mut numbers, begun) = ([0, 0], frames.len());
        let config = units(source, |unit| {
            let Packet { track, pts, dts, entry, data } = unit;
            let number = &mut numbers[usize::from(track == Track::Audio)];
            let found = Unit { segment, number: *number, pts, dts, entry, size: data.len(), config: 0 };
            *number += 1;
            match track {
                Track::Audio => frames.push(found),
                Track::Video => {
                    if sets.last().is_none_or(|known: &ParameterSets| !known.cover(data)) {
                        sets.extend(ParameterSets::of(data));
                    }
                    let size = nal_units(data).map(|nal| 4 + nal.len()).sum();
                    // Before the first parameter sets nothing can be decoded.
                    let config = sets.len().checked_sub(1).filter(|_| size > 0);
                    pictures.extend(config.map(|config| Unit { size, config, ..found }));
                }
            }
        });
        configs.extend(config.filter(|config| configs.last() != Some(config)));
        let config = configs.len().saturating_sub(1);
        frames[begun..].iter_mut().for_each(|frame| frame.config = config);
    }
    Found { pictures, frames, sets, configs }
}
