//! The control loop that holds a sound card to CLOCK_MONOTONIC.
//!
//! Belongs here: estimating from jittery timestamps how fast a device's crystal really runs and when its
//! samples were captured, and how fast to consume them. Pure arithmetic over numbers of frames and
//! instants. Does not: samples, resampling, what to do about gaps.
//!
//! Two stages. The estimator is a delay-locked loop: a straight line, frames against time, fitted to the
//! timestamps with a memory that grows from [`FIRST_MEMORY`] to [`MEMORY`]. The steering then follows the
//! estimated rate, corrected by how far media time has come away from the clock, and never turns faster
//! than [`SLEW`], so that no change of pitch can be heard.

use crate::base::Monotonic;

/// Seconds of timestamps the estimate rests on: long enough to average milliseconds of jitter away, short
/// enough to follow a crystal that warms up.
const MEMORY: f64 = 60.0;
/// The memory it starts with, as if that many seconds of the claimed rate had been seen already.
const FIRST_MEMORY: f64 = 4.0;
/// Seconds of sound by which it is learnt first where a device's frames stand in time, before anything is learnt
/// of its rate: a sound server that awakes gives seconds at once, whose single timestamp is hundredths of a second
/// off, and that must not be taken for a wrong rate. One timestamp, of however much sound, counts for little of it.
const SETTLING: f64 = 1.0;
const LARGEST_STEP: f64 = 0.1;
/// The memory of that: some twenty timestamps of a usual card.
const SETTLING_MEMORY: f64 = 0.25;
/// Crystals are off by 1000 ppm at worst; beyond this it is no crystal but a wrong rate, and steering
/// would be heard as a wrong pitch.
const MAX_DEVIATION: f64 = 5e-3;
/// Seconds over which an offset between media time and clock is worked off.
const CORRECTION_TIME: f64 = 10.0;
/// How much of the speed an offset may command.
const MAX_CORRECTION: f64 = 500e-6;
/// Change of speed per second. A trained ear notices a step in pitch of about 2000 ppm; at 100 ppm per
/// second the pitch moves less in twenty seconds than can be noticed at once.
pub const SLEW: f64 = 100e-6;

/// Relates a device's frames to CLOCK_MONOTONIC.
#[derive(Clone, Debug)]
pub struct Drift {
    /// Nanoseconds per frame as the device claims.
    claimed: f64,
    /// The same as estimated.
    period: f64,
    origin: Monotonic,
    /// Estimated capture time of the last frame, nanoseconds after `origin` (relative, to keep the
    /// fractions of a nanosecond that an f64 loses after months of uptime).
    last: f64,
    /// Seconds the estimates of phase and of rate rest on.
    phase_memory: f64,
    rate_memory: f64,
    /// Seconds of sound still to be heard before the rate is learnt.
    settling: f64,
    speed: f64,
}

impl Drift {
    /// A device claiming `rate` Hz, whose next frame will be captured one period after `last`.
    pub fn new(rate: u32, last: Monotonic) -> Self {
        let claimed = 1e9 / f64::from(rate.max(1));
        Self {
            claimed,
            period: claimed,
            origin: last,
            last: 0.0,
            phase_memory: SETTLING_MEMORY,
            rate_memory: FIRST_MEMORY,
            settling: SETTLING,
            speed: 1.0,
        }
    }

    fn nanos(&self, instant: Monotonic) -> f64 {
        instant.nanos_since(self.origin) as f64
    }

    /// When the frame `frames` frames after the last one is captured (before it, if negative).
    pub fn time_of(&self, frames: f64) -> Monotonic {
        let nanos = self.last + frames * self.period;
        Monotonic::from_nanos(self.origin.as_nanos().saturating_add(nanos.round() as i64))
    }

    /// Frames, with fraction, from the last frame to `instant`; negative if it has passed.
    pub fn frames_until(&self, instant: Monotonic) -> f64 {
        (self.nanos(instant) - self.last) / self.period
    }

