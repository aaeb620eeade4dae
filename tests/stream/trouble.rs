//! A device that goes, comes, or says nothing: the stream goes on.

use std::time::{Duration, Instant};

use m3u8_rs::MediaPlaylist;

use crate::ear::{self, LEVEL, play};
use crate::pulse::Pulse;
use crate::station::{Station, after_last, begin, length, until};

const NOTICED: Duration = Duration::from_secs(3);
const BACK: Duration = Duration::from_secs(6);
const HEARD: Duration = Duration::from_secs(15);
const TONE: std::ops::Range<f64> = LEVEL - 0.5..LEVEL + 0.5;

/// How far the stream is: what is listed, and how long the listing of its end was behind that end. Of four
/// listings the promptest, since this machine may have been busy with something else.
struct Standing {
    playlist: MediaPlaylist,
    /// Wall time less media time, in seconds; its origin means nothing.
    offset: f64,
}

fn standing(station: &Station, origin: Instant) -> Standing {
    let listings = (0..4).map(|_| {
        let (playlist, at) = station.next_listing("radio");
        let end = begin(&playlist) + length(&playlist);
        Standing { offset: at.duration_since(origin).as_secs_f64() - end, playlist }
    });
    listings.min_by(|a, b| a.offset.total_cmp(&b.offset)).expect("four of them")
}

/// One playlist went on: numbers, dates and lengths, and no discontinuity.
fn assert_unbroken(before: &Standing, after: &Standing) {
    let (old, new) = (&before.playlist, &after.playlist);
    assert_eq!(
        (new.media_sequence, new.discontinuity_sequence, new.target_duration),
        (old.media_sequence, old.discontinuity_sequence, old.target_duration)
    );
    for (segment, number) in new.segments.iter().zip(new.media_sequence..) {
        assert_eq!(segment.uri, format!("{number}.ts"));
        assert_eq!(segment.discontinuity, number == new.media_sequence, "{number}");
    }
    assert!(after_last(new) > after_last(old) && begin(new) == begin(old));
    for (old, new) in old.segments.iter().zip(&new.segments) {
        assert_eq!((&old.uri, old.duration), (&new.uri, new.duration));
    }
}

/// Without a device nothing late can come: silence is listed this long after its time, in seconds.
const GONE: f64 = 0.04;

/// The media lasted as long as the time between the two, and is listed as promptly but for `later` seconds.
fn assert_on_time(before: &Standing, after: &Standing, later: f64) {
    let moved = after.offset - before.offset - later;
    assert!(moved.abs() < 0.1, "the media is {:.0} ms off the clock", moved * 1000.0);
}

/// The lengths of silence in all that is listed, in seconds.
fn silences(station: &Station) -> Vec<f64> {
    let seconds = length(&station.playlist("radio")) - 0.5;
    let url = station.url("/radio/audio/index.m3u8");
    let said = ear::listen(&url, "0", seconds, "silencedetect=noise=-60dB:duration=1");
    let duration = |line: &str| line.split("silence_duration: ").nth(1)?.trim().parse().ok();
    said.lines().filter_map(duration).collect()
}

