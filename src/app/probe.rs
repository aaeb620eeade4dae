//! Devices and sources, tried for `outpost devices` and `outpost check`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::check::{Level, Probe, Reading};
use super::config::{AudioSettings, SoundSource, StreamConfig, VideoSettings};
use super::streams::{self, Seen};
use crate::base::Clock;
use crate::media::Pick;
use crate::source::video::{Coding, Glimpse, VideoDevice, VideoInput};
use crate::source::{AudioInput, Capture, InputFormat, SourceError};
use crate::sys::clock::RealClock;

/// How long one device is listened to before the next has its turn.
const TURN: Duration = Duration::from_millis(10);

/// The sources of all streams, each opened once.
pub(super) struct Sources {
    clock: Arc<dyn Clock>,
    cards: Vec<Card>,
    cameras: Vec<Camera>,
    /// In the order of the streams, pictures before sound.
    tracks: Vec<Track>,
    samples: Vec<f32>,
    picked: Vec<f32>,
}

struct Card {
    source: SoundSource,
    input: Option<Box<dyn AudioInput>>,
}

struct Camera {
    device: Box<dyn VideoDevice>,
    coding: Coding,
    input: Option<Box<dyn VideoInput>>,
    /// Pictures since the last reading.
    pictures: Option<u32>,
}

/// What a stream takes of its sources.
enum Track {
    /// What it hears of a card.
    Sound { card: usize, pick: Pick, sum: Sum },
    /// What it sees of a camera.
    Pictures { camera: usize },
}

/// What was heard since the last reading.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    squares: f64,
    samples: usize,
    peak: f32,
}

impl Sources {
    pub(super) fn new(streams: &[StreamConfig]) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let seen = streams::seen(streams);
        let camera = |seen: &Seen<'_>| {
            let coding = seen.coding();
            let device = streams::camera(seen, coding, &clock);
            Camera { device, coding, input: None, pictures: None }
        };
        let cameras = seen.iter().map(camera).collect();
        let (mut cards, mut tracks) = (Vec::<Card>::new(), Vec::new());
        for stream in streams {
            tracks.extend(
                seen.iter().position(|seen| seen.shows(stream)).map(|camera| Track::Pictures { camera }),
            );
            if let Some(AudioSettings { source, channels, .. }) = &stream.audio {
                let known = cards.iter().position(|card| card.source == *source).unwrap_or(cards.len());
                if known == cards.len() {
                    cards.push(Card { source: source.clone(), input: None });
                }
                tracks.push(Track::Sound { card: known, pick: *channels, sum: Sum::default() });
            }
        }
        let (samples, picked) = (Vec::with_capacity(96_000), Vec::new());
        Self { clock, cards, cameras, tracks, samples, picked }
    }

    /// Listens to one card for a turn. A device that fails meanwhile has no level from then on.
    fn listen(&mut self, number: usize) {
        let Self { cards, tracks, samples, picked, .. } = self;
        let Some(input) = &mut cards[number].input else { return };
        let InputFormat { rate, channels } = input.format();
        samples.clear();
        match input.read(samples, rate as usize / 100, TURN) {
            Ok(Capture::Nothing) => {}
            Ok(Capture::Frames { .. } | Capture::AfterLoss { .. }) => {
                for track in tracks {
                    if let Track::Sound { card, pick, sum } = track
                        && *card == number
                    {
                        picked.clear();
                        pick.take(samples, channels, picked);
                        sum.add(picked);
                    }
                }
            }
            Err(_) => cards[number].input = None,
        }
    }
}

impl Card {
    fn open(&mut self, clock: &Arc<dyn Clock>) -> Result<String, SourceError> {
        let input = streams::card(&self.source, 2, clock).open()?;
        let InputFormat { rate, channels } = input.format();
        self.input = Some(input);
        Ok(format!("{rate} Hz, {channels} channel{}", if channels == 1 { "" } else { "s" }))
    }
}

impl Camera {
    fn open(&mut self) -> Result<String, SourceError> {
        let input = self.device.open()?;
        let about = input.format().about.clone();
        self.input = Some(input);
        Ok(about)
    }

