//! Windows that outlast the program: it is killed and started anew, as by systemd, and players notice one discontinuity.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::manager::Manager;
use crate::tool::Scratch;

const PATIENCE: Duration = Duration::from_secs(40);
const STREAMS: &str = "[[stream]]\nname = \"radio\"\naudio = { kind = \"synth\" }\nlow_latency = {}\n\
    [stream.window]\nsegment = \"1s\"\n\
    [[stream]]\nname = \"secret\"\nvideo = { kind = \"synth\", size = \"320x240\", rate = 10 }\n\
    audio = { kind = \"synth\" }\n[stream.window]\nsegment = \"1s\"\n[stream.encryption]\n";
const PLAYLISTS: [&str; 4] = ["radio/audio/", "radio/ll/audio/", "secret/video/", "secret/audio/"];

/// The playlist as soon as that holds of it.
fn playlist_when(manager: &Manager, path: &str, holds: impl Fn(&Listed) -> bool) -> Listed {
    let begun = Instant::now();
    loop {
        let playlist = manager.playlist(path);
        let listed = Listed::of(&playlist);
        if holds(&listed) {
            return listed;
        }
        assert!(begun.elapsed() < PATIENCE, "{playlist}\n{}", manager.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a playlist lists, by number.
#[derive(Debug)]
struct Listed {
    segments: BTreeMap<u64, Told>,
    discontinuity_sequence: u64,
    whole: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    uri: String,
    duration: String,
    /// PROGRAM-DATE-TIME, where it stands.
    date: Option<String>,
    /// Its key, and what must be read before it.
    key: String,
    init: String,
    discontinuity: bool,
    gap: bool,
}

impl Listed {
    fn of(playlist: &str) -> Self {
        let value = |tag: &str| {
            playlist
                .lines()
                .find_map(|line| line.strip_prefix(tag))
                .map_or(0, |it| it.parse().expect("a number"))
        };
        let first: u64 = value("#EXT-X-MEDIA-SEQUENCE:");
        let (mut segments, mut next) = (BTreeMap::new(), Told::default());
        for line in playlist.lines() {
            let (tag, rest) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXTINF" => next.duration = rest.to_owned(),
                "#EXT-X-PROGRAM-DATE-TIME" => next.date = Some(rest.to_owned()),
                "#EXT-X-DISCONTINUITY" => next.discontinuity = true,
                "#EXT-X-GAP" => next.gap = true,
                "#EXT-X-KEY" => next.key = rest.to_owned(),
                "#EXT-X-MAP" => next.init = rest.to_owned(),
                _ if line.starts_with('#') => {}
                _ => {
                    next.uri = line.to_owned();
                    segments.insert(first + segments.len() as u64, next.clone());
                    next = Told { key: next.key, init: next.init, ..Told::default() };
                }
            }
        }
        let discontinuity_sequence = value("#EXT-X-DISCONTINUITY-SEQUENCE:");
        Self { segments, discontinuity_sequence, whole: playlist.to_owned() }
    }

    fn newest(&self) -> u64 {
        self.segments.keys().next_back().copied().unwrap_or(0)
    }

    fn discontinuities(&self) -> usize {
        self.segments.values().filter(|it| it.discontinuity).count()
    }

    /// How many segments can be played that are newer than `newest`.
    fn after(&self, newest: u64) -> usize {
        self.segments.range(newest + 1..).filter(|(_, it)| !it.gap).count()
    }

    /// All that can be fetched of it.
    fn uris(&self) -> Vec<String> {
        let quoted = |text: &str| text.split_once("URI=\"")?.1.split('"').next().map(str::to_owned);
        let there = self.segments.values().filter(|it| !it.gap);
        let mut uris: Vec<_> = there
            .flat_map(|it| [Some(it.uri.clone()), quoted(&it.key), quoted(&it.init)])
            .flatten()
            .collect();
        uris.extend(self.whole.lines().filter(|it| it.starts_with("#EXT-X-PART:")).filter_map(quoted));
        uris
    }
}

/// What can be fetched of these playlists now.
fn everything(manager: &Manager, listed: &[Listed]) -> Vec<(String, Vec<u8>)> {
    let paths = PLAYLISTS
        .iter()
        .zip(listed)
        .flat_map(|(path, listed)| listed.uris().into_iter().map(move |uri| format!("{path}{uri}")));
    paths.map(|path| (path.clone(), manager.bytes(&path))).collect()
}

#[test]
fn whoever_listens_goes_on_listening_when_the_program_is_killed() {
    let place = Scratch::new("service-windows");
    let config = place.file("outpost.toml");
    fs::write(&config, STREAMS).expect("a configuration");
    let mut manager = Manager::start(&place, &config);
    manager.hear_until("told READY=1");
    let mut before: Vec<_> =
        PLAYLISTS.iter().map(|path| playlist_when(&manager, path, |it| it.segments.len() > 4)).collect();
    for (count, signal) in [(1, Signal::SIGKILL), (2, Signal::SIGKILL), (3, Signal::SIGTERM)] {
        let known = everything(&manager, &before);
        // What is shown of the segment being written, too: other bytes never come under that name.
        let edge = Listed::of(&manager.playlist("radio/ll/audio/")).uris();
        let edge: Vec<_> = edge.iter().map(|uri| format!("radio/ll/audio/{uri}")).collect();
        let edge: Vec<_> =
            edge.into_iter().filter_map(|path| Some((manager.try_bytes(&path).ok()?, path))).collect();
        let away = manager.restart(signal, &known[0].0);
        println!("restart {count} by {signal}: nobody answered for {away:?}");
        for (path, bytes) in &known {
            assert!(manager.bytes(path) == *bytes, "{path} is something else after {signal}");
        }
        let mut now = Vec::new();
        for (path, before) in PLAYLISTS.iter().zip(&before) {
            let newest = before.newest();
            let listed = playlist_when(&manager, path, |it| it.after(newest) >= 3);
            for (number, told) in &before.segments {
                assert_eq!(listed.segments.get(number), Some(told), "{path}\n{}", listed.whole);
            }
            assert_eq!(listed.discontinuity_sequence, before.discontinuity_sequence, "{path}");
            assert_eq!(listed.discontinuities(), before.discontinuities() + 1, "{path}\n{}", listed.whole);
            now.push(listed);
        }
        for (bytes, path) in &edge {
            match manager.try_bytes(path) {
                Ok(now) => assert!(now == *bytes, "{path} is something else"),
                Err(error) => assert!(error.contains("404"), "{path}: {error}"),
            }
        }
        let places = |it: &Listed| -> Vec<u64> {
            it.segments.iter().filter(|(_, it)| it.discontinuity).map(|(number, _)| *number).collect()
        };
        assert_eq!(places(&now[0])[1..], places(&now[1])[1..], "the same in all renditions");
        assert_eq!(places(&now[2])[1..], places(&now[3])[1..], "the same in all renditions");
        before = now;
    }
}

#[test]
fn what_has_changed_begins_anew_and_is_served_for_a_while_and_what_is_gone_is_not_kept() {
    let place = Scratch::new("service-changed");
    let config = place.file("outpost.toml");
    fs::write(&config, STREAMS).expect("a configuration");
    let mut manager = Manager::start(&place, &config);
    let heard = manager.hear_until("told READY=1");
    let kept = |name: &str| heard.iter().any(|it| *it == format!("kept window-{name}"));
    assert!(kept("radio/audio") && kept("radio/ll/audio") && kept("secret/video"), "{heard:?}");
    // As long as this list is, so long can be fetched what was in it.
    let before = playlist_when(&manager, "radio/audio/", |it| it.segments.len() > 12);
    let listed: Vec<_> = before.uris().into_iter().map(|uri| format!("radio/audio/{uri}")).collect();
    let known: Vec<_> = listed.iter().map(|path| (path, manager.bytes(path))).collect();
    // One has longer segments, the other is gone.
    let radio = STREAMS.split("[[stream]]\nname = \"secret\"").next().expect("a stream");
    fs::write(&config, radio.replace("1s", "2s")).expect("a configuration");
    kill(manager.pid, Signal::SIGKILL).expect("it runs");
    let heard = manager.hear_until("told READY=1");
    for name in ["radio/audio", "radio/ll/audio", "secret/video", "secret/audio"] {
        assert!(heard.contains(&format!("forgot window-{name}")), "{name}: {heard:?}");
    }
    assert!(heard.contains(&"kept window-radio/audio".to_owned()), "{heard:?}");
    let now = playlist_when(&manager, "radio/audio/", |it| !it.segments.is_empty());
    assert!(now.segments.keys().all(|number| *number > before.newest()), "{}", now.whole);
    assert!(manager.log().contains("the stream has changed"), "{}", manager.log());
    // RFC 8216, 6.2.2: what was listed can be fetched for a while.
    for (path, bytes) in known {
        assert!(manager.bytes(path) == bytes, "{path} is something else");
    }
}
