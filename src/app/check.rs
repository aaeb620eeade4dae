//! `outpost check`: what a configuration would do, and whether its sources can be heard.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use super::address::Reach;
use super::config::{Config, StreamConfig};
use super::screen::Screen;
use crate::source::SourceError;

/// The sources of all streams, to be tried. Answers are in the order of the configuration.
pub trait Probe {
    /// Opens each source: what it turned out to be, as `hw:1,0 USB Audio Device, 48000 Hz, 2 channels`, or why it
    /// cannot be used.
    fn open(&mut self) -> Vec<Result<String, SourceError>>;

    /// Listens for as long as `over`: how loud each stream was, or nothing if nothing came.
    fn levels(&mut self, over: Duration) -> Vec<Option<Level>>;
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
    /// Every source delivers.
    Fine,
    /// At least one does not.
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
    let reach = Reach::of(config.listen.0);
    writeln!(out, "{file} is in order.\n")?;
    writeln!(out, "Serves on {}, that is {}", config.listen, reach.best())?;
    writeln!(out, "Keeps its state in {}{}", config.state_dir.display(), unwritable(&config.state_dir))?;
    let opened = probe.open();
    for (stream, opened) in config.streams.iter().zip(&opened) {
        plan(stream, opened, &reach, out)?;
    }
    writeln!(out, "\nListening for {} seconds:", LISTEN.as_secs())?;
    let loudest = listen(&config.streams, probe, out, screen)?;
    writeln!(out)?;
    for ((stream, opened), loudest) in config.streams.iter().zip(&opened).zip(&loudest) {
        writeln!(out, "{}: {}", stream.name, conclusion(opened, *loudest))?;
    }
    let trouble = opened.iter().any(Result::is_err) || loudest.iter().any(Option::is_none);
    Ok(if trouble { Verdict::Trouble } else { Verdict::Fine })
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

fn plan(
    stream: &StreamConfig,
    opened: &Result<String, SourceError>,
    reach: &Reach,
    out: &mut impl Write,
) -> io::Result<()> {
    let StreamConfig { name, title, source, channels, encoder, window } = stream;
    let channels = format!("{channels:?}").to_lowercase();
    writeln!(out, "\n{name}: {title}")?;
    writeln!(out, "  source    {source}, {channels}")?;
    if let Ok(found) = opened {
        writeln!(out, "  found     {found}")?;
    }
    writeln!(out, "  encoder   AAC, profile {}, {}", encoder.profile, encoder.bitrate)?;
    let (full, memory) = (window.full(encoder.bitrate), window.memory);
    write!(out, "  window    {} in segments of {}, ", window.length, window.segment)?;
    if full <= memory {
        writeln!(out, "about {full} of the {memory} allowed")?;
    } else {
        let percent = memory.0 * 100 / full.0.max(1);
        writeln!(out, "but {memory} hold only about {percent} % of it: it would take {full}")?;
    }
    writeln!(out, "  address   {}{name}/index.m3u8", reach.best())
}

/// Shows how loud each stream is; gives back the highest peak of each, in dBFS.
fn listen(
    streams: &[StreamConfig],
    probe: &mut impl Probe,
    out: &mut impl Write,
    screen: Screen,
) -> io::Result<Vec<Option<f32>>> {
    let every = match screen {
        Screen::Terminal => REDRAW,
        Screen::Plain => REPRINT,
    };
    let width = streams.iter().map(|stream| stream.name.as_str().len()).max().unwrap_or(0);
    let mut loudest = vec![None::<f32>; streams.len()];
    for turn in 0..LISTEN.as_millis() / every.as_millis() {
        let levels = probe.levels(every);
        if turn > 0 && screen == Screen::Terminal {
            write!(out, "\x1b[{}A", streams.len())?;
        }
        for ((stream, level), loudest) in streams.iter().zip(levels).zip(&mut loudest) {
            let (before, after) = if screen == Screen::Terminal { (REPLACE, WRAP) } else { ("", "") };
            writeln!(out, "{before}  {:width$}  {}{after}", stream.name.as_str(), meter(level))?;
            let peak = level.map(|level| level.peak);
            *loudest = [*loudest, peak].into_iter().flatten().reduce(f32::max);
        }
        out.flush()?;
    }
    Ok(loudest)
}

fn meter(level: Option<Level>) -> String {
    let Some(Level { rms, peak }) = level else { return format!("{:23}  [{:WIDTH$}]", "nothing comes", "") };
    let filled = ((1.0 - rms.clamp(SILENT, 0.0) / SILENT) * WIDTH as f32).round() as usize;
    let number = |db: f32| if db < -99.0 { "silent".to_owned() } else { format!("{db:.0} dBFS") };
    format!("{:>8}, peak {:>8}  [{:WIDTH$}]", number(rms), number(peak), "#".repeat(filled))
}

fn conclusion(opened: &Result<String, SourceError>, loudest: Option<f32>) -> String {
    match (opened, loudest) {
        (Err(error), _) => error.to_string(),
        (Ok(_), None) => "opened, but nothing comes; plug the card out and in again, or try another \
             program: arecord -d 3 try.wav"
            .to_owned(),
        (Ok(_), Some(peak)) if peak < SILENT => "works, but all is silent; is the scanner on, its volume \
             up, its plug in the right socket? (alsamixer shows the card's own controls)"
            .to_owned(),
        (Ok(_), Some(peak)) if peak >= CLIPPED => {
            "works, but it is too loud and distorts; turn the scanner or the card's capture volume down"
                .to_owned()
        }
        (Ok(_), Some(peak)) => format!("works; its loudest moment was at {peak:.0} dBFS"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Signal;

    /// Plays readings back; the last one for ever.
    struct Played {
        opened: Vec<Result<String, SourceError>>,
        levels: Vec<Vec<Option<Level>>>,
        asked: Duration,
    }

    impl Probe for Played {
        fn open(&mut self) -> Vec<Result<String, SourceError>> {
            std::mem::take(&mut self.opened)
        }

        fn levels(&mut self, over: Duration) -> Vec<Option<Level>> {
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

    fn level(rms: f32, peak: f32) -> Option<Level> {
        Some(Level { rms, peak })
    }

    fn checked(played: &mut Played, screen: Screen) -> (Verdict, String) {
        let text = "listen = \"127.0.0.1:8080\"\nstate_dir = \"/tmp/state\"\n\
                    [[stream]]\nname = \"radio\"\ntitle = \"Tower\"\nsource = { kind = \"synth\" }\n\
                    [[stream]]\nname = \"ground\"\nsource = { kind = \"alsa\", device = \"usb:1-1.2\", channels = \"left\" }\n\
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
  source    embedded scanner, seed 1, mono
  found     as itself
  encoder   AAC, profile lc, 64k
  window    15m in segments of 2s, about 15.1 MiB of the 64.0 MiB allowed
  address   http://127.0.0.1:8080/radio/index.m3u8

ground: ground
  source    ALSA device usb:1-1.2, left
  encoder   AAC, profile lc, 64k
  window    15m in segments of 2s, but 1.0 MiB hold only about 6 % of it: it would take 15.1 MiB
  address   http://127.0.0.1:8080/ground/index.m3u8

Listening for 5 seconds:
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
            (ok(), Some(-3.0), "works; its loudest moment was at -3 dBFS"),
            (ok(), Some(f32::NEG_INFINITY), "works, but all is silent"),
            (ok(), Some(0.0), "works, but it is too loud"),
            (ok(), None, "opened, but nothing comes"),
            (Err(gone()), None, "usb:1-1.2: no sound card"),
        ];
        for (opened, loudest, expected) in table {
            let found = conclusion(&opened, loudest);
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
