//! Which units a clip has.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::scan::{Found, Unit, scan};
use super::{Clip, Content, Kind, LONGEST, Piece, Refusal, tables};
use crate::base::{Pts, Span};
use crate::container::mp4::{self, Codec, TrackTable};
use crate::media::aac::ADTS_HEADER_LEN;
use crate::media::{AacConfig, Entry};
use crate::segment::{Presence, Segment, crypt};

/// What is interleaved may lie so far beside its time.
const BESIDE: Span = Span::from_millis(1000);

/// Cuts `span` out of these segments, which stand in their order.
///
/// Sound is cut to the sample in MP4, by an edit list; to the frame in ADTS. Pictures begin with the last key frame at or
/// before the span, and sound with them. Where a decoder would have to begin anew, the clip ends.
///
/// # Errors
/// If there is nothing in it, or too much.
pub fn cut(segments: &[Arc<Segment>], span: Range<Pts>, kind: Kind) -> Result<Clip, Refusal> {
    let length = span.end - span.start;
    if length > LONGEST {
        return Err(Refusal::TooLong(length));
    }
    // A film begins with the segment in which the span does; and to be heard whole, its first frame needs one of before.
    let holder = segments.partition_point(|it| it.start <= span.start).saturating_sub(1);
    let first = segments.partition_point(|it| it.start + it.duration + BESIDE <= span.start);
    let first = first.min(holder.saturating_sub(1));
    let end = segments.partition_point(|it| it.start < span.end + BESIDE);
    let segments = &segments[first.min(end)..end];
    match kind {
        Kind::Ts => whole(segments, span),
        Kind::Aac => adts(segments, span),
        Kind::M4a => sound(segments, span),
        Kind::Mp4 => film(segments, span),
    }
}

fn whole(segments: &[Arc<Segment>], span: Range<Pts>) -> Result<Clip, Refusal> {
    let within = |it: &&Arc<Segment>| {
        it.presence == Presence::There && it.start < span.end && it.start + it.duration > span.start
    };
    let mut covered = span.end..span.start;
    let pieces = segments.iter().filter(within).filter_map(|it| {
        let len = crypt::clear(it)?.iter().map(Bytes::len).sum();
        covered = covered.start.min(it.start)..covered.end.max(it.start + it.duration);
        Some(Piece { sequence: it.sequence, len, start: it.start, content: Content::Whole })
    });
    let pieces: Vec<_> = pieces.collect();
    if pieces.is_empty() {
        return Err(Refusal::Nothing("sound or picture"));
    }
    Ok(Clip { kind: Kind::Ts, head: Bytes::new(), pieces, span: covered })
}

fn adts(segments: &[Arc<Segment>], span: Range<Pts>) -> Result<Clip, Refusal> {
    let found = scan(segments);
    let (frames, config) = frames(&found, &span).ok_or(Refusal::Nothing("sound"))?;
    let length = length(config);
    // Those whose middle lies within.
    let middle = |it: &Unit| it.pts + Span::from_ticks(length.ticks() / 2);
    let first = frames.partition_point(|it| middle(it) < span.start);
    let end = frames.partition_point(|it| middle(it) < span.end);
    let frames = &frames[first.min(end)..end];
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
        return Err(Refusal::Nothing("sound"));
    };
    let config = Arc::new(config.clone());
    let piece = |frames: &[Unit]| {
        let len = frames.iter().map(|it| ADTS_HEADER_LEN + it.size).sum();
        let content = Content::Adts { frames: numbers(frames), config: Arc::clone(&config) };
        piece(&segments[frames[0].segment], len, content)
    };
    let pieces = frames.chunk_by(|a, b| a.segment == b.segment).map(piece).collect();
    Ok(Clip { kind: Kind::Aac, head: Bytes::new(), pieces, span: first.pts..last.pts + length })
}

fn sound(segments: &[Arc<Segment>], span: Range<Pts>) -> Result<Clip, Refusal> {
    let found = scan(segments);
    let (frames, config) = frames(&found, &span).ok_or(Refusal::Nothing("sound"))?;
    let begin = span.start.max(frames[0].pts);
    let table = sounds(frames, config, begin..span.end, segments.len());
    let end = begin + table.edit.length;
    file(Kind::M4a, segments, (&[], frames), vec![table], begin..end)
}

