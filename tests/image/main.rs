//! The card image, in emulated boards: started, killed, cut off, set to another time. It takes long, and is no part of
//! `cargo test`: `make test-image`.
//!
//! OUTPOST_TEST_IMAGE=FILE.img takes an image that is there; OUTPOST_TEST_CUTS=N cuts the power so often (20), and
//! OUTPOST_TEST_SECONDS=N watches for so long what is written to the card (300).

mod board;
mod client;
#[allow(dead_code)]
#[path = "../support/outpost.rs"]
mod outpost_program;
#[allow(dead_code)]
#[path = "../support/tool.rs"]
mod tool;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use board::{Board, Switch};
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
const RADIO: &str = "/radio/audio/index.m3u8";
const CAMERA: &str = "/camera/video/index.m3u8";

/// The number in a variable of the environment, or another.
fn asked(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
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
    Switch { machine: "virt", card, files, append: DEVICES }
}

/// Whatever is wrong in a stream, ffmpeg says so on standard error, and then it fails here.
fn judge(url: &str, codec: &str) {
    let show = ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url];
    let shown = String::from_utf8(tool::run("ffprobe", &show)).expect("text");
    assert!(shown.lines().any(|line| line == codec), "{url}: {shown}");
}

#[test]
fn a_board_starts_streams_and_writes_nothing_to_its_card() {
    let (_place, card, config) = place("start", STREAMS);
    let mut board = Board::start(image(), &virt(&card, &[&config]));
    let sound = board.until_playable(RADIO);
    println!("    sound can be played {:.1} s after the kernel's start", sound.as_secs_f64());
    let pictures = board.until_playable(CAMERA);
    println!("    pictures {:.1} s", pictures.as_secs_f64());
    judge(&board.url(RADIO), "aac");
    judge(&board.url(CAMERA), "h264");
    board.until_told();
    println!("    {}", board.sh("systemd-analyze time").replace('\n', "\n    "));
    let failed = board.sh("systemctl --failed --no-legend --plain");
    assert_eq!(failed, "", "units that failed");
    let used = board.number("awk '/MemTotal/ { all = $2 } /MemAvailable/ { print all - $2 }' /proc/meminfo");
    let own = board.number("systemctl show -P MemoryCurrent outpost") / 1024;
    println!("    memory of the whole system {} MiB, of it Outpost {} MiB", used / 1024, own / 1024);

    // The data partition takes the rest of the card, while it is in use.
    board.until_said("df --output=size -k /data | tail -n 1", |said| {
        said.parse::<u64>().is_ok_and(|kib| kib > 400_000)
    });
    // Nobody comes in without a key.
    assert_eq!(board.sh("grep -c -v -e ':[*!]' /etc/shadow || true"), "0", "an account with a password");
    assert_eq!(board.sh("systemctl is-active ssh || true"), "inactive");

    // Numbers are reserved in ever larger pieces; what a file system has to settle it does in the first minutes.
    let written = "awk '{ print $7 }' /sys/block/vda/stat";
    thread::sleep(Duration::from_secs(90));
    let (before, start) = (board.number(written), Instant::now());
    thread::sleep(Duration::from_secs(asked("OUTPOST_TEST_SECONDS", 300)));
    let bytes = (board.number(written) - before) * 512;
    println!("    {bytes} bytes written in {} s", start.elapsed().as_secs());
    // A reservation is one small file: its block, its folder's, the journal's.
    assert!(bytes <= 128 * 1024, "{bytes} bytes were written to the card");
}

#[test]
fn a_raspberry_pi_3_starts_from_the_card_and_serves() {
    let (_place, card, config) = place("pi3", "[[stream]]\nname = \"radio\"\naudio = { kind = \"synth\" }\n");
    let switch = Switch { machine: "raspi3b", card: &card, files: &[&config], append: "" };
    let mut board = Board::start(image(), &switch);
    let took = board.until_playable(RADIO);
    println!("    it can be played {:.1} s after the kernel's start", took.as_secs_f64());
    let page = fetch(&board.url("/")).expect("the page");
    assert!(page.contains("<html"), "{page:.200}");
}

