//! Markers as programs read them.
//!
//! Lists have ten thousand of them. So what is the same in all is put down as it stands: a serialiser would look through
//! each key for what has to be escaped. What differs and might need that, `serde_json` writes.

use super::clocks::{Clocks, Teller};
use super::value;
use crate::media::marker::{Marker, MarkerKind};
use crate::playlist::Piece;
use crate::timeline::Shown;

/// Bytes of a marker without a label.
const LEN: usize = 420;

/// Those of that kind of which some lies in that piece: `{"revision": …, "markers": […]}`. The revision changes whenever a
/// marker does.
pub(super) fn list(
    shown: &Shown,
    clocks: &Clocks,
    piece: Option<Piece>,
    kind: Option<&MarkerKind>,
) -> Vec<u8> {
    let Piece { from, to } = piece.unwrap_or(Piece { from: None, to: None });
    let dates = clocks.dates();
    let wanted = |marker: &&Marker| {
        kind.is_none_or(|kind| marker.kind == *kind)
            && to.is_none_or(|to| dates.at(marker.from) < to)
            && from.is_none_or(|from| marker.to.is_none_or(|to| dates.at(to) >= from))
    };
    let wanted: Vec<&Marker> = shown.markers.iter().map(|it| &**it).filter(wanted).collect();
    let mut text = Vec::with_capacity(64 + LEN * wanted.len());
    let mut teller = clocks.teller();
    text.extend_from_slice(b"{\"revision\":");
    value(&mut text, &shown.revision.0);
    text.extend_from_slice(b",\"markers\":[");
    for (count, told) in wanted.into_iter().enumerate() {
        text.extend_from_slice(if count > 0 { b"," } else { b"" });
        put(&mut text, told, &mut teller);
    }
    text.extend_from_slice(b"]}");
    text
}

/// A marker in all clocks.
pub(super) fn marker(marker: &Marker, clocks: &Clocks) -> String {
    let mut text = Vec::with_capacity(LEN);
    put(&mut text, marker, &mut clocks.teller());
    // JSON is UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

fn put(text: &mut Vec<u8>, marker: &Marker, teller: &mut Teller<'_>) {
    let Marker { id, kind, from, to, level, label, edition: _ } = marker;
    // Neither names nor kinds have anything in them that is to be escaped.
    text.extend_from_slice(b"{\"id\":\"");
    text.extend_from_slice(id.as_str().as_bytes());
    text.extend_from_slice(b"\",\"kind\":\"");
    text.extend_from_slice(kind.as_str().as_bytes());
    text.extend_from_slice(b"\",\"from\":");
    teller.tell(*from).put(text);
    // Missing while it goes on.
    text.extend_from_slice(b",\"to\":");
    match to {
        Some(to) => teller.tell(*to).put(text),
        None => value(text, &()),
    }
    text.extend_from_slice(b",\"level_dbfs\":");
    value(text, &level.map(|level| (level * 10.0).round() / 10.0));
    text.extend_from_slice(b",\"label\":");
    value(text, &label.as_ref().map(|label| label.as_str()));
    text.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Pts, Span};
    use crate::media::marker::MarkerId;
    use crate::serve::live::tests::{segment, snapshot};
    use crate::timeline::Revision;
    use serde_json::{Value, json};
    use std::sync::Arc;

    #[test]
    fn any_json_reader_reads_what_is_told() {
        let at = |millis| Pts::default() + Span::from_millis(millis);
        let marker = |count, kind: &str, to: Option<i64>, label: Option<&str>| {
            let (id, kind) = (MarkerId::new(0xa, count), kind.parse().expect("a kind"));
            let (to, level) = (to.map(at), label.is_none().then_some(-20.46));
            let label = label.map(|label| label.parse().expect("a label"));
            Arc::new(Marker { id, kind, from: at(15_500), to, level, label, edition: 0 })
        };
        let markers = Arc::from([
            marker(1, "transmission", Some(99_000), None),
            marker(2, "door-2", None, Some("a \"b\" \\ é")),
        ]);
        let shown = Shown { revision: Revision(7), markers };
        let clocks = Clocks::at(&snapshot([7, 8].map(segment).to_vec()));
        let read = |kind: Option<&str>| -> Value {
            let kind = kind.map(|kind| kind.parse().expect("a kind"));
            serde_json::from_slice(&list(&shown, &clocks, None, kind.as_ref())).expect("JSON")
        };
        let instant = |wall: &str, seconds: f64, segment: Value| {
            let nanos = (seconds * 1e9) as i64;
            json!({ "wall": wall, "media_seconds": seconds, "monotonic_ns": nanos, "segment": segment })
        };
        let place = json!({ "media_sequence": 7, "offset_seconds": 1.5 });
        let from = instant("2023-11-14T22:13:35.500Z", 15.5, place);
        let to = instant("2023-11-14T22:14:59.000Z", 99.0, Value::Null);
        let first = json!({
            "id": "a-1", "kind": "transmission", "from": from, "to": to, "level_dbfs": -20.5, "label": null,
        });
        let second = json!({
            "id": "a-2", "kind": "door-2", "from": from, "to": null, "level_dbfs": null, "label": "a \"b\" \\ é",
        });
        assert_eq!(read(None), json!({ "revision": 7, "markers": [first, second] }));
        assert_eq!(read(Some("door-2")), json!({ "revision": 7, "markers": [second] }));
        assert_eq!(read(Some("motion")), json!({ "revision": 7, "markers": [] }));
        assert!(super::marker(&shown.markers[0], &clocks).starts_with("{\"id\":\"a-1\""));
    }
}
