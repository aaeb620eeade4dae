//! What is asked with the directives of rfc8216bis, 6.2.5, and what is hinted at.

use super::media::unless;
use super::{Rule, rules};
use crate::seen::{Delta, Rendition};
use crate::text::Segment;

pub(crate) const RULES: &[Rule<Rendition>] = rules![
    "bis 6.2.5.2": held_until_it_is_there,
    "bis 6.2.5.2": the_whole_is_given,
    "bis 6.2.5.2, 6.2.6": nonsense_is_refused,
    "bis 6.2.5.1": deltas_make_the_whole,
    "bis 6.2.6": hinted_parts_come_whole,
    "bis 4.4.4.9, 3.2": parts_make_the_segment,
];

fn held_until_it_is_there(rendition: &Rendition) -> Vec<String> {
    let mut found = Vec::new();
    for listing in &rendition.held {
        let (answer, media) = (&listing.answer, &listing.media);
        let number = |name| answer.query(name).and_then(|value| value.parse::<u64>().ok());
        let Some(msn) = number("_HLS_msn") else { continue };
        let there = media.next() > msn
            || media.edge.number == msn
                && number("_HLS_part").is_some_and(|it| (media.edge.parts.len() as u64) > it);
        let good = answer.status == 200 && (there || media.ended);
        found.extend(unless(good, || {
            format!("{}: {}, which ends with {:?}", answer.path, answer.status, media.last())
        }));
    }
    found
}

fn the_whole_is_given(rendition: &Rendition) -> Vec<String> {
    let held = rendition.held.iter().filter(|it| it.answer.query("_HLS_skip").is_none());
    held.filter(|it| it.answer.status == 200 && (it.media.skipped.is_some() || it.media.segments.is_empty()))
        .map(|it| format!("{}: not the whole playlist", it.answer.path))
        .collect()
}

fn nonsense_is_refused(rendition: &Rendition) -> Vec<String> {
    let taken = rendition.refused.iter().filter(|(answer, status)| answer.status != *status);
    taken.map(|(answer, status)| format!("{}: {}, not {status}", answer.path, answer.status)).collect()
}

fn deltas_make_the_whole(rendition: &Rendition) -> Vec<String> {
    rendition.deltas.iter().flat_map(wrong_with).collect()
}

/// What a client that knew `whole` and got `delta` has, beside what it would have got without `_HLS_skip`.
fn wrong_with(Delta { whole, delta, after }: &Delta) -> Vec<String> {
    let mut found = Vec::new();
    let (Some(sequence), Some(skipped)) = (delta.sequence, delta.skipped) else {
        return vec!["a delta update without EXT-X-SKIP, or without a number".to_owned()];
    };
    let of = |it: &Segment| (it.uri.clone(), it.duration, it.discontinuity, it.gap);
    for number in sequence..delta.next() {
        let merged = if number < sequence + skipped { whole.segment(number) } else { delta.segment(number) };
        match (merged, after.segment(number)) {
            (None, _) => found.push(format!("{number} was skipped, and never known")),
            (Some(merged), Some(true_one)) if of(merged) != of(true_one) => {
                found.push(format!("{number} is {merged:?} after merging, and {true_one:?} in the whole"));
            }
            _ => {}
        }
    }
    let settings =
        |it: &crate::text::Media| (it.target, it.part_target, it.control.clone(), it.discontinuity_sequence);
    let moved = delta.sequence != after.sequence;
    found.extend(unless(moved || settings(delta) == settings(after), || "its head differs".to_owned()));
    found.extend(unless(after.next() >= delta.next(), || "it is of the future".to_owned()));
    found
}

fn hinted_parts_come_whole(rendition: &Rendition) -> Vec<String> {
    let target = rendition.listings.iter().find_map(|listing| listing.media.part_target).unwrap_or(0.2);
    let mut found = Vec::new();
    for fetch in rendition.files.iter().filter(|fetch| fetch.hinted) {
        let dribbled = fetch.answer.ended.saturating_sub(fetch.answer.begun).as_secs_f64();
        // All of it is there when the head is sent; a half is time enough to send it.
        found.extend(unless(dribbled <= 0.5 * target + rendition.delay, || {
            format!("{} came over {dribbled:.3} s", fetch.uri)
        }));
    }
    found
}

fn parts_make_the_segment(rendition: &Rendition) -> Vec<String> {
    let mut found = Vec::new();
    let mut done = None;
    for segment in rendition.listings.iter().flat_map(|listing| &listing.media.segments) {
        if segment.parts.is_empty() || segment.gap || done >= Some(segment.number) {
            continue;
        }
        let parts: Option<Vec<&[u8]>> = segment.parts.iter().map(|part| rendition.body(&part.uri)).collect();
        if let (Some(parts), Some(whole)) = (parts, rendition.body(&segment.uri)) {
            done = Some(segment.number);
            found.extend(unless(parts.concat() == whole, || {
                format!("the parts of {} are not it", segment.number)
            }));
        }
    }
    found
}