#[test]
fn whatever_ends_it_a_client_goes_on() {
    let (place, card, config) = place("ended", SOUND);
    let package = place.file("outpost.deb");
    let built = image().with_file_name("outpost.deb");
    fs::copy(&built, &package).expect("the package that is on the card");
    let mut board = Board::start(image(), &virt(&card, &[&config, &package]));
    board.until_playable(RADIO);
    board.until_told();
    let client = Client::start(board.url(RADIO));
    let pid = "systemctl show -P MainPID outpost";
    for (what, command) in [
        ("kill -9", format!("kill -KILL $({pid})")),
        ("hangs", format!("kill -STOP $({pid})")),
        ("restart", "systemctl restart outpost".to_owned()),
        ("upgrade", "dpkg --install /boot/firmware/outpost.deb".to_owned()),
    ] {
        let (before, number) = (board.sh(pid), client.last());
        let begun = Instant::now();
        board.sh_within(&command, Duration::from_secs(300));
        // Another process, and more of the stream.
        board.until(what, || (client.last() > number + 2).then_some(()));
        let mut after = board.sh(pid);
        while after == before || after == "0" {
            assert!(begun.elapsed() < Duration::from_secs(240), "{what}: still {before}");
            thread::sleep(Duration::from_secs(1));
            after = board.sh(pid);
        }
        let number = client.last();
        board.until(what, || (client.last() > number + 2).then_some(()));
        println!("    {what}: goes on after {:.1} s", begun.elapsed().as_secs_f64());
    }
    let seen = client.end();
    assert!(seen.longest_gap < Duration::from_secs(120), "{:?}", seen.longest_gap);
    println!("{}", board.journal());
}

#[test]
fn the_power_may_go_at_any_moment() {
    let (_place, card, config) = place("cut", SOUND);
    let cuts = asked("OUTPOST_TEST_CUTS", 20);
    let mut last = 0;
    for cut in 0..=cuts {
        // What is on the card stays as it is from the second time on.
        let files: &[&Path] = if cut == 0 { &[&config] } else { &[] };
        let mut board = Board::start(image(), &virt(&card, files));
        let took = board.until_playable(RADIO);
        let list = fetch(&board.url(RADIO)).expect("a playlist");
        let list = m3u8_rs::parse_media_playlist_res(list.as_bytes()).expect("a playlist");
        assert!(list.media_sequence > last, "numbers went back: {} after {last}", list.media_sequence);
        last = list.media_sequence + list.segments.len() as u64;
        println!("    start {cut}: {:.1} s, number {}", took.as_secs_f64(), list.media_sequence);
        if cut < cuts {
            drop(board);
            // And once more while it starts: at any moment of that.
            let board = Board::start(image(), &virt(&card, &[]));
            thread::sleep(took.mul_f64((cut as f64 * 0.618_034).fract()));
            drop(board);
        } else {
            board.until_told();
            assert_eq!(board.sh("cat /boot/firmware/outpost.toml"), SOUND.trim());
            assert_eq!(board.sh("systemctl --failed --no-legend --plain"), "");
        }
    }
}

#[test]
fn the_clock_may_jump() {
    let (_place, card, config) = place("clock", SOUND);
    let mut board = Board::start(image(), &virt(&card, &[&config]));
    board.until_playable(RADIO);
    board.until_told();
    board.sh("systemctl stop systemd-timesyncd");
    let client = Client::start(board.url(RADIO));
    for (what, command) in [
        ("1970", "date -s @86400"),
        ("today", "date -s 2026-11-22T12:00:00Z"),
        ("an hour back", "date -s 2026-11-22T11:00:00Z"),
    ] {
        let number = client.last();
        board.sh(command);
        let wanted: i64 = board.number("date +%s").cast_signed();
        board.until(what, || (client.last() > number + 4).then_some(()));
        let list = fetch(&board.url(RADIO)).expect("a playlist");
        let list = m3u8_rs::parse_media_playlist_res(list.as_bytes()).expect("a playlist");
        let dates: Vec<i64> =
            list.segments.iter().filter_map(|it| Some(it.program_date_time?.timestamp())).collect();
        let newest = *dates.last().expect("a date");
        assert!((newest - wanted).abs() < 60, "{what}: {newest}, but it is {wanted}");
        let apart = dates.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(apart.into_iter().all(|seconds| (0..=10).contains(&seconds)), "{what}: {dates:?}");
        judge(&board.url(RADIO), "aac");
        println!("    {what}: the dates of all {} segments follow", dates.len());
    }
    let seen = client.end();
    assert_eq!(seen.refused, 0);
    assert_eq!(board.status()["streams"][0]["signal"], "live");
}