#[test]
fn a_device_that_is_pulled_out_is_silence_and_comes_back_into_the_same_playlist() {
    let origin = Instant::now();
    let mut pulse = Pulse::present();
    let tone = play(&pulse, 997.0, 997.0);
    let station = Station::hearing("pulled", "scanner", &pulse.environment());
    station.until_level("radio", TONE, HEARD);
    let before = standing(&station, origin);

    drop(tone);
    let gone = Instant::now();
    pulse.unplug();
    let status = station.until_signal("radio", &["no-device", "failed"], NOTICED);
    let cause = status["cause"].as_str().expect("a cause");
    assert!(cause.contains("; "), "a problem and a remedy: {cause}");
    let gap = standing(&station, origin);
    assert_unbroken(&before, &gap);
    assert!(station.get("/healthz").status == 200 && station.metric("outpost_signal_live") == 0.0);

    pulse.plug();
    // A sink that wakes gives its first two seconds at once, and they take their place in the past: the tone
    // is in the stream from some moment between its playing and our seeing it.
    let played = gone.elapsed().as_secs_f64();
    let _tone = play(&pulse, 997.0, 997.0);
    let status = station.until_signal("radio", &["live"], BACK);
    assert!(status["cause"].is_null(), "{status}");
    station.until_level("radio", TONE, HEARD);
    let back = gone.elapsed().as_secs_f64();
    let heard_from = length(&station.playlist("radio"));
    let after = standing(&station, origin);
    assert_unbroken(&gap, &after);
    assert_on_time(&before, &after, 0.0);

    // The tone was heard, then nothing for as long as it was away, then the tone.
    let silences = silences(&station);
    let longest = silences.iter().copied().fold(0.0, f64::max);
    let away = played - 0.5..back + 1.5;
    assert!(away.contains(&longest), "{silences:?} s of silence, but away for {away:?} s");
    let channels = until("six seconds of the tone alone", HEARD, || {
        let listed = length(&station.playlist("radio")) - heard_from;
        (listed > 6.5).then(|| ear::channels(&station.url("/radio/audio/index.m3u8")))
    });
    assert!(
        // The ear counts whole hertz: one is the least it can be off.
        (channels[0].pitch - 997.0).abs() <= 1.0 && TONE.contains(&channels[0].level),
        "{channels:?}"
    );

    // Which is told where it was.
    let told = station.get("/api/v1/streams/radio/markers?kind=gap").text();
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let second = |instant: &serde_json::Value| instant["media_seconds"].as_f64().unwrap_or(f64::NAN);
    let [told] = &told["markers"].as_array().expect("a list")[..] else { panic!("{told}") };
    let lasted = second(&told["to"]) - second(&told["from"]);
    assert!((lasted - longest).abs() < 1.0 && told["label"].as_str().is_some(), "{longest} s: {told}");

    // One line for each change: the daemon that dies is a device that fails and then one that is not there.
    let log = station.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("device=scanner")).collect();
    let (live, lost) = ("sound is coming", "giving silence until it is back");
    let expected = [live, lost, lost, live];
    assert!(
        told.len() == 4 && told.iter().zip(expected).all(|(line, expected)| line.contains(expected)),
        "{log}"
    );
    assert!(told[1].contains("signal=failed") && told[2].contains("signal=no-device"), "{log}");
}

#[test]
fn a_device_that_is_not_there_yet_is_heard_once_it_comes() {
    let origin = Instant::now();
    let mut pulse = Pulse::absent();
    let station = Station::hearing("absent", "scanner", &pulse.environment());
    let status = station.until_signal("radio", &["no-device"], NOTICED);
    assert!(status["cause"].as_str().is_some_and(|cause| cause.contains("; ")), "{status}");
    let before = standing(&station, origin);
    pulse.plug();
    let _tone = play(&pulse, 1499.0, 1499.0);
    station.until_signal("radio", &["live"], BACK);
    station.until_level("radio", TONE, HEARD);
    let after = standing(&station, origin);
    assert_unbroken(&before, &after);
    assert_on_time(&before, &after, -GONE);
    let log = station.log();
    let told = log.lines().filter(|line| line.contains("scanner")).count();
    assert_eq!(told, 2, "one line for each change:\n{log}");
}

#[test]
fn a_device_that_is_open_and_dead_is_told_and_replaced_by_silence() {
    let origin = Instant::now();
    let pulse = Pulse::present();
    let _tone = play(&pulse, 997.0, 997.0);
    let station = Station::hearing("dead", "scanner", &pulse.environment());
    station.until_level("radio", TONE, HEARD);
    let before = standing(&station, origin);
    pulse.freeze();
    let status = station.until_signal("radio", &["stalled"], NOTICED);
    assert!(status["cause"].as_str().is_some_and(|cause| cause.contains("no sound")), "{status}");
    let gap = standing(&station, origin);
    assert_unbroken(&before, &gap);
    station.until_level("radio", f64::NEG_INFINITY..-60.0, HEARD);
    pulse.thaw();
    station.until_signal("radio", &["live"], BACK);
    station.until_level("radio", TONE, HEARD);
    let after = standing(&station, origin);
    assert_unbroken(&gap, &after);
    assert_on_time(&before, &after, 0.0);
}
