//! What belongs together: a multivariant playlist and its renditions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::files::{apart, looks};
use super::media::unless;
use super::{Rule, rules};
use crate::seen::{Listing, Rendition, Stream};
use crate::text::{Media, Multivariant, Variant};

pub(crate) const RULES: &[Rule<Stream>] = rules![
    "bis 6.2.4": settings_agree,
    "A 8.22": numbers_agree,
    "bis 6.2.4": dates_agree,
    "bis 6.2.4": discontinuities_agree,
    "bis 6.2.4": windows_agree,
    "bis B.1": every_other_is_reported,
    "bis 4.4.5.4": reports_are_true,
    "RFC 4.3.4.2, A 1.29": peak_is_within_bandwidth,
    "A 1.28": average_is_true,
    "A 9.1, 9.2, 9.15": what_is_told_is_in_it,
    "A 2.17": no_segment_has_two_sounds,
];

/// Whatever is to be the same in all, in the first that differs.
fn same<T: PartialEq + std::fmt::Debug>(stream: &Stream, of: impl Fn(&Media) -> T) -> Vec<String> {
    let last = |rendition: &Rendition| rendition.listings.last().map(|listing| of(&listing.media));
    let mut all = stream.renditions.iter().filter_map(|it| Some((&it.uri, last(it)?)));
    let Some((_, first)) = all.next() else { return Vec::new() };
    all.filter(|(_, other)| *other != first)
        .map(|(uri, other)| format!("{uri} has {other:?}, not {first:?}"))
        .collect()
}

fn settings_agree(stream: &Stream) -> Vec<String> {
    same(stream, |media| (media.target, media.part_target, media.control.clone()))
}

/// What each rendition says of each number.
fn by_number<T>(rendition: &Rendition, of: impl Fn(&Media) -> Vec<(u64, T)>) -> BTreeMap<u64, T> {
    rendition.listings.iter().flat_map(|listing| of(&listing.media)).collect()
}

/// Each later rendition with the first.
fn pairs(stream: &Stream) -> impl Iterator<Item = (&Rendition, &Rendition)> {
    let (first, others) =
        stream.renditions.split_first().map_or((None, &[][..]), |(it, rest)| (Some(it), rest));
    first.into_iter().flat_map(move |first| others.iter().map(move |other| (first, other)))
}

/// How far apart two may begin that begin at the same cut: the picture or frame of sound that it falls into, in seconds.
fn slack(first: &Rendition, other: &Rendition) -> f64 {
    let listings = [first, other].into_iter().filter_map(|it| it.listings.first());
    listings.map(|it| it.media.frame).fold(0.0, f64::max) + 0.001
}

/// Where segments are cut at the same instants. Where key frames decide, each rendition has numbers of its own.
fn numbers_agree(stream: &Stream) -> Vec<String> {
    let begun = |rendition| {
        by_number(rendition, |media: &Media| {
            let all = media.dates();
            // Where the timeline begins anew, each begins with the first it has.
            let runs_on = |number| media.segment(number).is_some_and(|segment| !segment.discontinuity);
            all.into_iter().filter(|(number, _)| runs_on(*number)).collect()
        })
    };
    let mut found = Vec::new();
    for (first, other) in pairs(stream) {
        let (ours, theirs) = (begun(first), begun(other));
        let slack = slack(first, other);
        let near = |at: f64| theirs.iter().min_by(|a, b| (a.1 - at).abs().total_cmp(&(b.1 - at).abs()));
        let same = |at: f64| near(at).filter(|(_, their)| (*their - at).abs() <= slack);
        let cuts: Vec<_> = ours.iter().filter_map(|(number, at)| Some((number, same(*at)?.0))).collect();
        let together = 2 * cuts.len() > ours.len().min(theirs.len());
        let differs = cuts.iter().find(|(our, their)| together && our != their);
        found.extend(differs.map(|(our, their)| format!("{our} is {their} in {}", other.uri)));
    }
    found
}

