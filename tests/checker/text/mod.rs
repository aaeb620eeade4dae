//! Playlists as a judge reads them: all of RFC 8216 and of the low-latency part of rfc8216bis, and every deviation noted.
//!
//! Belongs here: text to values, and what is wrong with the text itself. Does not: whether the values make sense.

mod attributes;
mod media;
mod multivariant;

pub(crate) use attributes::Attributes;
pub(crate) use media::{Media, Part, Segment, moment};
pub(crate) use multivariant::{Multivariant, Variant};

/// A line that counts, with its number, from 1.
enum Line<'a> {
    /// The tag with its `#`, and what stands behind the colon.
    Tag(&'a str, &'a str),
    Uri(&'a str),
}

/// The lines of a playlist without comments and empty ones, and what is wrong with how they are written (RFC 8216, 4.1).
fn lines(text: &str) -> (Vec<(usize, Line<'_>)>, Vec<String>) {
    let mut faults = Vec::new();
    if !text.starts_with("#EXTM3U\n") && !text.starts_with("#EXTM3U\r\n") {
        faults.push("line 1: is not #EXTM3U".to_owned());
    }
    if !text.ends_with('\n') {
        faults.push("the last line has no end".to_owned());
    }
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        if line.chars().any(char::is_control) {
            faults.push(format!("line {number}: a control character"));
        }
        if line.trim() != line {
            faults.push(format!("line {number}: white space at an end"));
        }
        if line.starts_with("#EXT") {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            found.push((number, Line::Tag(tag, value)));
        } else if !line.is_empty() && !line.starts_with('#') {
            found.push((number, Line::Uri(line)));
        }
    }
    (found, faults)
}
