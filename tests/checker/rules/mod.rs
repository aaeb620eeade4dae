//! What is asked of playlists, each rule with the clause it comes from.
//!
//! Belongs here: judgements over what was read or seen. Does not: how it was got.
//!
//! RFC is RFC 8216, bis is draft-pantos-hls-rfc8216bis, A is Apple's HLS Authoring Specification.

mod dateranges;
mod delivery;
mod files;
mod low_latency;
mod media;
mod multivariant;
mod parts;
mod series;
mod stream;

use crate::seen::{Rendition, Stream};
use crate::text::{Media, Multivariant};

/// A rule about a `T`: all it has to say against one.
pub(crate) struct Rule<T> {
    pub(crate) name: &'static str,
    pub(crate) clause: &'static str,
    pub(crate) check: fn(&T) -> Vec<String>,
}

/// A rule that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    pub(crate) clause: &'static str,
    /// Which playlist.
    pub(crate) place: String,
    pub(crate) what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}), {}: {}", self.rule, self.clause, self.place, self.what)
    }
}

macro_rules! rules {
    ($($clause:literal: $check:ident,)*) => {
        &[$($crate::rules::Rule { name: stringify!($check), clause: $clause, check: $check }),*]
    };
}
use rules;

/// What `rules` have against `subject`.
pub(crate) fn judge<T>(rules: &[&'static [Rule<T>]], subject: &T, place: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in rules.iter().copied().flatten() {
        found.extend((rule.check)(subject).into_iter().map(|what| Finding {
            rule: rule.name,
            clause: rule.clause,
            place: place.to_owned(),
            what,
        }));
    }
    found
}

/// The same of a text, of which nothing more is said if it cannot even be read.
pub(crate) fn judge_text<T>(rules: &[&'static [Rule<T>]], text: &T, place: &str) -> Vec<Finding> {
    let mut found = judge(rules, text, place);
    let unreadable = |finding: &Finding| finding.rule.ends_with("is_well_formed");
    if found.iter().any(unreadable) {
        found.retain(unreadable);
    }
    found
}

/// About the text of one media playlist.
pub(crate) const MEDIA: [&[Rule<Media>]; 3] = [media::RULES, dateranges::MEDIA_RULES, parts::RULES];
/// About one multivariant playlist.
pub(crate) const MULTIVARIANT: [&[Rule<Multivariant>]; 1] = [multivariant::RULES];
/// About one media playlist over time, and its files.
pub(crate) const RENDITION: [&[Rule<Rendition>]; 5] =
    [series::RULES, dateranges::RENDITION_RULES, delivery::RULES, low_latency::RULES, files::RULES];
/// About what belongs together.
pub(crate) const STREAM: [&[Rule<Stream>]; 1] = [stream::RULES];

/// Everything there is to say about a stream, each thing once.
pub(crate) fn judge_all(stream: &Stream, place: &str) -> Vec<Finding> {
    let mut found = judge(&STREAM, stream, place);
    for (_, multivariant) in &stream.multivariants {
        found.extend(judge_text(&MULTIVARIANT, multivariant, place));
    }
    for rendition in &stream.renditions {
        let place = format!("{place} {}", rendition.uri);
        found.extend(judge(&RENDITION, rendition, &place));
        for listing in rendition.listings.iter().chain(&rendition.held) {
            found.extend(judge_text(&MEDIA, &listing.media, &place));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|finding| seen.insert((finding.rule, finding.place.clone(), finding.what.clone())));
    found
}
