//! The multivariant playlist: what a player can choose between.

use std::fmt::{self, Write};

use super::tag::{Bare, Tag};
use crate::segment::Rate;

/// One choice: a rendition, or a set of them, with what a player must know before it fetches any.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its media playlist, relative to the multivariant one.
    pub uri: String,
    /// BANDWIDTH and AVERAGE-BANDWIDTH, as measured, of all that is played together: with a group, the largest
    /// sum (rfc8216bis, 4.4.6.2). Zero while nothing has been.
    pub rate: Rate,
    /// CODECS: every format in it and in its group, as RFC 6381 names them.
    pub codecs: String,
    /// RESOLUTION, if there is a picture.
    pub resolution: Option<Resolution>,
    /// FRAME-RATE, the highest in it, if there is a picture.
    pub frame_rate: Option<f64>,
    /// AUDIO: the [`Group::id`] of the sound that belongs to it, if that is not in it.
    pub audio: Option<String>,
}

/// Sound with a playlist of its own: EXT-X-MEDIA (RFC 8216, 4.3.4.1). The only one of its group, and so always
/// its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// GROUP-ID: what variants call it.
    pub id: String,
    /// NAME: what people call it.
    pub name: String,
    /// LANGUAGE: a tag of RFC 5646, if it is known.
    pub language: Option<String>,
    /// CHANNELS: how many.
    pub channels: u32,
    /// Its media playlist, relative to the multivariant one.
    pub uri: String,
}

/// Size of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// The multivariant playlist (RFC 8216, 4.3.4). Players begin with the first variant: put the one first
/// that most can play, and sound alone last. Variants not measured yet are left out. `query`, without its `?`,
/// is handed on to every playlist.
pub fn multivariant(variants: &[Variant], groups: &[Group], query: Option<&str>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_multivariant(&mut text, variants, groups, query);
    text
}

fn write_multivariant(
    text: &mut String,
    variants: &[Variant],
    groups: &[Group],
    query: Option<&str>,
) -> fmt::Result {
    writeln!(text, "{}", Tag::ExtM3u)?;
    // Groups need no version, but readers of before version 4 know none (rfc8216bis, 8).
    writeln!(text, "{}", Tag::Version(if groups.is_empty() { 3 } else { 4 }))?;
    writeln!(text, "{}", Tag::IndependentSegments)?;
    for group in groups {
        writeln!(text, "{}", Tag::Media { group, query })?;
    }
    for variant in variants.iter().filter(|it| it.rate.peak > 0) {
        writeln!(text, "{}", Tag::StreamInf(variant))?;
        writeln!(text, "{}", Bare { uri: &variant.uri, query })?;
    }
    Ok(())
}
