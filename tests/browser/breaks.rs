//! Every break that a stream can have, while it plays in players that we did not write: nobody touches them, and each
//! lets hear and shows what comes after.
//!
//! A machine that is suspended is shown here as its processes meet it: they stand still, and sources begin anew. Its
//! clocks cannot be had here; what follows from them `tests/hls/agreement.rs` shows on a simulated one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use m3u8_rs::MediaPlaylist;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::chromium::Browser;
use crate::libraries::{self, Case};
use crate::manager::Manager;
use crate::players::{Media, PLAYERS, Playing};
use crate::{alone, profile, temporary};

/// How long a source, or the whole machine, is away.
const AWAY: Duration = Duration::from_secs(3);
/// When all have to be past a break: they are up to eight seconds behind, and two cores carry them all.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long they are watched then.
const WATCHED: Duration = Duration::from_secs(2);

pub(crate) const CASE: Case = Case {
    path: "/camera/index.m3u8",
    pictures: true,
    low_latency: false,
    players: &["hls", "shaka", "videojs"],
};

/// Shaka asks for a segment that was listed and is nowhere any more until that has left its window: what comes after it
/// comes too late to wait for.
const EASY: Case = Case { players: &["hls", "videojs"], ..CASE };

/// What is done to the stream.
struct Break {
    what: &'static str,
    happen: fn(&mut Station),
}

/// In this order; what the sources give when they begin anew is different each time.
const BREAKS: [Break; 5] = [
    Break {
        what: "its source is lost and comes back",
        happen: |station| {
            station.pull();
            std::thread::sleep(AWAY);
            station.plug_in();
        },
    },
    Break {
        what: "its camera comes back with another size",
        happen: |station| {
            station.write("size", "640x360");
            station.end_sources();
        },
    },
    Break {
        what: "the machine is suspended",
        happen: |station| {
            station.signal(Signal::SIGSTOP);
            std::thread::sleep(AWAY);
            station.end_sources();
            station.signal(Signal::SIGCONT);
        },
    },
    Break {
        what: "the program is killed and started again",
        happen: |station| {
            station.restart(Signal::SIGKILL);
        },
    },
    Break {
        what: "it is configured otherwise: encoded here, in another size and in stereo",
        happen: |station| {
            station.configure(&Coding { channels: 2, ..ENCODED });
            station.restart(Signal::SIGTERM);
        },
    },
];

/// How pictures and sound come.
pub(crate) struct Coding {
    output: &'static str,
    /// Of ffmpeg.
    flags: &'static str,
    channels: u8,
}

pub(crate) const CODED: Coding = Coding {
    output: "h264",
    flags: "-c:v libx264 -preset ultrafast -tune zerolatency -g 15 -f h264",
    channels: 1,
};

/// Encoded by the program.
pub(crate) const ENCODED: Coding =
    Coding { output: "yu12", flags: "-pix_fmt yuv420p -f rawvideo", channels: 1 };

/// What a source gives, by how often it was changed: the pitch of a tone in Hz, and the brightness of a picture.
fn tone(phase: usize) -> f64 {
    500.0 + 150.0 * phase as f64
}

fn brightness(phase: usize) -> f64 {
    90.0 + 25.0 * phase as f64
}

/// The program, and two others as its camera and its microphone.
pub(crate) struct Station {
    pub(crate) dir: PathBuf,
    pub(crate) manager: Manager,
}

