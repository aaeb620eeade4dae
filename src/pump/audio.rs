//! One sound card's thread: its blocks go to each stream that hears it.

use std::sync::Arc;

use crate::base::{Clock, Counter, Span, Stop};
use crate::detect::{self, Event, Health};
use crate::encode::AudioEncoder;
use crate::media::grid::{CutGrid, Cutter};
use crate::media::{AudioBlock, Pick};
use crate::ring::Producer;
use crate::source::capture::Capture;

use super::level::{HealthCell, Meter, Trail};
use super::outlet::Outlet;
use super::seats::{Guest, Seats};

/// What a stream's pump says about itself.
#[derive(Debug, Default)]
pub struct PumpStats {
    /// Blocks of 1024 samples that went in.
    pub blocks: Counter,
    /// Time spent on encoding and multiplexing, in nanoseconds.
    pub busy_nanos: Counter,
    /// Blocks the encoder refused.
    pub encoder_errors: Counter,
    /// The levels of the last minute.
    pub levels: Trail,
    /// How the receiver is.
    pub health: HealthCell,
}

/// One stream's way from a captured block to coded units in its outlets.
pub struct AudioStream {
    name: String,
    pick: Pick,
    picked: Vec<f32>,
    meter: Meter,
    encoder: Box<dyn AudioEncoder>,
    frame: Span,
    cutter: Cutter,
    /// Where its units go, each with all of them.
    outlets: Vec<Outlet>,
    stats: Arc<PumpStats>,
    /// Where what is heard is told.
    events: Option<Producer<Event>>,
    failing: bool,
}

impl AudioStream {
    /// A stream that hears `pick` of its card's channels, cut on `grid`.
    pub fn new(
        name: &str,
        pick: Pick,
        encoder: Box<dyn AudioEncoder>,
        grid: CutGrid,
        outlets: Vec<Outlet>,
        stats: Arc<PumpStats>,
    ) -> Self {
        let config = encoder.config();
        Self {
            name: name.to_owned(),
            pick,
            picked: Vec::with_capacity(8192),
            meter: Meter::new(detect::Settings::default()),
            frame: Span::from_samples(i64::from(config.frame_samples()), config.rate()),
            cutter: Cutter::new(grid),
            encoder,
            outlets,
            stats,
            events: None,
            failing: false,
        }
    }

    /// The same, which takes what `settings` say for a transmission, and tells `events` what it hears.
    pub fn with_activity(self, settings: detect::Settings, events: Producer<Event>) -> Self {
        Self { meter: Meter::new(settings), events: Some(events), ..self }
    }

    /// Encodes a block of the card's sound and hands on the units it completes. Blocks follow each other without
    /// a gap.
    pub fn feed(&mut self, block: &AudioBlock<'_>) {
        self.picked.clear();
        self.pick.take(block.samples, block.channels, &mut self.picked);
        let channels = self.pick.channels().count();
        let block = AudioBlock { pts: block.pts, channels, samples: &self.picked };
        let Self { meter, events, name, stats, .. } = self;
        meter.hear(&block, &stats.levels, &stats.health, &mut |event| tell(name, event, events));
        self.stats.blocks.increment();

        let Self { encoder, frame, cutter, outlets, .. } = self;
        let done = encoder.encode(&block, &mut |unit| {
            if cutter.is_cut(unit.pts) {
                outlets.iter_mut().for_each(|outlet| outlet.begin_segment(unit.pts));
            }
            outlets.iter_mut().for_each(|outlet| outlet.write(unit));
            // The next unit's instant is known already: if a segment begins with it, this one is complete
            // now, not when the next unit comes.
            let next = unit.pts + *frame;
            if cutter.is_cut(next) {
                outlets.iter_mut().for_each(|outlet| outlet.begin_segment(next));
            }
        });
        let failure = done.err().map(|error| error.to_string());
        self.report(failure);
    }

    /// Says once that the encoder fails, and once that it works again.
    fn report(&mut self, failure: Option<String>) {
        match (&failure, self.failing) {
            (Some(error), false) => tracing::error!(stream = self.name, %error, "sound is lost in encoding"),
            (None, true) => tracing::info!(stream = self.name, "encoding works again"),
            _ => {}
        }
        self.failing = failure.is_some();
        if self.failing {
            self.stats.encoder_errors.increment();
        }
    }
}

/// Hands on an event; what ails the receiver is said to whoever reads the log, too.
fn tell(stream: &str, event: Event, events: &mut Option<Producer<Event>>) {
    match event {
        Event::Health { health: Health::Well, .. } => tracing::info!(stream, "the receiver is well again"),
        Event::Health { health, .. } => tracing::warn!(stream, "{}", health.advice()),
        Event::Activity(_) | Event::Motion(_) => {}
    }
    if let Some(events) = events {
        super::tell(event, events);
    }
}

impl Guest for AudioStream {
    fn is_of(&self, stream: &str) -> bool {
        self.name == stream
    }

    fn finish(&mut self) {
        self.outlets.iter_mut().for_each(Outlet::finish);
    }
}

/// Carries sound from a card to its streams until stopped.
pub fn run(mut capture: Capture, mut streams: Seats<AudioStream>, clock: &dyn Clock, stop: &Stop) {
    while let Some(block) = capture.next(stop) {
        for stream in streams.at(block.pts) {
            let begin = clock.now();
            stream.feed(&block);
            stream.stats.busy_nanos.add(clock.now().since(begin).as_nanos() as u64);
        }
    }
    streams.finish();
}
