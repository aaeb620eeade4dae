//! One media playlist over time.

use super::media::unless;
use super::{Rule, rules};
use crate::seen::{Listing, Rendition};
use crate::text::Media;

pub(crate) const RULES: &[Rule<Rendition>] = rules![
    "RFC 6.2.1, bis 4.4.3.7": settings_stay,
    "RFC 6.2.1": numbers_never_go_back,
    "RFC 6.2.1": no_number_is_left_out,
    "RFC 6.2.1, 3": segments_stay_as_they_are,
    "bis 6.2.1, 4.4.4.9": parts_stay_as_they_are,
    "RFC 6.2.2, bis 6.2.2": discontinuities_are_counted,
    "bis 6.2.1": dates_stay,
    "RFC 6.2.2": three_targets_remain,
    "RFC 6.2.1": segments_come_in_time,
    "bis 6.2.1": parts_come_in_time,
    "bis 4.4.5.3": hints_come_true,
    "RFC 6.2.1": an_end_is_the_end,
];

/// Each listing with the next, and whether nothing happened in between that excuses much.
fn steps(rendition: &Rendition) -> impl Iterator<Item = (&Listing, &Listing)> {
    rendition.listings.windows(2).map(|pair| (&pair[0], &pair[1]))
}

/// What `what` has to say of each step.
fn each(rendition: &Rendition, what: impl Fn(&Media, &Media) -> Vec<String>) -> Vec<String> {
    steps(rendition).flat_map(|(before, after)| what(&before.media, &after.media)).collect()
}

fn settings_stay(rendition: &Rendition) -> Vec<String> {
    each(rendition, |before, after| {
        let of = |media: &Media| (media.target, media.part_target, media.control.clone(), media.independent);
        unless(of(before) == of(after), || format!("{:?} became {:?}", of(before), of(after)))
    })
}

fn numbers_never_go_back(rendition: &Rendition) -> Vec<String> {
    each(rendition, |before, after| {
        unless(after.sequence >= before.sequence && after.next() >= before.next(), || {
            format!("{:?}..{} became {:?}..{}", before.sequence, before.next(), after.sequence, after.next())
        })
    })
}

fn no_number_is_left_out(rendition: &Rendition) -> Vec<String> {
    let without_trouble = steps(rendition).filter(|(_, after)| !after.after_trouble);
    without_trouble
        .filter(|(before, after)| after.media.first() > before.media.next())
        .map(|(before, after)| {
            format!("{} follows {}", after.media.first(), before.media.next().saturating_sub(1))
        })
        .collect()
}

fn segments_stay_as_they_are(rendition: &Rendition) -> Vec<String> {
    each(rendition, |before, after| {
        let pairs = before.segments.iter().filter_map(|old| Some((old, after.segment(old.number)?)));
        let changed = pairs.filter(|(old, new)| {
            let of = |it: &crate::text::Segment| {
                (it.uri.clone(), it.duration, it.discontinuity, it.gap, it.key.clone())
            };
            of(old) != of(new) || old.map != new.map
        });
        changed.map(|(old, new)| format!("{} was {old:?} and is {new:?}", old.number)).collect()
    })
}

fn parts_stay_as_they_are(rendition: &Rendition) -> Vec<String> {
    each(rendition, |before, after| {
        let mut found = Vec::new();
        for old in before.with_edge().filter(|old| !old.parts.is_empty()) {
            let Some(new) = after.with_edge().find(|new| new.number == old.number) else { continue };
            let of = |it: &crate::text::Part| (it.uri.clone(), it.duration, it.independent, it.gap);
            // They are retired together (bis 6.2.2).
            let retired = new.parts.is_empty() && new.duration.is_some();
            let grown = new.parts.len() >= old.parts.len()
                && old.parts.iter().zip(&new.parts).all(|(old, new)| of(old) == of(new));
            let closed = old.duration.is_some() && new.parts.len() > old.parts.len();
            found.extend(unless(retired || grown && !closed, || {
                format!("the parts of {} have changed", old.number)
            }));
        }
        found
    })
}

fn discontinuities_are_counted(rendition: &Rendition) -> Vec<String> {
    each(rendition, |before, after| {
        let gone =
            before.segments.iter().filter(|it| it.number < after.first() && it.discontinuity).count() as u64;
        let number = |media: &Media| media.discontinuity_sequence.unwrap_or(0);
        let expected = number(before) + gone;
        // Those of segments nobody saw count as well.
        let unseen = after.first() > before.next();
        let good = number(after) == expected || unseen && number(after) > expected;
        unless(good, || format!("{} became {}, {gone} tags have left", number(before), number(after)))
    })
}