impl Station {
    pub(crate) fn start(dir: &Path, coding: &Coding) -> Self {
        fs::create_dir_all(dir).expect("a folder");
        configure(dir, coding);
        write(dir, "size", "320x180");
        give(dir, 0);
        Self { dir: dir.to_owned(), manager: Manager::start(dir, &dir.join("outpost.toml")) }
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.dir, name, text);
    }

    fn configure(&self, coding: &Coding) {
        configure(&self.dir, coding);
    }

    fn signal(&self, signal: Signal) {
        kill(self.manager.pid, signal).expect("it runs");
    }

    fn restart(&mut self, signal: Signal) {
        self.manager.restart(signal, "healthz");
    }

    /// Both programs are started again.
    pub(crate) fn end_sources(&self) {
        for name in ["camera", "microphone"] {
            let pid = fs::read_to_string(self.dir.join(name)).expect("it ran");
            // It may have met its end already.
            let _ = kill(Pid::from_raw(pid.trim().parse().expect("a number")), Signal::SIGKILL);
        }
    }

    fn pull(&self) {
        self.write("away", "");
        self.end_sources();
    }

    fn plug_in(&self) {
        fs::remove_file(self.dir.join("away")).expect("it was away");
    }

    pub(crate) fn playlist(&self) -> MediaPlaylist {
        let text = self.manager.playlist("camera/video/");
        m3u8_rs::parse_media_playlist_res(text.as_bytes()).expect("m3u8-rs reads the playlist")
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).expect("room for a file");
}

pub(crate) fn give(dir: &Path, phase: usize) {
    let level = brightness(phase) as u8;
    write(dir, "tone", &tone(phase).to_string());
    write(dir, "colour", &format!("0x{level:02x}{level:02x}{level:02x}"));
}

fn configure(dir: &Path, Coding { output, flags, channels }: &Coding) {
    let dir_name = dir.display();
    let program = |name: &str, gives: &str| {
        let script = format!(
            "cd {dir_name}; if [ -e away ]; then echo 'the cable is out' >&2; exit 1; fi; echo $$ > {name}; \
             exec ffmpeg -nostdin -v error -re -f lavfi -i {gives} pipe:1"
        );
        format!("kind = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]")
    };
    let camera = program("camera", &format!("color=$(cat colour):size=$(cat size):rate=15 {flags}"));
    let sound = format!("sine=frequency=$(cat tone):sample_rate=48000 -ac {channels} -f s16le");
    let sound = program("microphone", &sound);
    let ears = if *channels == 2 { "stereo" } else { "mono" };
    let config = format!(
        "[[stream]]\nname = \"camera\"\nwindow.segment = \"1s\"\n[stream.video]\n{camera}\noutput = \"{output}\"\n\
         size = \"640x360\"\nrate = 15\nbitrate = \"300k\"\n[stream.audio]\n{sound}\nchannels = \"{ears}\"\n\
         input = {{ rate = 48000, channels = {channels} }}\n"
    );
    write(dir, "outpost.toml", &config);
}

/// How far a player is, however it tells.
struct Standing {
    name: String,
    heard: f64,
    seen: f64,
    /// Whether it has come to what the sources give now.
    is_there: bool,
    /// What is wrong with it.
    fault: Option<String>,
}

fn of_program(playing: &mut Playing, phase: usize) -> Standing {
    let pitch = playing.pitch();
    Standing {
        name: format!("{} ({pitch:.0} Hz)", playing.name()),
        heard: playing.heard(),
        seen: playing.seen(),
        is_there: (pitch - tone(phase)).abs() < 40.0,
        fault: playing.ended().map(|status| format!("ended: {status}")),
    }
}

fn of_page(look: &Value, phase: usize) -> Standing {
    let number = |name: &str| look[name].as_f64().unwrap_or(0.0);
    let faults = look["faults"].as_array().filter(|faults| !faults.is_empty());
    Standing {
        name: format!("{} ({:.0} bright)", look["player"], number("brightness")),
        // Bytes and seconds: all that counts is that they grow.
        heard: number("decoded"),
        seen: number("position"),
        is_there: (number("brightness") - brightness(phase)).abs() < 10.0,
        fault: faults.map(|faults| format!("{faults:?}")),
    }
}

/// All who play a stream.
pub(crate) struct Audience<'a> {
    programs: Vec<Playing>,
    browser: &'a Browser,
    /// Who plays in the browser.
    players: &'static [&'static str],
}

