//! The media playlist: what the window lists at one moment.

use std::fmt::{self, Write};

use super::tag::Tag;
use crate::container::ts::Join;
use crate::segment::{Segment, Snapshot};

/// Room for the tags before the first segment, and for a segment's EXTINF and URI.
const HEAD_LEN: usize = 256;
const SEGMENT_LEN: usize = 48;

/// The live playlist of one rendition (RFC 8216, 4.3.3). Segments are named relative to it,
/// `{media sequence}.ts`.
///
/// It carries no EXT-X-PLAYLIST-TYPE, because segments leave it (6.2.1), and always a discontinuity
/// sequence, because a discontinuity may come (HLS Authoring Specification, 8.17).
pub fn media(snapshot: &Snapshot) -> String {
    let mut text = String::with_capacity(HEAD_LEN + SEGMENT_LEN * snapshot.listed.len());
    // Writing to a String cannot fail.
    let _ = write_media(&mut text, snapshot);
    text
}

fn write_media(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    writeln!(text, "{}", Tag::ExtM3u)?;
    writeln!(text, "{}", Tag::Version)?;
    writeln!(text, "{}", Tag::TargetDuration(snapshot.target.0))?;
    // Nothing listed, nothing numbered: the number to come is not known here, and a zero would be a step back.
    if let Some(first) = snapshot.listed.first() {
        writeln!(text, "{}", Tag::MediaSequence(first.sequence))?;
    }
    writeln!(text, "{}", Tag::DiscontinuitySequence(snapshot.discontinuity_sequence))?;
    writeln!(text, "{}", Tag::IndependentSegments)?;
    for (index, segment) in snapshot.listed.iter().enumerate() {
        write_segment(text, snapshot, index, segment)?;
    }
    Ok(())
}

fn write_segment(text: &mut String, snapshot: &Snapshot, index: usize, segment: &Segment) -> fmt::Result {
    if segment.join == Join::Broken {
        writeln!(text, "{}", Tag::Discontinuity)?;
    }
    // One date holds until the next discontinuity: within, media time and civil time run alike.
    if index == 0 || segment.join == Join::Broken {
        writeln!(text, "{}", Tag::ProgramDateTime(snapshot.dates.at(segment.start)))?;
    }
    writeln!(text, "{}", Tag::Inf { start: segment.start, end: segment.start + segment.duration })?;
    writeln!(text, "{}.ts", segment.sequence)
}
