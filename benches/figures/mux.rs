//! The mux, as its own benchmark finds it.

use std::error::Error;
use std::process::Command;

use crate::table::Row;

/// What we call a figure, the line of `cargo bench --bench mux` it stands in (what is before the number and
/// what is behind it), the most it may be, and its unit.
const FIGURES: [(&str, &str, &str, f64, &str); 5] = [
    ("mux, 64 kbit/s audio", "mux, 64 kbit/s audio: ", " ns per TS packet", 36.0, "ns/packet"),
    ("mux, 2 Mbit/s", "mux, 2 Mbit/s video and audio: ", " ns per TS packet", 36.0, "ns/packet"),
    (
        "mux, 64 kbit/s audio",
        "mux, 64 kbit/s audio: ",
        " allocations per TS packet",
        0.0,
        "allocations/packet",
    ),
    (
        "mux, 2 Mbit/s",
        "mux, 2 Mbit/s video and audio: ",
        " allocations per TS packet",
        0.0,
        "allocations/packet",
    ),
    (
        "TS bytes / ADTS bytes, 64 kbit/s",
        "mux, 64 kbit/s audio, 2 s segments: ",
        " TS bytes per ADTS byte",
        1.083,
        "",
    ),
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
    let number = |before: &str, behind: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(before)?.strip_suffix(behind)?.parse().ok())
            .unwrap_or(f64::NAN)
    };
    Ok(FIGURES
        .map(|(figure, before, behind, limit, unit)| Row::limit(figure, limit, number(before, behind), unit))
        .into())
}
