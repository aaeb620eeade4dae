//! One media playlist of low latency, as text.

use super::media::unless;
use super::{Rule, rules};
use crate::text::{Media, Segment};

pub(crate) const RULES: &[Rule<Media>] = rules![
    "bis 4.4.3.7": part_target_is_told,
    "bis 4.4.4.9": parts_fit_the_part_target,
    "bis 4.4.4.9": parts_are_long_enough,
    "bis 4.4.4.9": parts_make_up_the_duration,
    "bis 4.4.4.9": tags_precede_the_parts,
    "A 7.4, bis 4.4.4.9": segments_begin_independently,
    "bis 6.2.2": parts_stand_near_the_end,
    "bis 4.4.3.8, A 14.3": part_hold_back_is_enough,
    "bis 4.4.3.8": hold_back_is_enough,
    "bis 4.4.3.8": skip_is_far_enough,
    "bis B.1": blocking_is_offered,
    "bis 4.4.5.3": one_part_is_hinted,
    "bis 4.4.5.3": hint_is_of_the_future,
    "bis 4.4.5.4": reports_tell_the_part,
    "bis 6.2.5.1": delta_keeps_what_is_new,
];

/// Decimals are rounded when written.
const ROUNDING: f64 = 0.000_01;

fn part_target_is_told(media: &Media) -> Vec<String> {
    let parts = media.with_edge().any(|segment| !segment.parts.is_empty());
    unless(!parts || media.part_target.is_some_and(|target| target > 0.0), || {
        "EXT-X-PART without EXT-X-PART-INF".to_owned()
    })
}

fn parts_fit_the_part_target(media: &Media) -> Vec<String> {
    let Some(target) = media.part_target else { return Vec::new() };
    let parts = media.with_edge().flat_map(|segment| &segment.parts);
    parts
        .filter(|part| part.duration > target + ROUNDING || part.duration <= 0.0)
        .map(|part| format!("line {}: a part of {} s, where {target} are the most", part.line, part.duration))
        .collect()
}

fn parts_are_long_enough(media: &Media) -> Vec<String> {
    let Some(target) = media.part_target else { return Vec::new() };
    let mut found = Vec::new();
    for (segment, closed) in with_closed(media) {
        for (at, part) in segment.parts.iter().enumerate() {
            let next = segment.parts.get(at + 1);
            let last = closed && next.is_none();
            let free = part.independent || part.gap || last || next.is_some_and(|next| next.gap);
            // The last part of the edge may turn out to be the segment's last.
            let open = !closed && next.is_none();
            if !free && !open && part.duration < 0.85 * target - ROUNDING {
                found.push(format!(
                    "line {}: a part of {} s, where the target is {target}",
                    part.line, part.duration
                ));
            }
        }
    }
    found
}

/// Each segment, and whether it is finished.
fn with_closed(media: &Media) -> impl Iterator<Item = (&Segment, bool)> {
    media.segments.iter().map(|segment| (segment, true)).chain([(&media.edge, false)])
}

fn parts_make_up_the_duration(media: &Media) -> Vec<String> {
    let with_parts = media.segments.iter().filter(|segment| !segment.parts.is_empty());
    with_parts
        .filter_map(|segment| {
            let sum: f64 = segment.parts.iter().map(|part| part.duration).sum();
            let duration = segment.duration?;
            let told =
                || format!("line {}: parts of {sum:.6} s make a segment of {duration} s", segment.line);
            ((sum - duration).abs() > media.frame).then(told)
        })
        .collect()
}

fn tags_precede_the_parts(media: &Media) -> Vec<String> {
    media.late.clone()
}

fn segments_begin_independently(media: &Media) -> Vec<String> {
    let first = media.with_edge().filter_map(|segment| segment.parts.first());
    first
        .filter(|part| media.independent && !part.independent && !part.gap)
        .map(|part| format!("line {}: a segment's first part is not INDEPENDENT", part.line))
        .collect()
}

fn parts_stand_near_the_end(media: &Media) -> Vec<String> {
    if media.part_target.is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    // Seconds from the end of the segment to that of the playlist.
    let mut behind: f64 = media.edge.parts.iter().map(|part| part.duration).sum();
    for segment in media.segments.iter().rev() {
        let parts = segment.parts.len();
        let three = 3.0 * media.target_seconds();
        // One segment more may keep them: it has not been gone past yet.
        if behind > three + media.target_seconds() && parts > 0 {
            found.push(format!("line {}: {parts} parts, {behind:.1} s before the end", segment.line));
        }
        let duration = segment.duration.unwrap_or(0.0);
        if behind + duration < three && parts == 0 && !segment.gap {
            found.push(format!("line {}: no parts {behind:.1} s before the end", segment.line));
        }
        behind += duration;
    }
    found
}

fn part_hold_back_is_enough(media: &Media) -> Vec<String> {
    let Some(target) = media.part_target else { return Vec::new() };
    let told = media.control("PART-HOLD-BACK");
    unless(told.is_some_and(|told| told >= 3.0 * target - ROUNDING), || {
        format!("PART-HOLD-BACK is {told:?}, PART-TARGET {target}")
    })
}

fn hold_back_is_enough(media: &Media) -> Vec<String> {
    let told = media.control("HOLD-BACK");
    unless(told.is_none_or(|told| told >= 3.0 * media.target_seconds()), || format!("HOLD-BACK is {told:?}"))
}

fn skip_is_far_enough(media: &Media) -> Vec<String> {
    let told = media.control("CAN-SKIP-UNTIL");
    unless(told.is_none_or(|told| told >= 6.0 * media.target_seconds()), || {
        format!("CAN-SKIP-UNTIL is {told:?}")
    })
}

fn blocking_is_offered(media: &Media) -> Vec<String> {
    let offered = media.control.as_ref().is_some_and(|control| control.says_yes("CAN-BLOCK-RELOAD"));
    unless(!media.has_parts() || offered, || "parts without CAN-BLOCK-RELOAD=YES".to_owned())
}

fn one_part_is_hinted(media: &Media) -> Vec<String> {
    let hints = media.hints.iter().filter(|hint| hint.kind == "PART").count();
    let wanted = usize::from(media.has_parts() && !media.ended);
    unless(hints == wanted, || format!("{hints} hints of a part, where there ought to be {wanted}"))
}

fn hint_is_of_the_future(media: &Media) -> Vec<String> {
    let listed = |uri: &str| media.with_edge().flat_map(|segment| &segment.parts).any(|part| part.uri == uri);
    let old = media.hints.iter().filter(|hint| hint.kind == "PART" && listed(&hint.uri));
    old.map(|hint| format!("{} is hinted at and is listed", hint.uri)).collect()
}

fn reports_tell_the_part(media: &Media) -> Vec<String> {
    let lacking = media.reports.iter().filter(|report| {
        let relative = report.get("URI").is_some_and(|uri| !uri.starts_with('/') && !uri.contains("://"));
        !relative || (media.has_parts() && report.get("LAST-PART").is_none())
    });
    lacking.map(|report| format!("the report about {:?}", report.get("URI"))).collect()
}

fn delta_keeps_what_is_new(media: &Media) -> Vec<String> {
    let Some(skipped) = media.skipped else { return Vec::new() };
    let Some(until) = media.control("CAN-SKIP-UNTIL") else {
        return vec!["EXT-X-SKIP where CAN-SKIP-UNTIL is not offered".to_owned()];
    };
    let kept = media.length();
    // The boundary cuts a segment: that one stays.
    unless(skipped > 0 && kept >= until - media.frame, || {
        format!("{skipped} segments are skipped and {kept:.1} s kept, where {until} s have to be")
    })
}
