//! Markers as programs read them.

use serde::Serialize;

use super::clocks::{Clocks, Instant};
use crate::media::marker::{Marker, MarkerKind};
use crate::playlist::Piece;
use crate::timeline::Shown;

/// All there are, or those that were asked for.
#[derive(Serialize)]
pub(super) struct Markers<'a> {
    /// Changes whenever a marker does.
    revision: u64,
    markers: Vec<Told<'a>>,
}

/// One of them.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    id: &'a str,
    kind: &'a str,
    from: Instant,
    /// Missing while it goes on.
    to: Option<Instant>,
    level_dbfs: Option<f32>,
    label: Option<&'a str>,
}

/// Those of that kind of which some lies in that piece.
pub(super) fn list<'a>(
    shown: &'a Shown,
    clocks: &Clocks,
    piece: Option<Piece>,
    kind: Option<&MarkerKind>,
) -> Markers<'a> {
    let Piece { from, to } = piece.unwrap_or(Piece { from: None, to: None });
    let dates = clocks.dates();
    let wanted = |marker: &&Marker| {
        kind.is_none_or(|kind| marker.kind == *kind)
            && to.is_none_or(|to| dates.at(marker.from) < to)
            && from.is_none_or(|from| marker.to.is_none_or(|to| dates.at(to) >= from))
    };
    let markers = shown.markers.iter().map(|it| &**it).filter(wanted).map(|it| marker(it, clocks)).collect();
    Markers { revision: shown.revision.0, markers }
}

/// A marker in all clocks.
pub(super) fn marker<'a>(marker: &'a Marker, clocks: &Clocks) -> Told<'a> {
    Told {
        id: marker.id.as_str(),
        kind: marker.kind.as_str(),
        from: clocks.tell(marker.from),
        to: marker.to.map(|to| clocks.tell(to)),
        level_dbfs: marker.level.map(|level| (level * 10.0).round() / 10.0),
        label: marker.label.as_ref().map(|label| label.as_str()),
    }
}