/// The same instant of the media has the same date in all. Which instant it is, the media say.
fn dates_agree(stream: &Stream) -> Vec<String> {
    let dated = |rendition| {
        let dates = by_number(rendition, Media::dates);
        let looks = looks(rendition).into_iter();
        let dated = looks.filter_map(|(segment, look)| Some((*dates.get(&segment.number)?, look)));
        dated.collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for (first, other) in pairs(stream) {
        let (ours, theirs) = (dated(first), dated(other));
        let off = ours.iter().filter_map(|(at, look)| {
            let (near, there) = theirs.iter().min_by(|a, b| (a.0 - at).abs().total_cmp(&(b.0 - at).abs()))?;
            Some((at, near - at - apart(look, there)))
        });
        let worst = off.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let wrong = worst.filter(|(_, off)| off.abs() > slack(first, other));
        found.extend(wrong.map(|(at, off)| {
            format!("around {at:.3}, the dates of {} are {off:.3} s beside those of {}", other.uri, first.uri)
        }));
    }
    found
}

/// So far apart the beginnings of two segments may be that tell the same break, in seconds, if nothing is late: sound
/// that is ahead of pictures breaks where it is when they do.
const TOGETHER: f64 = 0.15;

/// Compared by date: where key frames decide, each rendition has numbers of its own.
fn discontinuities_agree(stream: &Stream) -> Vec<String> {
    // When each segment begins and ends, and its discontinuity sequence number.
    let counted = |rendition| {
        let counted = by_number(rendition, |media: &Media| {
            let mut so_far = media.discontinuity_sequence.unwrap_or(0);
            let counted = media.segments.iter().zip(media.dates()).map(|(segment, (_, begin))| {
                so_far += u64::from(segment.discontinuity);
                (segment.number, (begin, begin + segment.duration.unwrap_or(0.0), so_far))
            });
            counted.collect()
        });
        counted.into_values().collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for (first, other) in pairs(stream) {
        let (ours, theirs) = (counted(first), counted(other));
        let near = TOGETHER + first.delay.max(other.delay);
        let differs = ours.iter().find(|(begin, end, count)| {
            let at = (begin + end) / 2.0;
            let there = theirs.iter().find(|(from, to, _)| (from + near..to - near).contains(&at));
            there.is_some_and(|(.., their)| their != count)
        });
        found.extend(
            differs
                .map(|(begin, ..)| format!("{} counts otherwise than {} at {begin}", other.uri, first.uri)),
        );
    }
    found
}

/// The listings of `rendition` that stood around an instant: the last before, and the first after.
fn around<'a>(rendition: &'a Rendition, listing: &Listing) -> impl Iterator<Item = &'a Media> {
    let after = rendition.listings.partition_point(|it| it.answer.begun <= listing.answer.begun);
    let range = after.saturating_sub(1)..(after + 1).min(rendition.listings.len());
    rendition.listings[range].iter().map(|it| &it.media)
}

fn windows_agree(stream: &Stream) -> Vec<String> {
    let ends = |media: &Media| {
        let dates = media.dates();
        let last: f64 = media.edge.parts.iter().map(|part| part.duration).sum();
        Some((dates.first()?.1, dates.last()?.1 + last))
    };
    let mut found = Vec::new();
    for (first, other) in pairs(stream) {
        for listing in first.listings.iter().filter(|it| !it.after_trouble) {
            let Some((begin, end)) = ends(&listing.media) else { continue };
            let near_by = listing.media.target_seconds() + first.delay;
            let near = |media: &Media| {
                ends(media)
                    .is_none_or(|(from, to)| (from - begin).abs() < near_by && (to - end).abs() < near_by)
            };
            // Nothing was seen of it yet, or it is in trouble of its own.
            let known: Vec<_> = around(other, listing).collect();
            let good = known.len() < 2 || known.iter().copied().any(near);
            let at = listing.answer.begun.as_secs_f64();
            found.extend(unless(good, || {
                let theirs: Vec<_> = known.iter().filter_map(|media| ends(media)).collect();
                let which = format!("{begin:.3} to {end:.3}, and {theirs:.3?}");
                format!("{} and {} differ by a target at {at:.1} s: {which}", first.uri, other.uri)
            }));
        }
    }
    found
}

/// `../audio/index.m3u8`, as the playlist at `base` means it; both relative to the multivariant playlist.
fn resolve(base: &str, uri: &str) -> String {
    let mut path: Vec<&str> = base.split('/').collect();
    path.pop();
    for piece in uri.split('?').next().unwrap_or_default().split('/') {
        match piece {
            ".." => drop(path.pop()),
            "." => {}
            piece => path.push(piece),
        }
    }
    path.join("/")
}

