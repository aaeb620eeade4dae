//! The keeper of a device: sound while there is some, silence while there is none, and no end.
//!
//! Belongs here: opening, reading, noticing that nothing comes, opening again, telling how it is. Does
//! not: what a device is (`alsa`, `synth`), or how its sound is held to the clock (`steady`).
//!
//! One thread calls [`Capture::next`] in a loop. Every wait in it is short or ends when stopped; opening
//! and reading take as long as the device's own deadlines allow, and whatever time they took is given as
//! silence at once afterwards, so that media time is never behind for good.

use std::sync::Arc;
use std::time::Duration;

use super::stats::{CaptureStats, Change};
use super::steady::{Steady, Timing};
use super::{AudioDevice, AudioInput, Capture as Heard, InputFormat, Signal, SourceError};
use crate::base::{Backoff, Clock, Monotonic, Stop};
use crate::media::AudioBlock;

/// The longest wait for sound in one read; stopping takes no longer than that.
const PATIENCE: Duration = Duration::from_millis(100);
/// A device that answers without waiting is not asked more often than this.
const REST: Duration = Duration::from_millis(10);
/// How far behind the clock an open device's silence is given: sound may be that late and still be heard whole.
const SLACK: Duration = Duration::from_millis(250);
/// Without a device nothing late can come. Listeners at low latency have no patience for more than sound itself takes.
const GONE: Duration = Duration::from_millis(40);
/// An open device that gives no more for so long is dead.
const DEAD: Duration = Duration::from_secs(1);
/// One just opened may take longer: a sound server waking its sink gives its first two seconds at once.
const WAKING: Duration = Duration::from_secs(3);
/// Waits before a device is opened again.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// Sound cannot be captured before it is made: a line so far ahead of the clock is not a sound card's.
const LEAD: Duration = Duration::from_millis(50);
/// No timestamp older than this is believed: no device keeps that much sound.
const OLDEST: Duration = Duration::from_secs(10);

/// Who says how fast the sound comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pacing {
    /// The device, by its crystal.
    Device,
    /// We: it gives as much as it is asked for at once, as ALSA's `file` plugin does.
    Clock,
}

/// A device that is open.
struct Open {
    input: Box<dyn AudioInput>,
    pacing: Pacing,
    /// When the device last gave sound of use, or was opened.
    heard: Monotonic,
    /// When it began to.
    live: Option<Monotonic>,
    /// Frames it gave since, whose time was over already.
    stale: usize,
}

/// Sound from a device, whatever becomes of it.
pub struct Capture {
    device: Box<dyn AudioDevice>,
    clock: Arc<dyn Clock>,
    stats: Arc<CaptureStats>,
    steady: Steady,
    open: Option<Open>,
    retry: Monotonic,
    backoff: Backoff,
    samples: Vec<f32>,
}

impl Capture {
    /// Keeps `device` and gives its sound with `channels` channels. Media time begins now.
    pub fn new(
        device: Box<dyn AudioDevice>,
        channels: usize,
        clock: Arc<dyn Clock>,
        stats: Arc<CaptureStats>,
    ) -> Self {
        let now = clock.now();
        Self {
            device,
            steady: Steady::new(channels, now, stats.clone()),
            clock,
            stats,
            open: None,
            retry: now,
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
            samples: Vec::new(),
        }
    }

