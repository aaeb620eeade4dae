//! What moves before a camera is told where it moved.

use std::time::Duration;

use serde_json::Value;

use crate::MACHINE;
use crate::station::{Station, until};

/// A box passes over the test card within each half minute of the media clock, from and to these seconds.
const ROUND: f64 = 30.0;
const PASSING: (f64, f64) = (10.0, 15.0);
/// How far a beginning or an end may lie outside, where something else on the card changes right before or after; or
/// within, where the box is hardly in the picture; in seconds.
const OUTSIDE: f64 = 1.0;
const WITHIN: f64 = 0.4;
const PATIENCE: Duration = Duration::from_secs(75);

const STREAMS: &str = "[[stream]]
name = \"camera\"
video = { kind = \"synth\", size = \"640x360\" }
[[stream]]
name = \"blind\"
video = { kind = \"synth\", size = \"320x240\", rate = 10 }
motion.threshold = \"off\"
";

#[test]
fn what_passes_over_the_card_is_told_and_nothing_else() {
    let _machine = MACHINE.lock();
    let station = Station::start("moved", STREAMS, &[]);
    let told = |stream: &str| -> Vec<Value> {
        let told = station.get(&format!("/api/v1/streams/{stream}/markers?kind=motion")).text();
        let told: Value = serde_json::from_str(&told).expect("JSON");
        told["markers"].as_array().expect("a list").clone()
    };
    let ended = |markers: &[Value]| markers.iter().any(|it| !it["to"].is_null());
    let markers = until("a box that has passed", PATIENCE, || Some(told("camera")).filter(|it| ended(it)));
    let [marker] = &markers[..] else { panic!("nothing else moves: {markers:#?}") };
    let at = |end: &str| marker[end]["media_seconds"].as_f64().expect("a number").rem_euclid(ROUND);
    let (early, late) = (PASSING.0 - at("from"), at("to") - PASSING.1);
    // The program may have begun, and learned, while the box was there.
    assert!((-5.0..OUTSIDE).contains(&early) && (-WITHIN..OUTSIDE).contains(&late), "{marker:#}");
    let share = marker["label"].as_str().and_then(|label| label.strip_suffix("% of the picture"));
    let share: f64 = share.and_then(|share| share.parse().ok()).expect("how much moved");
    assert!((0.5..10.0).contains(&share), "{share} %");
    let line = format!(
        "#EXT-X-DATERANGE:ID=\"{}\",CLASS=\"outpost.motion\",START-DATE=\"{}\",DURATION=",
        marker["id"].as_str().expect("a name"),
        marker["from"]["wall"].as_str().expect("a date")
    );
    until("the same in the playlist", PATIENCE, || {
        station.get("/camera/video/index.m3u8").text().contains(&line).then_some(())
    });
    assert_eq!(told("blind"), [Value::Null; 0]);
}
