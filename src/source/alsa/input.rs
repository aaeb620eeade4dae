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
/// After so many changes of state with no sound between them, the device has to be opened again.
const FORGIVEN: u32 = 16;
/// How long to leave alone at least a device that cannot be waited for.
const SHORTEST_NAP: Duration = Duration::from_millis(1);
/// How often to ask a suspended device whether it is awake.
const ASLEEP: Duration = Duration::from_millis(20);
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
    /// Changes of state since it last gave sound.
    stumbles: u32,
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
            wakes_at: usize::MAX, // not told yet
            continuity: Continuity::Whole,
            stumbles: 0,
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
            if let Look::Again = look {
                self.stumbles += 1;
                if self.stumbles > FORGIVEN {
                    return Err(Trouble::restless());
                }
            }
            match look {
                Look::Frames(capture) => return Ok(capture),
                _ if left.is_zero() => return Ok(Capture::Nothing),
                Look::Short(missing) => waited = self.wait(missing, left, waited),
                Look::Again => {}
                Look::Asleep => thread::sleep(ASLEEP.min(left)),
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
        // An overrun, a suspended system, or a start that did not succeed.
        self.continuity = Continuity::Broken;
        let resumed = is(State::Suspended).then(|| self.pcm.resume());
        match resumed {
            Some(Ok(())) => {}
            Some(Err(error)) if error.errno() == libc::EAGAIN => return Ok(Look::Asleep),
            // Not suspended, or it cannot go on where it was.
            Some(Err(_)) | None => self.pcm.prepare()?,
        }
        Ok(Look::Again)
    }

    /// Reads, if there are `enough` sample frames.
    fn take(&mut self, into: &mut Vec<f32>, wanted: usize, enough: usize) -> ::alsa::Result<Look> {
        self.wake_at(wanted)?;
        let status = self.pcm.status()?;
        let now = RealClock.now();
        let available = frames(status.get_avail());
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
        let behind =
            waiting(available, frames(status.get_delay()), self.setup.buffer).saturating_sub(frames_read);
        // A clock read twice within a few µs of jitter must not run backwards.
        self.end = self.end.max(captured_at(stamp(&status), now, behind, rate));
        self.stumbles = 0;
        let (frames, end) = (frames_read, self.end);
        Ok(Look::Frames(match std::mem::replace(&mut self.continuity, Continuity::Whole) {
            Continuity::Whole => Capture::Frames { frames, end },
            Continuity::Broken => Capture::AfterLoss { frames, end },
        }))
    }

    /// Has the PCM wake us as seldom as the caller reads. It wakes us once a period at most, so what the
    /// caller wants may vary by as much without another call.
    fn wake_at(&mut self, frames: usize) -> ::alsa::Result<()> {
        let as_now = self.wakes_at..self.wakes_at.saturating_add(self.setup.period);
        if !as_now.contains(&frames) {
            let software = self.pcm.sw_params_current()?;
            software.set_avail_min(Frames::try_from(frames).unwrap_or(Frames::MAX))?;
            self.pcm.sw_params(&software)?;
            self.wakes_at = frames;
        }
        Ok(())
    }

    /// Whether one can go on after an error: the next look sees in which state it left the PCM.
    fn forgive(&mut self, error: ::alsa::Error) -> Result<Look, Trouble> {
        let is = |known: State| self.pcm.state_raw() == known as libc::c_int;
        match error.errno() {
            libc::EAGAIN | libc::EINTR => return Ok(Look::Short(1)),
            libc::EPIPE | libc::ESTRPIPE => {}
            _ if is(State::Disconnected) => return Err(Trouble::gone()),
            _ => return Err(Trouble::reading(error)),
        }
        self.continuity = Continuity::Broken;
        // Some plugins say so and believe that they are running.
        if is(State::Running) {
            self.pcm.prepare().map_err(Trouble::reading)?;
        }
        Ok(Look::Again)
    }

    /// Waits until the PCM may have the `missing` frames, at most as long as is `left`.
    fn wait(&mut self, missing: usize, left: Duration, waited: Waited) -> Waited {
        // PCMs of files are always ready, and those of sound servers sooner than they were told to be.
        if let Waited::InVain = waited {
            let due = duration(missing.max(self.setup.period / 2), self.setup.format.rate);
            thread::sleep(due.max(SHORTEST_NAP).min(left));
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

/// How many frames wait to be read: those available. A sound server's plugin may keep more behind a full
/// buffer, which then only its delay tells; at other times that counts things that are not ours (for a
/// monitor source, the latency of the sink).
fn waiting(available: usize, delay: usize, buffer: usize) -> usize {
    if available + 1 >= buffer { available.max(delay) } else { available }
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
    use crate::source::Signal;
    use crate::source::alsa::open_pcm;
    use crate::source::alsa::params::set_up;

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
    fn behind_a_full_buffer_more_may_wait() {
        let table = [
            // available, delay, frames that wait, of a buffer of 4,800
            (0, 0, 0),
            (480, 33_000, 480),
            (4798, 33_000, 4798),
            (4799, 33_000, 33_000),
            (4800, 33_000, 33_000),
            (4799, 0, 4799),
        ];
        for (available, delay, expected) in table {
            assert_eq!(waiting(available, delay, 4800), expected, "{available} {delay}");
        }
    }

    /// ALSA's own `null` needs no hardware and always has silence to give.
    fn null() -> AlsaInput {
        let pcm = open_pcm("null").expect("ALSA's configuration has it");
        let setup = set_up(&pcm).unwrap_or_else(|_| panic!("null takes any parameters"));
        AlsaInput::new(pcm, "null".to_owned(), setup)
    }

    fn read(input: &mut AlsaInput) -> Result<Capture, SourceError> {
        let mut block = Vec::with_capacity(4096);
        input.read(&mut block, 1024, Duration::from_millis(100))
    }

    #[test]
    fn whatever_stops_a_pcm_that_can_go_on_is_a_loss_and_no_end() {
        let mut input = null();
        assert!(matches!(read(&mut input), Ok(Capture::Frames { .. })));
        let xrun = ::alsa::Error::new("snd_pcm_readi", libc::EPIPE);
        let stops: [&dyn Fn(&mut AlsaInput); 3] = [
            &|input| assert!(input.forgive(xrun).is_ok()),
            &|input| input.pcm.drop().expect("it runs"),
            &|input| input.pcm.prepare().expect("it runs"),
        ];
        for (n, stop) in stops.iter().enumerate() {
            stop(&mut input);
            let lost = read(&mut input);
            // Only prepared anew, nothing was lost that the PCM knows of.
            let expected = matches!(lost, Ok(Capture::AfterLoss { .. })) == (n < 2);
            assert!(expected, "{n}: {lost:?}");
            assert!(matches!(read(&mut input), Ok(Capture::Frames { .. })), "{n}");
        }
    }

    #[test]
    fn a_device_that_never_gets_going_is_given_up() {
        let mut input = null();
        for _ in 0..2 {
            input.stumbles = FORGIVEN; // as after so many overruns
            input.pcm.drop().expect("it can stop");
            let error = read(&mut input).expect_err("one was patient long enough");
            assert_eq!(error.signal, Signal::Failed, "{error}");
        }
        input.stumbles = 0;
        assert!(matches!(read(&mut input), Ok(Capture::AfterLoss { .. })));
        assert_eq!(input.stumbles, 0);
    }

    #[test]
    fn what_cannot_be_forgiven_has_a_name() {
        for (errno, signal) in [(libc::ENODEV, Signal::NoDevice), (libc::EIO, Signal::Failed)] {
            let error = null().forgive(::alsa::Error::new("snd_pcm_readi", errno)).err().expect("fatal");
            assert_eq!(error.signal, signal);
        }
    }
}
