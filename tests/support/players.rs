//! The players people have, each told to play an address until so much sound has come out.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Sound,
    /// With pictures.
    Both,
}

/// A player: how it is started, how much it has let out, and which of its words are complaints.
pub(crate) struct Player {
    pub(crate) name: &'static str,
    /// The command that plays `url`; it may write into the folder.
    command: fn(url: &str, media: Media, dir: &Path) -> Command,
    /// Seconds of sound so far, from what it wrote into the folder or into its log.
    heard: fn(dir: &Path, log: &str) -> f64,
    /// Pictures so far, likewise.
    seen: fn(dir: &Path, log: &str) -> f64,
    /// What it is to be asked, on its standard input, so that it tells that.
    asked: &'static [u8],
    is_complaint: fn(line: &str) -> bool,
}

/// What became of playing.
pub(crate) struct Played {
    /// Seconds of sound that came out.
    pub(crate) heard: f64,
    /// Pictures that came out.
    pub(crate) seen: f64,
    /// What we have to say about it.
    pub(crate) faults: Vec<String>,
    /// What the player complained of.
    pub(crate) complaints: Vec<String>,
}

pub(crate) const PLAYERS: [Player; 4] = [
    Player {
        name: "VLC",
        command: vlc,
        // At a discontinuity it begins its file anew, so its length does not tell.
        heard: |_, log| last_number_after(log, "buffers played   :") * AAC_FRAME,
        seen: |_, log| last_number_after(log, "frames displayed :"),
        asked: b"stats\n",
        // It also regrets that there is no screen to hang an interface on.
        is_complaint: |line| {
            line.contains("[h264") || line.contains(" error: ") && !line.contains("interface")
        },
    },
    Player {
        name: "mpv",
        command: mpv,
        heard: |_, log| last_number_after(log, "at="),
        seen: |dir, _| files(&dir.join("pictures")),
        asked: b"",
        is_complaint: |line| !line.is_empty() && !line.starts_with("at="),
    },
    Player {
        name: "ffmpeg",
        command: ffmpeg,
        heard: |dir, _| {
            let progress = fs::read_to_string(dir.join("progress")).unwrap_or_default();
            last_number_after(&progress, "out_time_us=") / 1e6
        },
        seen: |dir, _| {
            let progress = fs::read_to_string(dir.join("progress")).unwrap_or_default();
            last_number_after(&progress, "frame=")
        },
        asked: b"",
        is_complaint: |line| !line.is_empty(),
    },
    Player {
        name: "GStreamer",
        command: gstreamer,
        heard: |dir, _| file_len(&dir.join("sound.raw")) / PCM_BYTES_PER_SECOND,
        seen: |dir, _| file_len(&dir.join("pictures.raw")) / (64.0 * 36.0),
        asked: b"",
        is_complaint: |line| line.contains("ERROR") || line.contains("WARN"),
    },
];

/// Seconds: 1,024 samples at 48 kHz, which is what VLC counts.
const AAC_FRAME: f64 = 1024.0 / 48_000.0;
/// 48 kHz, 16 bits, one channel.
const PCM_BYTES_PER_SECOND: f64 = 48_000.0 * 2.0;

impl Player {
    /// Plays `url` until `seconds` of sound came out, the player ended, or `limit` passed. The folder `dir` is made.
    pub(crate) fn play(&self, url: &str, media: Media, seconds: f64, limit: Duration, dir: &Path) -> Played {
        let pictures = dir.join("pictures");
        fs::create_dir_all(&pictures).expect("a folder for the player");
        give_to_nobody(dir);
        give_to_nobody(&pictures);
        let log_path = dir.join("log");
        let log = File::create(&log_path).expect("a file for the player's words");
        let mut child = (self.command)(url, media, dir)
            .env("HOME", dir)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{} does not start: {error}; .ci/setup test installs it", self.name)
            });
        let deadline = Instant::now() + limit;
        let mut faults = Vec::new();
        let heard = loop {
            // One that has ended is not there to be asked, as is seen next.
            let _ = child.stdin.as_mut().expect("piped above").write_all(self.asked);
            let ended = child.try_wait().expect("the player can be waited for");
            let heard = (self.heard)(dir, &read(&log_path));
            if heard >= seconds {
                break heard;
            }
            if let Some(status) = ended {
                faults.push(format!("ended after {heard:.1} s of sound ({status})"));
                break heard;
            }
            if Instant::now() > deadline {
                faults.push(format!("only {heard:.1} s of sound in {limit:?}"));
                break heard;
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        let _ = child.kill();
        let _ = child.wait();
        let log = read(&log_path);
        let complaints = log.lines().map(str::trim).filter(|line| (self.is_complaint)(line));
        let complaints = complaints.map(str::to_owned).collect();
        Played { heard, seen: (self.seen)(dir, &log), faults, complaints }
    }
}

