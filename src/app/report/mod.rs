//! What the box says of itself over HTTP: status, levels, metrics, health.
//!
//! Belongs here: gathering the rooms' figures into one answer. Does not: counting anything.

mod families;
mod status;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::Serialize;

use crate::base::{Clock, Monotonic, Pulse, Span};
use crate::keep::KeepStats;
use crate::observe::metrics;
use crate::pump::audio::PumpStats;
use crate::pump::lag::LagStats;
use crate::pump::lane::LaneStats;
use crate::pump::level::{Activity, STEP};
use crate::pump::sink::SinkStats;
use crate::pump::snapshot::Shutter;
use crate::pump::video::{VideoInfo, VideoStats};
use crate::pump::weave::WeaveStats;
use crate::segment::{Dates, TargetDuration, WindowStats};
use crate::serve::{Health, Report, ServeStats, Station};
use crate::source::video::stats::CameraStats;
use crate::source::{CaptureStats, Signal, State};

/// How many steps of the level trail are told: a minute.
const TOLD_STEPS: usize = 600;

/// One stream's figures, shared with the threads that keep them.
#[derive(Clone)]
pub(super) struct StreamFigures {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) target: TargetDuration,
    /// In the order they are offered; at least one.
    pub(super) renditions: Vec<RenditionFigures>,
    /// Of those with low latency, if it is offered.
    pub(super) low_latency: Vec<LowFigures>,
    pub(super) picture: Option<PictureFigures>,
    pub(super) sound: Option<SoundFigures>,
    /// Of what is kept of it on a disk, if anything is.
    pub(super) keep: Option<Arc<KeepStats>>,
    pub(super) station: Arc<Station>,
}

/// Of one rendition with low latency.
#[derive(Clone)]
pub(super) struct LowFigures {
    pub(super) name: String,
    pub(super) lane: Arc<LaneStats>,
    pub(super) window: Arc<WindowStats>,
    pub(super) pulse: Arc<Pulse>,
}

/// Of one rendition.
#[derive(Clone)]
pub(super) struct RenditionFigures {
    pub(super) name: String,
    pub(super) bitrate: u32,
    pub(super) ring: Arc<SinkStats>,
    pub(super) window: Arc<WindowStats>,
    /// How old its pictures are when they are in the ring.
    pub(super) lag: Arc<LagStats>,
    pub(super) pulse: Arc<Pulse>,
    /// Of its pictures, if it has some.
    pub(super) coded: Option<CodedFigures>,
    /// Of what weaves pictures and sound, if it has both.
    pub(super) weave: Option<Arc<WeaveStats>>,
}

/// Of a rendition's pictures.
#[derive(Clone)]
pub(super) struct CodedFigures {
    pub(super) stats: Arc<VideoStats>,
    pub(super) info: Arc<VideoInfo>,
    /// What is given up, in this order, while the encoder cannot keep up.
    pub(super) steps: Vec<String>,
}

/// Of the camera a stream's pictures come from.
#[derive(Clone)]
pub(super) struct PictureFigures {
    pub(super) source: String,
    pub(super) camera: Arc<CameraStats>,
    /// Where snapshots come from, if there are any.
    pub(super) shutter: Option<Arc<Shutter>>,
}

/// Of a stream's sound.
#[derive(Clone)]
pub(super) struct SoundFigures {
    pub(super) source: String,
    pub(super) codecs: String,
    /// What the encoder adds to the lag of every segment.
    pub(super) encoder_delay: Span,
    pub(super) capture: Arc<CaptureStats>,
    pub(super) pump: Arc<PumpStats>,
}

/// Everything the box can say of itself.
pub(super) struct BoxReport {
    /// Replaced whole when streams come and go.
    pub(super) streams: ArcSwap<Vec<Arc<StreamFigures>>>,
    /// Why the configuration that was read last was not taken, if it was not.
    pub(super) refused: ArcSwapOption<String>,
    /// What others have to tell people about this machine, line by line.
    pub(super) notices: ArcSwap<Vec<String>>,
    /// The streams as they would be written in a configuration, if they come of what is plugged in.
    pub(super) found: ArcSwapOption<String>,
    pub(super) serve: Arc<ServeStats>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started: Monotonic,
}

