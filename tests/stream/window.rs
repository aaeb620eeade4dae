//! What is listed, for how long it can be fetched, and when it says it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::station::{Station, begin, length};

/// A segment as a client sees it come and go.
struct Seen {
    body: Vec<u8>,
    /// In seconds.
    duration: f64,
    /// The longest playlist that listed it, in seconds.
    longest: f64,
    /// When it was listed for the last time.
    listed: Instant,
    /// When it was begun to be fetched again for the first time in vain, and for the last time with success.
    gone: Option<Instant>,
    there: Instant,
}

#[test]
fn a_segment_never_changes_and_goes_when_it_may() {
    let station = Station::scanner("window", "length = \"20s\"");
    let target = station.playlist("radio").target_duration;
    let mut seen: BTreeMap<u64, Seen> = BTreeMap::new();
    // Twenty seconds until the first is let go of, and as much again until it is gone.
    let deadline = Instant::now() + Duration::from_secs(70);
    while seen.values().filter(|segment| segment.gone.is_some()).count() < 3 {
        assert!(Instant::now() < deadline, "segments stay for ever");
        let now = Instant::now();
        let playlist = station.playlist("radio");
        let length = length(&playlist);
        assert_eq!(playlist.target_duration, target);
        assert!(length < 22.5, "{length} s are listed");
        for (segment, number) in playlist.segments.iter().zip(playlist.media_sequence..) {
            let fetch = || station.get(&format!("/radio/audio/{}", segment.uri));
            assert!(f64::from(segment.duration).round() <= target as f64, "{number}: EXTINF over the target");
            let known = seen.entry(number).or_insert_with(|| Seen {
                body: fetch().body,
                duration: f64::from(segment.duration),
                longest: 0.0,
                listed: now,
                gone: None,
                there: now,
            });
            known.longest = known.longest.max(length);
            known.listed = now;
        }
        for (number, segment) in seen.iter_mut().filter(|(_, segment)| segment.gone.is_none()) {
            let asked = Instant::now();
            let reply = station.get(&format!("/radio/audio/{number}.ts"));
            match reply.status {
                200 => {
                    assert!(reply.body == segment.body, "{number} has changed");
                    segment.there = asked;
                }
                404 => segment.gone = Some(Instant::now()),
                status => panic!("{number}: {status}"),
            }
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    for (number, segment) in seen {
        let Some(gone) = segment.gone else { continue };
        // RFC 8216, 6.2.2: its own duration and that of the longest playlist that listed it, from its removal,
        // which came after it was last seen there.
        let due = segment.duration + segment.longest;
        let stayed = gone.duration_since(segment.listed).as_secs_f64();
        assert!(stayed >= due, "{number}: {stayed} s, but {due} s were due");
        // And not for ever: what is due is let go of with the next segment, and asked for a little later.
        let there = segment.there.duration_since(segment.listed).as_secs_f64();
        assert!(there < due + 3.5, "{number}: {there} s, but only {due} s were due");
    }
}

#[test]
fn dates_follow_the_lengths_and_the_clock() {
    let station = Station::scanner("dates", "length = \"6s\"");
    let (mut lateness, mut before) = (f64::INFINITY, None);
    for _ in 0..12 {
        let (playlist, _) = station.next_listing("radio");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let end = begin(&playlist) + length(&playlist);
        assert!(end <= now, "what is listed ends {} s in the future", end - now);
        // This machine may have been busy with something else once.
        lateness = f64::min(lateness, now - end);
        // A list that has moved on begins later by what it has lost.
        let number = playlist.media_sequence;
        if let Some((first, start, lengths)) = before.replace((
            number,
            begin(&playlist),
            playlist.segments.iter().map(|segment| f64::from(segment.duration)).collect::<Vec<_>>(),
        )) {
            let lost: f64 = lengths.iter().take((number - first) as usize).sum();
            let moved = begin(&playlist) - start;
            // Dates are written in milliseconds.
            assert!((moved - lost).abs() < 0.002, "{moved} s later, without {lost} s");
        }
    }
    assert!(lateness < 0.1, "the last sample is {lateness} s old when it is listed");
    let (first, ..) = before.expect("there were playlists");
    assert!(station.playlist("radio").media_sequence > first.saturating_sub(4));
}