    /// Looks for a turn.
    fn look(&mut self) {
        let Some(input) = &mut self.input else { return };
        match input.read(TURN) {
            Ok(Glimpse::Shot(_)) => self.pictures = Some(self.pictures.unwrap_or(0) + 1),
            Ok(Glimpse::Damaged(_) | Glimpse::Nothing) => {}
            Err(_) => self.input = None,
        }
    }
}

impl Sum {
    fn add(&mut self, samples: &[f32]) {
        self.squares += samples.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
        self.samples += samples.len();
        self.peak = samples.iter().fold(self.peak, |peak, sample| peak.max(sample.abs()));
    }

    fn level(self) -> Option<Level> {
        let rms = (self.squares / self.samples as f64).sqrt() as f32;
        (self.samples > 0).then(|| Level { rms: 20.0 * rms.log10(), peak: 20.0 * self.peak.log10() })
    }
}

impl Probe for Sources {
    fn open(&mut self) -> Vec<Result<String, SourceError>> {
        let Self { clock, cards, cameras, tracks, .. } = self;
        let cards: Vec<_> = cards.iter_mut().map(|card| card.open(clock)).collect();
        let cameras: Vec<_> = cameras.iter_mut().map(Camera::open).collect();
        let opened = |track: &Track| match track {
            Track::Sound { card, .. } => cards[*card].clone(),
            Track::Pictures { camera } => cameras[*camera].clone(),
        };
        tracks.iter().map(opened).collect()
    }

    fn encoder(&mut self, track: usize, video: &VideoSettings) -> String {
        match self.tracks.get(track) {
            Some(Track::Pictures { camera }) => streams::encoder(self.cameras[*camera].coding, video),
            _ => String::new(),
        }
    }

    fn readings(&mut self, over: Duration) -> Vec<Option<Reading>> {
        let end = Instant::now() + over;
        while Instant::now() < end {
            let gone = self.cards.iter().all(|card| card.input.is_none())
                && self.cameras.iter().all(|camera| camera.input.is_none());
            if gone {
                std::thread::sleep(end.saturating_duration_since(Instant::now()));
            }
            (0..self.cards.len()).for_each(|number| self.listen(number));
            self.cameras.iter_mut().for_each(Camera::look);
        }
        let cameras = &self.cameras;
        let reading = |track: &mut Track| match track {
            Track::Sound { sum, .. } => std::mem::take(sum).level().map(Reading::Sound),
            Track::Pictures { camera } => cameras[*camera].pictures.map(Reading::Pictures),
        };
        let readings = self.tracks.iter_mut().map(reading).collect();
        self.cameras.iter_mut().for_each(|camera| camera.pictures = None);
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config::Config;
    use crate::base::Monotonic;

    /// A stereo card with a scanner on its left side only.
    struct HalfUsed;

    impl AudioInput for HalfUsed {
        fn format(&self) -> InputFormat {
            InputFormat { rate: 48_000, channels: 2 }
        }

        fn read(&mut self, into: &mut Vec<f32>, frames: usize, _: Duration) -> Result<Capture, SourceError> {
            into.extend([0.5, 0.0].repeat(frames));
            Ok(Capture::Frames { frames, end: Monotonic::default() })
        }
    }

    #[test]
    fn each_stream_shows_the_level_of_its_own_channel() {
        let text = ["left", "right", "mono"].map(|channels| {
            format!(
                "[[stream]]\nname = \"{channels}\"\naudio = {{ kind = \"synth\", channels = \"{channels}\" }}\n"
            )
        });
        let config = Config::parse(&text.concat(), "test.toml").expect("a configuration");
        let mut sources = Sources::new(&config.streams);
        assert_eq!(sources.cards.len(), 1, "one card");
        sources.cards[0].input = Some(Box::new(HalfUsed));
        sources.listen(0);
        let peak = |reading| match reading {
            Some(Reading::Sound(level)) => level.peak.round(),
            other => panic!("{other:?} in place of a level"),
        };
        let peaks: Vec<_> = sources.readings(Duration::ZERO).into_iter().map(peak).collect();
        assert_eq!(peaks, [-6.0, f32::NEG_INFINITY, -12.0]);
    }
}
