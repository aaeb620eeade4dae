//! One media playlist, as text.

use std::collections::BTreeSet;

use super::{Rule, rules};
use crate::text::{Media, Segment};

pub(crate) const RULES: &[Rule<Media>] = rules![
    "RFC 4.1, 4.2": is_well_formed,
    "issue: read by others too": m3u8_rs_reads_it,
    "RFC 4.3.3.1": target_is_told,
    "RFC 4.3.3.1, bis 4.4.3.1": extinf_fits_the_target,
    "RFC 4.3.1.2, bis 8": version_fits_the_tags,
    "RFC 4.3.3.2": sequence_is_told,
    "bis 6.2.2, A 8.17": discontinuity_sequence_is_told,
    "bis 6.2.2": live_has_no_type,
    "A 9.11, 9.12": segments_are_independent,
    "A 8.4": begins_with_a_date,
    "bis 6.2.1": dates_each_discontinuity,
    "bis 4.4.4.6": dates_are_of_utc,
    "RFC 4.3.2.6, bis 4.4.4.6": dates_follow_the_durations,
    "RFC 4.3.2.4": keys_can_be_used,
    "bis 3.1.2": fragments_have_a_map,
    "RFC 4": no_uri_stands_twice,
    "RFC 4.3.5.2": start_is_not_at_the_end,
];

/// One complaint about each segment for which there is something to say.
fn each(media: &Media, what: impl Fn(&Segment) -> Option<String>) -> Vec<String> {
    let at = |segment: &Segment| format!("line {}, segment {}", segment.line, segment.number);
    media.segments.iter().filter_map(|segment| Some(format!("{}: {}", at(segment), what(segment)?))).collect()
}

/// A complaint unless `good`.
pub(super) fn unless(good: bool, what: impl FnOnce() -> String) -> Vec<String> {
    if good { Vec::new() } else { vec![what()] }
}

/// Whether the beginning is missing because the client has it already.
fn is_delta(media: &Media) -> bool {
    media.skipped.is_some()
}

fn is_well_formed(media: &Media) -> Vec<String> {
    media.faults.clone()
}

fn m3u8_rs_reads_it(media: &Media) -> Vec<String> {
    let found = match m3u8_rs::parse_media_playlist_res(media.text.as_bytes()) {
        Ok(found) => found,
        Err(error) => return vec![format!("m3u8-rs: {error}")],
    };
    // It knows nothing of parts: only what both know is compared.
    let theirs: Vec<_> =
        found.segments.iter().filter(|segment| !segment.uri.is_empty()).map(|it| &it.uri).collect();
    let ours: Vec<_> = media.segments.iter().map(|segment| &segment.uri).collect();
    unless(theirs == ours, || format!("m3u8-rs sees {theirs:?}, not {ours:?}"))
}

fn target_is_told(media: &Media) -> Vec<String> {
    unless(media.target.is_some_and(|target| target > 0), || "no EXT-X-TARGETDURATION".to_owned())
}

fn extinf_fits_the_target(media: &Media) -> Vec<String> {
    each(media, |segment| {
        let duration = segment.duration?;
        let fits = media.target.is_none_or(|target| duration.round() <= target as f64) && duration > 0.0;
        (!fits).then(|| format!("{duration} s, where the target is {:?}", media.target))
    })
}

fn version_fits_the_tags(media: &Media) -> Vec<String> {
    let any = |has: fn(&Segment) -> bool| media.with_edge().any(has);
    let needed = [
        (any(|it| it.duration.is_some_and(|it| it.fract() != 0.0)), 3, "EXTINF with a fraction"),
        (any(|it| it.key.as_ref().is_some_and(|key| key.get("IV").is_some())), 2, "IV"),
        (any(|it| it.byte_range), 4, "EXT-X-BYTERANGE"),
        (any(|it| it.key.as_ref().is_some_and(|key| key.get("KEYFORMAT").is_some())), 5, "KEYFORMAT"),
        (any(|it| it.map.is_some()), 6, "EXT-X-MAP"),
        (any(|it| it.gap || it.parts.iter().any(|part| part.gap)), 8, "EXT-X-GAP"),
        (is_delta(media), 9, "EXT-X-SKIP"),
        (media.removed.is_some(), 10, "RECENTLY-REMOVED-DATERANGES"),
    ];
    let version = media.version.unwrap_or(1);
    let broken = needed.iter().filter(|(used, least, _)| *used && version < *least);
    broken.map(|(_, least, tag)| format!("{tag} needs version {least}, told is {version}")).collect()
}

