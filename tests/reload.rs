//! Another configuration while the program runs (SIGHUP), as those see it who watch and listen meanwhile.

#[allow(dead_code, unreachable_pub)]
#[path = "support/outpost.rs"]
mod outpost_program;
#[allow(dead_code)]
#[path = "support/tool.rs"]
mod tool;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use outpost_program::{Outpost, fetch};
use tool::{Scratch, text};

const PATIENCE: Duration = Duration::from_secs(30);

/// Two that hear the same scanner, one of them with pictures; one that is guarded.
const FIRST: &str = r#"
[[stream]]
name = "radio"
title = "Radio"
audio = { kind = "synth" }
low_latency = {}
window.segment = "1s"

[[stream]]
name = "camera"
video = { kind = "synth", size = "320x240", rate = 10, encoder = "x264" }
audio = { kind = "synth" }
low_latency = {}
window.segment = "1s"

[[stream]]
name = "guarded"
audio = { kind = "synth", sound = "clapper" }
encryption = {}
access = { token = "0123456789abcdef" }
window.segment = "1s"
"#;

/// The program, and the configuration it is told to read again.
struct Rig {
    outpost: Outpost,
    config: PathBuf,
    place: Scratch,
}

impl Rig {
    fn new(name: &str) -> Self {
        let place = Scratch::new(name);
        let config = place.file("outpost.toml");
        fs::write(&config, FIRST).expect("a configuration");
        let outpost = Outpost::start(&["run", text(&config)], &[], &place.file("state"));
        Self { outpost, config, place }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.file("state").join("outpost.log")).expect("a log")
    }

    /// Has it read `text`; what it says of that.
    fn reload(&self, text: &str) -> String {
        fs::write(&self.config, text).expect("a configuration");
        let told = |log: &str| {
            let told: Vec<_> = log.lines().filter(|line| line.contains("the new configuration")).collect();
            (told.len(), told.last().map(|line| (*line).to_owned()))
        };
        let before = told(&self.log()).0;
        let pid = Pid::from_raw(i32::try_from(self.outpost.child.id()).expect("a process"));
        kill(pid, Signal::SIGHUP).expect("it can be told");
        until("it says what came of it", || told(&self.log()).1.filter(|_| told(&self.log()).0 > before))
    }

    fn playlist(&self, path: &str) -> Playlist {
        let text = fetch(&self.outpost.url(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Playlist::read(&text)
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a media playlist says of its order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Playlist {
    first: u64,
    last: u64,
    discontinuity_sequence: u64,
    discontinuities: usize,
    gaps: usize,
}

impl Playlist {
    fn read(text: &str) -> Self {
        let tag = |name: &str| {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_else(|| panic!("{name} {text}"));
            value.parse::<u64>().expect("a number")
        };
        let count = |line: &str| text.lines().filter(|it| *it == line).count();
        let first = tag("#EXT-X-MEDIA-SEQUENCE:");
        let segments = text.lines().filter(|line| line.starts_with("#EXTINF")).count() as u64;
        Self {
            first,
            last: (first + segments).saturating_sub(1),
            discontinuity_sequence: tag("#EXT-X-DISCONTINUITY-SEQUENCE:"),
            discontinuities: count("#EXT-X-DISCONTINUITY"),
            gaps: count("#EXT-X-GAP"),
        }
    }
}

/// Somebody who asks for a stream all the time, and takes no refusal.
struct Watcher {
    over: Arc<AtomicBool>,
    seen: JoinHandle<Vec<Playlist>>,
}

impl Watcher {
    fn new(ask: impl Fn(Option<&Playlist>) -> String + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let seen = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !told.load(Ordering::Relaxed) {
                let url = ask(seen.last());
                let text = fetch(&url).unwrap_or_else(|error| panic!("{url} is refused: {error}"));
                seen.push(Playlist::read(&text));
                std::thread::sleep(Duration::from_millis(20));
            }
            seen
        });
        Self { over, seen }
    }

    /// The list went on and on from one beginning, without a break or a gap; says how far.
    fn judge(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.seen.join().expect("nothing was refused");
        let begun = &seen[0];
        for (before, after) in seen.iter().zip(&seen[1..]) {
            assert_eq!(
                (after.first, after.discontinuity_sequence),
                (begun.first, begun.discontinuity_sequence)
            );
            assert!(after.discontinuities == 1 && after.gaps == 0, "{after:?}");
            assert!((before.last..=before.last + 3).contains(&after.last), "{before:?} {after:?}");
        }
        println!("{} playlists, {} new segments", seen.len(), seen[seen.len() - 1].last - begun.last);
        seen[seen.len() - 1].last - begun.last
    }
}

/// Somebody who listens to an endless stream.
struct Listener {
    curl: Child,
    file: PathBuf,
}

impl Listener {
    fn new(url: &str, file: PathBuf) -> Self {
        let to = File::create(&file).expect("a file");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--no-buffer", url]).stdout(to).stdin(Stdio::null());
        Self { curl: curl.spawn().expect("curl runs (Debian: curl)"), file }
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.file).expect("a file").len()
    }

    fn still_listens(&mut self) -> bool {
        self.curl.try_wait().expect("it can be waited for").is_none()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

#[test]
fn streams_that_are_not_concerned_go_on_while_others_come_change_and_go() {
    let rig = Rig::new("reload-streams");
    let (ordinary, low) = ("/radio/audio/index.m3u8", "/radio/ll/audio/index.m3u8");
    until("all can be played", || {
        let all = [ordinary, low, "/camera/video/index.m3u8", "/camera/ll/video/index.m3u8"];
        all.iter().all(|path| fetch(&rig.outpost.url(path)).is_ok()).then_some(())
    });
    let (polled, held) = (rig.outpost.url(ordinary), rig.outpost.url(low));
    let polls = Watcher::new(move |_| polled.clone());
    let waits = Watcher::new(move |last: Option<&Playlist>| match last {
        None => held.clone(),
        Some(last) => format!("{held}?_HLS_msn={}", last.last + 1),
    });
    let mut listener = Listener::new(&rig.outpost.url("/radio/live.ts"), rig.place.file("live.ts"));
    let mut other = Listener::new(&rig.outpost.url("/camera/live.ts"), rig.place.file("camera.ts"));
    until("both are heard", || (listener.bytes() > 0 && other.bytes() > 0).then_some(()));

    // The radio has another title, the camera other pictures, one is new on the scanner that all hear.
    let camera = rig.playlist("/camera/video/index.m3u8");
    let second = FIRST.replace("\"Radio\"", "\"The radio\"").replace("320x240", "160x120")
        + "[[stream]]\nname = \"new\"\naudio = { kind = \"synth\" }\nwindow.segment = \"1s\"\n";
    let said = rig.reload(&second);
    let expected =
        "holds: radio goes on with other settings, camera begins anew, guarded goes on, new is new";
    assert!(said.ends_with(expected), "{said}");
    let status = fetch(&rig.outpost.url("/api/v1/status")).expect("a status");
    assert!(status.contains("\"title\":\"The radio\"") && status.contains("\"name\":\"new\""), "{status}");
    until("the new one can be played", || fetch(&rig.outpost.url("/new/audio/index.m3u8")).ok());
    fetch(&rig.outpost.url("/camera/index.m3u8")).expect("the camera can be played");
    let anew = rig.playlist("/camera/video/index.m3u8");
    assert!(anew.first > camera.last, "no number comes twice: {camera:?} {anew:?}");
    assert!(
        anew.discontinuity_sequence > camera.discontinuity_sequence && anew.discontinuities == 1,
        "{anew:?}"
    );
    until("who heard the camera as it was is told that it is over", || {
        (!other.still_listens()).then_some(())
    });

    // One that cannot be changes nothing.
    let said = rig.reload(&second.replace("The radio\"", "The radio\"\ntitel = \"Oops\""));
    assert!(
        said.contains("not taken, all goes on as before") && said.contains("outpost.toml:5: stream.titel"),
        "{said}"
    );
    let said = rig.reload(&second.replace("token = \"0123456789abcdef\"", "token_file = \"/nowhere\""));
    assert!(
        said.contains("not taken") && said.contains("stream guarded: cannot read the token in /nowhere"),
        "{said}"
    );
    assert_eq!(rig.playlist("/camera/video/index.m3u8").first, anew.first);

    // What belongs to the process waits, and is named; the rest holds.
    let third = second.replace("name = \"new\"", "name = \"newer\"");
    let said = rig.reload(&format!("state_dir = \"/elsewhere\"\n{third}"));
    let expected = "radio goes on, camera goes on, guarded goes on, newer is new, new has ended";
    assert!(said.ends_with(expected), "{said}");
    assert!(rig.log().contains("what it says of state_dir needs a restart"), "{}", rig.log());
    assert!(fetch(&rig.outpost.url("/new/audio/index.m3u8")).is_err_and(|error| error.contains("404")));
    until("the newer one can be played", || fetch(&rig.outpost.url("/newer/audio/index.m3u8")).ok());

    let heard = listener.bytes();
    until("it is heard on and on", || (listener.bytes() > heard).then_some(()));
    assert!(listener.still_listens());
    assert!(polls.judge() > 3);
    assert!(waits.judge() > 3);
    assert!(!rig.log().contains("WARN  gave up"), "{}", rig.log());
}

#[test]
fn who_may_listen_and_what_is_kept_change_while_a_stream_goes_on() {
    let rig = Rig::new("reload-settings");
    let list = "/guarded/audio/index.m3u8";
    until("it can be played", || fetch(&rig.outpost.url(list)).ok());
    let listed = fetch(&rig.outpost.url(list)).expect("a playlist");
    let key =
        listed.split_once("URI=\"../keys/").and_then(|(_, rest)| rest.split('"').next()).expect("a key");
    let url = rig.outpost.url(&format!("/guarded/keys/{key}"));
    let opens = |token: &str| {
        let bearer = format!("Authorization: Bearer {token}");
        let curl = Command::new("curl")
            .args(["--silent", "--fail", "--output", "/dev/null", "-H", &bearer, &url])
            .status();
        curl.expect("curl runs").success()
    };
    let (old, new) = ("0123456789abcdef", "fedcba9876543210");
    assert!(opens(old) && !opens(new));
    let begun = rig.playlist(list);
    let folders = ["first", "second"].map(|name| rig.place.file(name));
    folders.iter().for_each(|folder| fs::create_dir(folder).expect("a folder"));
    let kept = |folder: &PathBuf| {
        let keep = format!(
            "access = {{ token = \"{new}\" }}\nkeep = {{ folder = \"{}\", what = \"everything\" }}",
            text(folder)
        );
        FIRST.replace(&format!("access = {{ token = \"{old}\" }}"), &keep)
    };
    let said = rig.reload(&kept(&folders[0]));
    assert!(said.ends_with("guarded goes on with other settings"), "{said}");
    assert!(!opens(old) && opens(new));
    let bytes = |folder: &PathBuf| {
        let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file"));
        files.map(|file| file.metadata().expect("a file").len()).sum::<u64>()
    };
    until("what is in the window is written", || (bytes(&folders[0]) > 0).then_some(()));
    rig.reload(&kept(&folders[1]));
    until("the other is written to", || (bytes(&folders[1]) > 0).then_some(()));
    let [first, second] = [0, 1].map(|n| bytes(&folders[n]));
    let last = rig.playlist(list).last;
    until("there is more to write", || (rig.playlist(list).last >= last + 2).then_some(()));
    rig.reload(FIRST);
    until("what there is at the end is written", || (bytes(&folders[1]) > second).then_some(()));
    assert_eq!(bytes(&folders[0]), first, "nothing was written to the other");
    let now = rig.playlist(list);
    assert_eq!((now.first, now.discontinuities), (begun.first, 1));
    assert!(opens(old) && !opens(new));
}
