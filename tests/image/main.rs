//! The card image, in emulated boards: started, killed, cut off, set to another time. It takes long, and is no part of
//! `cargo test`: `make test-image`.
//!
//! OUTPOST_TEST_IMAGE=FILE.img takes an image that is there; OUTPOST_TEST_CUTS=N cuts the power so often (20), and
//! OUTPOST_TEST_SECONDS=N watches for so long what is written to the card (180). What was measured stands in
//! `image-figures` in the folder for temporary files of the tests too.

/// Says what was measured, now and at the end.
macro_rules! tell {
    ($($said:tt)*) => { crate::tell(&format!($($said)*)) };
}

mod board;
mod card;
mod client;
#[allow(dead_code)]
#[path = "../support/outpost.rs"]
mod outpost_program;
#[allow(dead_code)]
#[path = "../support/tool.rs"]
mod tool;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use board::{Board, Switch};
use card::Card;
use client::Client;
use outpost_program::fetch;
use tool::Scratch;

/// A sound card and a camera of the kernel's, without hardware: small, as emulation is slow.
const STREAMS: &str = r#"
[[stream]]
name = "radio"
audio = { kind = "alsa", device = "hw:Loopback,1,0" }
window = { segment = "2s" }

[[stream]]
name = "camera"
video = { kind = "v4l2", device = "/dev/video0", size = "320x180", rate = 5 }
window = { segment = "2s" }
"#;
/// The same with nothing but the sound, where processors are needed for something else.
const SOUND: &str = "[[stream]]\nname = \"radio\"\naudio = { kind = \"alsa\", device = \"hw:Loopback,1,0\" }\n\
    window = { segment = \"2s\" }\n";
const DEVICES: &str = "modules_load=snd-aloop,vivid";
/// Names units that failed.
const FAILED: &str = "SYSTEMD_COLORS=0 systemctl --failed --no-legend --plain";
const RADIO: &str = "/radio/audio/index.m3u8";
const CAMERA: &str = "/camera/video/index.m3u8";

/// The number in a variable of the environment, or another.
fn asked(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn tell(line: &str) {
    println!("    {line}");
    let figures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image-figures");
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(figures)
        .and_then(|mut it| writeln!(it, "    {line}"));
    written.expect("a file for the figures");
}

/// The image, made once.
fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        if let Some(image) = std::env::var_os("OUTPOST_TEST_IMAGE") {
            return image.into();
        }
        let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("board/image"))
            .arg("pi3")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .expect("a script of the repository");
        assert!(made.status.success(), "board/image failed: see above");
        String::from_utf8(made.stdout).expect("text").lines().last().expect("where it is").into()
    })
}

/// A place with a configuration for a card.
fn place(name: &str, streams: &str) -> (Scratch, PathBuf, PathBuf) {
    let place = Scratch::new(&format!("image-{name}"));
    let (card, config) = (place.file("card"), place.file("outpost.toml"));
    fs::write(&config, streams).expect("a configuration");
    (place, card, config)
}

/// A board of no particular kind, as it is switched on with these files.
fn virt<'a>(card: &'a Path, files: &'a [&'a Path]) -> Switch<'a> {
    Switch { machine: "virt", card, files, append: DEVICES, rtc: None }
}

/// Whatever is wrong in a stream, ffmpeg says so on standard error, and then it fails here.
fn judge(url: &str, codec: &str) {
    let show = ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url];
    let shown = String::from_utf8(tool::run("ffprobe", &show)).expect("text");
    assert!(shown.lines().any(|line| line == codec), "{url}: {shown}");
}

/// Numbers and dates of a playlist, as somebody outside reads it.
fn playlist(board: &Board, path: &str) -> m3u8_rs::MediaPlaylist {
    let list = fetch(&board.url(path)).expect("a playlist");
    m3u8_rs::parse_media_playlist_res(list.as_bytes()).expect("a playlist")
}

