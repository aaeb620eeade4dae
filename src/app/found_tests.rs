//! What devices there may be, and what is streamed of them.

use super::*;
use crate::app::change;

fn card(short: &str, description: &str, captures: &[&str]) -> SoundCard {
    let captures = captures.iter().map(|id| id.parse().expect("a device")).collect();
    SoundCard { short: short.to_owned(), description: description.to_owned(), captures }
}

fn camera(id: &str, card: &str) -> v4l2::Present {
    v4l2::Present { id: id.parse().expect("a camera"), card: card.to_owned() }
}

fn dongle(port: &str) -> SoundCard {
    card("Device", "USB Audio Device", &[&format!("usb:{port}")])
}

fn webcam(port: &str) -> v4l2::Present {
    camera(&format!("usb:{port}"), "HD Pro Webcam C920")
}

/// Each stream as `name | title | pictures | sound`.
fn rows(cards: &[SoundCard], cameras: &[v4l2::Present]) -> Vec<String> {
    let found = Found { cards: cards.to_vec(), cameras: cameras.to_vec() };
    let shown = |source: Option<String>| source.unwrap_or_else(|| "-".to_owned());
    let row = |stream: StreamConfig| {
        let video = shown(stream.video.map(|it| format!("{} {}", it.source, it.size)));
        let audio = shown(stream.audio.map(|it| it.source.to_string()));
        format!("{} | {} | {video} | {audio}", stream.name, stream.title)
    };
    found.streams().0.into_iter().map(row).collect()
}

#[test]
fn devices_and_what_is_streamed_of_them() {
    /// What is plugged in: cards, cameras; and the streams that makes.
    type Case = (&'static str, Vec<SoundCard>, Vec<v4l2::Present>, &'static [&'static str]);
    let table: Vec<Case> = vec![
        ("nothing", vec![], vec![], &[]),
        (
            "a dongle",
            vec![dongle("1-1.2")],
            vec![],
            &["sound-1-1-2 | USB Audio Device | - | ALSA device usb:1-1.2"],
        ),
        (
            "two of one make: the titles tell the sockets",
            vec![dongle("1-1.2"), dongle("1-1.4")],
            vec![],
            &[
                "sound-1-1-2 | USB Audio Device (1-1.2) | - | ALSA device usb:1-1.2",
                "sound-1-1-4 | USB Audio Device (1-1.4) | - | ALSA device usb:1-1.4",
            ],
        ),
        (
            "a camera with its microphone, and a dongle",
            vec![dongle("1-1.2"), card("C920", "HD Pro Webcam C920", &["usb:1-1.3"])],
            vec![webcam("1-1.3")],
            &[
                "camera-1-1-3 | HD Pro Webcam C920 | camera usb:1-1.3 640x360 | ALSA device usb:1-1.3",
                "sound-1-1-2 | USB Audio Device | - | ALSA device usb:1-1.2",
            ],
        ),
        (
            "a card that is no USB's, with two devices: the first",
            vec![card("PCH", "HDA Intel PCH", &["hw:CARD=PCH,DEV=0", "hw:CARD=PCH,DEV=2"])],
            vec![],
            &["sound-pch | HDA Intel PCH | - | ALSA device hw:CARD=PCH,DEV=0"],
        ),
        (
            "a loopback: what programs play",
            vec![card("Loopback", "Loopback", &["hw:CARD=Loopback,DEV=0", "hw:CARD=Loopback,DEV=1"])],
            vec![],
            &["sound-loopback | Loopback | - | ALSA device hw:CARD=Loopback,DEV=1"],
        ),
        (
            "cameras that are no USB's, with names as the kernel gives them",
            vec![],
            vec![
                camera("platform:fe801000.csi", "unicam"),
                camera("card:Dummy \"video\" device: Dummy \"vid", "Dummy \"video\" device: Dummy \"vid"),
                camera("/dev/v4l/by-path/pci-0000:00:14.0-video-index0", ""),
            ],
            &[
                "camera-fe801000-csi | unicam | camera platform:fe801000.csi 640x360 | -",
                "camera-dummy--video--device--dummy--vid | Dummy \"video\" device | \
                 camera card:Dummy \"video\" device: Dummy \"vid 640x360 | -",
                "camera-pci-0000-00-14-0-video-index0 | camera-pci-0000-00-14-0-video-index0 | \
                 camera /dev/v4l/by-path/pci-0000:00:14.0-video-index0 640x360 | -",
            ],
        ),
        (
            "names that differ in what addresses cannot have",
            vec![card("PCH", "One", &["hw:CARD=PCH,DEV=0"]), card("pch", "Two\n", &["hw:CARD=pch,DEV=0"])],
            vec![],
            &[
                "sound-pch | One | - | ALSA device hw:CARD=PCH,DEV=0",
                "sound-pch-x2 | Two | - | ALSA device hw:CARD=pch,DEV=0",
            ],
        ),
    ];
    for (what, cards, cameras, expected) in table {
        assert_eq!(rows(&cards, &cameras), expected, "{what}");
    }
}

#[test]
fn names_do_not_depend_on_what_else_is_there_or_in_which_order() {
    let all = [dongle("1-1.2"), dongle("1-1.4"), card("PCH", "HDA", &["hw:CARD=PCH,DEV=0"])];
    let names = |cards: &[SoundCard]| {
        let mut names: Vec<_> = rows(cards, &[webcam("3-1")])
            .iter()
            .map(|row| row.split(' ').next().map(str::to_owned))
            .collect();
        names.sort();
        names
    };
    let mut turned = all.clone();
    turned.reverse();
    assert_eq!(names(&all), names(&turned));
    let alone = names(&all[1..2]);
    assert!(alone.iter().all(|name| names(&all).contains(name)), "{alone:?}");
}

#[test]
fn what_was_there_stays_until_there_is_too_much() {
    let of = |cards: &[SoundCard], cameras: &[v4l2::Present]| Found {
        cards: cards.to_vec(),
        cameras: cameras.to_vec(),
    };
    let mut found = of(&[dongle("1-1")], &[]);
    found.add(of(&[], &[webcam("1-2")]));
    assert_eq!(found, of(&[dongle("1-1")], &[webcam("1-2")]));
    let other = card("Mic", "Another", &["usb:1-1"]);
    found.add(of(&[other.clone(), dongle("1-3")], &[]));
    assert_eq!(found, of(&[other, dongle("1-3")], &[webcam("1-2")]), "another card in the same socket");

    let many: Vec<_> = (1..=MOST + 2).map(|port| dongle(&format!("2-{port}"))).collect();
    found.add(of(&many, &[]));
    assert_eq!(found, of(&many, &[]), "what is gone makes room");
    assert_eq!(found.streams().0.len(), MOST);
}

#[test]
fn whoever_copies_what_is_told_into_a_file_changes_nothing() {
    let mut found = Found { cards: vec![dongle("1-1.2")], cameras: vec![webcam("1-1.3")] };
    found.cards.push(card("C920", "HD Pro\u{7f} \"Web\\cam\"", &["usb:1-1.3"]));
    let (streams, text) = found.streams();
    let read = Config::parse(&text, "outpost.toml").unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    assert_eq!(read.streams, streams);
    let running = Config { streams, ..read.clone() };
    assert_eq!(change::between(&running, &read).to_string(), "camera-1-1-3 goes on, sound-1-1-2 goes on");
}