    /// Waits for the next block of 1024 frames; `None` only when stopped. Its PTS is 1920 ticks after
    /// that of the block before, always.
    pub fn next(&mut self, stop: &Stop) -> Option<AudioBlock<'_>> {
        while !stop.is_stopped() {
            if self.steady.wanted() == 0 {
                return self.steady.block();
            }
            match self.open.take() {
                Some(open) => self.listen(open, stop),
                None => self.wait(stop),
            }
        }
        None
    }

    /// One read from an open device, which stays open unless it fails.
    fn listen(&mut self, mut open: Open, stop: &Stop) {
        let wanted = self.steady.wanted();
        let stopped =
            open.pacing == Pacing::Clock && self.clock.sleep_until(self.steady.time_after(wanted), stop);
        if stopped {
            self.open = Some(open);
            return;
        }
        self.samples.clear();
        let asked = self.clock.now();
        let heard = open.input.read(&mut self.samples, wanted, PATIENCE);
        let now = self.clock.now();
        // When all of this process was stopped in between, nobody was there to hear: that is not silence.
        open.heard = open.heard + now.since(asked).saturating_sub(PATIENCE);
        let taken = match heard {
            Ok(Heard::Frames { end, .. }) if !self.samples.is_empty() => {
                self.hear(&mut open, now, Timing::Captured(believable(end, now)))
            }
            Ok(Heard::AfterLoss { end, .. }) if !self.samples.is_empty() => {
                self.stats.losses.increment();
                self.hear(&mut open, now, Timing::AfterLoss(believable(end, now)))
            }
            Ok(_) => 0,
            Err(error) => return self.lose(&error),
        };
        if taken == 0 {
            let patience = if open.live.is_some() { DEAD } else { WAKING };
            if now.since(open.heard) >= patience {
                return self.lose(&self.dead(patience));
            }
            self.steady.silence(now - SLACK);
            // Sound whose time is over already is a backlog, to be read away without delay.
            let rest = asked + REST;
            let until = if self.samples.is_empty() { rest } else { rest.min(self.steady.time_after(1)) };
            self.clock.sleep_until(until, stop);
        }
        self.open = Some(open);
    }

    /// Takes the samples that were read; says how many frames of them were of use.
    fn hear(&mut self, open: &mut Open, now: Monotonic, timing: Timing) -> usize {
        let taken = match open.pacing {
            Pacing::Device => self.steady.push(&self.samples, timing),
            Pacing::Clock => self.steady.push(&self.samples, Timing::Unstamped),
        };
        let InputFormat { rate, channels } = open.input.format();
        open.stale = if taken > 0 { 0 } else { open.stale + self.samples.len() / channels };
        self.check_pace(open, rate, now);
        if taken > 0 {
            open.heard = now;
            let live = *open.live.get_or_insert(now);
            if now.since(live) >= LAST_RETRY {
                self.backoff.reset();
            }
            self.tell_live(open.input.format(), now);
        }
        taken
    }

    /// Whether the device still deserves to say how fast its sound comes, or again.
    fn check_pace(&mut self, open: &mut Open, rate: u32, now: Monotonic) {
        let line = self.steady.time_after(0);
        // A backlog comes to an end; what has no pace calls its sound as old as its buffer is long, for ever.
        let endless = open.stale as u64 > u64::from(rate) * OLDEST.as_secs();
        match open.pacing {
            Pacing::Device if line > now + LEAD || endless => {
                open.pacing = Pacing::Clock;
                open.stale = 0;
                let device = self.device.name();
                tracing::info!(device, "gives sound faster than time passes: held to the clock");
            }
            Pacing::Clock if line + 2 * SLACK < now => {
                open.pacing = Pacing::Device;
                self.steady.silence(now - SLACK);
            }
            Pacing::Device | Pacing::Clock => {}
        }
    }

    /// Without a device: opens it if it is time to, gives silence if some is due, or waits for either.
    fn wait(&mut self, stop: &Stop) {
        let now = self.clock.now();
        if now >= self.retry {
            match self.open_device() {
                Ok(open) => self.open = Some(open),
                Err(error) => self.lose(&error),
            }
            return;
        }
        self.steady.silence(now - GONE);
        let wanted = self.steady.wanted();
        if wanted > 0 {
            // One frame more, so that rounding can never make this a wait for nothing.
            let due = self.steady.time_after(wanted + 1) + GONE;
            self.clock.sleep_until(due.min(self.retry), stop);
        }
    }

    fn open_device(&mut self) -> Result<Open, SourceError> {
        let input = self.device.open()?;
        let format = input.format();
        self.steady.begin(format).map_err(|bad| SourceError {
            signal: Signal::Failed,
            device: self.device.name().to_owned(),
            problem: bad.to_string(),
            remedy: "choose another device, or `plughw:` in place of `hw:` in its name".to_owned(),
        })?;
        self.stats.opened.increment();
        self.samples.reserve(format.rate as usize / 2 * format.channels);
        Ok(Open { input, pacing: Pacing::Device, heard: self.clock.now(), live: None, stale: 0 })
    }

    /// The device is not there any more, or not yet: silence, and another attempt later.
    fn lose(&mut self, error: &SourceError) {
        let now = self.clock.now();
        self.retry = now + self.backoff.wait();
        let cause = format!("{}; {}", error.problem, error.remedy);
        if self.stats.condition.set(error.signal, &cause, now) == Change::Signal {
            tracing::warn!(
                device = self.device.name(),
                signal = %error.signal,
                "{cause}; giving silence until it is back"
            );
        }
    }

    fn dead(&self, patience: Duration) -> SourceError {
        SourceError {
            signal: Signal::Stalled,
            device: self.device.name().to_owned(),
            problem: format!("it is open, but has given no sound for {} s", patience.as_secs()),
            remedy: "unplug it and plug it in again, or check what feeds it".to_owned(),
        }
    }

    fn tell_live(&self, format: InputFormat, now: Monotonic) {
        if self.stats.condition.set(Signal::Live, "", now) == Change::Signal {
            tracing::info!(
                device = self.device.name(),
                rate = format.rate,
                channels = format.channels,
                "sound is coming"
            );
        }
    }
}

/// A timestamp, or the best guess in place of an impossible one.
fn believable(end: Monotonic, now: Monotonic) -> Monotonic {
    if end > now || now.since(end) > OLDEST { now } else { end }
}

#[cfg(test)]
mod tests;
