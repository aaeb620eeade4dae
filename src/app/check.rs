//! `outpost check`: what a configuration would do, and whether its sources can be heard.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use super::address::{Reach, Scheme};
use super::config::{AudioSettings, Config, Encoder, EncryptionSettings, Rung, StreamConfig, VideoSettings};
use super::https::https;
use super::screen::Screen;
use super::streams::secret;
use crate::base::Chain;
use crate::keep;
use crate::media::Track;
use crate::segment::Vault;
use crate::serve::CertificateError;
use crate::source::SourceError;

/// The sources of all streams, to be tried. Answers are in the order of [`tracks`].
pub trait Probe {
    /// Opens each source: what it turned out to be, as `48000 Hz, 2 channels`, or why it cannot be used.
    fn open(&mut self) -> Vec<Result<String, SourceError>>;

    /// What would code the pictures of this track, counted as by [`tracks`], and why; or why nothing can.
    fn encoder(&mut self, track: usize, video: &VideoSettings) -> String;

    /// Listens and looks for as long as `over`: what came, or nothing if nothing did.
    fn readings(&mut self, over: Duration) -> Vec<Option<Reading>>;
}

/// What came of a source within a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// Sound, so loud.
    Sound(Level),
    /// So many pictures.
    Pictures(u32),
}

/// Every track of every stream: pictures before sound.
pub(super) fn tracks(streams: &[StreamConfig]) -> impl Iterator<Item = (&StreamConfig, Track)> {
    streams.iter().flat_map(|stream| {
        let video = stream.video.iter().map(move |_| (stream, Track::Video));
        video.chain(stream.audio.iter().map(move |_| (stream, Track::Audio)))
    })
}

/// What a track is called in a line of its own.
fn label(stream: &StreamConfig, track: Track) -> String {
    match (&stream.video, &stream.audio, track) {
        (Some(_), Some(_), Track::Video) => format!("{}, picture", stream.name),
        (Some(_), Some(_), Track::Audio) => format!("{}, sound", stream.name),
        _ => stream.name.to_string(),
    }
}

/// How loud a stretch of sound was, in dB below full scale: 0 is the loudest there is, digital silence is
/// minus infinity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Root mean square.
    pub rms: f32,
    /// The loudest sample.
    pub peak: f32,
}

/// What came of listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every source delivers, and what `run` needs besides is there.
    Fine,
    /// At least one does not, or something is missing.
    Trouble,
}

/// How long is listened.
const LISTEN: Duration = Duration::from_secs(5);
/// How often a meter moves where it can be redrawn, and where each reading is a line of its own.
const REDRAW: Duration = Duration::from_millis(200);
const REPRINT: Duration = Duration::from_secs(1);
/// Below this peak nobody hears anything, in dBFS.
const SILENT: f32 = -60.0;
/// At this peak the card can no longer follow, in dBFS.
const CLIPPED: f32 = -0.1;
/// How wide a meter is, in characters, from [`SILENT`] to full scale.
const WIDTH: usize = 40;