fn vlc(url: &str, media: Media, dir: &Path) -> Command {
    // VLC refuses to run as root.
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "vlc"]);
        command
    } else {
        Command::new("vlc")
    };
    command.args([
        "--intf=rc",
        "--no-dbus",
        "--aout=afile",
        "--audiofile-format=s16",
        "--audiofile-channels=1",
    ]);
    command.arg(format!("--audiofile-file={}", dir.join("sound.wav").display()));
    match media {
        Media::Sound => command.arg("--no-video"),
        Media::Both => command.arg("--vout=dummy"),
    };
    command.arg(url);
    command
}

fn mpv(url: &str, media: Media, dir: &Path) -> Command {
    let mut command = Command::new("mpv");
    command.args(["--no-config", "--ao=null", "--input-terminal=no"]);
    command.arg("--term-status-msg=at=${=time-pos}");
    match media {
        Media::Sound => command.args(["--no-video", "--msg-level=all=warn,statusline=status"]),
        // Its warnings then are of a machine too slow for so many players: how much comes out is judged anyway.
        Media::Both => command
            .arg("--msg-level=all=error,statusline=status")
            .args(["--vo=image", "--vo-image-format=jpg"])
            .arg(format!("--vo-image-outdir={}", dir.join("pictures").display())),
    };
    command.arg(url);
    command
}

fn ffmpeg(url: &str, media: Media, dir: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-hide_banner", "-v", "warning", "-xerror", "-progress"])
        .arg(dir.join("progress"));
    command.args(["-i", url, "-map", "0:a"]);
    if media == Media::Both {
        command.args(["-map", "0:v", "-fps_mode", "passthrough", "-enc_time_base", "-1"]);
    }
    command.args(["-f", "null", "-"]);
    command
}

fn gstreamer(url: &str, media: Media, dir: &Path) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["uridecodebin", "name=player", &format!("uri={url}")]);
    command.args(["player.", "!", "queue", "!", "audioconvert", "!", "audioresample", "!"]);
    command.args(["audio/x-raw,rate=48000,channels=1,format=S16LE", "!", "filesink", "sync=true"]);
    command.arg(format!("location={}", dir.join("sound.raw").display()));
    if media == Media::Both {
        command.args(["player.", "!", "queue", "!", "videoconvert", "!", "videoscale", "!"]);
        command.args(["video/x-raw,width=64,height=36,format=GRAY8", "!", "filesink", "sync=true"]);
        command.arg(format!("location={}", dir.join("pictures.raw").display()));
    }
    command.env("GST_DEBUG", "1").env("NO_COLOR", "1");
    command
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn give_to_nobody(dir: &Path) {
    if is_root() {
        std::os::unix::fs::chown(dir, Some(65534), Some(65534)).expect("the folder can be given to `nobody`");
    }
}

/// Lines end in a carriage return and an escape sequence where a player draws its status anew.
fn read(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).replace("\u{1b}[K", "").replace('\r', "\n")
}

fn files(dir: &Path) -> f64 {
    fs::read_dir(dir).map_or(0.0, |entries| entries.count() as f64)
}

fn file_len(path: &Path) -> f64 {
    fs::metadata(path).map_or(0.0, |file| file.len() as f64)
}

fn last_number_after(text: &str, name: &str) -> f64 {
    text.rsplit(name).find_map(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}
