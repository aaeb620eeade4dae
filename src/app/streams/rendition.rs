//! One rendition of a stream: the way of its units into a ring, and what serves them from there.

use std::sync::Arc;

use super::BuildError;
use super::protection::Protection;
use super::stored::{Kept, Stores};
use crate::app::config::StreamConfig;
use crate::app::report::RenditionFigures;
use crate::base::{Clock, Pulse, Span};
use crate::container::ts::{PACKET_LEN, Record};
use crate::media::{CutGrid, Program};
use crate::playlist::{Format, Latency, Style};
use crate::pump::outlet::Outlet;
use crate::pump::segments::Segments;
use crate::pump::sink::{RecordSink, SinkStats};
use crate::ring::{self, Audience};
use crate::segment::{Agreement, Keeper, Ledger, Numbering, SegmentConfig, Segmenter, TargetDuration};
use crate::serve::Rendition;
use crate::source::video::Coding;

/// How much waits between the two sides at most, in packets: seconds of sound, while 192 KiB are cheap; and so many
/// seconds of whatever the rendition is.
const RING_PACKETS: usize = 1024;
const RING_SECONDS: usize = 2;
/// What sources that code themselves are taken to use at least, in bits per second: not all let themselves be told.
const CODED_BITRATE: u32 = 8_000_000;

/// What all renditions of a stream have in common.
pub(super) struct Common<'a> {
    pub(super) stream: &'a StreamConfig,
    pub(super) coding: Option<Coding>,
    pub(super) agreement: Arc<Agreement>,
    stores: Stores,
    pub(super) protection: &'a Protection,
    pub(super) clock: &'a Arc<dyn Clock>,
}

/// One rendition, whose units are written to `segments`.
pub(super) struct Made {
    pub(super) segments: Segments,
    pub(super) reading: Reading,
    pub(super) shelf: Arc<Rendition>,
    pub(super) figures: RenditionFigures,
}

/// The serving side of one rendition.
pub(in crate::app) struct Reading {
    pub(in crate::app) segmenter: Segmenter,
    pub(in crate::app) ring: ring::Consumer<Record>,
}

impl<'a> Common<'a> {
    /// Of `stream`, whose pictures come as `coding` and whose units are dated at most `delay` back.
    pub(super) fn new(
        stream: &'a StreamConfig,
        coding: Option<Coding>,
        delay: Span,
        protection: &'a Protection,
        (ledger, kept): (&Arc<Ledger>, &mut Kept),
        clock: &'a Arc<dyn Clock>,
    ) -> Self {
        let window = window(stream, coding, stream.window.memory.0);
        let numbering = numbering(stream, coding);
        let stores = kept.of_stream(stream, coding, numbering, clock.now());
        let (name, reading) = (stream.name.as_str(), clock.wall());
        let agreement =
            stores.look(|them| Agreement::new(ledger, name, numbering, &window, &reading, delay, them));
        Self { stream, coding, agreement, stores, protection, clock }
    }

    /// The way of the first pictures, whose breaks their sound is to follow.
    pub(super) fn leading(&self, outlet: Outlet) -> Outlet {
        match self.agreement.pictures() {
            Some(breaks) => outlet.leading(Arc::clone(breaks), self.target().limit()),
            None => outlet,
        }
    }

    /// The way of sound alone, beside the pictures.
    pub(super) fn following(&self, outlet: Outlet) -> Outlet {
        match self.agreement.pictures() {
            Some(breaks) => outlet.following(Arc::clone(breaks)),
            None => outlet,
        }
    }

    /// Makes the rendition `name`, which carries `program` at `bitrate`.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub(super) fn make(&self, name: &str, bitrate: u32, program: &Program) -> Result<Made, BuildError> {
        let Self { stream, coding, agreement, protection, clock, .. } = self;
        let label = format!("{}/{name}", stream.name);
        let coding = coding.filter(|_| program.video.is_some());
        let (producer, ring) = ring::channel(ring_packets(bitrate, coding))
            .map_err(|source| BuildError::Ring { stream: label.clone(), source })?;
        let (sink, audience) = (Arc::new(SinkStats::default()), Audience::default());
        let records = RecordSink::new(producer, audience.clone(), Arc::clone(&sink));
        let (notices, dates) = (agreement.timeline().notices(), Arc::clone(agreement));
        let segments = Segments::new(&label, program, records, clock)
            .with_notices(notices, Box::new(move |at| dates.dates().at(at)));

