//! What happened when, as playlists tell it.

use std::sync::Arc;

use outpost::base::{Pts, Span};
use outpost::media::marker::{Marker, MarkerId, MarkerKind};
use outpost::playlist::{self, Extent, Format, Latency, Skip, Style};
use outpost::segment::{Markers, Snapshot};

use crate::shelves::{instant, segment, shelf};

fn ordinary() -> Style {
    Style { format: Format::TransportStream, latency: Latency::Ordinary, keys: String::new() }
}

fn at(n: u64, millis: i64) -> Pts {
    instant(n) + Span::from_millis(millis)
}

fn marker(count: u64, kind: &str, from: Pts, to: Option<Pts>) -> Arc<Marker> {
    let kind: MarkerKind = kind.parse().expect("a kind");
    Arc::new(Marker { id: MarkerId::new(0xab, count), kind, from, to, level: None, label: None, edition: 0 })
}

/// Eight segments of two seconds, and markers before, in and after them.
fn marked() -> Snapshot {
    let spoken = marker(2, "transmission", at(1, 500), Some(at(3, 250)));
    let label = Some("the \"back\" door".parse().expect("a label"));
    let markers = [
        marker(1, "transmission", at(0, -5_000), Some(at(0, -1))),
        marker(5, "door", at(0, -3_000), Some(at(0, 0))),
        Arc::new(Marker { level: Some(-21.37), ..(*spoken).clone() }),
        Arc::new(Marker { label, ..(*marker(3, "door", at(7, 0), Some(at(7, 0)))).clone() }),
        marker(4, "motion", at(8, 100), None),
    ];
    Snapshot { markers: Markers::new(Arc::from(markers)), ..shelf((0..8).map(segment), None) }
}

fn told(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("#EXT-X-DATERANGE")).collect()
}

const BEFORE: &str = "#EXT-X-DATERANGE:ID=\"ab-5\",CLASS=\"outpost.door\",START-DATE=\"2025-11-20T11:59:57.000Z\",\
                      DURATION=3.000000";
const SPOKEN: &str = "#EXT-X-DATERANGE:ID=\"ab-2\",CLASS=\"outpost.transmission\",\
                      START-DATE=\"2025-11-20T12:00:02.500Z\",DURATION=3.750000,X-OUTPOST-LEVEL=\"-21.4\"";
const DOOR: &str = "#EXT-X-DATERANGE:ID=\"ab-3\",CLASS=\"outpost.door\",START-DATE=\"2025-11-20T12:00:14.000Z\",\
                    DURATION=0.000000,X-OUTPOST-LABEL=\"the back door\"";
const MOVING: &str =
    "#EXT-X-DATERANGE:ID=\"ab-4\",CLASS=\"outpost.motion\",START-DATE=\"2025-11-20T12:00:16.100Z\"";

#[test]
fn a_live_playlist_tells_what_reaches_into_it_and_all_since() {
    let whole = playlist::media(&marked(), &ordinary(), Extent::Whole, &[]);
    assert_eq!(told(&whole), [BEFORE, SPOKEN, DOOR, MOVING]);
    let head = "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-DATERANGE";
    assert!(whole.contains(head), "before the first segment: {whole}");
}

#[test]
fn a_delta_leaves_none_of_them_out() {
    let delta = playlist::media(&marked(), &ordinary(), Extent::Delta(Skip::Segments), &[]);
    assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS="), "{delta}");
    assert_eq!(told(&delta), [BEFORE, SPOKEN, DOOR, MOVING]);
}

#[test]
fn one_that_may_leave_them_out_tells_those_that_are_new() {
    let delta = playlist::media(&marked(), &ordinary(), Extent::Delta(Skip::DateRanges), &[]);
    assert!(delta.contains("\n#EXT-X-VERSION:10\n"), "{delta}");
    assert!(delta.contains(",RECENTLY-REMOVED-DATERANGES=\"\"\n"), "{delta}");
    assert_eq!(told(&delta), [BEFORE, SPOKEN, DOOR, MOVING], "nobody was told of them yet");
    // What is no delta leaves out nothing.
    let short = Snapshot { listed: marked().listed[5..].into(), ..marked() };
    let whole = playlist::media(&short, &ordinary(), Extent::Delta(Skip::DateRanges), &[]);
    assert_eq!(whole, playlist::media(&short, &ordinary(), Extent::Whole, &[]));
}

#[test]
fn a_recording_tells_what_happened_in_it() {
    assert_eq!(told(&playlist::recording(&marked(), &ordinary(), 1..3)), [SPOKEN]);
    assert_eq!(told(&playlist::recording(&marked(), &ordinary(), 4..7)), [""; 0]);
    assert_eq!(told(&playlist::recording(&marked(), &ordinary(), 7..8)), [DOOR]);
}
