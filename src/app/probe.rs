//! Devices and sources, tried for `outpost devices` and `outpost check`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::check::{Level, Probe};
use super::config::{SourceConfig, StreamConfig};
use super::streams;
use crate::base::Clock;
use crate::media::Pick;
use crate::source::{AudioInput, Capture, InputFormat, SourceError};
use crate::sys::clock::RealClock;

/// How long one device is listened to before the next has its turn.
const TURN: Duration = Duration::from_millis(10);

/// The sources of all streams, each opened once.
pub(super) struct Sources {
    clock: Arc<dyn Clock>,
    sources: Vec<Source>,
    streams: Vec<Stream>,
    samples: Vec<f32>,
    picked: Vec<f32>,
}

struct Source {
    config: SourceConfig,
    input: Option<Box<dyn AudioInput>>,
}

/// What a stream hears of its source.
struct Stream {
    source: usize,
    pick: Pick,
    sum: Sum,
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
        let mut sources = Vec::<Source>::new();
        let hear = |stream: &StreamConfig| {
            let known = sources.iter().position(|source| source.config == stream.source);
            if known.is_none() {
                sources.push(Source { config: stream.source.clone(), input: None });
            }
            let source = known.unwrap_or(sources.len() - 1);
            Stream { source, pick: stream.channels, sum: Sum::default() }
        };
        let streams = streams.iter().map(hear).collect();
        let (samples, picked) = (Vec::with_capacity(96_000), Vec::new());
        Self { clock: Arc::new(RealClock), sources, streams, samples, picked }
    }

    /// Listens to one source for a turn. A device that fails meanwhile has no level from then on.
    fn listen(&mut self, number: usize) {
        let Self { sources, streams, samples, picked, .. } = self;
        let Some(input) = &mut sources[number].input else { return };
        let InputFormat { rate, channels } = input.format();
        samples.clear();
        match input.read(samples, rate as usize / 100, TURN) {
            Ok(Capture::Nothing) => {}
            Ok(Capture::Frames { .. } | Capture::AfterLoss { .. }) => {
                for stream in streams.iter_mut().filter(|stream| stream.source == number) {
                    picked.clear();
                    stream.pick.take(samples, channels, picked);
                    stream.sum.add(picked);
                }
            }
            Err(_) => sources[number].input = None,
        }
    }
}

impl Source {
    fn open(&mut self, clock: &Arc<dyn Clock>) -> Result<String, SourceError> {
        let input = streams::device(&self.config, 2, clock).open()?;
        let format = input.format();
        self.input = Some(input);
        let channels = if format.channels == 1 { "channel" } else { "channels" };
        Ok(format!("{} Hz, {} {channels}", format.rate, format.channels))
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
        let opened: Vec<_> = self.sources.iter_mut().map(|source| source.open(&self.clock)).collect();
        self.streams.iter().map(|stream| opened[stream.source].clone()).collect()
    }

    fn levels(&mut self, over: Duration) -> Vec<Option<Level>> {
        let end = Instant::now() + over;
        while Instant::now() < end {
            if self.sources.iter().all(|source| source.input.is_none()) {
                std::thread::sleep(end.saturating_duration_since(Instant::now()));
            }
            (0..self.sources.len()).for_each(|number| self.listen(number));
        }
        self.streams.iter_mut().map(|stream| std::mem::take(&mut stream.sum).level()).collect()
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
                "[[stream]]\nname = \"{channels}\"\nsource = {{ kind = \"synth\", channels = \"{channels}\" }}\n"
            )
        });
        let config = Config::parse(&text.concat(), "test.toml").expect("a configuration");
        let mut sources = Sources::new(&config.streams);
        assert_eq!(sources.sources.len(), 1, "one card");
        sources.sources[0].input = Some(Box::new(HalfUsed));
        sources.listen(0);
        let levels = sources.levels(Duration::ZERO);
        let peaks: Vec<_> = levels.iter().map(|level| level.expect("sound came").peak.round()).collect();
        assert_eq!(peaks, [-6.0, f32::NEG_INFINITY, -12.0]);
    }
}