#[derive(Default, Serialize)]
struct Levels {
    step_ms: i64,
    end: Option<String>,
    rms_dbfs: Vec<f32>,
    peak_dbfs: Vec<f32>,
    on_air: Vec<u8>,
}

impl SoundFigures {
    /// How much later than its picture sound is shown, in milliseconds. Every picture carries the instant of its
    /// capture, so this is how far sound is from its own: what the loop that holds it to the clock leaves.
    fn lip_sync_ms(&self) -> f64 {
        self.capture.offset_ms.get()
    }
}

/// How a stream is: as its picture is, or its sound if that alone is in trouble; live since both are.
fn both(picture: Option<Arc<State>>, sound: Option<Arc<State>>) -> Option<Arc<State>> {
    let (Some(picture), Some(sound)) = (&picture, &sound) else { return picture.or(sound) };
    let sound_counts =
        picture.signal == Signal::Live && (sound.signal != Signal::Live || sound.since > picture.since);
    Some(Arc::clone(if sound_counts { sound } else { picture }))
}

impl StreamFigures {
    /// How the stream is.
    pub(super) fn state(&self) -> Arc<State> {
        let picture = self.picture.as_ref().map(|picture| picture.camera.condition.get());
        let sound = self.sound.as_ref().map(|sound| sound.capture.condition.get());
        both(picture, sound).expect("a stream has picture, sound or both")
    }

    /// The rendition a player begins with.
    fn first(&self) -> &RenditionFigures {
        self.renditions.first().expect("a stream has a rendition")
    }

    /// Of the first rendition, as in the multivariant playlist (RFC 6381), pictures first.
    fn codecs(&self) -> String {
        let coded = self.first().coded.as_ref();
        let video = coded.and_then(|coded| Some(coded.info.get()?.config.codecs.clone()));
        let audio = self.sound.as_ref().map(|sound| sound.codecs.clone());
        video.into_iter().chain(audio).collect::<Vec<_>>().join(",")
    }
}

impl BoxReport {
    fn dates(&self) -> Dates {
        Dates::of(&self.clock.wall())
    }

    /// What it says while no stream runs.
    pub(super) fn new(serve: Arc<ServeStats>, clock: Arc<dyn Clock>) -> Self {
        Self {
            streams: ArcSwap::default(),
            refused: ArcSwapOption::empty(),
            notices: ArcSwap::default(),
            found: ArcSwapOption::empty(),
            serve,
            started: clock.now(),
            clock,
        }
    }

    /// All renditions: name, signs of life, how many segments they have listed, and how long they may take for one.
    fn renditions(&self) -> Vec<(String, Arc<Pulse>, u64, Duration)> {
        let streams = self.streams.load();
        let all = streams.iter().flat_map(|stream| {
            let patience = stream.target.span().to_duration() * 3 + Duration::from_secs(2);
            let ordinary = stream.renditions.iter().map(|it| (it.name.clone(), &it.pulse, &it.window));
            let low = stream.low_latency.iter().map(|it| (format!("ll/{}", it.name), &it.pulse, &it.window));
            ordinary.chain(low).map(move |(name, pulse, window)| {
                (format!("{}/{name}", stream.name), Arc::clone(pulse), window.segments.get(), patience)
            })
        });
        all.collect()
    }

    /// The renditions that have listed nothing for too long although they always should.
    fn stalled(&self, listed: impl Fn(u64) -> bool) -> Vec<String> {
        let now = self.clock.now();
        let stalled = self.renditions().into_iter().filter(|(.., count, _)| listed(*count));
        stalled
            .filter_map(|(name, pulse, _, patience)| {
                let age = pulse.age(now);
                (age > patience).then(|| format!("{name}: no segment for {:.0} s", age.as_secs_f64()))
            })
            .collect()
    }

    /// Those of them that had begun.
    pub(super) fn halted(&self) -> Vec<String> {
        self.stalled(|listed| listed > 0)
    }