#[test]
fn a_board_starts_streams_and_writes_nothing_to_its_card() {
    let (_place, card, config) = place("start", STREAMS);
    let mut board = Board::start(image(), &virt(&card, &[&config]));
    let sound = board.until_playable(RADIO);
    tell!("sound can be played {:.1} s after the kernel's start", sound.as_secs_f64());
    let pictures = board.until_playable(CAMERA);
    tell!("pictures {:.1} s", pictures.as_secs_f64());
    judge(&board.url(RADIO), "aac");
    judge(&board.url(CAMERA), "h264");
    let page = fetch(&board.url("/")).expect("the page");
    assert!(page.contains("<html"), "{page:.200}");
    board.until_told();
    assert_eq!(board.sh(FAILED), "", "units that failed");
    for line in board.sh("systemd-analyze time").lines() {
        tell!("{line}");
    }
    let used =
        board.number("awk '/MemTotal/ { all = $2 } /MemAvailable/ { print all - $2 }' /proc/meminfo") / 1024;
    let own = board.number("systemctl show -P MemoryCurrent outpost") >> 20;
    tell!("memory of the whole system {used} MiB, of it Outpost {own} MiB");
    assert!(used <= 160, "{used} MiB");
    // Its name in the network, by the same responder that answers others.
    board.until_said("resolvectl query outpost.local || true", |said| said.contains("10.0.2.15"));

    // The data partition has taken the rest of the card, and the box's own is on it.
    let card = Card { path: card };
    let (begin, length) = card.data();
    let whole = fs::metadata(&card.path).expect("a card").len();
    assert_eq!(begin + length, whole, "the partition does not reach to the end");
    let usable = board.number("df --output=size -k /var/lib/private/outpost | tail -n 1");
    tell!("of a card of {} MiB {} MiB are for data", whole >> 20, usable >> 10);
    assert!(usable * 1024 > length / 10 * 9, "the file system has {usable} KiB of {length} bytes");
    assert_eq!(board.sh("findmnt -n -o FSTYPE /var/lib/private/outpost"), "ext4");
    // Nobody comes in without a key.
    assert_eq!(board.sh("grep -c -v -e ':[*!]' /etc/shadow || true"), "0", "an account with a password");
    assert_eq!(board.sh("systemctl is-active ssh || true"), "inactive");

    nothing_is_written(&mut board);
}

/// What came of the start is on the card; while it streams nothing is added for the first hour, and then one small file
/// every few hours, which is shown with a clock that obeys (`tests/hls/restart.rs`).
fn nothing_is_written(board: &mut Board) {
    // The file system writes down what it has in memory within 35 s.
    thread::sleep(Duration::from_secs(90));
    let written = |board: &mut Board| board.number("awk '{ print $7 * 512 }' /sys/block/vda/stat");
    let (before, begun) = (written(board), Instant::now());
    thread::sleep(Duration::from_secs(asked("OUTPOST_TEST_SECONDS", 180)));
    let bytes = written(board) - before;
    tell!("{bytes} bytes written to the card in {} s of streaming", begun.elapsed().as_secs());
    assert_eq!(bytes, 0);
}

#[test]
fn with_nothing_configured_it_streams_what_is_there() {
    let (_place, card, _) = place("found", "");
    let append = format!("{DEVICES} vivid.n_devs=1 vivid.node_types=0x1");
    let mut board = Board::start(image(), &Switch { append: &append, ..virt(&card, &[]) });
    for (stream, codec) in [("/sound-loopback/audio", "aac"), ("/camera-vivid-0/video", "h264")] {
        let list = format!("{stream}/index.m3u8");
        let took = board.until_playable(&list);
        judge(&board.url(&list), codec);
        tell!("{stream}, found by itself, can be played after {:.1} s", took.as_secs_f64());
    }
}

#[test]
fn a_raspberry_pi_3_starts_from_the_card_and_serves() {
    let (_place, card, config) = place("pi3", "[[stream]]\nname = \"radio\"\naudio = { kind = \"synth\" }\n");
    let switch = Switch { machine: "raspi3b", card: &card, files: &[&config], append: "", rtc: None };
    let mut board = Board::start(image(), &switch);
    let took = board.until_playable(RADIO);
    tell!("a Raspberry Pi 3 can be played {:.1} s after the kernel's start", took.as_secs_f64());
    let page = fetch(&board.url("/")).expect("the page");
    assert!(page.contains("<html"), "{page:.200}");
}

#[test]
fn whatever_time_it_is_and_whatever_ends_it_a_client_goes_on() {
    let (place, card, config) = place("goes-on", SOUND);
    let package = place.file("outpost.deb");
    let built = image().with_file_name("outpost.deb");
    fs::copy(&built, &package).expect("the package that is on the card");
    // A board without a clock of its own, and nobody to ask.
    let mut switch = virt(&card, &[]);
    let files: [&Path; 2] = [&config, &package];
    (switch.files, switch.rtc) = (&files, Some("1970-01-01"));
    let mut board = Board::start(image(), &switch);
    board.until_playable(RADIO);
    board.until_told();
    board.sh("systemctl stop systemd-timesyncd");
    let epoch = board.number("stat -c %Y /usr/lib/clock-epoch");
    assert!(board.number("date +%s") >= epoch, "it is earlier than when the image was made");
    assert_eq!(board.status()["clock"], "unsynchronised");

    let client = Client::start(board.url(RADIO));
    board.until("the client's first list", || (client.last() > 0).then_some(()));
    the_clock_jumps(&mut board, &client);
    it_ends(&mut board, &client);
    client.end();
}