fn film(segments: &[Arc<Segment>], span: Range<Pts>) -> Result<Clip, Refusal> {
    let found = scan(segments);
    let key = |it: &Unit| it.entry == Entry::Key;
    let before = found.pictures.iter().rposition(|it| key(it) && it.pts <= span.start);
    let first = before.or_else(|| found.pictures.iter().position(|it| key(it) && it.pts < span.end));
    let rest = &found.pictures[first.ok_or(Refusal::Nothing("picture to begin with"))?..];
    // Another decoder, or time that goes backwards, is another film.
    let same = |pair: &[Unit]| pair[0].config == pair[1].config && pair[0].dts < pair[1].dts;
    let count = 1 + rest.windows(2).take_while(|pair| same(pair)).count();
    let span = match rest.get(count) {
        Some(other) => rest[0].pts..span.end.min(other.pts),
        None => rest[0].pts..span.end,
    };
    let last = rest[..count].iter().rposition(|it| it.pts < span.end).unwrap_or(0);
    let pictures = &rest[..=last];
    let (samples, edit) = tables::pictures(pictures, span.end);
    let codec = Codec::Video(&found.sets[rest[0].config]);
    let chunks = counts(pictures, segments.len());
    let end = span.start + edit.length;
    let mut tables = vec![TrackTable { codec, samples, chunks, edit }];
    let sound = frames(&found, &(span.start..end));
    if let Some((frames, config)) = sound {
        tables.push(sounds(frames, config, span.start..end, segments.len()));
    }
    file(Kind::Mp4, segments, (pictures, sound.map_or(&[], |it| it.0)), tables, span.start..end)
}

/// The frames heard in `span`, and one before, which a decoder needs to give the first of them whole (ISO/IEC 14496-3,
/// 4.6.11: halves of two frames overlap); and what they are like.
fn frames<'a>(found: &'a Found, span: &Range<Pts>) -> Option<(&'a [Unit], &'a AacConfig)> {
    let heard = |it: &Unit| Some(it.pts + length(found.configs.get(it.config)?) > span.start);
    let first = found.frames.iter().position(|it| heard(it).unwrap_or(false))?;
    let config = found.frames[first].config;
    let goes_on = |pair: &[Unit]| pair[0].config == pair[1].config && pair[0].pts < pair[1].pts;
    let lead = first.checked_sub(1).filter(|lead| goes_on(&found.frames[*lead..]));
    let rest = &found.frames[lead.unwrap_or(first)..];
    let count = 1 + rest.windows(2).take_while(|pair| goes_on(pair) && pair[1].pts < span.end).count();
    (found.frames[first].pts < span.end).then(|| (&rest[..count], &found.configs[config]))
}

fn length(config: &AacConfig) -> Span {
    Span::from_samples(i64::from(config.frame_samples()), config.rate())
}

/// The table of these frames, which lie in so many segments.
fn sounds<'a>(frames: &[Unit], config: &'a AacConfig, span: Range<Pts>, segments: usize) -> TrackTable<'a> {
    let (samples, edit) = tables::frames(frames, config, span);
    TrackTable { codec: Codec::Audio(config), samples, chunks: counts(frames, segments), edit }
}

/// How many of the units lie in each segment.
fn counts(units: &[Unit], segments: usize) -> Vec<u32> {
    let mut counts = vec![0; segments];
    units.iter().for_each(|it| counts[it.segment] += 1);
    counts
}

/// The numbers of units that follow each other in one segment.
fn numbers(units: &[Unit]) -> Range<usize> {
    match units {
        [] => 0..0,
        [first, .., last] => first.number..last.number + 1,
        [one] => one.number..one.number + 1,
    }
}

fn piece(segment: &Segment, len: usize, content: Content) -> Piece {
    Piece { sequence: segment.sequence, len, start: segment.start, content }
}

/// A file of these pictures and frames.
fn file(
    kind: Kind,
    segments: &[Arc<Segment>],
    (mut pictures, mut frames): (&[Unit], &[Unit]),
    tables: Vec<TrackTable<'_>>,
    span: Range<Pts>,
) -> Result<Clip, Refusal> {
    let head = mp4::head(&tables)?;
    let pieces = segments.iter().enumerate().map(|(index, segment)| {
        let take = |units: &mut &[Unit]| {
            let (here, behind) = units.split_at(units.partition_point(|it| it.segment <= index));
            *units = behind;
            (numbers(here), here.iter().map(|it| it.size).sum::<usize>())
        };
        let ((pictures, seen), (frames, heard)) = (take(&mut pictures), take(&mut frames));
        piece(segment, seen + heard, Content::Samples { pictures, frames })
    });
    let pieces = pieces.filter(|piece| piece.len > 0).collect();
    Ok(Clip { kind, head, pieces, span })
}