    /// The renditions that have listed nothing yet.
    pub(super) fn unbegun(&self) -> Vec<String> {
        let none = self.renditions().into_iter().filter(|(_, _, listed, _)| *listed == 0);
        none.map(|(name, ..)| name).collect()
    }

    /// How each stream is, in one line; and first, if a configuration was not taken, why.
    pub(super) fn line(&self) -> String {
        let stream = |stream: &Arc<StreamFigures>| {
            let state = stream.state();
            match state.signal {
                Signal::Live => format!("{}: live", stream.name),
                // What a device calls itself is not ours to trust.
                _ => format!("{}: {}", stream.name, line(&state.cause)),
            }
        };
        let refused = self.refused.load();
        let refused = refused.iter().map(|why| format!("the new configuration is not taken: {}", line(why)));
        let streams = self.streams.load();
        let none =
            streams.is_empty().then(|| "nothing found yet: plug in a sound card or a camera".to_owned());
        refused.chain(none).chain(streams.iter().map(stream)).collect::<Vec<_>>().join("; ")
    }

    /// What is wrong with this machine as a whole, each in one line.
    fn problems(&self) -> Vec<String> {
        let refused = self.refused.load();
        let refused = refused.iter().map(|why| line(why));
        refused.chain(self.notices.load().iter().map(|told| line(told))).collect()
    }
}

/// As one line.
fn line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn tenths(value: f64) -> f64 {
    // Adding zero makes a plain one of the negative.
    (value * 10.0).round() / 10.0 + 0.0
}

fn json(value: &impl Serialize) -> String {
    // Our own structs of numbers and strings always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

impl Report for BoxReport {
    fn status(&self) -> String {
        json(&status::of(self, &self.streams.load()))
    }

    fn levels(&self, stream: &str) -> Option<String> {
        let streams = self.streams.load();
        let stream = streams.iter().find(|it| it.name == stream)?;
        let sound = stream.sound.as_ref()?;
        let mut levels = Levels { step_ms: STEP.to_duration().as_millis() as i64, ..Levels::default() };
        if let Some((end, steps)) = sound.pump.levels.last(TOLD_STEPS) {
            levels.end = Some(self.dates().at(end).to_string());
            for level in steps {
                levels.rms_dbfs.push(level.rms);
                levels.peak_dbfs.push(level.peak);
                levels.on_air.push(u8::from(level.activity == Activity::OnAir));
            }
        }
        Some(json(&levels))
    }

    fn metrics(&self) -> String {
        metrics::encode(families::of(self))
    }

    fn health(&self) -> Health {
        match self.stalled(|_| true) {
            stalled if stalled.is_empty() => Health::Ok,
            stalled => Health::Degraded(stalled.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_live_since_all_of_it_is() {
        use Signal::{Live, NoDevice, Starting};
        let state = |(signal, second): (Signal, i64)| {
            let since = Monotonic::from_nanos(second * 1_000_000_000);
            Arc::new(State { signal, cause: String::new(), since })
        };
        let table = [
            (Some((Live, 1)), None, Some((Live, 1))),
            (None, Some((NoDevice, 2)), Some((NoDevice, 2))),
            (Some((Live, 1)), Some((Live, 3)), Some((Live, 3))),
            (Some((Live, 7)), Some((Live, 3)), Some((Live, 7))),
            (Some((NoDevice, 5)), Some((Live, 3)), Some((NoDevice, 5))),
            (Some((Live, 1)), Some((NoDevice, 4)), Some((NoDevice, 4))),
            (Some((Live, 6)), Some((NoDevice, 4)), Some((NoDevice, 4))),
            (Some((NoDevice, 6)), Some((NoDevice, 4)), Some((NoDevice, 6))),
            (Some((Starting, 0)), Some((Live, 1)), Some((Starting, 0))),
            (None, None, None),
        ];
        for (picture, sound, expected) in table {
            let found = both(picture.map(state), sound.map(state));
            assert_eq!(
                found.map(|it| (it.signal, it.since)),
                expected.map(state).map(|it| (it.signal, it.since)),
                "{picture:?} {sound:?}"
            );
        }
    }
}
