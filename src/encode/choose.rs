//! Which encoder a stream gets, and why.
//!
//! Belongs here: the choice at the start, and what takes over from an encoder that fails. Does not:
//! noticing the failure (`pump`), or scaling to another size.

use super::M2m;
use super::video::{VideoEncoder, VideoError, VideoParams};
use crate::media::Size;

/// Which encoder the configuration asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderKind {
    /// The board's own if it has one that works, else x264.
    #[default]
    Auto,
    /// In software.
    X264,
    /// The board's own, a V4L2 memory-to-memory device.
    M2m,
}

/// An encoder, and how it came to be chosen.
pub struct Choice {
    /// What encodes.
    pub encoder: Box<dyn VideoEncoder>,
    /// The sentence that says why.
    pub why: String,
}

/// The encoder asked for. One for `Auto` that the board has but that does not start is passed over for x264 at a
/// size the board can carry; a board that has none is taken at its owner's word.
///
/// # Errors
/// If the one asked for does not start.
pub fn video(kind: EncoderKind, params: VideoParams) -> Result<Choice, VideoError> {
    match kind {
        EncoderKind::X264 => Ok(Choice { encoder: x264(params)?, why: "asked for".to_owned() }),
        EncoderKind::M2m => Ok(Choice { encoder: m2m(params)?, why: "asked for".to_owned() }),
        EncoderKind::Auto => match m2m(params) {
            Ok(encoder) => Ok(Choice { encoder, why: "the board's own".to_owned() }),
            Err(error @ VideoError::Absent { .. }) => in_place_of(&error, params),
            Err(error) => instead(&error, params),
        },
    }
}

/// Takes over from an encoder that failed: x264, at a size this board can carry.
///
/// # Errors
/// If x264 does not start either: what is wrong with each.
pub fn instead(failed: &VideoError, params: VideoParams) -> Result<Choice, VideoError> {
    let size = carried(board_model().as_deref(), std::env::consts::ARCH, params.size);
    let mut choice = in_place_of(failed, VideoParams { size, ..params })?;
    if size != params.size {
        choice.why = format!("{}, at {size}, which this board can carry", choice.why);
    }
    Ok(choice)
}

/// x264, because the other cannot be had.
fn in_place_of(other: &VideoError, params: VideoParams) -> Result<Choice, VideoError> {
    let encoder = x264(params)
        .map_err(|then| VideoError::Neither { first: Box::new(other.clone()), then: Box::new(then) })?;
    Ok(Choice { encoder, why: other.to_string() })
}

fn x264(params: VideoParams) -> Result<Box<dyn VideoEncoder>, VideoError> {
    #[cfg(feature = "x264")]
    return Ok(Box::new(super::x264::X264::new(params)?));
    #[cfg(not(feature = "x264"))]
    {
        let _ = params;
        Err(VideoError::Missing)
    }
}

fn m2m(params: VideoParams) -> Result<Box<dyn VideoEncoder>, VideoError> {
    Ok(Box::new(M2m::open(params)?))
}

/// The board's name as its firmware tells, on ARM: `Raspberry Pi 4 Model B Rev 1.4`.
fn board_model() -> Option<String> {
    std::fs::read_to_string("/sys/firmware/devicetree/base/model").ok()
}

/// The size to encode in software in place of `wanted`: as large, or of the same shape with as many pixels
/// as the board's cores encode at 30 pictures a second with half of their time (x264 ultrafast).
fn carried(model: Option<&str>, arch: &str, wanted: Size) -> Size {
    let pixels = match (arch, model) {
        ("x86_64", _) => return wanted,
        (_, Some(model)) if ["Pi 5", "Compute Module 5"].iter().any(|it| model.contains(it)) => 1920 * 1080,
        (_, Some(model)) if ["Pi 4", "Compute Module 4"].iter().any(|it| model.contains(it)) => 1280 * 720,
        _ => 640 * 360,
    };
    let share = f64::from(pixels) / (wanted.width() * wanted.height()) as f64;
    if share >= 1.0 {
        return wanted;
    }
    let side = |side: usize| (side as f64 * share.sqrt() / 2.0).floor() as u32 * 2;
    Size::new(side(wanted.width()), side(wanted.height())).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_neither_starts_both_reasons_are_told() {
        use crate::encode::{Preset, Tuning};
        let rate = crate::media::FrameRate::new(30, 1).expect("a rate");
        // No bits at all, which x264 refuses, if it is there.
        let tuning = Tuning { bitrate: 0, rate };
        let size = "320x240".parse().expect("a size");
        let params = VideoParams { size, rate, tuning, preset: Preset::default() };
        let failed = VideoError::Encoder { encoder: "/dev/video11".into(), reason: "it is gone".into() };
        let error = instead(&failed, params).err().expect("neither starts").to_string();
        assert!(
            error.starts_with("/dev/video11: it is gone; in its place: ") && error.contains("x264"),
            "{error}"
        );
    }

    #[test]
    fn the_size_in_software_is_what_the_board_can_carry() {
        let table = [
            (None, "x86_64", "1920x1080", "1920x1080"),
            (Some("Raspberry Pi 5 Model B Rev 1.0"), "aarch64", "1920x1080", "1920x1080"),
            (Some("Raspberry Pi 4 Model B Rev 1.4"), "aarch64", "1920x1080", "1280x720"),
            (Some("Raspberry Pi Compute Module 4 Rev 1.1"), "aarch64", "1920x1080", "1280x720"),
            (Some("Raspberry Pi Zero 2 W Rev 1.0"), "aarch64", "1280x720", "640x360"),
            (None, "aarch64", "1280x960", "554x414"),
            (None, "arm", "320x240", "320x240"),
        ];
        for (model, arch, wanted, expected) in table {
            let size = carried(model, arch, wanted.parse().expect("a size"));
            assert_eq!(size.to_string(), expected, "{model:?} on {arch}");
        }
    }
}
