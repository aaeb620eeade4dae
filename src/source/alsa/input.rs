//! An opened capture PCM: waiting, reading, recovering, and saying when the sound was captured.

use std::thread;
use std::time::Duration;

use ::alsa::pcm::{Frames, PCM, State, Status};
use ::alsa::poll::{self, Descriptors, pollfd};

use super::params::Setup;
use super::trouble::{Trouble, hush, log_said};
use crate::base::{Clock, Monotonic};
use crate::source::{AudioInput, Capture, InputFormat, SourceError};
use crate::sys::clock::RealClock;

/// The most sample frames one read brings; what more there is comes with the next one at once.
const MOST_FRAMES: usize = 4096;
/// After so many failures with no sound between them, the device has to be opened again.
const FORGIVEN: u32 = 16;
/// How long to leave alone a device that cannot be waited for.
const NAP: Duration = Duration::from_millis(5);
/// A driver's timestamp older than this, or of the future, is not one of CLOCK_MONOTONIC.
const OLDEST_STAMP: Duration = Duration::from_secs(2);

/// A capture PCM in use.
pub(super) struct AlsaInput {
    pcm: PCM,
    device: String,
    setup: Setup,
    raw: Vec<u8>,
    polled: Vec<pollfd>,
    /// From how many sample frames on the PCM is to wake us.
    wakes_at: usize,
    continuity: Continuity,
    failures: u32,
    end: Monotonic,
}

/// Whether the next frames join those before them.
#[derive(Clone, Copy)]
enum Continuity {
    Whole,
    Broken,
}

/// What a look at the PCM led to.
enum Look {
    /// It gave these.
    Frames(Capture),
    /// So many frames are missing still.
    Short(usize),
    /// It is in another state now.
    Again,
    /// It is suspended.
    Asleep,
}

impl AlsaInput {
    pub(super) fn new(pcm: PCM, device: String, setup: Setup) -> Self {
        Self {
            raw: vec![0; MOST_FRAMES.min(setup.buffer) * setup.frame_bytes()],
            polled: vec![pollfd { fd: -1, events: 0, revents: 0 }; Descriptors::count(&pcm)],
            pcm,
            device,
            setup,
            wakes_at: 0,
            continuity: Continuity::Whole,
            failures: 0,
            end: Monotonic::default(),
        }
    }

    fn read_until(
        &mut self,
        deadline: Monotonic,
        into: &mut Vec<f32>,
        wanted: usize,
    ) -> Result<Capture, Trouble> {
        let mut waited = Waited::Not;
        loop {
            let left = deadline.since(RealClock.now());
            let enough = if left.is_zero() { 1 } else { wanted };
            let look = match self.look(into, wanted, enough) {
                Ok(look) => look,
                Err(error) => self.forgive(error)?,
            };
            match look {
                Look::Frames(capture) => return Ok(capture),
                _ if left.is_zero() => return Ok(Capture::Nothing),
                Look::Short(missing) => waited = self.wait(missing, left, waited),
                Look::Again => {}
                Look::Asleep => thread::sleep(NAP.min(left)),
            }
        }
    }

    /// Takes what there is if it is `enough`, or brings the PCM a step nearer to running.
    fn look(&mut self, into: &mut Vec<f32>, wanted: usize, enough: usize) -> ::alsa::Result<Look> {
        // The raw state: the crate panics at one it does not know.
        let state = self.pcm.state_raw();
        let is = |known: State| state == known as libc::c_int;
        if is(State::Running) {
            return self.take(into, wanted, enough);
        }
        if is(State::Disconnected) {
            return Err(::alsa::Error::new("snd_pcm_state", libc::ENODEV));
        }
        if is(State::Prepared) {
            self.wake_at(wanted)?;
            self.pcm.start()?;
            return Ok(Look::Again);
        }
        self.continuity = Continuity::Broken;
        if is(State::Suspended) {
            match self.pcm.resume() {
                Ok(()) => return Ok(Look::Again),
                Err(error) if error.errno() == libc::EAGAIN => return Ok(Look::Asleep),
                Err(_) => {} // It cannot go on where it was: begin anew.
            }
        }
        // An overrun (EPIPE), or a start that did not succeed.
        self.failures += 1;
        self.pcm.prepare()?;
        Ok(Look::Again)
    }

    /// Reads, if there are `enough` sample frames.
    fn take(&mut self, into: &mut Vec<f32>, wanted: usize, enough: usize) -> ::alsa::Result<Look> {
        self.wake_at(wanted)?;
        let status = self.pcm.status()?;
        let now = RealClock.now();
        let available = frames(status.get_avail()).min(self.setup.buffer);
        if available < enough {
            return Ok(Look::Short(enough - available));
        }
        let InputFormat { rate, channels } = self.setup.format;
        let room = (into.capacity() - into.len()) / channels;
        let frame_bytes = self.setup.frame_bytes();
        let most = available.min(room.max(wanted)) * frame_bytes;
        let most = most.min(self.raw.len());
        let frames_read = self.pcm.io_bytes().readi(&mut self.raw[..most])?;
        if frames_read == 0 {
            return Ok(Look::Short(enough));
        }
        self.setup.sample.append(&self.raw[..frames_read * frame_bytes], into);
        let behind = age(available, frames(status.get_delay()), rate).saturating_sub(frames_read);
        // A clock read twice within a few µs of jitter must not run backwards.
        self.end = self.end.max(captured_at(stamp(&status), now, behind, rate));
        self.failures = 0;
        let (frames, end) = (frames_read, self.end);
        Ok(Look::Frames(match std::mem::replace(&mut self.continuity, Continuity::Whole) {
            Continuity::Whole => Capture::Frames { frames, end },
            Continuity::Broken => Capture::AfterLoss { frames, end },
        }))
    }

