//! The one table everything ends in.

use std::fmt;

/// One figure: what we reach for, what was measured, and what the peer needed in the same run.
pub(crate) struct Row {
    pub(crate) figure: &'static str,
    pub(crate) reach: String,
    pub(crate) measured: String,
    pub(crate) peer: String,
    pub(crate) verdict: Verdict,
}

/// Whether the reach was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    NotMeasured,
}

impl Verdict {
    /// A measured value against the most it may be; what is not a number was not measured.
    pub(crate) fn at_most(limit: f64, measured: f64) -> Self {
        match measured.partial_cmp(&limit) {
            None => Self::NotMeasured,
            Some(std::cmp::Ordering::Greater) => Self::Missed,
            Some(_) => Self::Met,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotMeasured => "NOT MEASURED",
        })
    }
}

impl Row {
    /// A figure that must stay below a fixed limit.
    pub(crate) fn limit(figure: &'static str, limit: f64, measured: f64, unit: &str) -> Self {
        Self {
            figure,
            reach: format!("<= {limit} {unit}"),
            measured: format!("{} {unit}", significant(measured)),
            peer: String::new(),
            verdict: Verdict::at_most(limit, measured),
        }
    }

    /// A figure that must stay below `share` of the peer's.
    pub(crate) fn beside(
        figure: &'static str,
        share: f64,
        peer: &'static str,
        [measured, peers]: [f64; 2],
        unit: &str,
    ) -> Self {
        let ratio = measured / peers;
        Self {
            figure,
            reach: format!("<= {share} x {peer}"),
            measured: format!("{} {unit} = {ratio:.2} x", significant(measured)),
            peer: format!("{peer} {} {unit}", significant(peers)),
            verdict: Verdict::at_most(share, ratio),
        }
    }

    /// Adds what a peer needed, beside another or where the reach itself is a fixed limit.
    pub(crate) fn with_peer(mut self, peer: &str, value: f64, unit: &str) -> Self {
        let separator = if self.peer.is_empty() { "" } else { "; " };
        self.peer += &format!("{separator}{peer} {} {unit}", significant(value));
        self
    }
}

/// As many digits as still mean something.
fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    let width = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).len()).max().unwrap_or(0);
    let (figure, reach) = (width(|row| row.figure), width(|row| &row.reach));
    let (measured, peer) = (width(|row| &row.measured), width(|row| &row.peer));
    println!();
    println!(
        "| {:figure$} | {:reach$} | {:measured$} | {:peer$} | verdict      |",
        "figure", "reach", "measured", "peer"
    );
    println!("| {:-<figure$} | {:-<reach$} | {:-<measured$} | {:-<peer$} | {:-<12} |", "", "", "", "", "");
    for row in rows {
        println!(
            "| {:figure$} | {:reach$} | {:measured$} | {:peer$} | {:12} |",
            row.figure, row.reach, row.measured, row.peer, row.verdict
        );
    }
}