    /// `frames` frames more of which no time is known: they come at the estimated rate.
    pub fn skip(&mut self, frames: u64) {
        self.last += frames as f64 * self.period;
    }

    /// `frames` frames more, the last of which was captured about at `end`.
    pub fn observe(&mut self, frames: usize, end: Monotonic) {
        if frames == 0 {
            return;
        }
        let count = frames as f64;
        let elapsed = count * self.period / 1e9;
        let error = self.nanos(end) - (self.last + count * self.period);
        // The gains of a least-squares line through the last T seconds: 4Δ/T and 6(Δ/T)².
        let phase_gain = (4.0 * elapsed / self.phase_memory).min(1.0);
        self.last += count * self.period + phase_gain * error;
        if self.settling > 0.0 {
            self.settling -= elapsed.min(LARGEST_STEP);
            if self.settling <= 0.0 {
                self.phase_memory = FIRST_MEMORY;
            }
            return;
        }
        let rate_gain = (6.0 * (elapsed / self.rate_memory).powi(2)).min(1.0);
        self.period = (self.period + rate_gain * error / count)
            .clamp(self.claimed * (1.0 - MAX_DEVIATION), self.claimed * (1.0 + MAX_DEVIATION));
        self.phase_memory = (self.phase_memory + elapsed).min(MEMORY);
        self.rate_memory = (self.rate_memory + elapsed).min(MEMORY);
    }

    /// After a gap: the rate is still known, but where the frames stand in time must be learnt anew.
    pub fn doubt_phase(&mut self) {
        self.phase_memory = FIRST_MEMORY;
    }

    /// Believes the claimed rate again, as at the start.
    pub fn forget_rate(&mut self) {
        self.period = self.claimed;
        (self.phase_memory, self.rate_memory) = (SETTLING_MEMORY, FIRST_MEMORY);
        self.settling = SETTLING;
    }

    /// Parts per million by which the device runs faster than it claims.
    pub fn ppm(&self) -> f64 {
        (self.claimed / self.period - 1.0) * 1e6
    }

    /// The speed (frames to consume per frame of the claimed rate) for the next `elapsed` seconds, when
    /// media time is `ahead` seconds ahead of the capture time of what it shows. Differs from the last
    /// one by at most [`SLEW`] × `elapsed`.
    pub fn steer(&mut self, ahead: f64, elapsed: f64) -> f64 {
        let correction = (ahead / CORRECTION_TIME).clamp(-MAX_CORRECTION, MAX_CORRECTION);
        let wanted = self.claimed / self.period + correction;
        let reach = SLEW * elapsed;
        self.speed += (wanted - self.speed).clamp(-reach, reach);
        self.speed
    }
}

#[cfg(test)]
mod tests {
    use super::super::converter::{BLOCK, Phase};
    use super::super::metronome::Jitter;
    use super::*;
    use crate::media::audio::SAMPLE_RATE;

    const BLOCK_SECONDS: f64 = BLOCK as f64 / SAMPLE_RATE as f64;

    /// What came of running the loop against a card for a while.
    #[derive(Debug, Default)]
    struct Course {
        /// Largest offset between media time and true capture time, in milliseconds: ever, and after
        /// the first minute.
        worst_ms: f64,
        settled_ms: f64,
        /// Largest change of speed per second, in ppm.
        slew_ppm: f64,
        /// Error of the estimated deviation at the end, in ppm.
        error_ppm: f64,
    }