fn every_other_is_reported(stream: &Stream) -> Vec<String> {
    let low: Vec<_> =
        stream.renditions.iter().filter(|it| it.listings.iter().any(|it| it.media.has_parts())).collect();
    let mut found = Vec::new();
    for rendition in &low {
        let mut wanted: Vec<&str> =
            low.iter().map(|it| it.uri.as_str()).filter(|uri| *uri != rendition.uri).collect();
        wanted.sort_unstable();
        for listing in &rendition.listings {
            let reports = listing.media.reports.iter().filter_map(|report| report.get("URI"));
            let mut told: Vec<_> = reports.map(|uri| resolve(&rendition.uri, uri)).collect();
            told.sort_unstable();
            if told != wanted {
                found.push(format!("{} reports of {told:?}, not of {wanted:?}", rendition.uri));
                break;
            }
        }
    }
    found
}

/// A report is as old as the playlist it stands in: it may lag behind by what came since the one before, and may
/// know what was not fetched yet.
fn reports_are_true(stream: &Stream) -> Vec<String> {
    let mut found = Vec::new();
    for rendition in &stream.renditions {
        for pair in rendition.listings.windows(2) {
            for report in &pair[1].media.reports {
                let uri = resolve(&rendition.uri, report.get("URI").unwrap_or_default());
                let Some(other) = stream.renditions.iter().find(|it| it.uri == uri) else { continue };
                let told = (report.number::<u64>("LAST-MSN").unwrap_or(0), report.number::<u64>("LAST-PART"));
                let least = around(other, &pair[0]).next().map(Media::last);
                // Answers may overtake each other.
                let late = pair[1].answer.begun + Duration::from_secs_f64(other.delay);
                let later = other.listings.iter().take_while(|it| it.answer.begun <= late).last();
                let most = around(other, &pair[1]).chain(later.map(|it| &it.media)).map(Media::last).max();
                // Past the last one seen, nothing is known.
                let last = other.listings.last().is_none_or(|it| it.answer.begun <= pair[1].answer.begun);
                let good =
                    least.is_none_or(|least| told >= least) && (last || most.is_none_or(|most| told <= most));
                found.extend(unless(good, || format!("{uri} is at {least:?} to {most:?}, told is {told:?}")));
            }
        }
    }
    found
}

/// Bits per second: the largest of any run of segments that lasts 0.5 to 1.5 targets (RFC 8216, 4.3.4.2), and of all.
pub(crate) fn rates(rendition: &Rendition) -> Option<(f64, f64)> {
    let segments = rendition.segments_since_trouble();
    let sized: Vec<(u64, f64, usize)> = segments
        .iter()
        .filter_map(|it| Some((it.number, it.duration?, rendition.body(&it.uri)?.len())))
        .collect();
    let target = rendition.listings.last()?.media.target_seconds();
    let mut peak: f64 = 0.0;
    for from in 0..sized.len() {
        let (mut seconds, mut bytes) = (0.0, 0);
        for (at, (number, duration, len)) in sized[from..].iter().enumerate() {
            seconds += duration;
            bytes += len;
            if *number != sized[from].0 + at as u64 || seconds > 1.5 * target {
                break;
            }
            if seconds >= 0.5 * target {
                peak = peak.max(8.0 * bytes as f64 / seconds);
            }
        }
    }
    let (seconds, bytes) = sized.iter().fold((0.0, 0), |sum, it| (sum.0 + it.1, sum.1 + it.2));
    (seconds > 0.0).then(|| (peak, 8.0 * bytes as f64 / seconds))
}

/// The renditions a variant plays: its own, and the dearest of its group of sound.
fn measured(stream: &Stream, multivariant: &Multivariant, variant: &Variant) -> Option<(f64, f64)> {
    let of = |uri: &str| stream.renditions.iter().find(|it| it.uri == uri).and_then(rates);
    let (mut peak, mut average) = of(&variant.uri)?;
    if let Some(group) = variant.list.get("AUDIO") {
        let members = multivariant.renditions.iter().filter(|it| it.list.get("GROUP-ID") == Some(group));
        let others = members.filter_map(|it| it.list.get("URI")).filter(|uri| *uri != variant.uri);
        let dearest = others.filter_map(of).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0.0));
        (peak, average) = (peak + dearest.0, average + dearest.1);
    }
    Some((peak, average))
}