/// Clears the line, and lets what is too wide for the terminal end at its edge: a wrapped line would be two, and the
/// next reading would be drawn in the wrong place. And back to wrapping (DECAWM).
const REPLACE: &str = "\r\x1b[2K\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// Says what `config`, read from `file`, would do, listens to its sources, and says how they are.
///
/// # Errors
/// If `out` cannot be written to.
pub fn check(
    config: &Config,
    file: &str,
    probe: &mut impl Probe,
    out: &mut impl Write,
    screen: Screen,
) -> io::Result<Verdict> {
    let reach = Reach::of(Scheme::Http, config.listen.0);
    writeln!(out, "{file} is in order.\n")?;
    writeln!(out, "Serves on {}, that is {}", config.listen, reach.best())?;
    let secured =
        https(config).map(|https| (https.identity.inspect(), Reach::of(Scheme::Https, https.listen)));
    if let Some((certificate, reach)) = &secured {
        writeln!(out, "Serves over TLS too, on {}; its certificate: {}", reach.best(), shown(certificate))?;
    }
    let unwritable = unwritable(&config.state_dir);
    writeln!(out, "Keeps its state in {}{unwritable}", config.state_dir.display())?;
    let mut verdict = match secured {
        Some((Err(_), _)) => Verdict::Trouble,
        _ => Verdict::Fine,
    };
    match secret(&config.streams, &config.state_dir).map(|path| Vault::find(&path)) {
        Some(Err(error)) => {
            verdict = Verdict::Trouble;
            writeln!(out, "Serves nothing: {}", Chain(&error))?;
        }
        // One is to be made there, or nothing is served.
        Some(Ok(None)) if !unwritable.is_empty() => verdict = Verdict::Trouble,
        _ => {}
    }
    let opened = probe.open();
    let mut found = opened.iter().enumerate();
    for stream in &config.streams {
        if plan(stream, &mut found, probe, &reach, out)? == Verdict::Trouble {
            verdict = Verdict::Trouble;
        }
    }
    writeln!(out, "\nListening and looking for {} seconds:", LISTEN.as_secs())?;
    let heard = listen(&config.streams, probe, out, screen)?;
    writeln!(out)?;
    for (((stream, track), opened), heard) in tracks(&config.streams).zip(&opened).zip(heard) {
        writeln!(out, "{}: {}", label(stream, track), conclusion(stream, opened, heard))?;
        if opened.is_err() || heard.is_none() {
            verdict = Verdict::Trouble;
        }
    }
    Ok(verdict)
}

/// What becomes of a certificate.
fn shown(certificate: &Result<Option<String>, CertificateError>) -> String {
    match certificate {
        Ok(Some(fingerprint)) => format!("SHA-256 {fingerprint}"),
        Ok(None) => "one of its own, made at the first start".to_owned(),
        Err(error) => Chain(error).to_string(),
    }
}

/// What keeps this user from writing in `dir`, which need not be there yet; nothing if nothing does.
fn unwritable(dir: &Path) -> String {
    let there = dir.ancestors().find(|place| place.exists()).unwrap_or(Path::new("."));
    let why = match access(there, AccessFlags::W_OK | AccessFlags::X_OK) {
        _ if !there.is_dir() => format!("{} is not a directory", there.display()),
        Ok(()) => return String::new(),
        Err(errno) => format!("this user may not write in {} ({})", there.display(), errno.desc()),
    };
    format!(", but {why}; choose another state_dir, or change that")
}

