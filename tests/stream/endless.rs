//! The endless transport stream, and the segments as one.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use outpost::base::{Pts, Span};
use outpost::container::ts::{Demux, Event, PACKET_LEN};

use crate::ear;
use crate::station::{Station, until};

/// ISO/IEC 13818-1, 2.7.2.
const PCR_GAP: Span = Span::from_millis(100);
const CLIENTS: usize = 10;

/// Holds that a transport stream is whole; says how much sound is in it, in seconds.
pub(crate) fn whole(bytes: &[u8]) -> f64 {
    let (mut clock, mut sound, mut first) = (None::<Pts>, None::<Pts>, None);
    let mut demux = Demux::new(Pts::from_ticks(0));
    let mut tell = |event: Event<'_>| match event {
        Event::Fault { fault, at } => panic!("{fault}, at byte {at}"),
        Event::Clock { pcr, at, .. } => {
            let gap = clock.replace(pcr).map_or(Span::ZERO, |before| pcr - before);
            assert!((Span::ZERO..=PCR_GAP).contains(&gap), "a PCR {gap:?} after the last, at byte {at}");
        }
        Event::Unit(unit) => {
            first.get_or_insert(unit.pts);
            if let Some(before) = sound.replace(unit.pts) {
                assert_eq!((unit.pts - before).ticks(), 1920, "one block of 1024 samples after the other");
            }
        }
    };
    demux.feed(bytes, &mut tell);
    demux.finish(&mut tell);
    let (first, last) = first.zip(sound).expect("there is sound");
    assert!(clock.is_some(), "there is a clock");
    (last - first).as_secs_f64()
}

#[test]
fn ten_clients_of_the_endless_stream_get_all_of_it() {
    let station = Station::scanner("endless", "");
    station.next_listing("radio");
    let url = station.url("/radio/live.ts");
    let file = |client: usize| station.dir().join(format!("{client}.ts"));
    let curls: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--max-time", "6", "--output"]).arg(file(client)).arg(&url);
            curl.stdin(Stdio::null()).spawn().expect("curl starts (Debian: curl)")
        })
        .collect();
    assert_eq!(ear::probe(&url), "aac,LC,48000,1");
    let played = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-xerror", "-i", &url, "-t", "5", "-f", "null", "-"])
        .output()
        .expect("ffmpeg starts (Debian: ffmpeg)");
    assert!(
        played.status.success() && played.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&played.stderr)
    );
    for (client, mut curl) in curls.into_iter().enumerate() {
        let status = curl.wait().expect("curl ends");
        assert_eq!(status.code(), Some(28), "curl goes on until its time is over");
        let mut bytes = fs::read(file(client)).expect("what came");
        // Cut off anywhere.
        bytes.truncate(bytes.len() / PACKET_LEN * PACKET_LEN);
        let seconds = whole(&bytes);
        assert!((4.5..10.0).contains(&seconds), "client {client}: {seconds} s of sound in six");
    }
    until("all clients to be gone", Duration::from_secs(10), || {
        (station.metric("outpost_http_open_connections") <= 1.0).then_some(())
    });
}

#[test]
fn segments_laid_end_to_end_are_one_stream() {
    let station = Station::scanner("joined", "");
    let playlist = until("six segments", Duration::from_secs(15), || {
        Some(station.playlist("radio")).filter(|playlist| playlist.segments.len() >= 6)
    });
    let mut all = Vec::new();
    for segment in &playlist.segments {
        let body = station.get(&format!("/radio/audio/{}", segment.uri)).body;
        // Each can be decoded by itself, and lasts as long as it says.
        let seconds = whole(&body) + 1024.0 / 48_000.0;
        assert!((seconds - f64::from(segment.duration)).abs() < 0.001, "{}: {seconds} s", segment.uri);
        all.extend(body);
    }
    let seconds = whole(&all) + 1024.0 / 48_000.0;
    assert!((seconds - crate::station::length(&playlist)).abs() < 0.001, "{seconds} s");
}