        // Renditions share the memory in proportion to what they use.
        let total = u64::from(stream.total().0.max(1));
        let memory = u128::from(stream.window.memory.0) * u128::from(bitrate) / u128::from(total);
        let window = window(stream, self.coding, memory as u64);
        let target = TargetDuration::of(window.target);
        let (format, latency) = (Format::TransportStream, Latency::Ordinary);
        let style = Style { format, latency, keys: protection.prefix.clone() };
        let shelf = Rendition::new(name, target, style).with_audience(audience);
        let shelf = Arc::new(shelf);
        let pulse = Arc::new(Pulse::new(clock.now()));
        let keeper = self.keeper(&label, window, &shelf, &pulse);
        let segmenter = Segmenter::new(keeper).with_seal(protection.seal());
        let figures = RenditionFigures {
            name: name.to_owned(),
            bitrate,
            ring: sink,
            window: segmenter.stats(),
            lag: segments.lag(),
            pulse,
            coded: None,
            weave: None,
        };
        Ok(Made { segments, reading: Reading { segmenter, ring }, shelf, figures })
    }

    /// What keeps the window of a rendition, and tells `shelf` of it.
    pub(super) fn keeper(
        &self,
        label: &str,
        window: SegmentConfig,
        shelf: &Arc<Rendition>,
        pulse: &Arc<Pulse>,
    ) -> Keeper {
        let (clock, shelf) = (Arc::clone(self.clock), Arc::clone(shelf));
        let keeper = Keeper::new(window, self.agreement.sequence(label), clock, shelf, Arc::clone(pulse));
        match self.stores.take(label) {
            Some(store) => keeper.with_store(store),
            None => keeper,
        }
    }

    /// Where their windows are kept.
    pub(super) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// EXT-X-TARGETDURATION of all of them.
    pub(super) fn target(&self) -> TargetDuration {
        TargetDuration::of(longest_segment(self.stream, self.coding))
    }
}

fn window(stream: &StreamConfig, coding: Option<Coding>, memory: u64) -> SegmentConfig {
    let longest = longest_segment(stream, coding);
    SegmentConfig {
        target: longest,
        length: stream.window.length.0.max(Span::from_ticks(6 * longest.ticks())),
        bytes: usize::try_from(memory).unwrap_or(usize::MAX),
    }
}

/// How long a segment can be. Sources that code themselves send key frames when they like; of others the first
/// picture at or after an instant of the grid is coded so, which at few pictures a second is much later.
pub(super) fn longest_segment(stream: &StreamConfig, coding: Option<Coding>) -> Span {
    let segment = stream.window.segment.0;
    let late = stream.video.as_ref().map_or(Span::ZERO, |video| video.rate.span());
    match coding {
        Some(Coding::H264) => segment + segment,
        _ if late > Span::from_millis(100) => segment + late,
        _ => segment,
    }
}

/// Whether every cell of the grid has the beginning of one segment: not where a source's key frames decide, nor where
/// pictures are about as far apart as the grid's instants.
fn numbering(stream: &StreamConfig, coding: Option<Coding>) -> Numbering {
    let segment = stream.window.segment.0;
    let picture = stream.video.as_ref().map_or(Span::ZERO, |video| video.rate.span());
    match coding {
        Some(Coding::H264) => Numbering::Counted,
        _ if picture + picture > segment => Numbering::Counted,
        _ => Numbering::Aligned(CutGrid::new(segment)),
    }
}

fn ring_packets(bitrate: u32, coding: Option<Coding>) -> usize {
    let bitrate = if coding == Some(Coding::H264) { bitrate.max(CODED_BITRATE) } else { bitrate };
    (bitrate as usize / 8 / PACKET_LEN * RING_SECONDS).max(RING_PACKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_holds_two_seconds_and_a_picture_that_takes_all_bits_of_one() {
        let (raw, coded) = (Some(Coding::Raw), Some(Coding::H264));
        let table = [
            (64_000, None, 64_000),
            (2_064_000, raw, 2_064_000),
            (4_064_000, raw, 4_064_000),
            (20_000_000, raw, 20_000_000),
            // A camera that does what it likes.
            (2_064_000, coded, 8_000_000),
        ];
        for (bitrate, coding, used) in table {
            let bytes = ring_packets(bitrate, coding) * PACKET_LEN;
            assert!(
                bytes + 2 * PACKET_LEN >= used as usize / 8 * RING_SECONDS,
                "{bitrate} {coding:?}: {bytes}"
            );
        }
    }
}
