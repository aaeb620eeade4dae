//! `/api/v1/streams/{stream}/markers`: what happened when, in every clock there is.

use serde::Serialize;

use super::StreamFigures;
use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Pts, Span};
use crate::media::marker::Marker;
use crate::playlist::Piece;
use crate::segment::{Dates, Snapshot};

#[derive(Serialize)]
pub(super) struct Markers<'a> {
    /// Changes whenever a marker does.
    revision: u64,
    markers: Vec<MarkerJson<'a>>,
}

#[derive(Serialize)]
struct MarkerJson<'a> {
    id: &'a str,
    kind: &'a str,
    from: InstantJson,
    /// Missing while it goes on.
    to: Option<InstantJson>,
    level_dbfs: Option<f32>,
    label: Option<&'a str>,
}

/// One instant, as each clock tells it.
#[derive(Serialize)]
struct InstantJson {
    /// RFC 3339.
    wall: String,
    /// Of the media clock, as in the stream's timestamps, not wrapped.
    media_seconds: f64,
    /// CLOCK_MONOTONIC of the box.
    monotonic_ns: i64,
    /// Where it is found; missing if nothing of it is listed.
    segment: Option<PlaceJson>,
}

#[derive(Serialize)]
struct PlaceJson {
    media_sequence: u64,
    /// From the beginning of that segment.
    offset_seconds: f64,
}

/// Those of `stream` in that piece and of that kind.
pub(super) fn of<'a>(
    shown: &'a crate::timeline::Shown,
    stream: &StreamFigures,
    now: &Dates,
    piece: Option<Piece>,
    kind: Option<&str>,
) -> Markers<'a> {
    let snapshot = stream.station.first().and_then(|rendition| rendition.snapshot());
    let dates = snapshot.as_ref().map_or(*now, |it| it.dates);
    let wanted = |marker: &Marker| {
        let Piece { from, to } = piece.unwrap_or(Piece { from: None, to: None });
        kind.is_none_or(|kind| marker.kind.as_str() == kind)
            && to.is_none_or(|to| dates.at(marker.from) < to)
            && from.is_none_or(|from| marker.to.is_none_or(|to| dates.at(to) >= from))
    };
    let instant = |at: Pts| InstantJson {
        wall: dates.at(at).to_string(),
        media_seconds: at.ticks() as f64 / TICKS_PER_SECOND as f64,
        monotonic_ns: at.to_monotonic().as_nanos(),
        segment: snapshot.as_ref().and_then(|snapshot| place(snapshot, at)),
    };
    let told = |marker: &'a Marker| MarkerJson {
        id: marker.id.as_str(),
        kind: marker.kind.as_str(),
        from: instant(marker.from),
        to: marker.to.map(instant),
        level_dbfs: marker.level.map(|level| (level * 10.0).round() / 10.0),
        label: marker.label.as_ref().map(|label| label.as_str()),
    };
    let markers = shown.markers.iter().map(|it| &**it).filter(|it| wanted(it)).map(told).collect();
    Markers { revision: shown.revision.0, markers }
}

fn place(snapshot: &Snapshot, at: Pts) -> Option<PlaceJson> {
    let index = snapshot.listed.partition_point(|it| it.start <= at).checked_sub(1)?;
    let segment = &snapshot.listed[index];
    let offset = at - segment.start;
    let within = (Span::ZERO..segment.duration).contains(&offset);
    within.then(|| PlaceJson { media_sequence: segment.sequence, offset_seconds: offset.as_secs_f64() })
}
