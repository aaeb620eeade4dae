//! The players people have, each told to play an address.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
    /// The pitch of what came out last, in Hz.
    pitch: fn(dir: &Path) -> f64,
    /// What it is to be asked, on its standard input, so that it tells that.
    asked: &'static [u8],
    is_complaint: fn(line: &str) -> bool,
    refused: Refused,
}

/// What a player does where a server that was there refuses a connection, as one that is just being started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    AsksAgain,
    /// As libavformat does when it asks for a playlist.
    Ends,
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
        pitch: |dir| pitch(&dir.join("sound.wav")),
        asked: b"stats\n",
        // It also regrets that there is no screen to hang an interface on.
        is_complaint: |line| {
            line.contains("[h264") || line.contains(" error: ") && !line.contains("interface")
        },
        refused: Refused::AsksAgain,
    },
    Player {
        name: "mpv",
        command: mpv,
        heard: |_, log| last_number_after(log, "at="),
        seen: |dir, _| files(&dir.join("pictures")),
        pitch: |dir| {
            let crossings = fs::read_to_string(dir.join("crossings")).unwrap_or_default();
            last_number_after(&crossings, "Zero_crossings_rate=") * PCM_RATE / 2.0
        },
        asked: b"",
        is_complaint: |line| !line.is_empty() && !line.starts_with("at=") && !is_init_again(line),
        refused: Refused::Ends,
    },
    Player {
        name: "ffmpeg",
        command: ffmpeg,
        heard: |dir, _| file_len(&dir.join("sound.raw")) / PCM_BYTES_PER_SECOND,
        seen: |dir, _| {
            let progress = fs::read_to_string(dir.join("progress")).unwrap_or_default();
            last_number_after(&progress, "frame=")
        },
        pitch: |dir| pitch(&dir.join("sound.raw")),
        asked: b"",
        is_complaint: |line| !line.is_empty() && !is_init_again(line),
        refused: Refused::Ends,
    },
    Player {
        name: "GStreamer",
        command: gstreamer,
        heard: |dir, _| file_len(&dir.join("sound.raw")) / PCM_BYTES_PER_SECOND,
        seen: |dir, _| file_len(&dir.join("pictures.raw")) / (64.0 * 36.0),
        pitch: |dir| pitch(&dir.join("sound.raw")),
        asked: b"",
        is_complaint: |line| line.contains("ERROR") || line.contains("WARN"),
        refused: Refused::AsksAgain,
    },
];

/// ffmpeg, in mpv too, hands its demuxer the initialisation section anew with each playlist, and regrets that.
fn is_init_again(line: &str) -> bool {
    line.ends_with("Found duplicated MOOV Atom. Skipped it") || line.starts_with("Last message repeated")
}

/// Seconds: 1,024 samples at 48 kHz, which is what VLC counts.
const AAC_FRAME: f64 = 1024.0 / 48_000.0;
/// 16 bits, one channel.
const PCM_RATE: f64 = 48_000.0;
const PCM_BYTES_PER_SECOND: f64 = PCM_RATE * 2.0;

/// A player that plays; it ends when dropped.
pub(crate) struct Playing {
    player: &'static Player,
    child: Child,
    dir: PathBuf,
}

impl Player {
    /// Starts to play `url`. The folder `dir` is made.
    pub(crate) fn start(&'static self, url: &str, media: Media, dir: &Path) -> Playing {
        let pictures = dir.join("pictures");
        fs::create_dir_all(&pictures).expect("a folder for the player");
        give_to_nobody(dir);
        give_to_nobody(&pictures);
        let log = File::create(dir.join("log")).expect("a file for the player's words");
        let child = (self.command)(url, media, dir)
            .env("HOME", dir)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{} does not start: {error}; .ci/setup test installs it", self.name)
            });
        Playing { player: self, child, dir: dir.to_owned() }
    }

    /// Plays `url` until `seconds` of sound came out, the player ended, or `limit` passed. The folder `dir` is made.
    pub(crate) fn play(
        &'static self,
        url: &str,
        media: Media,
        seconds: f64,
        limit: Duration,
        dir: &Path,
    ) -> Played {
        let mut playing = self.start(url, media, dir);
        let deadline = Instant::now() + limit;
        let mut faults = Vec::new();
        let heard = loop {
            let ended = playing.ended();
            let heard = playing.heard();
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
        playing.end();
        Played { heard, seen: playing.seen(), faults, complaints: playing.complaints() }
    }
}

impl Playing {
    pub(crate) fn name(&self) -> &'static str {
        self.player.name
    }

    /// Seconds of sound that came out so far.
    pub(crate) fn heard(&mut self) -> f64 {
        // One that has ended is not there to be asked.
        let _ = self.child.stdin.as_mut().expect("piped above").write_all(self.player.asked);
        (self.player.heard)(&self.dir, &self.log())
    }

    /// Pictures that came out so far.
    pub(crate) fn seen(&self) -> f64 {
        (self.player.seen)(&self.dir, &self.log())
    }

    /// The pitch of the sound that came out last, in Hz; 0 if none did.
    pub(crate) fn pitch(&self) -> f64 {
        (self.player.pitch)(&self.dir)
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the player can be waited for")
    }

    /// Holds one that would end if it were refused a connection now, or lets it go on.
    pub(crate) fn hold(&self, signal: Signal) {
        if self.player.refused == Refused::Ends {
            let pid = i32::try_from(self.child.id()).expect("a pid");
            kill(Pid::from_raw(pid), signal).expect("a child of ours");
        }
    }

    fn complaints(&self) -> Vec<String> {
        let log = self.log();
        let complaints = log.lines().map(str::trim).filter(|line| (self.player.is_complaint)(line));
        complaints.map(str::to_owned).collect()
    }

    fn log(&self) -> String {
        read(&self.dir.join("log"))
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.end();
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
    command.arg(format!(
        "--af=lavfi=[astats=metadata=1:reset=1,\
         ametadata=mode=print:key=lavfi.astats.1.Zero_crossings_rate:file={}:direct=1]",
        dir.join("crossings").display()
    ));
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
    command.args(["-nostdin", "-hide_banner", "-v", "warning", "-progress"]).arg(dir.join("progress"));
    command.args(["-i", url]);
    if media == Media::Both {
        command.args(["-map", "0:v", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"]);
    }
    command.args(["-map", "0:a:0", "-ac", "1", "-ar", "48000", "-flush_packets", "1", "-f", "s16le"]);
    command.arg(dir.join("sound.raw"));
    command
}

fn gstreamer(url: &str, media: Media, dir: &Path) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    // What `playbin` plays with, but that waits for ever for fragmented MP4 whose times do not begin at zero; what
    // `playbin3` plays with does not.
    let decoder = if url.contains("/ll/") { "uridecodebin3" } else { "uridecodebin" };
    command.args([decoder, "name=player", &format!("uri={url}")]);
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

/// The pitch of the last half second of a file of sound, in Hz, from the zero crossings.
fn pitch(path: &Path) -> f64 {
    let seconds = 0.5;
    let wanted = (PCM_BYTES_PER_SECOND * seconds) as u64;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        // Samples have two bytes, and so has the header an even number of them.
        let len = file.metadata()?.len() & !1;
        file.seek(SeekFrom::Start(len.saturating_sub(wanted)))?;
        file.take(wanted).read_to_end(&mut bytes)
    });
    let samples: Vec<i16> = bytes.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect();
    let crossings = samples.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
    read.map_or(0.0, |_| crossings as f64 / 2.0 / seconds)
}

fn last_number_after(text: &str, name: &str) -> f64 {
    text.rsplit(name).find_map(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}