fn sequence_is_told(media: &Media) -> Vec<String> {
    unless(media.sequence.is_some(), || "no EXT-X-MEDIA-SEQUENCE".to_owned())
}

fn discontinuity_sequence_is_told(media: &Media) -> Vec<String> {
    unless(media.ended || media.discontinuity_sequence.is_some(), || {
        "no EXT-X-DISCONTINUITY-SEQUENCE".to_owned()
    })
}

fn live_has_no_type(media: &Media) -> Vec<String> {
    let good = match media.kind.as_deref() {
        None => true,
        Some(kind) => media.ended && kind == "VOD",
    };
    unless(good, || format!("EXT-X-PLAYLIST-TYPE:{:?}", media.kind))
}

fn segments_are_independent(media: &Media) -> Vec<String> {
    unless(media.independent, || "no EXT-X-INDEPENDENT-SEGMENTS".to_owned())
}

fn begins_with_a_date(media: &Media) -> Vec<String> {
    let first = media.with_edge().next().filter(|first| first.duration.is_some() || !first.parts.is_empty());
    unless(is_delta(media) || first.is_none_or(|first| first.date.is_some()), || {
        "the first segment has no EXT-X-PROGRAM-DATE-TIME".to_owned()
    })
}

fn dates_each_discontinuity(media: &Media) -> Vec<String> {
    each(media, |segment| {
        (segment.discontinuity && segment.date.is_none()).then(|| "a discontinuity without a date".to_owned())
    })
}

fn dates_are_of_utc(media: &Media) -> Vec<String> {
    let dates = media.with_edge().filter_map(|segment| segment.date.as_ref());
    dates
        .filter(|date| {
            let fraction = date.written.strip_suffix('Z').and_then(|rest| rest.split_once('.'));
            fraction.is_none_or(|(_, fraction)| fraction.len() < 3)
        })
        .map(|date| format!("{} does not end in milliseconds and Z", date.written))
        .collect()
}

fn dates_follow_the_durations(media: &Media) -> Vec<String> {
    let mut expected: Option<f64> = None;
    let mut found = Vec::new();
    for segment in media.with_edge() {
        let told = segment.date.as_ref().map(|date| date.seconds);
        if let Some((told, expected)) = told.zip(expected) {
            let off = told - expected;
            // After a discontinuity there may be a hole, and an overlap of less than a second (bis 6.2.1).
            let good = if segment.discontinuity { off > -1.0 } else { off.abs() <= media.frame + 0.001 };
            found.extend(unless(good, || format!("segment {}: its date is {off:.3} s off", segment.number)));
        }
        expected = told.or(expected).zip(segment.duration).map(|(at, duration)| at + duration);
    }
    found
}

fn keys_can_be_used(media: &Media) -> Vec<String> {
    each(media, |segment| {
        let key = segment.key.as_ref()?;
        let iv = key.get("IV").is_none_or(|iv| iv.len() == 34);
        (key.get("URI").is_none() || !iv).then(|| "a key needs a URI, and an IV 128 bits".to_owned())
    })
}

fn fragments_have_a_map(media: &Media) -> Vec<String> {
    each(media, |segment| {
        let fragment = segment
            .uri
            .split('?')
            .next()
            .is_some_and(|path| path.ends_with(".m4s") || path.ends_with(".mp4"));
        (fragment && segment.map.is_none() && !is_delta(media)).then(|| "no EXT-X-MAP".to_owned())
    })
}

fn no_uri_stands_twice(media: &Media) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let parts = media.with_edge().flat_map(|segment| &segment.parts).map(|part| (part.line, &part.uri));
    let segments = media.segments.iter().filter(|segment| !segment.byte_range).map(|it| (it.line, &it.uri));
    let mut again: Vec<_> = parts.chain(segments).filter(|(_, uri)| !seen.insert(*uri)).collect();
    again.sort_unstable();
    again.iter().map(|(line, uri)| format!("line {line}: {uri} stands a second time")).collect()
}

fn start_is_not_at_the_end(media: &Media) -> Vec<String> {
    let offset: Option<f64> = media.start.as_ref().and_then(|start| start.number("TIME-OFFSET"));
    let good =
        offset.is_none_or(|offset| media.ended || offset >= 0.0 || offset <= -3.0 * media.target_seconds());
    unless(good, || format!("EXT-X-START {offset:?} s is within three targets of the end"))
}
