//! What ffmpeg hears in a stream, and tones to be heard.

use std::process::{Child, Command, Stdio};

use crate::pulse::Pulse;

/// Amplitude of the tones, and their RMS level in dBFS.
pub(crate) const AMPLITUDE: f64 = 0.25;
pub(crate) const LEVEL: f64 = -15.05;

/// A tone that plays on; it ends when dropped.
pub(crate) struct Tone(Child);

impl Drop for Tone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays a minute of two sines into the device, one for each ear.
pub(crate) fn play(pulse: &Pulse, left: f64, right: f64) -> Tone {
    let wave = pulse.home().join("tone.wav");
    let wave = wave.to_str().expect("a name in UTF-8");
    sox(left, right, &["-b", "16", wave]);
    let player = Command::new("paplay")
        .args(["--device", "scanner", wave])
        .envs(pulse.environment())
        .spawn()
        .expect("paplay starts (Debian: pulseaudio-utils)");
    Tone(player)
}

/// Writes a minute of two sines into what `output` says.
pub(crate) fn sox(left: f64, right: f64, output: &[&str]) {
    let made = Command::new("sox")
        .args(["-n", "-r", "48000", "-c", "2"])
        .args(output)
        .args(["synth", "60", "sine", &left.to_string(), "sine", &right.to_string()])
        .args(["vol", &AMPLITUDE.to_string()])
        .status()
        .expect("sox starts (Debian: sox)");
    assert!(made.success(), "sox: {made}");
}

/// One channel as ffmpeg's `astats` describes it.
#[derive(Debug)]
pub(crate) struct Channel {
    /// In Hz, from the zero crossings.
    pub(crate) pitch: f64,
    /// RMS in dBFS.
    pub(crate) level: f64,
}

/// What ffmpeg says of `url` through the filter `filter`, from the segment `from` on (negative from the end);
/// it must say nothing that is a warning.
pub(crate) fn listen(url: &str, from: &str, seconds: f64, filter: &str) -> String {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info", "-xerror"])
        .args(["-live_start_index", from, "-i", url, "-t", &seconds.to_string()])
        .args(["-af", filter, "-f", "null", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg starts (Debian: ffmpeg)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    for line in said.lines() {
        assert!(!["[warning]", "[error]", "[fatal]"].iter().any(|it| line.contains(it)), "{said}");
    }
    said
}

/// Each channel of `url`, over three of the last seconds.
pub(crate) fn channels(url: &str) -> Vec<Channel> {
    const SECONDS: f64 = 3.0;
    // What a decoder says before it has heard the overlapping block before is not ours.
    let said = listen(url, "-5", 4.0, "atrim=start=0.5:duration=3,asetpts=PTS-STARTPTS,astats");
    let per_channel = said.split("] Overall").next().unwrap_or_default();
    per_channel
        .split("] Channel: ")
        .skip(1)
        .map(|channel| {
            let figure = |name: &str| {
                let line = channel.lines().find(|line| line.contains(name));
                line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
                    .unwrap_or_else(|| panic!("no {name} in {said}"))
            };
            let crossings: f64 = figure("] Zero crossings:");
            Channel { pitch: crossings / 2.0 / SECONDS, level: figure("] RMS level dB:") }
        })
        .collect()
}

/// What ffprobe complains of, but for one thing: it has no decoder for the time of day in a stream, which is ID3
/// metadata, and says that by its number.
pub(crate) fn complaints(stderr: &[u8]) -> String {
    let said = String::from_utf8_lossy(stderr);
    let others = said.lines().filter(|line| !line.starts_with("Unsupported codec with id 98313 "));
    others.collect::<Vec<_>>().join("\n")
}

/// What ffprobe says of the sound of `url`: codec, profile, rate, channels.
pub(crate) fn probe(url: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "warning", "-select_streams", "a"])
        .args(["-show_entries", "stream=codec_name,profile,sample_rate,channels", "-of", "csv=p=0", url])
        .stdin(Stdio::null())
        .output()
        .expect("ffprobe starts (Debian: ffmpeg)");
    assert_eq!(complaints(&output.stderr), "", "ffprobe {url}");
    let said = String::from_utf8_lossy(&output.stdout);
    // Once for the program and once for the stream.
    said.lines().find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}