    /// The loop as `Steady` closes it, with the resampler's arithmetic but without its sound.
    fn run(rate: u32, ppm: impl Fn(f64) -> f64, jitter_ms: f64, hours: f64) -> Course {
        let start = Monotonic::from_nanos(1_000_000_000);
        let mut jitter = Jitter::new(7, jitter_ms);
        let mut phase = Phase::new(rate);
        let mut drift = Drift::new(rate, start);
        // Media time of the next block and true capture time of the next frame, in seconds after `start`.
        let (mut media, mut captured) = (0.0, -phase.lead() / f64::from(rate));
        drift = Drift::new(rate, drift.time_of(captured * f64::from(rate) - 1.0));
        let mut course = Course::default();
        let (mut speed, mut n) = (1.0, 0u64);
        while media < hours * 3600.0 {
            let frames = (phase.needed()).ceil() as usize;
            let period = 1.0 / (f64::from(rate) * (1.0 + ppm(media) / 1e6));
            captured += frames as f64 * period;
            // `captured` is when the next frame will be, so the last one was a period earlier.
            let end = Monotonic::from_nanos(start.as_nanos() + ((captured - period) * 1e9) as i64);
            drift.observe(frames, jitter.shake(end));
            phase.proceed(frames);
            n += 1;
            media = n as f64 * BLOCK_SECONDS;

            let next = start.as_nanos() as f64 + media * 1e9;
            let shown = drift.time_of(1.0 + phase.lead()).as_nanos() as f64;
            let steered = drift.steer((next - shown) / 1e9, BLOCK_SECONDS);
            phase.steer(steered);

            let offset_ms = (media - (captured + phase.lead() * period)).abs() * 1e3;
            course.worst_ms = course.worst_ms.max(offset_ms);
            if media > 60.0 {
                course.settled_ms = course.settled_ms.max(offset_ms);
            }
            course.slew_ppm = course.slew_ppm.max((steered - speed).abs() / BLOCK_SECONDS * 1e6);
            speed = steered;
        }
        course.error_ppm = (drift.ppm() - ppm(media)).abs();
        course
    }

    #[test]
    fn two_days_with_a_card_1000_ppm_fast() {
        two_days(48_000, |_| 1000.0);
    }

    #[test]
    fn two_days_with_a_card_1000_ppm_slow() {
        two_days(44_100, |_| -1000.0);
    }

    #[test]
    fn two_days_with_a_card_that_feels_the_sun() {
        two_days(48_000, |at| 100.0 + 30.0 * (at / 14_400.0 * std::f64::consts::TAU).sin());
    }

    fn two_days(rate: u32, ppm: impl Fn(f64) -> f64) {
        let course = run(rate, ppm, 5.0, 48.0);
        println!("{course:?}");
        assert!(course.worst_ms < 20.0, "{course:?}");
        assert!(course.settled_ms < 5.0, "{course:?}");
        assert!(course.slew_ppm <= SLEW * 1e6 * 1.000_001, "{course:?}");
        assert!(course.error_ppm < 10.0, "{course:?}");
    }

    #[test]
    fn seconds_of_sound_at_once_are_not_taken_for_another_rate() {
        for early_ms in [-90, -50, -20, -5, 5, 20, 50, 90] {
            let mut drift = Drift::new(48_000, Monotonic::from_nanos(1_000_000_000));
            drift.observe(96_000, Monotonic::from_nanos(3_000_000_000 - early_ms * 1_000_000));
            for period in 1..3000 {
                drift.observe(480, Monotonic::from_nanos(3_000_000_000 + period * 10_000_000));
                let speed = drift.steer(0.0, 0.01);
                assert!((speed - 1.0).abs() < 20e-6, "{early_ms} ms: {speed} after {period} periods");
            }
        }
    }

    #[test]
    fn exact_timestamps_leave_no_offset() {
        let course = run(48_000, |_| 1000.0, 0.0, 0.2);
        assert!(course.error_ppm < 0.1, "{course:?}");
        assert!(course.worst_ms < 10.0, "{course:?}");
    }

    #[test]
    fn a_wrong_rate_is_not_followed() {
        let course = run(48_000, |_| 50_000.0, 0.0, 0.01);
        assert!(course.error_ppm > 40_000.0, "{course:?}");
    }
}
