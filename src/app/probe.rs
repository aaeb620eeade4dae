//! Devices and sources, tried for `outpost devices` and `outpost check`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::check::{Level, Probe};
use super::config::{SourceConfig, StreamConfig};
use super::streams;
use crate::base::Clock;
use crate::source::{AudioInput, Capture, SourceError};
use crate::sys::clock::RealClock;

/// How long one device is listened to before the next has its turn.
const TURN: Duration = Duration::from_millis(10);

/// The sources of all streams, each opened once.
pub(super) struct Sources {
    clock: Arc<dyn Clock>,
    sources: Vec<Source>,
    /// Which of the sources each stream hears.
    heard: Vec<usize>,
    samples: Vec<f32>,
}

struct Source {
    config: SourceConfig,
    input: Option<Box<dyn AudioInput>>,
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
        let (mut sources, mut heard) = (Vec::<Source>::new(), Vec::new());
        for stream in streams {
            let known = sources.iter().position(|source| source.config == stream.source);
            heard.push(known.unwrap_or(sources.len()));
            if known.is_none() {
                sources.push(Source { config: stream.source.clone(), input: None, sum: Sum::default() });
            }
        }
        Self { clock: Arc::new(RealClock), sources, heard, samples: Vec::with_capacity(96_000) }
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

    /// Listens for a turn. A device that fails meanwhile has no level from then on.
    fn listen(&mut self, samples: &mut Vec<f32>) {
        let Some(input) = &mut self.input else { return };
        let frames = input.format().rate as usize / 100;
        samples.clear();
        match input.read(samples, frames, TURN) {
            Ok(Capture::Nothing) => {}
            Ok(Capture::Frames { .. } | Capture::AfterLoss { .. }) => self.sum.add(samples),
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
        let opened: Vec<_> = self.sources.iter_mut().map(|source| source.open(&self.clock)).collect();
        self.heard.iter().map(|source| opened[*source].clone()).collect()
    }

    fn levels(&mut self, over: Duration) -> Vec<Option<Level>> {
        let end = Instant::now() + over;
        while Instant::now() < end {
            if self.sources.iter().all(|source| source.input.is_none()) {
                std::thread::sleep(end.saturating_duration_since(Instant::now()));
            }
            self.sources.iter_mut().for_each(|source| source.listen(&mut self.samples));
        }
        let levels: Vec<_> =
            self.sources.iter_mut().map(|source| std::mem::take(&mut source.sum).level()).collect();
        self.heard.iter().map(|source| levels[*source]).collect()
    }
}
