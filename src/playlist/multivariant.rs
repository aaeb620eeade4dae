//! The multivariant playlist: what a player can choose between.

use std::fmt::{self, Write};

use super::tag::Tag;
use crate::segment::Rate;

/// One choice: a rendition, or a set of them, with what a player must know before it fetches any.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its media playlist, relative to the multivariant one.
    pub uri: String,
    /// BANDWIDTH and AVERAGE-BANDWIDTH, as measured.
    pub rate: Rate,
    /// CODECS: every format in it, as RFC 6381 names them.
    pub codecs: String,
    /// RESOLUTION, if there is a picture.
    pub resolution: Option<Resolution>,
    /// FRAME-RATE, the highest in it, if there is a picture.
    pub frame_rate: Option<f64>,
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
/// that most can play.
pub fn multivariant(variants: &[Variant]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_multivariant(&mut text, variants);
    text
}

fn write_multivariant(text: &mut String, variants: &[Variant]) -> fmt::Result {
    writeln!(text, "{}", Tag::ExtM3u)?;
    writeln!(text, "{}", Tag::Version)?;
    writeln!(text, "{}", Tag::IndependentSegments)?;
    for variant in variants {
        writeln!(text, "{}", Tag::StreamInf(variant))?;
        writeln!(text, "{}", variant.uri)?;
    }
    Ok(())
}
