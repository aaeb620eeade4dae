//! What happened when, as date ranges tell it.

use std::collections::{BTreeMap, BTreeSet};

use super::media::unless;
use super::{Rule, rules};
use crate::seen::{Delta, Rendition};
use crate::text::{Attributes, Media, moment};

pub(crate) const MEDIA_RULES: &[Rule<Media>] = rules![
    "RFC 4.3.2.7": dateranges_make_sense,
    "bis 4.4.5.1": dateranges_add_up,
];

pub(crate) const RENDITION_RULES: &[Rule<Rendition>] = rules![
    "bis 4.4.5.1": dateranges_stay,
    "bis 6.2.1": dateranges_remain,
    "bis 4.4.5.2, 6.2.5.1": deltas_make_the_dateranges,
];

/// Dates are written in whole milliseconds; in seconds, and what a sum of floats may be off.
const MILLISECOND: f64 = 0.001_001;

fn dateranges_make_sense(media: &Media) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let dated = media.with_edge().any(|segment| segment.date.is_some()) || media.skipped.is_some();
    let mut found = Vec::new();
    for range in &media.dateranges {
        let id = range.get("ID").unwrap_or_default();
        let on_next = range.says_yes("END-ON-NEXT");
        let bound = range.get("DURATION").is_some() || range.get("END-DATE").is_some();
        let good = dated && seen.insert(id) && !(on_next && (range.get("CLASS").is_none() || bound));
        found.extend(unless(good, || format!("EXT-X-DATERANGE {id:?}")));
    }
    found
}

fn dateranges_add_up(media: &Media) -> Vec<String> {
    let wrong = media.dateranges.iter().filter(|range| {
        let end = date(range, "START-DATE").zip(date(range, "END-DATE"));
        let duration: Option<f64> = range.number("DURATION");
        end.is_some_and(|(start, end)| {
            end < start || duration.is_some_and(|it| (end - start - it).abs() > MILLISECOND)
        })
    });
    wrong.map(|range| format!("{range:?}")).collect()
}

/// What was told of a range is told again; more may be.
fn dateranges_stay(rendition: &Rendition) -> Vec<String> {
    let mut found = Vec::new();
    for pair in rendition.listings.windows(2) {
        let (before, after) = (&pair[0].media, &pair[1].media);
        let (by, new) = (shift(before, after), ranges(after));
        for (id, old) in ranges(before) {
            let Some(new) = new.get(id) else { continue };
            found.extend(unless(grows(old, new, by), || format!("{old:?} became {new:?}")));
        }
    }
    found
}

/// What reaches into the playlist is told.
fn dateranges_remain(rendition: &Rendition) -> Vec<String> {
    let mut found = Vec::new();
    for pair in rendition.listings.windows(2) {
        let (before, after) = (&pair[0].media, &pair[1].media);
        let Some((_, first)) = after.dates().first().copied() else { continue };
        // What of all this is still listed cannot be told.
        if pair[1].after_trouble || after.first() >= before.next() {
            continue;
        }
        let (by, told) = (shift(before, after), ranges(after));
        // What is told otherwise goes on under another name (docs/markers.md).
        let names: BTreeSet<&str> = told.keys().map(|id| root(id)).collect();
        for (id, old) in ranges(before) {
            let gone = !told.contains_key(id) && !names.contains(root(id));
            let reaches = end(old).is_none_or(|end| end + by > first + 2.0 * MILLISECOND);
            found.extend(unless(!(gone && reaches), || format!("{old:?} is told no more from {first} on")));
        }
    }
    found
}

fn deltas_make_the_dateranges(rendition: &Rendition) -> Vec<String> {
    rendition.deltas.iter().flat_map(wrong_with).collect()
}

/// What a client that knew `whole` and got `delta` has, beside what it would have got without `_HLS_skip`.
fn wrong_with(Delta { whole, delta, after }: &Delta) -> Vec<String> {
    // Without RECENTLY-REMOVED-DATERANGES none is left out.
    let mut merged = delta.removed.as_ref().map(|_| ranges(whole)).unwrap_or_default();
    for id in delta.removed.iter().flatten() {
        merged.remove(id.as_str());
    }
    merged.extend(ranges(delta));
    let (whole, by) = (ranges(after), shift(delta, after));
    // Between the two answers some may have come, gone or ended.
    let at_once = (delta.sequence, delta.last()) == (after.sequence, after.last());
    let mut found = Vec::new();
    for id in merged.keys().chain(whole.keys()).collect::<BTreeSet<_>>() {
        let good = match (merged.get(id), whole.get(id)) {
            (Some(merged), Some(whole)) if at_once => merged == whole,
            (Some(merged), Some(whole)) => grows(merged, whole, by),
            _ => !at_once,
        };
        found.extend(unless(good, || {
            format!("{id} is {:?} after merging, and {:?} in the whole", merged.get(id), whole.get(id))
        }));
    }
    found
}

/// Each by its ID.
fn ranges(media: &Media) -> BTreeMap<&str, &Attributes> {
    media.dateranges.iter().map(|range| (range.get("ID").unwrap_or_default(), range)).collect()
}

/// The ID of what was told first.
fn root(id: &str) -> &str {
    match id.rsplit_once('.') {
        Some((root, edition)) if edition.bytes().all(|byte| byte.is_ascii_digit()) => root,
        _ => id,
    }
}

/// Seconds since 1970.
fn date(range: &Attributes, name: &str) -> Option<f64> {
    range.get(name).and_then(moment)
}

/// When it was over, if that is told.
fn end(range: &Attributes) -> Option<f64> {
    let duration = range.number::<f64>("DURATION");
    date(range, "END-DATE").or(date(range, "START-DATE").zip(duration).map(|(start, it)| start + it))
}

/// By how much the dates of what both list have moved: a clock that was set moves them all alike.
fn shift(before: &Media, after: &Media) -> f64 {
    let old: BTreeMap<u64, f64> = before.dates().into_iter().collect();
    let moved = after.dates().into_iter().find_map(|(number, new)| Some(new - old.get(&number)?));
    moved.unwrap_or(0.0)
}

/// Whether `new` tells all that `old` does, of dates that have moved `by` so many seconds.
fn grows(old: &Attributes, new: &Attributes, by: f64) -> bool {
    old.iter().all(|(name, was)| {
        let moves = matches!(name, "START-DATE" | "END-DATE") && by.abs() > 2.0 * MILLISECOND;
        match date(new, name).zip(moment(was)).filter(|_| moves) {
            Some((is, was)) => (is - was - by).abs() <= 2.0 * MILLISECOND,
            None => new.get(name) == Some(was),
        }
    })
}