/// What a stream is made of, and whether it can be served as far as its own keys go; `found` gives what opening its
/// sources came to, track by track.
fn plan<'a>(
    stream: &StreamConfig,
    found: &mut impl Iterator<Item = (usize, &'a Result<String, SourceError>)>,
    probe: &mut impl Probe,
    reach: &Reach,
    out: &mut impl Write,
) -> io::Result<Verdict> {
    let StreamConfig {
        name, title, video, ladder, audio, window, low_latency, encryption, access, keep, ..
    } = stream;
    writeln!(out, "\n{name}: {title}")?;
    if let Some(video) = video {
        let VideoSettings { source, size, rate, bitrate, .. } = video;
        writeln!(out, "  picture   {source}, {size} at {rate}")?;
        let (track, found) = found.next().unzip();
        if let Some(Ok(found)) = found {
            writeln!(out, "  found     {found}")?;
        }
        let track = track.unwrap_or_default();
        writeln!(out, "  encoder   {bitrate}, {}", probe.encoder(track, video))?;
        for Rung { name, video } in ladder {
            let VideoSettings { size, rate, bitrate, .. } = video;
            let encoder = probe.encoder(track, video);
            writeln!(out, "  rendition {name}, {size} at {rate}, {bitrate}, {encoder}")?;
        }
    }
    if let Some(AudioSettings { source, channels, profile, bitrate, .. }) = audio {
        let channels = format!("{channels:?}").to_lowercase();
        writeln!(out, "  sound     {source}, {channels}")?;
        if let Some((_, Ok(found))) = found.next() {
            writeln!(out, "  found     {found}")?;
        }
        writeln!(out, "  encoder   AAC, profile {profile}, {bitrate}")?;
    }
    let (full, memory) = (window.full(stream.total()), window.memory);
    write!(out, "  window    {} in segments of {}, ", window.length, window.segment)?;
    if full <= memory {
        writeln!(out, "about {full} of the {memory} allowed")?;
    } else {
        let percent = memory.0 * 100 / full.0.max(1);
        writeln!(out, "but {memory} hold only about {percent} % of it: it would take {full}")?;
    }
    let mut verdict = Verdict::Fine;
    if let Some(EncryptionSettings { rotate, keys }) = encryption {
        let place = keys.as_ref().map(|keys| format!(", fetched from {keys}")).unwrap_or_default();
        writeln!(out, "  keys      AES-128, a new one every {rotate} segments{place}")?;
        let who = match access.token() {
            Ok(None) => "everybody may fetch keys; [stream.access] changes that".to_owned(),
            Ok(Some(_)) => "who knows the token, or has a signed address (`outpost sign`)".to_owned(),
            Err(error) => {
                verdict = Verdict::Trouble;
                format!("nobody, and nothing is served: {}", Chain(&error))
            }
        };
        writeln!(out, "  access    {who}")?;
    }
    if let Some(keep::Settings { folder, what, bytes, .. }) = keep {
        let what = what.name();
        let but = match nix::unistd::access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
            Ok(()) => String::new(),
            Err(errno) => format!(", but this user cannot write there now ({})", errno.desc()),
        };
        writeln!(out, "  keeps     {what} in {}, up to {bytes}{but}", folder.display())?;
    }
    writeln!(out, "  address   {}{name}/index.m3u8", reach.best())?;
    if let Some(low) = low_latency {
        // At which rate a camera sends what it codes itself nobody knows.
        let copied = video.as_ref().is_some_and(|video| video.encoder == Encoder::Copy);
        let memory = match copied {
            true => format!("up to {} more", window.memory),
            false => format!("about {} more", low.memory(window, stream.total())),
        };
        writeln!(out, "  low delay {} in parts of {}, {memory}", low.length, low.part)?;
        writeln!(out, "  address   {}{name}/ll/index.m3u8", reach.best())?;
    }
    Ok(verdict)
}

/// What came of a track over the whole time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    /// Its highest peak, in dBFS.
    Peak(f32),
    /// Pictures a second.
    Rate(f64),
}

/// Shows what comes of each track; gives back what came in all.
fn listen(
    streams: &[StreamConfig],
    probe: &mut impl Probe,
    out: &mut impl Write,
    screen: Screen,
) -> io::Result<Vec<Option<Heard>>> {
    let every = match screen {
        Screen::Terminal => REDRAW,
        Screen::Plain => REPRINT,
    };
    let labels: Vec<String> = tracks(streams).map(|(stream, track)| label(stream, track)).collect();
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    let mut heard = vec![None; labels.len()];
    for turn in 0..LISTEN.as_millis() / every.as_millis() {
        let readings = probe.readings(every);
        if turn > 0 && screen == Screen::Terminal {
            write!(out, "\x1b[{}A", labels.len())?;
        }
        for ((label, reading), heard) in labels.iter().zip(readings).zip(&mut heard) {
            let (before, after) = if screen == Screen::Terminal { (REPLACE, WRAP) } else { ("", "") };
            writeln!(out, "{before}  {label:width$}  {}{after}", meter(reading, every))?;
            *heard = add(*heard, reading);
        }
        out.flush()?;
    }
    Ok(heard)
}