fn declared(stream: &Stream, name: &str, bad: impl Fn(f64, (f64, f64)) -> bool) -> Vec<String> {
    let Some((_, last)) = stream.multivariants.last() else { return Vec::new() };
    let with_rates = last.variants.iter().filter_map(|it| Some((it, measured(stream, last, it)?)));
    with_rates
        .filter_map(|(variant, rates)| {
            let told: f64 = variant.list.number(name)?;
            bad(told, rates).then(|| {
                format!("{}: {name} is {told}, measured were {:.0} and {:.0}", variant.uri, rates.0, rates.1)
            })
        })
        .collect()
}

fn peak_is_within_bandwidth(stream: &Stream) -> Vec<String> {
    // It is told in whole bits.
    declared(stream, "BANDWIDTH", |told, (peak, _)| peak >= told + 1.0)
}

fn average_is_true(stream: &Stream) -> Vec<String> {
    declared(stream, "AVERAGE-BANDWIDTH", |told, (_, average)| average > 1.1 * told)
}

/// Of `avc1.42c01f`, as RFC 6381 writes H.264.
fn profile_and_level(codec: &str) -> Option<(u8, u8)> {
    let digits = codec.strip_prefix("avc1.").filter(|digits| digits.len() == 6)?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some((byte(0)?, byte(4)?))
}

/// `320` of `320x180`.
fn width(size: &str) -> Option<u32> {
    size.split('x').next()?.parse().ok()
}

/// Whether something was seen and told, so that `good` holds of both, or neither.
fn is_told<T>((seen, told): (Option<T>, Option<T>), good: impl Fn(T, T) -> bool) -> bool {
    match (seen, told) {
        (Some(seen), Some(told)) => good(seen, told),
        (seen, told) => seen.is_none() && told.is_none(),
    }
}

fn what_is_told_is_in_it(stream: &Stream) -> Vec<String> {
    let Some((_, last)) = stream.multivariants.last() else { return Vec::new() };
    let mut found = Vec::new();
    for variant in &last.variants {
        let Some(rendition) = stream.renditions.iter().find(|it| it.uri == variant.uri) else { continue };
        let Some(probe) = &rendition.probe else { continue };
        // Sound of a group whose members have URIs is not in the variant's own segments.
        let members =
            last.renditions.iter().filter(|it| it.list.get("GROUP-ID") == variant.list.get("AUDIO"));
        let apart = variant.has_pictures() && variant.list.get("AUDIO").is_some() && { members }
            .all(|it| it.list.get("URI").is_some());
        let sound = variant.codecs().any(|codec| codec.starts_with("mp4a"));
        // Behind a discontinuity there may be another coding: what is told suffices for all.
        let listed = rendition.listings.last().map_or(&[][..], |last| &last.media.segments);
        let is_one = listed.iter().skip(1).all(|segment| !segment.discontinuity);
        let profile = (probe.avc, variant.codecs().find_map(profile_and_level));
        let size = (probe.size.as_deref(), variant.list.get("RESOLUTION"));
        let rate = (probe.rate, variant.list.number::<f64>("FRAME-RATE"));
        let wrong =
            !is_told(profile, |seen, told| seen == told || !is_one && seen.0 <= told.0 && seen.1 <= told.1)
                || !is_told(size, |seen, told| seen == told || !is_one && width(seen) <= width(told))
                || !is_told(rate, |seen, told| (seen - told).abs() <= 0.05 * told || !is_one && seen <= told)
                || (probe.sounds > 0) != (sound && !apart);
        found.extend(unless(!wrong, || {
            format!("line {}: {:?} is told, {probe:?} found", variant.line, variant.list)
        }));
    }
    found
}

fn no_segment_has_two_sounds(stream: &Stream) -> Vec<String> {
    let sounds = |rendition: &Rendition| rendition.probe.as_ref().map_or(0, |probe| probe.sounds);
    let several = stream.renditions.iter().filter(|it| sounds(it) > 1);
    several.map(|it| format!("{}: {} sounds in its last segment", it.uri, sounds(it))).collect()
}
