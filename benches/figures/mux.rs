//! The mux, as its own benchmark finds it.

use std::error::Error;
use std::process::Command;

use crate::table::Row;

const SOUND: &str = "mux, 64 kbit/s audio: ";
const LOW: &str = "mux, 500 kbit/s video and audio: ";
const PICTURE: &str = "mux, 2 Mbit/s video and audio: ";
const HIGH: &str = "mux, 4 Mbit/s video and audio: ";
const SOUND_MP4: &str = "fMP4, 64 kbit/s audio: ";
const PICTURE_MP4: &str = "fMP4, 2 Mbit/s video and audio: ";
const HIGH_MP4: &str = "fMP4, 4 Mbit/s video and audio: ";
const TWO_SECONDS: &str = "mux, 64 kbit/s audio, 2 s segments: ";

/// What we call a figure, how its line of `cargo bench --bench mux` begins and ends around the number, and
/// the most it may be.
const FIGURES: [(&str, &str, &str, f64); 10] = [
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

/// Runs the mux's benchmark and gives its figures.
pub(crate) fn rows() -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("The mux");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let bench = Command::new(cargo).args(["bench", "--quiet", "--bench", "mux"]).output()?;
    let said = String::from_utf8_lossy(&bench.stdout);
    if !bench.status.success() {
        return Err(format!("the mux's benchmark: {said}{}", String::from_utf8_lossy(&bench.stderr)).into());
    }
    let number = |line: &str, unit: &str| {
        let found =
            said.lines().find_map(|said| said.strip_prefix(line)?.strip_suffix(unit)?.trim().parse().ok());
        found.unwrap_or(f64::NAN)
    };
    Ok(FIGURES.map(|(figure, line, unit, limit)| Row::limit(figure, limit, number(line, unit), unit)).into())
}
