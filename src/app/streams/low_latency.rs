//! The low-latency side of a stream: a copy of each track's units, on its way to a shelf of its own.

use std::sync::Arc;

use bytesize::ByteSize;

use super::BuildError;
use super::rendition::{Common, longest_segment};
use crate::app::config::{BitRate, LowLatencySettings, Step, VideoSettings, WindowConfig};
use crate::app::report::LowFigures;
use crate::base::{Pulse, Span};
use crate::media::{AacConfig, CutGrid, FrameRate, Track, Unit, part_target};
use crate::playlist::{self, Format, Group, Latency, Resolution, Style, Variant};
use crate::pump::lane::LaneStats;
use crate::pump::outlet::Outlet;
use crate::pump::tap::Tap;
use crate::pump::video::VideoInfo;
use crate::ring::{self, Consumer};
use crate::segment::{LowLatency, Rate, SegmentConfig, Snapshot, TargetDuration, TrackKind};
use crate::serve::{Lineup, MultivariantRenderer, Rendition};
use crate::source::video::Coding;

/// How much waits between the two sides at most: several parts.
const ROOM: Span = Span::from_millis(1_000);
/// What a window may take of what its bit rate lets expect, if we code it: twice what is listed, as segments stay as
/// long again, and as much for peaks.
const MEMORY: u64 = 2;
/// Of which bit rates a segment must at least fit four times, in bits per second.
const LEAST: u32 = 256_000;
/// The group of sound that belongs to the pictures.
const SOUND: &str = "audio";

/// The serving side of one low-latency rendition.
pub(in crate::app) struct LowReading {
    pub(in crate::app) name: String,
    pub(in crate::app) segmenter: LowLatency,
    pub(in crate::app) ring: Consumer<Unit>,
}

/// What a stream offers with low latency.
pub(super) struct Offered {
    pub(super) lineup: Lineup,
    pub(super) readings: Vec<LowReading>,
    pub(super) figures: Vec<LowFigures>,
}

/// What a stream is to offer with low latency.
pub(super) struct Plan<'a> {
    common: &'a Common<'a>,
    settings: &'a LowLatencySettings,
    /// The same for all of its renditions (rfc8216bis, 6.2.4).
    part_target: Span,
    pictures: Vec<(String, Arc<VideoInfo>)>,
    sound: Option<AacConfig>,
    shelves: Vec<Arc<Rendition>>,
    readings: Vec<LowReading>,
    figures: Vec<LowFigures>,
}

impl<'a> Plan<'a> {
    /// Nothing yet, of a stream with this sound, if it has some.
    pub(super) fn new(
        common: &'a Common<'a>,
        settings: &'a LowLatencySettings,
        sound: Option<&AacConfig>,
    ) -> Self {
        let pictures = common
            .stream
            .pictures()
            .flat_map(|(_, video)| rates(video))
            .map(|it| TrackKind::Video(it).unit());
        let units = pictures.chain(sound.map(|config| TrackKind::Audio(config.clone()).unit()));
        let part_target = part_target(settings.part.0, &units.collect::<Vec<_>>());
        let (pictures, shelves, readings, figures) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { common, settings, part_target, pictures, sound: None, shelves, readings, figures }
    }

    /// Offers the pictures that go to `outlet` as the rendition `name`.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub(super) fn pictures(
        &mut self,
        outlet: Outlet,
        name: &str,
        video: &VideoSettings,
        info: &Arc<VideoInfo>,
    ) -> Result<Outlet, BuildError> {
        self.pictures.push((name.to_owned(), Arc::clone(info)));
        // Where a camera's key frames end segments, nobody can foresee it.
        let coded = self.common.coding == Some(Coding::H264);
        let grid = (!coded).then(|| self.grid());
        self.tap(outlet, name, TrackKind::Video(video.rate), grid, video.bitrate)
    }

    /// Offers the sound that goes to `outlet`.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub(super) fn sound(
        &mut self,
        outlet: Outlet,
        config: &AacConfig,
        bitrate: u32,
    ) -> Result<Outlet, BuildError> {
        self.sound = Some(config.clone());
        let grid = self.grid();
        self.tap(outlet, SOUND, TrackKind::Audio(config.clone()), Some(grid), BitRate(bitrate))
    }

    fn grid(&self) -> CutGrid {
        CutGrid::new(self.common.stream.window.segment.0)
    }

    fn tap(
        &mut self,
        outlet: Outlet,
        name: &str,
        kind: TrackKind,
        grid: Option<CutGrid>,
        bitrate: BitRate,
    ) -> Result<Outlet, BuildError> {
        let Common { stream, coding, clock, .. } = self.common;
        let label = format!("{}/ll/{name}", stream.name);
        let unit = kind.unit();
        let places = (ROOM.ticks() / unit.ticks().max(1)).clamp(8, 512) as usize;
        let (producer, ring) =
            ring::channel(places).map_err(|source| BuildError::Ring { stream: label.clone(), source })?;
        let lane = Arc::new(LaneStats::default());
        let tap = Tap::new(producer, grid, (unit, self.part_target), clock, Arc::clone(&lane));

        let target = longest_segment(stream, *coding);
        let bytes = ceiling(self.settings, &stream.window, kind.track(), *coding, bitrate);
        let window = SegmentConfig {
            target,
            length: self.settings.length.0.max(Span::from_ticks(6 * target.ticks())),
            bytes: usize::try_from(bytes.0).unwrap_or(usize::MAX),
        };
        let style = Style { format: Format::Fmp4, latency: Latency::Low, keys: "../../keys/".to_owned() };
        let shelf = Arc::new(Rendition::new(name, TargetDuration::of(target), style));
        let pulse = Arc::new(Pulse::new(clock.now()));
        let keeper = self.common.keeper(&label, window, &shelf, &pulse);
        let segmenter = LowLatency::new(kind, self.part_target, keeper);
        self.shelves.push(shelf);
        self.figures.push(LowFigures { name: name.to_owned(), lane, window: segmenter.stats(), pulse });
        self.readings.push(LowReading { name: label, segmenter, ring });
        Ok(outlet.with_tap(tap))
    }

    /// What is offered, and what makes it.
    pub(super) fn offer(self) -> Offered {
        let audio = self.common.stream.audio.as_ref();
        let language = audio.and_then(|audio| Some(audio.language.as_ref()?.to_string()));
        let renderer = multivariant(self.pictures, self.sound, language);
        let lineup = Lineup::new(self.shelves, renderer);
        Offered { lineup, readings: self.readings, figures: self.figures }
    }
}