    /// Has the PCM wake us as seldom as the caller reads.
    fn wake_at(&mut self, frames: usize) -> ::alsa::Result<()> {
        if self.wakes_at != frames {
            let software = self.pcm.sw_params_current()?;
            software.set_avail_min(Frames::try_from(frames).unwrap_or(Frames::MAX))?;
            self.pcm.sw_params(&software)?;
            self.wakes_at = frames;
        }
        Ok(())
    }

    /// Whether one can go on after an error: the next look sees in which state it left the PCM.
    fn forgive(&mut self, error: ::alsa::Error) -> Result<Look, Trouble> {
        match error.errno() {
            libc::EAGAIN | libc::EINTR => return Ok(Look::Short(1)),
            libc::EPIPE | libc::ESTRPIPE if self.failures < FORGIVEN => {}
            _ if self.pcm.state_raw() == State::Disconnected as libc::c_int => return Err(Trouble::gone()),
            _ => return Err(Trouble::reading(error)),
        }
        self.failures += 1;
        self.continuity = Continuity::Broken;
        // Some plugins say EPIPE and believe that they are running.
        if self.pcm.state_raw() == State::Running as libc::c_int {
            self.pcm.prepare().map_err(Trouble::reading)?;
        }
        Ok(Look::Again)
    }

    /// Waits until the PCM may have the `missing` frames, at most as long as is `left`.
    fn wait(&mut self, missing: usize, left: Duration, waited: Waited) -> Waited {
        // PCMs of files are always ready, and those of sound servers sooner than they were told to be.
        if let Waited::InVain = waited {
            let due = duration(missing, self.setup.format.rate);
            thread::sleep(due.clamp(Duration::from_millis(1), NAP).min(left));
            return Waited::Not;
        }
        let timeout = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).saturating_add(1);
        let woken = self.pcm.fill(&mut self.polled).and_then(|_| poll::poll(&mut self.polled, timeout));
        // Plugins take their wake-up call back in here; what went wrong is told by the PCM's state.
        let _ = self.pcm.revents(&self.polled);
        match woken {
            Ok(0) => Waited::Not,
            Ok(_) | Err(_) => Waited::InVain,
        }
    }
}

/// What the last wait came to.
#[derive(Clone, Copy)]
enum Waited {
    /// Nothing to hold against waiting again.
    Not,
    /// The PCM said it was ready; if there is still not enough, waiting again would not wait.
    InVain,
}

impl AudioInput for AlsaInput {
    fn format(&self) -> InputFormat {
        self.setup.format
    }

    fn read(
        &mut self,
        into: &mut Vec<f32>,
        frames: usize,
        patience: Duration,
    ) -> Result<Capture, SourceError> {
        hush();
        let wanted = frames.clamp(1, (self.setup.buffer / 2).clamp(1, MOST_FRAMES));
        self.read_until(RealClock.now() + patience, into, wanted).map_err(|trouble| {
            log_said(&self.device);
            trouble.with(&self.device)
        })
    }
}

fn frames(signed: Frames) -> usize {
    usize::try_from(signed).unwrap_or(0)
}

fn duration(frames: usize, rate: u32) -> Duration {
    Duration::from_nanos((frames as u64).saturating_mul(1_000_000_000) / u64::from(rate.max(1)))
}

/// How many frames ago the next frame to be read was captured: those that wait in the buffer, and, if the
/// driver knows, those still on the way to it (snd_pcm_status_get_delay).
fn age(available: usize, delay: usize, rate: u32) -> usize {
    if (available..=available + rate as usize).contains(&delay) { delay } else { available }
}

fn stamp(status: &Status) -> Monotonic {
    let stamp = status.get_htstamp();
    // Both fields are narrower on 32-bit boards.
    #[allow(clippy::useless_conversion)]
    let (seconds, nanos) = (i64::from(stamp.tv_sec), i64::from(stamp.tv_nsec));
    Monotonic::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// When a frame was captured that was `behind` frames old when the driver looked at its clock and read
/// `stamp`; if that can be no reading of CLOCK_MONOTONIC, just before `now`.
fn captured_at(stamp: Monotonic, now: Monotonic, behind: usize, rate: u32) -> Monotonic {
    let plausible = stamp <= now && now.since(stamp) < OLDEST_STAMP;
    (if plausible { stamp } else { now }) - duration(behind, rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn the_drivers_clock_is_believed_only_where_it_can_be_ours() {
        let now = 100 * SECOND;
        let table = [
            // stamp, frames behind at 48 kHz, captured at
            (now, 0, now),
            (now - SECOND / 100, 0, now - SECOND / 100),
            (now - SECOND / 100, 4800, now - SECOND / 100 - SECOND / 10),
            (0, 480, now - SECOND / 100),                      // none
            (1_700_000_000 * SECOND, 480, now - SECOND / 100), // civil time
            (now + 1, 0, now),                                 // the future
            (now - 3 * SECOND, 480, now - SECOND / 100),       // stuck
            (i64::MIN, 0, now),
        ];
        for (stamp, behind, captured) in table {
            let at = Monotonic::from_nanos;
            assert_eq!(captured_at(at(stamp), at(now), behind, 48_000), at(captured), "{stamp} {behind}");
        }
    }

    #[test]
    fn a_delay_counts_if_it_can_be_true() {
        let table = [
            // available, delay, age at 48 kHz
            (480, 480, 480),
            (480, 528, 528),
            (480, 0, 480),
            (480, 479, 480),
            (480, 48_480, 48_480),
            (480, 48_481, 480),
            (0, usize::MAX, 0),
        ];
        for (available, delay, expected) in table {
            assert_eq!(age(available, delay, 48_000), expected, "{available} {delay}");
        }
    }
}
