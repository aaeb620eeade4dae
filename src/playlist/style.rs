//! What a playlist is like, whatever is in the window.

use crate::segment::Snapshot;

/// What segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `{sequence}.ts`
    TransportStream,
    /// `{sequence}.m4s`, and `init-{number}.mp4` before them.
    Fmp4,
}

/// How close to the present its readers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Three target durations: whole segments.
    Ordinary,
    /// Three part targets: parts of segments, and requests that are held until there is more
    /// (rfc8216bis, appendix B.1).
    Low,
}

/// What all playlists of a rendition have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// What its segments are.
    pub format: Format,
    /// How close to the present its readers come.
    pub latency: Latency,
    /// What stands before `{number}.key`, relative to the playlist or absolute: `../keys/`.
    pub keys: String,
}

/// How much of a live playlist is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All that is listed.
    #[default]
    Whole,
    /// What a reader of the last one need be told: a Playlist Delta Update (rfc8216bis, 6.2.5.1).
    Delta(Skip),
}

/// What a delta leaves out besides older segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Nothing.
    Segments,
    /// The date ranges that every reader has been told of.
    DateRanges,
}

/// How far another rendition has come: EXT-X-RENDITION-REPORT (rfc8216bis, 4.4.5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its playlist, relative to the one that reports.
    pub uri: String,
    /// Media sequence number of its last part, or of its last segment if it has no parts.
    pub sequence: u64,
    /// The last part of that segment, counted from 0.
    pub part: Option<u64>,
}

impl Report {
    /// On the rendition whose playlist is at `uri`; `None` while it lists nothing.
    pub fn of(uri: &str, snapshot: &Snapshot) -> Option<Self> {
        let last_of = |parts: usize| (parts as u64).checked_sub(1);
        let edge = snapshot.edge.as_ref().filter(|edge| !edge.parts.is_empty());
        let (sequence, part) = match edge {
            Some(edge) => (edge.sequence, last_of(edge.parts.len())),
            None => snapshot.listed.last().map(|last| (last.sequence, last_of(last.parts.len())))?,
        };
        Some(Self { uri: uri.to_owned(), sequence, part })
    }
}