/// How much memory the window of a track may take.
fn ceiling(
    settings: &LowLatencySettings,
    window: &WindowConfig,
    track: Track,
    coding: Option<Coding>,
    bitrate: BitRate,
) -> ByteSize {
    match (track, coding) {
        // What codes itself may do as it likes: it may take here, too, what `window.memory` allows it.
        (Track::Video, Some(Coding::H264)) => window.memory,
        _ => ByteSize(MEMORY * settings.memory(window, BitRate(bitrate.0.max(LEAST))).0),
    }
}

/// The multivariant playlist: pictures with the sound as their group, and the sound alone.
fn multivariant(
    pictures: Vec<(String, Arc<VideoInfo>)>,
    sound: Option<AacConfig>,
    language: Option<String>,
) -> MultivariantRenderer {
    let group = sound.as_ref().filter(|_| !pictures.is_empty()).map(|config| Group {
        id: SOUND.to_owned(),
        name: "Sound".to_owned(),
        language,
        channels: u32::from(config.channels()),
        uri: format!("{SOUND}/index.m3u8"),
    });
    Box::new(move |snapshots, query| {
        let rate = |of: Option<&Option<Arc<Snapshot>>>| {
            of.and_then(Option::as_ref).map_or(Rate::default(), |it| it.rate)
        };
        // Sound comes last.
        let heard = sound.as_ref().map_or(Rate::default(), |_| rate(snapshots.last()));
        let codecs = sound.as_ref().map(AacConfig::codecs);
        let mut variants = Vec::new();
        for ((name, info), snapshot) in pictures.iter().zip(snapshots) {
            let (seen, since) = (rate(Some(snapshot)), snapshot.as_ref().and_then(|it| it.start()));
            let Some(config) = info.held(since).filter(|_| seen.peak > 0) else {
                continue;
            };
            let both = std::iter::once(config.codecs.as_str()).chain(codecs.as_deref());
            variants.push(Variant {
                uri: format!("{name}/index.m3u8"),
                rate: Rate { peak: seen.peak + heard.peak, average: seen.average + heard.average },
                codecs: both.collect::<Vec<_>>().join(","),
                resolution: Some(Resolution {
                    width: config.size.width() as u32,
                    height: config.size.height() as u32,
                }),
                frame_rate: Some(config.rate.hertz()),
                audio: group.as_ref().map(|group| group.id.clone()),
            });
        }
        if let Some(codecs) = &codecs {
            variants.push(Variant {
                uri: format!("{SOUND}/index.m3u8"),
                rate: heard,
                codecs: codecs.clone(),
                resolution: None,
                frame_rate: None,
                audio: group.as_ref().map(|group| group.id.clone()),
            });
        }
        playlist::multivariant(&variants, group.as_slice(), query)
    })
}

/// At which rates pictures may come: as they should, and as few as are left when the board does not keep up. A part
/// must hold one of them in any case.
fn rates(video: &VideoSettings) -> impl Iterator<Item = FrameRate> {
    let fewer = video.overload.iter().filter_map(|step| match step {
        Step::Rate(rate) => Some(*rate),
        Step::Bitrate(_) => None,
    });
    std::iter::once(video.rate).chain(fewer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_codes_itself_has_the_memory_of_its_window() {
        let (settings, window) = (LowLatencySettings::default(), WindowConfig::with_pictures());
        let of = |track, coding, bitrate| ceiling(&settings, &window, track, coding, BitRate(bitrate)).0;
        let (raw, coded) = (Some(Coding::Raw), Some(Coding::H264));
        // Thirty seconds at what it is asked for, and a tenth; as long again; and as much for peaks.
        assert_eq!(of(Track::Video, raw, 2_000_000), 4 * 8_250_000);
        assert_eq!(of(Track::Audio, coded, 64_000), of(Track::Audio, None, LEAST));
        // Four segments of 4 s of what some cameras send whatever they are asked for have room.
        assert_eq!(of(Track::Video, coded, 2_000_000), 128 << 20);
        assert!(of(Track::Video, coded, 2_000_000) > 4 * 4 * 60_000_000 / 8);
    }
}
