//! How playlists and files are given out.

use std::collections::BTreeMap;

use super::media::unless;
use super::{Rule, rules};
use crate::seen::{Answer, Fetch, Listing, Rendition};

pub(crate) const RULES: &[Rule<Rendition>] = rules![
    "bis 6.2.1": playlists_come,
    "RFC 4, A 10.4": playlists_have_their_type,
    "RFC 6.2.1, A 10.1": playlists_are_compressed,
    "bis 6.2.1": playlists_are_not_kept_long,
    "issue: CORS": other_sites_may_play,
    "A 8.18": media_is_not_redirected,
    "RFC 6.2.2, bis 6.2.2": owed_files_come,
    "bis 6.2.1": files_come_at_once,
    "RFC 3": files_never_change,
    "A 10.4": files_have_their_type,
    "issue: immutable files are kept": files_are_kept_long,
];

fn playlists(rendition: &Rendition) -> impl Iterator<Item = &Answer> {
    rendition.listings.iter().chain(&rendition.held).map(|listing| &listing.answer)
}

/// The first complaint alone: the same is to be said of them all.
fn first<'a>(
    answers: impl Iterator<Item = &'a Answer>,
    bad: impl Fn(&Answer) -> bool,
    field: &str,
) -> Vec<String> {
    let mut broken = answers.filter(|answer| bad(answer));
    broken.next().map(|it| format!("{}: {field} is {:?}", it.path, it.field(field))).into_iter().collect()
}

fn playlists_come(rendition: &Rendition) -> Vec<String> {
    let lost = rendition.lost.iter();
    lost.map(|it| format!("{}: {} at {:.1} s", it.path, it.status, it.asked.as_secs_f64())).collect()
}

fn playlists_have_their_type(rendition: &Rendition) -> Vec<String> {
    let types = ["application/vnd.apple.mpegurl", "audio/mpegurl"];
    first(playlists(rendition), |it| !types.contains(&it.field("content-type")), "content-type")
}

fn playlists_are_compressed(rendition: &Rendition) -> Vec<String> {
    first(playlists(rendition), |it| it.field("content-encoding") != "gzip", "content-encoding")
}

fn playlists_are_not_kept_long(rendition: &Rendition) -> Vec<String> {
    let target = rendition.listings.iter().find_map(|listing| listing.media.target).unwrap_or(0);
    let live = rendition.listings.iter().chain(&rendition.held).filter(|listing| !listing.media.ended);
    let kept = |answer: &Answer| {
        // What was asked for by its number hardly changes: six targets are what Apple recommends.
        let most = if answer.query("_HLS_msn").is_some() { 6 * target } else { target / 2 };
        let never = ["no-store", "no-cache"].iter().any(|word| answer.field("cache-control").contains(word));
        !never && answer.max_age().is_none_or(|age| age > most)
    };
    first(live.map(|listing| &listing.answer), kept, "cache-control")
}

fn other_sites_may_play(rendition: &Rendition) -> Vec<String> {
    let all = playlists(rendition).chain(rendition.files.iter().map(|fetch| &fetch.answer));
    first(all, |it| it.field("access-control-allow-origin") != "*", "access-control-allow-origin")
}

fn media_is_not_redirected(rendition: &Rendition) -> Vec<String> {
    let all = rendition.files.iter().filter(|fetch| (300..400).contains(&fetch.answer.status));
    all.map(|fetch| format!("{} leads elsewhere: {}", fetch.uri, fetch.answer.status)).collect()
}

/// A part that was hinted at, and not there yet, may turn out to be none: where its segment ended before it.
fn owed_files_come(rendition: &Rendition) -> Vec<String> {
    let missing = rendition.files.iter().filter(|fetch| {
        fetch.owed
            && (400..600).contains(&fetch.answer.status)
            && !(fetch.hinted && is_none(rendition, &fetch.uri))
    });
    missing
        .map(|it| format!("{}: {} at {:.1} s", it.uri, it.answer.status, it.answer.asked.as_secs_f64()))
        .collect()
}

/// Whether the segment in which the part at `uri` was hinted at ended without it.
fn is_none(rendition: &Rendition, uri: &str) -> bool {
    let hints = |it: &&Listing| it.media.hints.iter().any(|hint| hint.uri == uri);
    let Some(hint) = rendition.listings.iter().find(hints) else { return false };
    let edge = &hint.media.edge;
    let mut later = rendition.listings.iter().flat_map(|it| &it.media.segments);
    later.any(|it| it.number == edge.number && it.parts.len() == edge.parts.len())
}

fn files_come_at_once(rendition: &Rendition) -> Vec<String> {
    let target = rendition.listings.iter().map(|listing| listing.media.target_seconds()).fold(1.0, f64::max);
    let took = |it: &Fetch| it.answer.ended.saturating_sub(it.answer.asked).as_secs_f64();
    let slow = rendition.files.iter().filter(|it| !it.hinted && took(it) > target + rendition.delay);
    slow.map(|it| format!("{} took {:.1} s", it.uri, took(it))).collect()
}

fn came(rendition: &Rendition) -> impl Iterator<Item = &Fetch> {
    rendition.files.iter().filter(|fetch| fetch.answer.status == 200)
}

fn files_never_change(rendition: &Rendition) -> Vec<String> {
    let mut known: BTreeMap<&str, &Vec<u8>> = BTreeMap::new();
    let mut found = Vec::new();
    for fetch in came(rendition) {
        let body = known.entry(&fetch.uri).or_insert(&fetch.answer.body);
        found.extend(unless(**body == *fetch.answer.body, || format!("{} has changed", fetch.uri)));
    }
    found
}

fn files_have_their_type(rendition: &Rendition) -> Vec<String> {
    let of = |answer: &Answer| -> &[&str] {
        let name = answer.name().split('?').next().unwrap_or_default();
        match name.rsplit_once('.').map(|(_, kind)| kind) {
            Some("ts") => &["video/mp2t"],
            Some("aac") => &["audio/aac"],
            Some("m4s") => &["video/iso.segment", "video/mp4", "audio/mp4"],
            Some("mp4") => &["video/mp4", "audio/mp4"],
            Some("key") => &["application/octet-stream", "binary/octet-stream"],
            _ => &[],
        }
    };
    let answers = came(rendition).map(|fetch| &fetch.answer);
    first(answers, |answer| !of(answer).contains(&answer.field("content-type")), "content-type")
}

fn files_are_kept_long(rendition: &Rendition) -> Vec<String> {
    let target = rendition.listings.iter().find_map(|listing| listing.media.target).unwrap_or(0);
    let media = came(rendition).map(|fetch| &fetch.answer).filter(|it| !it.name().contains(".key"));
    first(media, |answer| answer.max_age().is_none_or(|age| age < 6 * target), "cache-control")
}
