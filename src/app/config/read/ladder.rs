//! `[[stream.rendition]]`, as it is written and as it is checked.

use serde::Deserialize;

use super::super::fault::Wrong;
use super::super::values::{Rate, written};
use super::super::{BitRate, Encoder, Name, Rung, VideoSettings};
use super::Check;
use super::video::{BITRATES, is_copied, usual_steps};
use crate::encode::Preset;
use crate::media::Size;

/// Each costs an encoder, and players do well with four.
const MOST: usize = 6;
/// The first rendition and the audio-only one, and what else stands beside renditions in the addresses.
const TAKEN: [&str; 4] = ["video", "audio", "ll", "keys"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rendition {
    name: Option<Name>,
    #[serde(default, deserialize_with = "some_size")]
    size: Option<Size>,
    rate: Option<Rate>,
    #[serde(default)]
    encoder: Encoder,
    #[serde(default)]
    preset: Preset,
    bitrate: Option<BitRate>,
}

fn some_size<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Size>, D::Error> {
    written(value).map(Some)
}

impl Check<'_, '_> {
    /// The further renditions of a stream's pictures.
    pub(super) fn ladder(
        &self,
        renditions: &[Rendition],
        video: Option<&VideoSettings>,
    ) -> Result<Vec<Rung>, Wrong> {
        if renditions.is_empty() {
            return Ok(Vec::new());
        }
        let Some(video) = video else {
            return Err(
                self.wrong("rendition", "only pictures have renditions; add [stream.video], or remove it")
            );
        };
        if is_copied(&video.source, video.encoder) {
            let what = "what is passed through is not decoded, so nothing else can be made of it; remove it, or have \
                        raw pictures encoded";
            return Err(self.wrong("rendition", what));
        }
        if renditions.len() > MOST {
            let what = format!(
                "{} are too many; {MOST} beside [stream.video] are enough for anyone",
                renditions.len()
            );
            return Err(self.wrong(&format!("rendition.{MOST}"), what));
        }
        let mut ladder: Vec<Rung> = Vec::with_capacity(renditions.len());
        for (index, rendition) in renditions.iter().enumerate() {
            let at = |key: &str| format!("rendition.{index}.{key}");
            let rung = self.rung(rendition, video, &at)?;
            if ladder.iter().any(|other| other.name == rung.name) {
                let what =
                    format!("another rendition is called {} already; give one a name = \"…\"", rung.name);
                return Err(self.wrong(&at("name"), what));
            }
            ladder.push(rung);
        }
        Ok(ladder)
    }

    fn rung(
        &self,
        rendition: &Rendition,
        video: &VideoSettings,
        at: &dyn Fn(&str) -> String,
    ) -> Result<Rung, Wrong> {
        let wrong = |key: &str, what: String| Err(self.wrong(&at(key), what));
        let size = rendition.size.unwrap_or(video.size);
        if size.width() > video.size.width() || size.height() > video.size.height() {
            let what = format!(
                "{size} is larger than the pictures of [stream.video], {}; make it smaller",
                video.size
            );
            return wrong("size", what);
        }
        let rate = rendition.rate.map_or(video.rate, |rate| rate.0);
        if rate.hertz() > video.rate.hertz() {
            let what = format!("{rate} is more than [stream.video] has, {}; make it less", video.rate);
            return wrong("rate", what);
        }
        if rendition.encoder == Encoder::Copy {
            let what = "a further rendition has to be encoded; write \"auto\", \"x264\" or \"m2m\"";
            return wrong("encoder", what.to_owned());
        }
        let Some(bitrate) = rendition.bitrate else {
            let what = format!(
                "missing; say how much it may use, less than the {} of [stream.video]",
                video.bitrate
            );
            return wrong("bitrate", what);
        };
        if !BITRATES.contains(&bitrate) {
            let (low, high) = (BITRATES.start(), BITRATES.end());
            return wrong(
                "bitrate",
                format!("{bitrate} is out of range; pictures take from {low} to {high}"),
            );
        }
        let name = match &rendition.name {
            Some(name) if TAKEN.contains(&name.as_str()) => {
                let what =
                    format!("{name} is the name of something else in the stream's address; choose another");
                return wrong("name", what);
            }
            Some(name) => name.clone(),
            None => Name::of_height(size),
        };
        let video = VideoSettings {
            source: video.source.clone(),
            size,
            rate,
            encoder: rendition.encoder,
            preset: rendition.preset,
            bitrate,
            overload: usual_steps(bitrate, rate),
        };
        Ok(Rung { name, video })
    }
}
