//! What an MP4 file says of its samples' times.

use std::ops::Range;

use super::scan::Unit;
use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Pts, Span};
use crate::container::mp4::{Edit, Sample};
use crate::media::{AacConfig, Entry};

/// How long a picture lasts of which nothing says it.
const PICTURE: u32 = (TICKS_PER_SECOND / 25) as u32;

/// Of pictures, which are shown from the first of them until `end` at most. What was lost makes the picture before it
/// last longer.
pub(super) fn pictures(units: &[Unit], end: Pts) -> (Vec<Sample>, Edit) {
    let lasts = |pair: &[Unit]| (pair[1].dts - pair[0].dts).ticks() as u32;
    let durations: Vec<_> = units.windows(2).map(lasts).collect();
    let usual = durations.last().copied().unwrap_or(PICTURE);
    let composition = |it: &Unit| (it.pts - it.dts).ticks().max(0) as u32;
    let sample = |(unit, duration): (&Unit, u32)| Sample {
        size: unit.size as u32,
        duration,
        composition: composition(unit),
        entry: unit.entry,
    };
    let begin = units.first().map_or(end, |first| first.pts);
    let shown = units.iter().map(|it| it.pts).max().unwrap_or(begin);
    let last = (end - shown).ticks().clamp(1, i64::from(usual)) as u32;
    let samples = units.iter().zip(durations.into_iter().chain([last])).map(sample).collect();
    let length = shown - begin + Span::from_ticks(i64::from(last));
    (samples, Edit { delay: Span::ZERO, skip: units.first().map_or(0, composition), length })
}

/// Of frames, which are heard in `span` as far as they go. Samples are counted; a frame that lies more than a millisecond
/// beside its time lies there, and the one before lasts until then.
pub(super) fn frames(units: &[Unit], config: &AacConfig, span: Range<Pts>) -> (Vec<Sample>, Edit) {
    let (rate, frame) = (config.rate(), i64::from(config.frame_samples()));
    let first = units.first().map_or(span.end, |first| first.pts);
    let mut at = 0;
    let mut places: Vec<i64> = Vec::with_capacity(units.len() + 1);
    for unit in units {
        let truth = (unit.pts - first).to_samples(rate);
        let beside = (truth - at).abs() > i64::from(rate / 1000);
        let place = if beside { truth.max(places.last().map_or(0, |last| last + 1)) } else { at };
        places.push(place);
        at = place + frame;
    }
    places.push(at);
    let sample = |(unit, pair): (&Unit, &[i64])| Sample {
        size: unit.size as u32,
        duration: (pair[1] - pair[0]) as u32,
        composition: 0,
        entry: Entry::Key,
    };
    let samples = units.iter().zip(places.windows(2)).map(sample).collect();
    let (delay, skip) = ((first - span.start).max(Span::ZERO), (span.start - first).max(Span::ZERO));
    let end = span.end.min(first + Span::from_samples(at, rate));
    let length = (end - first.max(span.start)).max(Span::ZERO);
    (samples, Edit { delay, skip: skip.to_samples(rate) as u32, length })
}
