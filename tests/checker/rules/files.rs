//! What is in segments and parts, beside what the playlist says of them.

use std::collections::BTreeMap;

use super::media::unless;
use super::{Rule, rules};
use crate::bytes::Look;
use crate::bytes::fmp4::Init;
use crate::bytes::ts::Ts;
use crate::seen::Rendition;
use crate::text::Segment;

pub(crate) const RULES: &[Rule<Rendition>] = rules![
    "RFC 4.3.2.4, 5.2": keys_are_keys,
    "RFC 3.2, bis 3.1.1": transport_streams_are_whole,
    "RFC 3, A 7.2": counters_run_on,
    "A 7.4": segments_begin_with_a_key_picture,
    "A 8.1, RFC 4.3.2.1": durations_are_those_of_the_media,
    "bis 3.1.2": fragments_are_whole,
    "A 7.3": fragments_run_on,
    "bis 4.4.4.9": parts_last_what_they_say,
];

fn keys_are_keys(rendition: &Rendition) -> Vec<String> {
    let path = |uri: &str| uri.split('?').next().unwrap_or_default().to_owned();
    let keys = rendition.files.iter().filter(|it| path(&it.uri).ends_with(".key") && it.answer.status == 200);
    let wrong = keys.filter(|it| it.answer.body.len() != 16);
    wrong.map(|it| format!("{} has {} bytes", it.uri, it.answer.body.len())).collect()
}

/// The segments whose bytes came, each with them.
fn fetched(rendition: &Rendition) -> Vec<(&Segment, &[u8])> {
    let segments = rendition.segments().into_iter().filter(|segment| !segment.gap);
    segments.filter_map(|segment| Some((segment, rendition.clear(&segment.uri)?))).collect()
}

fn is_ts(segment: &Segment) -> bool {
    segment.uri.split('?').next().is_some_and(|path| path.ends_with(".ts"))
}

fn transport_streams(rendition: &Rendition) -> Vec<(&Segment, Ts)> {
    fetched(rendition)
        .into_iter()
        .filter(|(it, _)| is_ts(it))
        .map(|(it, bytes)| (it, Ts::read(bytes)))
        .collect()
}

/// The init segment that holds for `segment`.
fn init(rendition: &Rendition, segment: &Segment) -> Option<Init> {
    Init::read(rendition.clear(segment.map.as_ref()?.get("URI")?)?)
}

fn look(rendition: &Rendition, segment: &Segment, bytes: &[u8]) -> Option<Look> {
    if is_ts(segment) { Ts::read(bytes).look() } else { init(rendition, segment)?.look(bytes) }
}

fn transport_streams_are_whole(rendition: &Rendition) -> Vec<String> {
    let broken = transport_streams(rendition)
        .into_iter()
        .filter(|(_, ts)| !ts.faults.is_empty() || ts.look().is_none());
    broken.map(|(segment, ts)| format!("{}: {:?}", segment.uri, ts.faults)).collect()
}

fn counters_run_on(rendition: &Rendition) -> Vec<String> {
    let mut found = Vec::new();
    let mut before: BTreeMap<u16, (u8, u8)> = BTreeMap::new();
    let mut next = None;
    for (segment, ts) in transport_streams(rendition) {
        if segment.discontinuity || next != Some(segment.number) {
            before.clear();
        }
        for (pid, (first, _)) in &ts.counters {
            let last = before.get(pid).map(|(_, last)| (last + 1) & 15);
            found.extend(unless(last.is_none_or(|last| last == *first), || {
                format!("{}: PID {pid} begins with {first} instead of {last:?}", segment.uri)
            }));
        }
        before.extend(ts.counters);
        next = Some(segment.number + 1);
    }
    found
}

/// The segments whose bytes came and can be read.
pub(super) fn looks(rendition: &Rendition) -> Vec<(&Segment, Look)> {
    let fetched = fetched(rendition).into_iter();
    fetched.filter_map(|(it, bytes)| Some((it, look(rendition, it, bytes)?))).collect()
}

fn segments_begin_with_a_key_picture(rendition: &Rendition) -> Vec<String> {
    let looks = looks(rendition).into_iter();
    looks.filter(|(_, look)| !look.independent).map(|(it, _)| it.uri.clone()).collect()
}