impl<'a> Audience<'a> {
    pub(crate) async fn gather(browser: &'a Browser, url: &str, dir: &Path) -> Self {
        let start =
            |player: &'static crate::players::Player| player.start(url, Media::Both, &dir.join(player.name));
        libraries::open(browser, url, &CASE).await;
        Self { programs: PLAYERS.iter().map(start).collect(), browser, players: CASE.players }
    }

    async fn standing(&mut self, phase: usize) -> Vec<Standing> {
        let looks = libraries::look(self.browser).await;
        let pages = looks.iter().map(|look| of_page(look, phase));
        self.programs.iter_mut().map(|playing| of_program(playing, phase)).chain(pages).collect()
    }

    /// Waits until `good` holds of all, each by its number, and none has failed: how all are.
    async fn until(
        &mut self,
        phase: usize,
        what: &str,
        good: impl Fn(usize, &Standing) -> bool,
    ) -> Vec<Standing> {
        let began = Instant::now();
        loop {
            let all = self.standing(phase).await;
            let missing = all.iter().enumerate().filter(|(n, it)| it.fault.is_some() || !good(*n, it));
            let missing: Vec<_> = missing.map(|(_, it)| format!("{}: {:?}", it.name, it.fault)).collect();
            if missing.is_empty() && all.len() == self.programs.len() + self.players.len() {
                return all;
            }
            if began.elapsed() > PATIENCE {
                let (looks, console) = (libraries::look(self.browser).await, self.browser.console());
                panic!("{what}: left behind are {missing:#?}\n{looks:#?}\n{console:#?}");
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Waits until all have come to what the sources give now, and go on with it.
    pub(crate) async fn go_on(&mut self, phase: usize, what: &str) {
        let began = Instant::now();
        let there = self.until(phase, what, |_, it| it.is_there).await;
        println!("{what}: all are there after {:.0} s", began.elapsed().as_secs_f64());
        tokio::time::sleep(WATCHED).await;
        let further = |n: usize, it: &Standing| it.heard > there[n].heard && it.seen > there[n].seen;
        self.until(phase, &format!("{what}, and goes on"), further).await;
    }
}

/// Numbers go on, what is broken is said to be, and dated.
fn follows(before: &MediaPlaylist, after: &MediaPlaylist, what: &str) {
    let next = |playlist: &MediaPlaylist| playlist.media_sequence + playlist.segments.len() as u64;
    let breaks = |playlist: &MediaPlaylist| {
        let listed = playlist.segments.iter().filter(|segment| segment.discontinuity);
        playlist.discontinuity_sequence + listed.count() as u64
    };
    assert!(next(after) > next(before), "{what}: {before:?}\n{after:?}");
    assert!(breaks(after) > breaks(before), "{what}: {before:?}\n{after:?}");
    let undated = after.segments.iter().find(|it| it.discontinuity && it.program_date_time.is_none());
    assert!(undated.is_none(), "{what}: {undated:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_player_goes_on_through_every_break() {
    let _alone = alone().await;
    let (dir, profile) = (temporary("breaks"), profile("breaks"));
    let mut station = Station::start(&dir.join("station"), &CODED);
    let url = station.manager.url(&CASE.path[1..]);
    let browser = Browser::start(&profile).await;
    let mut audience = Audience::gather(&browser, &url, &dir).await;
    audience.go_on(0, "at first").await;
    for (number, Break { what, happen }) in BREAKS.iter().enumerate() {
        let before = station.playlist();
        give(&station.dir, number + 1);
        happen(&mut station);
        audience.go_on(number + 1, what).await;
        follows(&before, &station.playlist(), what);
    }
    // What systemd kept is gone, as where there is none.
    let what = "the program is killed and all it had is lost";
    libraries::open(&browser, &url, &EASY).await;
    audience.players = EASY.players;
    audience.go_on(BREAKS.len(), "before all is lost").await;
    give(&station.dir, BREAKS.len() + 1);
    station.manager.lose();
    station.restart(Signal::SIGKILL);
    audience.go_on(BREAKS.len() + 1, what).await;
}