fn add(heard: Option<Heard>, reading: Option<Reading>) -> Option<Heard> {
    match (heard, reading) {
        (heard, None) => heard,
        (Some(Heard::Peak(loudest)), Some(Reading::Sound(level))) => {
            Some(Heard::Peak(loudest.max(level.peak)))
        }
        (_, Some(Reading::Sound(level))) => Some(Heard::Peak(level.peak)),
        (heard, Some(Reading::Pictures(count))) => {
            let before = if let Some(Heard::Rate(rate)) = heard { rate } else { 0.0 };
            Some(Heard::Rate(before + f64::from(count) / LISTEN.as_secs_f64()))
        }
    }
}

fn meter(reading: Option<Reading>, every: Duration) -> String {
    let Level { rms, peak } = match reading {
        None => return format!("{:23}  [{:WIDTH$}]", "nothing comes", ""),
        Some(Reading::Pictures(count)) => {
            return format!("{:.0} pictures a second", f64::from(count) / every.as_secs_f64());
        }
        Some(Reading::Sound(level)) => level,
    };
    let filled = ((1.0 - rms.clamp(SILENT, 0.0) / SILENT) * WIDTH as f32).round() as usize;
    let number = |db: f32| if db < -99.0 { "silent".to_owned() } else { format!("{db:.0} dBFS") };
    format!("{:>8}, peak {:>8}  [{:WIDTH$}]", number(rms), number(peak), "#".repeat(filled))
}

