//! What the query of a clip's address asks for.

use super::{Disposition, Order};
use crate::clip::{AFTER, BEFORE, Kind};
use crate::playlist::{Piece, QueryError, parameter};
use crate::serve::hold::{Change, Wait};
use crate::serve::reply::{self, Reply};
use crate::serve::station::Station;

/// A query, read.
#[derive(Debug, PartialEq)]
struct Asked {
    time: Time,
    /// What the stream is, unless it is said.
    kind: Option<Kind>,
    disposition: Disposition,
}

#[derive(Debug, PartialEq)]
enum Time {
    Piece(Piece),
    /// The name of a marker.
    Marker(String),
}

/// Why a query is none.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("{0}")]
    Kind(String),
    #[error(
        "a clip of what? say from and to, as from=2025-11-20T12:00:00Z&to=2025-11-20T12:01:00Z, or marker and its id"
    )]
    Nothing,
    #[error("a clip is of a marker or of a time; leave out marker, or from and to")]
    Both,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, Fault> {
        let (piece, marker) = (Piece::parse(query)?, parameter(query, "marker")?);
        let time = match (piece, marker) {
            (Some(piece), None) => Time::Piece(piece),
            (None, Some(id)) => Time::Marker(id.into_owned()),
            (None, None) => return Err(Fault::Nothing),
            (Some(_), Some(_)) => return Err(Fault::Both),
        };
        let kind = parameter(query, "format")?.map(|word| word.parse().map_err(Fault::Kind)).transpose()?;
        let disposition = match parameter(query, "download")? {
            Some(_) => Disposition::Attachment,
            None => Disposition::Inline,
        };
        Ok(Self { time, kind, disposition })
    }
}

/// What is to be cut for this query, or the answer if nothing is.
pub(in crate::serve) fn order(station: &Station, query: &str) -> Result<Reply, Wait> {
    let Asked { time, kind, disposition } = match Asked::parse(query) {
        Ok(asked) => asked,
        Err(fault) => return Ok(reply::bad_query(&fault)),
    };
    let renditions = station.ordinary().renditions();
    let sound = renditions.iter().find(|it| it.is_sound());
    let pictures = renditions.iter().find(|it| !it.is_sound());
    let kind = kind.unwrap_or(if pictures.is_some() { Kind::Mp4 } else { Kind::M4a });
    let rendition = match kind {
        Kind::M4a | Kind::Aac => sound,
        Kind::Mp4 => pictures,
        Kind::Ts => pictures.or(sound),
    };
    let Some(rendition) = rendition else {
        return Ok(reply::no_clip(&"this stream has nothing for that format"));
    };
    let shown = rendition.shown().ok_or_else(|| Wait::Change(Change::Beginning(rendition.clone())))?;
    let Some(kept) = shown.snapshot.span() else { return Ok(reply::no_recording(None)) };
    let span = match time {
        Time::Piece(Piece { from, to }) => {
            let instant = |at| shown.snapshot.dates.instant(at);
            from.map_or(kept.start, instant)..to.map_or(kept.end, instant)
        }
        Time::Marker(id) => {
            let timeline = station.timeline().shown();
            let Some(marker) = timeline.markers.iter().find(|it| it.id.as_str() == id) else {
                return Ok(reply::no_clip(&format!(
                    "no marker is called {id:?}; it may have left the window"
                )));
            };
            let end = marker.to.map(|to| to + AFTER);
            // It is over, and will be listed with the next segments.
            if let Some(end) = end.filter(|end| *end > kept.end) {
                return Err(Wait::Change(Change::End(rendition.clone(), end)));
            }
            marker.from - BEFORE..end.unwrap_or(kept.end)
        }
    };
    let span = span.start.max(kept.start)..span.end.min(kept.end);
    if span.is_empty() {
        return Ok(reply::no_recording(shown.extent()));
    }
    let (rendition, title) = (rendition.clone(), station.title().to_string());
    Err(Wait::Clip(Box::new(Order { rendition, shown, span, kind, title, disposition })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let piece = Piece::parse("from=2025-11-20T12:00:00.5Z&to=2025-11-20T12:01:00Z").expect("a piece");
        let piece = || Time::Piece(piece.expect("not empty"));
        let asked = |time, kind, disposition| Asked { time, kind, disposition };
        let table = [
            (
                "from=2025-11-20T12:00:00.5Z&to=2025-11-20T12:01:00Z",
                asked(piece(), None, Disposition::Inline),
            ),
            (
                "to=2025-11-20T12:01:00Z&from=2025-11-20T12:00:00.5Z&format=ts&download",
                asked(piece(), Some(Kind::Ts), Disposition::Attachment),
            ),
            (
                "marker=4f-12&format=aac&download=1&expires=7",
                asked(Time::Marker("4f-12".to_owned()), Some(Kind::Aac), Disposition::Attachment),
            ),
        ];
        for (query, expected) in table {
            assert_eq!(Asked::parse(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_words() {
        let table = [
            ("", "a clip of what?"),
            ("download", "a clip of what?"),
            ("marker=1&from=2025-11-20T12:00:00Z", "a clip is of a marker or of a time"),
            ("marker=1&marker=2", "marker is there more than once"),
            ("marker=1&format=mp3", "format=mp3 is none; there are m4a, aac, mp4 and ts"),
            ("from=2025-11-20T12:00:00Z&to=2025-11-20T12:00:00Z", "from is not before to"),
            ("from=noon", "from=noon is no date"),
        ];
        for (query, words) in table {
            let fault = Asked::parse(query).expect_err(query).to_string();
            assert!(fault.starts_with(words), "{query}: {fault}");
        }
    }
}