/// It is set to another time while it streams: all dates follow, and nothing else does.
fn the_clock_jumps(board: &mut Board, client: &Client) {
    let breaks = |board: &Board| {
        let list = playlist(board, RADIO);
        list.discontinuity_sequence + list.segments.iter().filter(|it| it.discontinuity).count() as u64
    };
    let before = breaks(board);
    for (what, command) in [
        ("1970", "date -s @86400"),
        ("today", "date -s 2026-11-22T12:00:00Z"),
        ("an hour back", "date -s 2026-11-22T11:00:00Z"),
    ] {
        let number = client.last();
        board.sh(command);
        board.until(what, || (client.last() > number + 4).then_some(()));
        let wanted: i64 = board.number("date +%s").cast_signed();
        let list = playlist(board, RADIO);
        // One date, at the top; all others follow from it and the segments' lengths.
        let date = list.segments[0].program_date_time.expect("a date").timestamp();
        let length: f32 = list.segments.iter().map(|it| it.duration).sum();
        let newest = date + length as i64;
        assert!((newest - wanted).abs() < 30, "{what}: {newest}, but it is {wanted}");
        judge(&board.url(RADIO), "aac");
        tell!(
            "clock set to {what}: the newest of {} segments ends {} s ago",
            list.segments.len(),
            wanted - newest
        );
    }
    let away = client.away();
    tell!("meanwhile {away}");
    assert_eq!(away.refused, 0);
    assert_eq!(breaks(board), before, "a clock that is set is no discontinuity");
    assert_eq!(board.status()["streams"][0]["signal"], "live");
}

/// It is ended in all the ways there are; each time another process goes on for the same client.
fn it_ends(board: &mut Board, client: &Client) {
    let pid = "systemctl show -P MainPID outpost";
    for (what, command) in [
        ("kill -9", format!("kill -KILL $({pid})")),
        ("hangs", format!("kill -STOP $({pid})")),
        ("restart", "systemctl restart outpost".to_owned()),
        ("upgrade", "dpkg --install /boot/firmware/outpost.deb".to_owned()),
    ] {
        let before = board.sh(pid);
        client.away();
        let begun = Instant::now();
        board.sh_within(&command, Duration::from_secs(900));
        // Another process, and more of the stream.
        let mut after = board.sh(pid);
        while after == before || after == "0" {
            assert!(begun.elapsed() < Duration::from_secs(240), "{what}: still {before}");
            thread::sleep(Duration::from_secs(1));
            after = board.sh(pid);
        }
        let number = client.last();
        board.until(what, || (client.last() > number + 2).then_some(()));
        let away = client.away();
        tell!("{what}: {away}");
        assert!(away.still < Duration::from_secs(120), "{what}: {away}\n{}", board.journal());
    }
}

#[test]
fn a_system_that_hangs_is_started_anew_by_the_boards_watchdog() {
    let (_place, card, config) = place("watchdog", SOUND);
    let files: [&Path; 1] = [&config];
    let mut board = Board::start(image(), &virt(&card, &files));
    board.until_playable(RADIO);
    board.until_told();
    let before = playlist(&board, RADIO);
    // Process 1 stands still once it has crashed, and nobody feeds the watchdog (systemd-system.conf(5), CrashAction=).
    board.sh("kill -SEGV 1");
    let (url, begun) = (board.url(RADIO), Instant::now());
    // Another start of the machine is told by its numbers, which leap by thousands.
    let leap = |list: &m3u8_rs::MediaPlaylist| list.media_sequence > before.media_sequence + 3600;
    board.until("another start", || {
        let list = fetch(&url).ok()?;
        m3u8_rs::parse_media_playlist_res(list.as_bytes()).ok().filter(leap)
    });
    tell!("a system that hung can be played again after {:.1} s", begun.elapsed().as_secs_f64());
}