fn conclusion(stream: &StreamConfig, opened: &Result<String, SourceError>, heard: Option<Heard>) -> String {
    match (opened, heard) {
        (Err(error), _) => error.to_string(),
        (Ok(_), None) => {
            "opened, but nothing comes; plug it out and in again, or try another program: arecord -d 3 \
             try.wav, v4l2-ctl --stream-mmap --stream-count 30"
                .to_owned()
        }
        (Ok(_), Some(Heard::Peak(peak))) if peak < SILENT => {
            "works, but all is silent; is the scanner on, its \
             volume up, its plug in the right socket? (alsamixer shows the card's own controls)"
                .to_owned()
        }
        (Ok(_), Some(Heard::Peak(peak))) if peak >= CLIPPED => {
            "works, but it is too loud and distorts; turn the scanner or the card's capture volume down"
                .to_owned()
        }
        (Ok(_), Some(Heard::Peak(peak))) => format!("works; its loudest moment was at {peak:.0} dBFS"),
        (Ok(_), Some(Heard::Rate(rate))) => {
            let wanted = stream.video.as_ref().map(|video| video.rate).filter(|it| rate < 0.8 * it.hertz());
            match wanted {
                Some(wanted) => format!(
                    "works, but gives {rate:.0} pictures a second where {wanted} are wanted; many cameras are slow in \
                     the dark (see its exposure controls in `outpost devices --json`), or at large sizes"
                ),
                None => format!("works; it gives {rate:.0} pictures a second"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Signal;

    /// Plays readings back; the last one for ever.
    struct Played {
        opened: Vec<Result<String, SourceError>>,
        levels: Vec<Vec<Option<Reading>>>,
        asked: Duration,
    }

    impl Probe for Played {
        fn open(&mut self) -> Vec<Result<String, SourceError>> {
            std::mem::take(&mut self.opened)
        }

        fn encoder(&mut self, _: usize, _: &VideoSettings) -> String {
            "x264, because it is played here".to_owned()
        }

        fn readings(&mut self, over: Duration) -> Vec<Option<Reading>> {
            self.asked += over;
            if self.levels.len() > 1 { self.levels.remove(0) } else { self.levels[0].clone() }
        }
    }

    fn gone() -> SourceError {
        SourceError {
            signal: Signal::NoDevice,
            device: "usb:1-1.2".to_owned(),
            problem: "no sound card in this socket".to_owned(),
            remedy: "plug it in, or see `outpost devices`".to_owned(),
        }
    }

    fn level(rms: f32, peak: f32) -> Option<Reading> {
        Some(Reading::Sound(Level { rms, peak }))
    }

    fn checked(played: &mut Played, screen: Screen) -> (Verdict, String) {
        let text = "listen = \"127.0.0.1:8080\"\nstate_dir = \"/tmp/state\"\n\
                    [[stream]]\nname = \"radio\"\ntitle = \"Tower\"\naudio = { kind = \"synth\" }\n\
                    [[stream]]\nname = \"ground\"\naudio = { kind = \"alsa\", device = \"usb:1-1.2\", channels = \"left\" }\n\
                    window.memory = \"1MiB\"\n";
        let config = Config::parse(text, "test").expect("a configuration");
        let mut out = Vec::new();
        let verdict =
            check(&config, "outpost.toml", played, &mut out, screen).expect("memory can be written");
        (verdict, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_source_that_is_missing_is_trouble_and_told_in_full() {
        let (opened, levels) =
            (vec![Ok("as itself".to_owned()), Err(gone())], vec![vec![level(-15.0, -3.2), None]]);
        let mut played = Played { opened, levels, asked: Duration::ZERO };
        let (verdict, text) = checked(&mut played, Screen::Plain);
        assert_eq!((verdict, played.asked), (Verdict::Trouble, LISTEN));
        let reading = "  radio   -15 dBFS, peak  -3 dBFS  [##############################          ]
  ground  nothing comes            [                                        ]\n";
        assert_eq!(
            text,
            format!(
                "\
outpost.toml is in order.

Serves on 127.0.0.1:8080, that is http://127.0.0.1:8080/
Keeps its state in /tmp/state

radio: Tower
  sound     embedded scanner, seed 1, mono
  found     as itself
  encoder   AAC, profile lc, 64k
  window    15m in segments of 2s, about 15.1 MiB of the 64.0 MiB allowed
  address   http://127.0.0.1:8080/radio/index.m3u8

ground: ground
  sound     ALSA device usb:1-1.2, left
  encoder   AAC, profile lc, 64k
  window    15m in segments of 2s, but 1.0 MiB hold only about 6 % of it: it would take 15.1 MiB
  address   http://127.0.0.1:8080/ground/index.m3u8

Listening and looking for 5 seconds:
{}
radio: works; its loudest moment was at -3 dBFS
ground: usb:1-1.2: no sound card in this socket; plug it in, or see `outpost devices`
",
                reading.repeat(5)
            )
        );
    }

    #[test]
    fn what_is_heard_decides() {
        let ok = || Ok::<_, SourceError>("card".to_owned());
        let table = [
            (ok(), Some(Heard::Peak(-3.0)), "works; its loudest moment was at -3 dBFS"),
            (ok(), Some(Heard::Peak(f32::NEG_INFINITY)), "works, but all is silent"),
            (ok(), Some(Heard::Peak(0.0)), "works, but it is too loud"),
            (ok(), Some(Heard::Rate(29.4)), "works; it gives 29 pictures a second"),
            (ok(), Some(Heard::Rate(9.9)), "works, but gives 10 pictures a second where 30 are wanted"),
            (ok(), None, "opened, but nothing comes"),
            (Err(gone()), None, "usb:1-1.2: no sound card"),
        ];
        let text = "[[stream]]\nname = \"camera\"\nvideo = { kind = \"synth\" }\n";
        let config = Config::parse(text, "test").expect("a configuration");
        for (opened, heard, expected) in table {
            let found = conclusion(&config.streams[0], &opened, heard);
            assert!(found.starts_with(expected), "{found}");
        }
        let silence = level(f32::NEG_INFINITY, f32::NEG_INFINITY);
        let opened = || vec![ok(), ok()];
        // Silence is no trouble, a scanner may be quiet; the second stream that only once says something is heard.
        let levels = vec![vec![silence, None], vec![silence, level(-40.0, -20.0)], vec![silence, None]];
        let mut played = Played { opened: opened(), levels, asked: Duration::ZERO };
        assert_eq!(checked(&mut played, Screen::Plain).0, Verdict::Fine);
        let mut played =
            Played { opened: opened(), levels: vec![vec![silence, None]], asked: Duration::ZERO };
        assert_eq!(checked(&mut played, Screen::Plain).0, Verdict::Trouble);
    }

    #[test]
    fn pictures_and_sound_of_a_stream_have_a_line_each() {
        let text = "listen = \"127.0.0.1:8080\"\nstate_dir = \"/tmp/state\"\n[[stream]]\nname = \"camera\"\n\
                    video = { kind = \"synth\" }\naudio = { kind = \"synth\", sound = \"clapper\" }\n\
                    rendition = [{ size = \"640x360\", bitrate = \"600k\" }]\n";
        let config = Config::parse(text, "test").expect("a configuration");
        let opened = vec![Ok("as itself".to_owned()), Ok("48000 Hz, 1 channel".to_owned())];
        let levels = vec![vec![Some(Reading::Pictures(30)), level(-12.0, -12.0)]];
        let mut played = Played { opened, levels, asked: Duration::ZERO };
        let mut out = Vec::new();
        let verdict = check(&config, "outpost.toml", &mut played, &mut out, Screen::Plain);
        assert_eq!(verdict.expect("memory can be written"), Verdict::Fine);
        let text = String::from_utf8(out).expect("text");
        let reading = "  camera, picture  30 pictures a second
  camera, sound    -12 dBFS, peak -12 dBFS  [################################        ]
";
        let told = format!(
            "
camera: camera
  picture   test card, 1280x720 at 30
  found     as itself
  encoder   2M, x264, because it is played here
  rendition 360p, 640x360 at 30, 600k, x264, because it is played here
  sound     clapper, a beep each second, mono
  found     48000 Hz, 1 channel
  encoder   AAC, profile lc, 64k
  window    2m in segments of 2s, about 87.9 MiB of the 128.0 MiB allowed
  address   http://127.0.0.1:8080/camera/index.m3u8

Listening and looking for 5 seconds:
{}
camera, picture: works; it gives 30 pictures a second
camera, sound: works; its loudest moment was at -12 dBFS
",
            reading.repeat(5)
        );
        assert!(text.ends_with(&told), "{text}\n{told}");
    }

    #[test]
    fn a_place_for_state_that_cannot_be_one_is_told() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let told = format!(", but {file} is not a directory; choose another state_dir, or change that");
        assert_eq!(unwritable(Path::new(file)), told);
        assert_eq!(unwritable(&Path::new(file).join("outpost")), told);
        // What is not there yet is made, when it is needed.
        let place = std::env::temp_dir().join(format!("outpost-check-{}", std::process::id()));
        assert_eq!(unwritable(&place.join("state")), "");
        assert!(!place.exists(), "a check leaves nothing behind");
        assert_eq!(unwritable(Path::new("nowhere/yet")), "");
    }

    #[test]
    fn a_terminal_is_redrawn_in_place() {
        let opened = vec![Ok("card".to_owned()), Ok("card".to_owned())];
        let mut played = Played { opened, levels: vec![vec![level(0.0, 0.0); 2]], asked: Duration::ZERO };
        let (_, text) = checked(&mut played, Screen::Terminal);
        assert_eq!(played.asked, LISTEN);
        assert_eq!(text.matches("\x1b[2A").count(), 24);
        let full = "#".repeat(WIDTH);
        assert!(
            text.contains(&format!("\r\x1b[2K\x1b[?7l  radio     0 dBFS, peak   0 dBFS  [{full}]\x1b[?7h\n")),
            "{text}"
        );
    }
}
