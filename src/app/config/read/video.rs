//! `[stream.video]`, as it is written and as it is checked.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::super::fault::Wrong;
use super::super::values::{Rate, reduced, written};
use super::super::{BitRate, Encoder, PictureSource, Step, StreamConfig, VideoSettings};
use super::Check;
use crate::encode::Preset;
use crate::media::{FrameRate, Size};
use crate::source::command::VideoOutput;
use crate::source::video::v4l2::{Controls, DeviceId, FormatChoice, Layout};

/// Below there is nothing to see, above no board and no phone's network keeps up.
pub(super) const BITRATES: RangeInclusive<BitRate> = BitRate(100_000)..=BitRate(20_000_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Video {
    kind: Option<Kind>,
    device: Option<DeviceId>,
    format: Option<FormatChoice>,
    controls: Option<Controls>,
    command: Option<Vec<String>>,
    output: Option<VideoOutput>,
    #[serde(default = "Video::size", deserialize_with = "written")]
    size: Size,
    #[serde(default = "Video::rate")]
    rate: Rate,
    #[serde(default)]
    encoder: Encoder,
    #[serde(default)]
    preset: Preset,
    #[serde(default = "Video::bitrate")]
    bitrate: BitRate,
    overload: Option<Vec<Step>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    V4l2,
    Synth,
    Command,
}

impl Video {
    fn size() -> Size {
        Size::new(1280, 720).expect("even sides")
    }

    fn rate() -> Rate {
        Rate(FrameRate::new(30, 1).expect("a usual rate"))
    }

    fn bitrate() -> BitRate {
        BitRate(2_000_000)
    }
}

impl Check<'_, '_> {
    pub(super) fn video(&self, video: &Video) -> Result<VideoSettings, Wrong> {
        let source = self.pictures(video)?;
        let Video { size, rate: Rate(rate), encoder, preset, bitrate, .. } = *video;
        self.can_encode(&source, encoder)?;
        let (low, high) = (BITRATES.start(), BITRATES.end());
        if !BITRATES.contains(&bitrate) {
            let what = format!("{bitrate} is out of range; pictures take from {low} to {high}");
            return Err(self.wrong("video.bitrate", what));
        }
        let overload = match &video.overload {
            Some(_) if is_copied(&source, encoder) => {
                let what = "what is passed through cannot be made less; remove it";
                return Err(self.wrong("video.overload", what));
            }
            Some(steps) => self.overload(steps, bitrate, rate)?,
            None => usual_steps(bitrate, rate),
        };
        Ok(VideoSettings { source, size, rate, encoder, preset, bitrate, overload })
    }

    fn pictures(&self, video: &Video) -> Result<PictureSource, Wrong> {
        let kind = video.kind.ok_or_else(|| {
            self.wrong(
                "video.kind",
                "missing; write \"v4l2\" for a camera, \"command\" for what a program prints, \"synth\" for the test \
                 card",
            )
        })?;
        let of_v4l2 = [
            ("device", video.device.is_some()),
            ("format", video.format.is_some()),
            ("controls", video.controls.is_some()),
        ];
        let of_command = [("command", video.command.is_some()), ("output", video.output.is_some())];
        let foreign = |kind, keys: &[(&str, bool)]| self.only_for("video", kind, keys);
        match kind {
            Kind::V4l2 => {
                foreign("command", &of_command)?;
                let missing = "missing; `outpost devices` lists the cameras that are there";
                let device = video.device.clone().ok_or_else(|| self.wrong("video.device", missing))?;
                let controls = video.controls.clone().unwrap_or_default();
                Ok(PictureSource::V4l2 { device, format: video.format.unwrap_or_default(), controls })
            }
            Kind::Synth => {
                foreign("v4l2", &of_v4l2).and_then(|()| foreign("command", &of_command))?;
                Ok(PictureSource::Synth)
            }
            Kind::Command => {
                foreign("v4l2", &of_v4l2)?;
                let command = self.command("video.command", video.command.as_deref())?;
                let missing =
                    "missing; say what the program prints: \"h264\", or raw \"yu12\", \"nv12\" or \"yuyv\"";
                let output = video.output.ok_or_else(|| self.wrong("video.output", missing))?;
                Ok(PictureSource::Command { command, output })
            }
        }
    }

    /// H.264 is passed through and nothing else is: Outpost does not decode.
    fn can_encode(&self, source: &PictureSource, encoder: Encoder) -> Result<(), Wrong> {
        use PictureSource as Source;
        let coded = match source {
            Source::V4l2 { format: FormatChoice::Auto, .. } => return Ok(()),
            Source::V4l2 { format, .. } => *format == FormatChoice::Only(Layout::H264),
            Source::Command { output, .. } => *output == VideoOutput::H264,
            Source::Synth => false,
        };
        let what = match (coded, encoder) {
            (true, Encoder::X264 | Encoder::M2m) => format!(
                "{encoder} codes raw pictures, and this source gives H.264, which is passed through as it is; write \
                 \"copy\", or ask the source for raw pictures"
            ),
            (false, Encoder::Copy) => {
                "this source gives raw pictures; write \"auto\", or ask it for H.264".to_owned()
            }
            _ => return Ok(()),
        };
        Err(self.wrong("video.encoder", what))
    }

    /// Each step gives up more than the one of its kind before it.
    fn overload(&self, steps: &[Step], bitrate: BitRate, rate: FrameRate) -> Result<Vec<Step>, Wrong> {
        let (mut bits, mut pictures) = (bitrate, rate);
        for (index, step) in steps.iter().enumerate() {
            let what = match *step {
                Step::Bitrate(lower) if lower < *BITRATES.start() => {
                    format!("{lower} is out of range; pictures take {} or more", BITRATES.start())
                }
                Step::Bitrate(lower) if lower >= bits => {
                    format!(
                        "{lower} is no step down from {bits}; put the steps in order, each lower than the one before"
                    )
                }
                Step::Rate(lower) if lower.hertz() >= pictures.hertz() => {
                    format!(
                        "{step} is no step down from {pictures}fps; put the steps in order, each lower than the one before"
                    )
                }
                Step::Bitrate(lower) => {
                    bits = lower;
                    continue;
                }
                Step::Rate(lower) => {
                    pictures = lower;
                    continue;
                }
            };
            return Err(self.wrong(&format!("video.overload.{index}"), what));
        }
        Ok(steps.to_vec())
    }

    /// A camera is opened once, however many streams show it: they must want the same of it.
    pub(super) fn agrees_with(&self, earlier: &[StreamConfig], stream: &StreamConfig) -> Result<(), Wrong> {
        let Some(video) = &stream.video else { return Ok(()) };
        let raw =
            |stream: &StreamConfig, video: &VideoSettings| is_raw(video.encoder) || !stream.ladder.is_empty();
        let same = |other: &&StreamConfig| {
            other.video.as_ref().is_some_and(|other| other.source.is_same_device(&video.source))
        };
        for other in earlier.iter().filter(same) {
            let name = &other.name;
            let Some((its, other)) = other.video.as_ref().map(|it| (raw(other, it), it)) else { continue };
            let (key, has) = match () {
                () if other.size != video.size => ("video.size", other.size.to_string()),
                () if other.rate != video.rate => ("video.rate", other.rate.to_string()),
                () if other.source != video.source => ("video", "other settings".to_owned()),
                () if its && video.encoder == Encoder::Copy
                    || other.encoder == Encoder::Copy && raw(stream, video) =>
                {
                    ("video.encoder", format!("\"{}\"", other.encoder))
                }
                () => continue,
            };
            let what = format!(
                "stream {name} shows {} too, with {has}; a camera is opened once, so both must want the same of it",
                video.source
            );
            return Err(self.wrong(key, what));
        }
        Ok(())
    }
}

fn is_raw(encoder: Encoder) -> bool {
    matches!(encoder, Encoder::X264 | Encoder::M2m)
}

pub(super) fn is_copied(source: &PictureSource, encoder: Encoder) -> bool {
    let coded = matches!(source, PictureSource::Command { output: VideoOutput::H264, .. })
        || matches!(source, PictureSource::V4l2 { format: FormatChoice::Only(Layout::H264), .. });
    coded || encoder == Encoder::Copy
}

/// First the bits go, which a viewer minds least, then every second picture.
pub(super) fn usual_steps(bitrate: BitRate, rate: FrameRate) -> Vec<Step> {
    let share = |tenths: u32| BitRate(bitrate.0 / 10 * tenths);
    let bits = [6, 4].map(share).into_iter().filter(|bits| bits >= BITRATES.start()).map(Step::Bitrate);
    let (numerator, denominator) = rate.fraction();
    let half = denominator.checked_mul(2).and_then(|twice| reduced(numerator, twice));
    bits.chain(half.map(Step::Rate)).collect()
}