/// Seconds from one timestamp to another.
pub(super) fn apart(from: &Look, to: &Look) -> f64 {
    let plain = to.start - from.start;
    from.wraps.map_or(plain, |wraps| (plain + wraps / 2.0).rem_euclid(wraps) - wraps / 2.0)
}

fn durations_are_those_of_the_media(rendition: &Rendition) -> Vec<String> {
    let frame = rendition.listings.first().map_or(0.04, |listing| listing.media.frame);
    let mut found = Vec::new();
    // Where the run of timestamps began, and how many seconds EXTINF has told since.
    let mut run: Option<(Look, f64)> = None;
    let mut next = None;
    for segment in rendition.segments() {
        if segment.discontinuity || next != Some(segment.number) {
            run = None;
        }
        next = Some(segment.number + 1);
        let bytes = if segment.gap { None } else { rendition.clear(&segment.uri) };
        let here = bytes.and_then(|bytes| look(rendition, segment, bytes));
        if let Some(here) = &here {
            let (begin, told) = run.get_or_insert((here.clone(), 0.0));
            let off = apart(begin, here) - *told;
            found.extend(unless(off.abs() <= frame, || {
                format!("{} begins {off:.3} s beside the sum of EXTINF", segment.uri)
            }));
            let own = here.duration.zip(segment.duration).map_or(0.0, |(own, told)| own - told);
            found.extend(unless(own.abs() <= frame, || {
                format!("{} lasts {own:.3} s more than told", segment.uri)
            }));
        }
        if let Some((_, told)) = &mut run {
            *told += segment.duration.unwrap_or(0.0);
        }
    }
    found
}

/// The segments of fMP4, each with its init segment and its bytes.
fn fragmented(rendition: &Rendition) -> Vec<(&Segment, Option<Init>, &[u8])> {
    let fragmented = fetched(rendition).into_iter().filter(|(it, _)| !is_ts(it));
    fragmented.map(|(it, bytes)| (it, init(rendition, it), bytes)).collect()
}

fn fragments_are_whole(rendition: &Rendition) -> Vec<String> {
    let mut found = Vec::new();
    for (segment, init, bytes) in fragmented(rendition) {
        let fragments = init.as_ref().and_then(|init| init.fragments(bytes));
        let good = init.is_some_and(|init| init.brand)
            && fragments.is_some_and(|it| !it.is_empty() && it.iter().all(|it| it.moof_relative));
        found.extend(unless(good, || format!("{}, or its init segment", segment.uri)));
    }
    found
}

fn fragments_run_on(rendition: &Rendition) -> Vec<String> {
    let mut found = Vec::new();
    let mut end: Option<(u64, u64)> = None;
    for (segment, init, bytes) in fragmented(rendition) {
        let known = end.filter(|(number, _)| *number == segment.number && !segment.discontinuity);
        let mut at = known.map(|(_, at)| at);
        for fragment in init.and_then(|init| init.fragments(bytes)).unwrap_or_default() {
            found.extend(unless(at.is_none_or(|at| at == fragment.decode), || {
                format!("{}: a fragment at {} instead of {at:?}", segment.uri, fragment.decode)
            }));
            at = Some(fragment.decode + fragment.duration);
        }
        end = at.map(|at| (segment.number + 1, at));
    }
    found
}

fn parts_last_what_they_say(rendition: &Rendition) -> Vec<String> {
    let frame = rendition.listings.first().map_or(0.04, |listing| listing.media.frame);
    let mut found = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for segment in rendition.listings.iter().flat_map(|listing| listing.media.with_edge()) {
        for part in segment.parts.iter().filter(|part| !part.gap) {
            if !seen.insert(&part.uri) || is_ts(segment) && !segment.uri.is_empty() {
                continue;
            }
            let (Some(init), Some(bytes)) = (init(rendition, segment), rendition.clear(&part.uri)) else {
                continue;
            };
            let look = init.look(bytes);
            let good = look.is_some_and(|look| {
                look.duration.is_some_and(|it| (it - part.duration).abs() < frame)
                    && (look.independent || !part.independent)
            });
            found.extend(unless(good, || {
                format!("{} is not {} s, or cannot be begun with", part.uri, part.duration)
            }));
        }
    }
    found
}
