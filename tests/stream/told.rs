//! What was said is told where it was said.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::clips::spoken;
use crate::station::{Station, stream, until};
use crate::tool;

const PATIENCE: Duration = Duration::from_secs(30);
/// How far a beginning or an end may be beside the truth, in seconds.
const EXACT: f64 = 0.15;

fn seconds(instant: &Value) -> f64 {
    instant["media_seconds"].as_f64().expect("a number")
}

fn wall(instant: &Value) -> f64 {
    let stamp: Timestamp = instant["wall"].as_str().expect("a date").parse().expect("RFC 3339");
    stamp.as_nanosecond() as f64 / 1e9
}

/// What is said of markers in all that is listed, as ffmpeg finds it beside the sound: from the name on.
fn tags(playlist: &str) -> Vec<String> {
    // As a finished playlist it has an end that ffmpeg comes to.
    let until = format!("{playlist}?to={}", Timestamp::now());
    let found = tool::run(
        "ffmpeg",
        &[
            "-nostdin",
            "-v",
            "error",
            "-live_start_index",
            "0",
            "-i",
            &until,
            "-map",
            "0:d",
            "-c",
            "copy",
            "-f",
            "data",
            "-",
        ],
    );
    let found = String::from_utf8_lossy(&found).into_owned();
    found.split("marker\0").skip(1).map(str::to_owned).collect()
}

#[test]
fn transmissions_are_told_to_programs_and_players_at_their_time() {
    let station = Station::start("told", &stream("radio", &spoken(), "[stream.low_latency]"), &[]);
    let markers = || -> Vec<Value> {
        let told = station.get("/api/v1/streams/radio/markers?kind=transmission").text();
        let told: Value = serde_json::from_str(&told).expect("JSON");
        told["markers"].as_array().expect("a list").clone()
    };
    let told = until("three transmissions", PATIENCE, || {
        let told = markers();
        (told.iter().filter(|it| !it["to"].is_null()).count() >= 3).then_some(told)
    });
    let spans: Vec<_> = told[..3].iter().map(|it| (seconds(&it["from"]), seconds(&it["to"]))).collect();
    for ((from, to), meant) in spans.iter().zip([2.0, 1.5, 2.0]) {
        assert!((to - from - meant).abs() < 2.0 * EXACT, "{spans:?}");
    }
    let apart = |a: usize, b: usize| spans[b].0 - spans[a].0;
    assert!((apart(0, 1) - 5.0).abs() < EXACT && (apart(0, 2) - 10.0).abs() < EXACT, "{spans:?}");
    let offset = wall(&told[0]["from"]) - spans[0].0;
    for instant in told.iter().flat_map(|it| [&it["from"], &it["to"]]).filter(|it| !it.is_null()) {
        assert!((wall(instant) - seconds(instant) - offset).abs() < 0.002, "one mapping: {instant}");
        let nanos = instant["monotonic_ns"].as_f64().expect("a number");
        assert!((nanos / 1e9 - seconds(instant)).abs() < 2e-5, "{instant}");
    }
    // The place is where the playlist dates it, too.
    let place = &told[2]["from"]["segment"];
    let playlist = station.playlist("radio");
    let index = place["media_sequence"].as_u64().expect("listed") - playlist.media_sequence;
    let first = playlist.segments[0].program_date_time.expect("a date").timestamp_millis() as f64 / 1e3;
    let before: f64 = playlist.segments[..index as usize].iter().map(|it| f64::from(it.duration)).sum();
    let dated = first + before + place["offset_seconds"].as_f64().expect("a number");
    assert!((dated - wall(&told[2]["from"])).abs() < 0.01, "{dated} {told:?}");
    // Players are told the same.
    until("the same in the playlist", PATIENCE, || {
        let text = station.get("/radio/audio/index.m3u8").text();
        let told = told[..3].iter().all(|marker| {
            let (id, from) = (marker["id"].as_str().expect("a name"), marker["from"]["wall"].as_str());
            let begins = format!(
                "#EXT-X-DATERANGE:ID=\"{id}\",CLASS=\"outpost.transmission\",START-DATE=\"{}\",DURATION=",
                from.expect("a date")
            );
            text.contains(&begins)
        });
        told.then_some(())
    });
    // Whoever merges deltas, which leave out what he knows, knows the same.
    let ranges = |query: &str| -> Vec<String> {
        let text = station.get(&format!("/radio/audio/index.m3u8{query}")).text();
        assert_eq!(text.contains("RECENTLY-REMOVED-DATERANGES="), query.ends_with("v2"), "{text}");
        text.lines().filter(|line| line.starts_with("#EXT-X-DATERANGE")).map(str::to_owned).collect()
    };
    until("a delta that leaves out what was told long ago", PATIENCE, || {
        let (before, delta, after) = (ranges(""), ranges("?_HLS_skip=v2"), ranges(""));
        assert!(
            after.iter().all(|it| before.contains(it) || delta.contains(it)),
            "{before:?} {delta:?} {after:?}"
        );
        (delta.len() < after.len()).then_some(())
    });
    // And once more within the stream, when it began and when it ended.
    let id = told[1]["id"].as_str().expect("a name");
    let ended = format!("to\0{}", told[1]["to"]["wall"].as_str().expect("a date"));
    until("the same beside the sound", PATIENCE, || {
        let whole: Vec<_> = tags(&station.url("/radio/audio/index.m3u8"));
        let told: Vec<_> = whole.iter().filter(|tag| tag.starts_with(id)).collect();
        (told.len() >= 2).then(|| {
            assert!(!told[0].contains("to\0") && told[1].contains(&ended), "{told:?}");
            assert!(told.iter().all(|tag| tag.contains("kind\0transmission")), "{told:?}");
        })
    });
    let listed = station.playlist("radio/ll").segments;
    let quickly = listed.iter().any(|segment| {
        let bytes = station.get(&format!("/radio/ll/audio/{}", segment.uri)).body;
        let has = |wanted: &str| bytes.windows(wanted.len()).any(|it| it == wanted.as_bytes());
        has("https://aomedia.org/emsg/ID3") && has(&format!("marker\0{id}")) && has(&ended)
    });
    assert!(quickly, "at low latency, too");
    assert_eq!(station.get("/api/v1/streams/radio/markers?from=yesterday").status, 400);
    assert_eq!(station.get("/api/v1/streams/other/markers").status, 404);
    let later = wall(&told[0]["to"]) + 0.5;
    let later = Timestamp::from_millisecond((later * 1e3) as i64).expect("a date");
    let rest = station.get(&format!("/api/v1/streams/radio/markers?from={later}")).text();
    assert!(!rest.contains(told[0]["id"].as_str().expect("a name")), "{rest}");
}