#[test]
fn the_power_may_go_at_any_moment() {
    let (_place, card, config) = place("cut", &format!("{SOUND}[https]\n"));
    let card = Card { path: card };
    let cuts = asked("OUTPOST_TEST_CUTS", 20);
    let (mut last, mut starts, mut took) = (0, Vec::new(), Duration::ZERO);
    let mut first: Option<(PathBuf, Vec<u8>)> = None;
    for cut in 0..=cuts {
        // What is on the card stays as it is from the second time on.
        let files: &[&Path] = if cut == 0 { &[&config] } else { &[] };
        let mut board = Board::start(image(), &virt(&card.path, files));
        // Each second time while it starts; moments that differ, and cover it evenly.
        let moment = (cut as f64 * 0.618_034).fract();
        if cut % 2 == 1 && cut < cuts {
            thread::sleep(took.mul_f64(moment));
        } else {
            took = board.until_playable(RADIO);
            starts.push(took);
            let list = playlist(&board, RADIO);
            assert!(list.media_sequence > last, "numbers went back: {} after {last}", list.media_sequence);
            last = list.media_sequence + list.segments.len() as u64;
            println!("    start {cut}: {:.1} s, number {}", took.as_secs_f64(), list.media_sequence);
            if cut == cuts {
                board.until_told();
                assert_eq!(board.sh(FAILED), "");
                assert_eq!(board.sh("findmnt -n -o FSTYPE /var/lib/private/outpost"), "ext4");
            } else {
                thread::sleep(Duration::from_secs(20).mul_f64(moment));
            }
        }
        drop(board);
        card.check();
        let identity = card.kept("/outpost/https.pem");
        match &first {
            None => first = Some((card.copy("first"), identity)),
            Some((start, certificate)) => {
                // Configuration, kernel, system.
                card.starts_as(start);
                assert_eq!(*certificate, identity, "another certificate after cut {cut}");
            }
        }
    }
    starts.sort();
    tell!(
        "{cuts} power cuts: {} starts in {:.1} to {:.1} s, each file system whole, nothing else on the card changed",
        starts.len(),
        starts[0].as_secs_f64(),
        took.max(starts[starts.len() - 1]).as_secs_f64()
    );
}

/// What people leave on a card that was in a laptop.
#[test]
fn whatever_is_written_on_the_card_it_serves_and_says_what_is_wrong() {
    let (place, card, config) = place("wrong", "");
    let network = place.file("network.toml");
    let rubbish: Vec<u8> = (0..4096_u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&config, &rubbish).expect("a file");
    fs::write(&network, "hostnam = \"attic\"\ncountry = 49\n").expect("a file");
    let files: [&Path; 2] = [&config, &network];
    let switch = Switch { append: "modules_load=snd-aloop", ..virt(&card, &files) };
    let mut board = Board::start(image(), &switch);
    serves(&mut board, &["outpost.toml", "network.toml:1: hostnam: unknown key", "network.toml:2: country"]);
    board.until_told();
    board.sh("mount -o remount,rw /boot/firmware");
    let radio = SOUND.replace('\n', "\\n").replace('"', "\\\"");
    for (file, content, told) in [
        ("outpost", String::new(), vec![]),
        ("outpost", format!("{radio}volume = 3\\n"), vec!["outpost.toml:5: stream.volume: unknown key"]),
        ("outpost", format!("connections = \\\"many\\\"\\n{radio}"), vec!["outpost.toml:1: connections: "]),
        ("outpost", radio.replace("radio", "M\\374nchen"), vec!["outpost.toml: it is not text in UTF-8"]),
        ("outpost", "MISSING".to_owned(), vec!["outpost.toml: No such file"]),
        ("network", String::new(), vec![]),
        ("network", "hostname = \\\"M\\374nchen\\\"\\n".to_owned(), vec!["network.toml:1: hostname: "]),
        ("network", "MISSING".to_owned(), vec!["network.toml: cannot be read"]),
        ("network", "[wired\\naddress = 1\\n".to_owned(), vec!["network.toml:1: this is not TOML"]),
    ] {
        let put = if content == "MISSING" {
            format!("rm /boot/firmware/{file}.toml")
        } else {
            format!("printf \"{content}\" >/boot/firmware/{file}.toml")
        };
        // As at the start, but without a start; the other file is right.
        let other = if file == "outpost" { "network" } else { "outpost" };
        board.sh(&format!(
            "{put}; printf '' >/boot/firmware/{other}.toml; systemctl restart outpost-network; systemctl restart outpost"
        ));
        serves(&mut board, &told);
    }
}

/// Something can be played, and what is wrong is told: these, and no others.
fn serves(board: &mut Board, told: &[&str]) {
    let url = board.url("/api/v1/status");
    let status = board.until("a stream", || {
        let status = fetch(&url).ok()?;
        let status: serde_json::Value = serde_json::from_str(&status).ok()?;
        (!status["streams"].as_array()?.is_empty()).then_some(status)
    });
    let name = status["streams"][0]["name"].as_str().expect("a name");
    board.until_playable(&format!("/{name}/audio/index.m3u8"));
    let problems = status["problems"].as_array().expect("a list");
    println!("    {problems:?}");
    assert_eq!(problems.len(), told.len(), "{problems:#?}");
    for (problem, told) in problems.iter().zip(told) {
        assert!(problem.as_str().expect("words").contains(told), "{problem:#?} and not {told}");
    }
}
