//! Figures that benchmarks of their own print, one to a line: the mux and the playlists.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use crate::table::Row;

/// What we call a figure, how its line begins and ends around the number, and the most it may be.
type Figure = (&'static str, &'static str, &'static str, f64);

const SOUND: &str = "mux, 64 kbit/s audio: ";
const LOW: &str = "mux, 500 kbit/s video and audio: ";
const PICTURE: &str = "mux, 2 Mbit/s video and audio: ";
const HIGH: &str = "mux, 4 Mbit/s video and audio: ";
const SOUND_MP4: &str = "fMP4, 64 kbit/s audio: ";
const PICTURE_MP4: &str = "fMP4, 2 Mbit/s video and audio: ";
const HIGH_MP4: &str = "fMP4, 4 Mbit/s video and audio: ";
const TWO_SECONDS: &str = "mux, 64 kbit/s audio, 2 s segments: ";

const MUX: [Figure; 10] = [
    ("mux, 64 kbit/s audio", SOUND, "ns per TS packet", 36.0),
    ("mux, 64 kbit/s audio", SOUND, "allocations per TS packet", 0.0),
    ("mux, 500 kbit/s", LOW, "ns per TS packet", 25.0),
    ("mux, 2 Mbit/s", PICTURE, "ns per TS packet", 25.0),
    ("mux, 2 Mbit/s", PICTURE, "allocations per TS packet", 0.0),
    ("mux, 4 Mbit/s", HIGH, "ns per TS packet", 25.0),
    ("fMP4 beside TS, 64 kbit/s", SOUND_MP4, "of the time of TS", 1.2),
    ("fMP4 beside TS, 2 Mbit/s", PICTURE_MP4, "of the time of TS", 1.2),
    ("fMP4 beside TS, 4 Mbit/s", HIGH_MP4, "of the time of TS", 1.2),
    ("TS overhead, 64 kbit/s", TWO_SECONDS, "TS bytes per ADTS byte", 1.083),
];

const PLAYLIST: [Figure; 2] = [
    ("six hours at 64 kbit/s with AES, playlist written", "10800 enciphered segments: ", "µs", 2_000.0),
    ("the same, a delta of it", "a delta of 10800 enciphered segments: ", "µs", 100.0),
];

pub(crate) fn mux(_: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("The mux");
    rows("mux", &MUX)
}

pub(crate) fn playlist(_: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("Playlists");
    rows("playlist", &PLAYLIST)
}

/// Runs a benchmark and gives its figures.
fn rows(bench: &str, figures: &[Figure]) -> Result<Vec<Row>, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = Command::new(cargo).args(["bench", "--quiet", "--bench", bench]).output()?;
    let said = String::from_utf8_lossy(&run.stdout);
    if !run.status.success() {
        return Err(format!("benchmark {bench}: {said}{}", String::from_utf8_lossy(&run.stderr)).into());
    }
    let number = |line: &str, unit: &str| {
        // What is told besides stands behind a comma.
        let first = |rest: &str| rest.split(", ").next()?.strip_suffix(unit)?.trim().parse().ok();
        said.lines().find_map(|said| first(said.strip_prefix(line)?)).unwrap_or(f64::NAN)
    };
    Ok(figures
        .iter()
        .map(|(name, line, unit, limit)| Row::limit(name, *limit, number(line, unit), unit))
        .collect())
}
