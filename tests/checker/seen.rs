//! What was seen of a stream, as plain records: rules look at these alone, so that they can be shown made-up ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::text::{Media, Multivariant};

/// An answer of the server. Times count from when watching began.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The path with its query.
    pub(crate) path: String,
    /// When it was asked for, when the head was there, and when all of it was.
    pub(crate) asked: Duration,
    pub(crate) begun: Duration,
    pub(crate) ended: Duration,
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) fields: BTreeMap<String, String>,
    /// As it came, compression taken off.
    pub(crate) body: Arc<Vec<u8>>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Seconds from `Cache-Control: max-age`.
    pub(crate) fn max_age(&self) -> Option<u64> {
        self.field("cache-control").split("max-age=").nth(1)?.split([',', ' ']).next()?.parse().ok()
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// A parameter of its query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// A media playlist as it stood.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) answer: Answer,
    pub(crate) media: Media,
    /// Whether watching was interrupted before it, by a restart or a source that was lost on purpose: it may be late.
    pub(crate) after_trouble: bool,
}

/// A file, and how it stood to the list when it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(crate) answer: Answer,
    pub(crate) uri: String,
    /// What came, deciphered where it was enciphered; empty where that failed.
    pub(crate) clear: Arc<Vec<u8>>,
    /// What is to be there: listed, or gone for a shorter time than it has to stay.
    pub(crate) owed: bool,
    /// Whether it was hinted at, and not there yet, when it was asked for.
    pub(crate) hinted: bool,
}

/// What another program found in a segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Probe {
    /// Profile and level of its pictures.
    pub(crate) avc: Option<(u8, u8)>,
    /// `1280x720`
    pub(crate) size: Option<String>,
    /// Pictures a second.
    pub(crate) rate: Option<f64>,
    /// How many sounds.
    pub(crate) sounds: u32,
}

/// A delta update beside the whole playlist fetched just before it.
#[derive(Clone, Debug)]
pub(crate) struct Delta {
    pub(crate) whole: Media,
    pub(crate) delta: Media,
    /// The whole playlist fetched right after.
    pub(crate) after: Media,
}

/// One media playlist over time, and everything fetched for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rendition {
    /// Relative to the multivariant playlist.
    pub(crate) uri: String,
    /// Each that differs from the one before, in order.
    pub(crate) listings: Vec<Listing>,
    /// What came instead of a playlist, in good weather.
    pub(crate) lost: Vec<Answer>,
    /// Segments, parts and init segments.
    pub(crate) files: Vec<Fetch>,
    /// Requests with `_HLS_msn`, `_HLS_part`.
    pub(crate) held: Vec<Listing>,
    /// Requests that ought to be refused, each with the status it ought to get.
    pub(crate) refused: Vec<(Answer, u16)>,
    pub(crate) deltas: Vec<Delta>,
    pub(crate) probe: Option<Probe>,
    /// How much later than it should anything may have come because of the machine that all runs on, in seconds.
    pub(crate) delay: f64,
}

impl Rendition {
    /// The segments that were listed, each once, in order, as first seen.
    pub(crate) fn segments(&self) -> Vec<&crate::text::Segment> {
        Self::first_seen(&self.listings)
    }

    /// Those that were listed since the last trouble: of those before it, a server that was started again knows
    /// nothing.
    pub(crate) fn segments_since_trouble(&self) -> Vec<&crate::text::Segment> {
        let since = self.listings.iter().rposition(|listing| listing.after_trouble).unwrap_or(0);
        Self::first_seen(&self.listings[since..])
    }

    fn first_seen(listings: &[Listing]) -> Vec<&crate::text::Segment> {
        let mut next = 0;
        let mut found = Vec::new();
        for segment in listings.iter().flat_map(|listing| &listing.media.segments) {
            if segment.number >= next {
                next = segment.number + 1;
                found.push(segment);
            }
        }
        found
    }

    fn fetched(&self, uri: &str) -> Option<&Fetch> {
        self.files.iter().find(|fetch| fetch.uri == uri && fetch.answer.status == 200)
    }

    /// The body of a file that came.
    pub(crate) fn body(&self, uri: &str) -> Option<&[u8]> {
        Some(&self.fetched(uri)?.answer.body)
    }

    /// The same, deciphered.
    pub(crate) fn clear(&self, uri: &str) -> Option<&[u8]> {
        Some(&self.fetched(uri)?.clear)
    }
}

/// A multivariant playlist and all it leads to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// Each that differs from the one before.
    pub(crate) multivariants: Vec<(Answer, Multivariant)>,
    pub(crate) renditions: Vec<Rendition>,
}