fn dates_stay(rendition: &Rendition) -> Vec<String> {
    each(rendition, |before, after| {
        let new: std::collections::BTreeMap<u64, f64> = after.dates().into_iter().collect();
        // Parts are listed before it is known when the next picture comes: where a segment will begin of which none is
        // there is a guess.
        // So it is where the timeline begins anew.
        let broken = after.segment(before.next()).is_some_and(|next| next.discontinuity);
        let guessed = before.has_parts() && before.edge.parts.is_empty() || broken;
        let said = before.dates().into_iter().filter(|(number, _)| !guessed || *number != before.next());
        let moved = said.filter_map(|(number, old)| Some((number, new.get(&number)? - old)));
        let moved: Vec<(u64, f64)> = moved.collect();
        let Some((_, first)) = moved.first() else { return Vec::new() };
        // A clock that was set moves them all alike.
        let bent = moved.iter().find(|(_, by)| (by - first).abs() > before.frame);
        bent.map(|(number, by)| format!("the date of {number} moved by {by:.3} s, others by {first:.3} s"))
            .into_iter()
            .collect()
    })
}

fn three_targets_remain(rendition: &Rendition) -> Vec<String> {
    let moved = steps(rendition).filter(|(before, after)| {
        after.media.sequence > before.media.sequence && !after.after_trouble && !after.media.ended
    });
    moved
        .filter_map(|(_, after)| {
            let length: f64 = after.media.segments.iter().filter_map(|segment| segment.duration).sum();
            let short = length < 3.0 * after.media.target_seconds() - after.media.frame;
            short.then(|| format!("{length:.3} s remain at {:?}", after.media.sequence))
        })
        .collect()
}

fn segments_come_in_time(rendition: &Rendition) -> Vec<String> {
    let mut since: Option<&Listing> = None;
    let mut found = Vec::new();
    for listing in &rendition.listings {
        let Some(last) = since.filter(|_| !listing.after_trouble) else {
            since = Some(listing);
            continue;
        };
        if listing.media.next() > last.media.next() {
            let passed = (listing.answer.begun.saturating_sub(last.answer.begun)).as_secs_f64();
            let limit = 1.5 * listing.media.target_seconds() + rendition.delay;
            let number = listing.media.next() - 1;
            found.extend(unless(passed <= limit, || {
                format!("{number} came after {passed:.2} s, due are {limit} s")
            }));
            since = Some(listing);
        }
    }
    found
}

/// A part may be one PART-TARGET later than the pace of those before it promised: what is measured has passed two
/// schedulers, so that the distance of two answers alone would judge these.
fn parts_come_in_time(rendition: &Rendition) -> Vec<String> {
    let mut found = Vec::new();
    let mut soonest: Option<f64> = None;
    for (before, after) in steps(rendition) {
        let (Some(target), Some((_, begin))) = (after.media.part_target, after.media.dates().last().copied())
        else {
            continue;
        };
        if after.after_trouble || after.media.last() == before.media.last() {
            soonest = soonest.filter(|_| !after.after_trouble);
            continue;
        }
        let end = begin + after.media.edge.parts.iter().map(|part| part.duration).sum::<f64>();
        let late = after.answer.begun.as_secs_f64() - end;
        let best = soonest.map_or(late, |soonest| soonest.min(late));
        soonest = Some(best);
        found.extend(unless(late - best <= target + rendition.delay, || {
            let (part, at) = (after.media.last(), after.answer.begun.as_secs_f64());
            format!("part {part:?} came {:.3} s later than others do, at {at:.1} s", late - best)
        }));
    }
    found
}

fn hints_come_true(rendition: &Rendition) -> Vec<String> {
    each(rendition, |before, after| {
        let Some(hint) = before.hints.iter().find(|hint| hint.kind == "PART") else { return Vec::new() };
        let edge = &before.edge;
        // The next part of this segment, or, had it been complete already, the first of the next.
        let next = after.with_edge().find(|segment| segment.number == edge.number).and_then(|segment| {
            let ended_with_it = segment.duration.is_some() && segment.parts.len() == edge.parts.len();
            if ended_with_it { None } else { segment.parts.get(edge.parts.len()) }
        });
        let Some(next) = next else { return Vec::new() };
        unless(next.uri == hint.uri, || format!("hinted was {}, and {} came", hint.uri, next.uri))
    })
}

fn an_end_is_the_end(rendition: &Rendition) -> Vec<String> {
    each(rendition, |before, after| {
        unless(!before.ended || before.text == after.text, || "it changed after EXT-X-ENDLIST".to_owned())
    })
}
