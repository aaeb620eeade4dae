//! The resampler, with its phase in the open.
//!
//! Belongs here: `rubato` with parameters chosen, and the exact position in the input of the next sample
//! it will give, which it does not tell. Does not: deciding the speed.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, ResamplerConstructionError, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use crate::media::audio::SAMPLE_RATE;

/// Frames in every block that comes out: one AAC frame (ISO/IEC 14496-3, 4.5.1.1).
pub const BLOCK: usize = 1024;
/// Length of the filter at 48 kHz and below: flat to 20 kHz at 48 kHz, with 0.7 ms of look-ahead, at
/// half the cost of the customary 128. What it adds stays 100 dB below the sound.
const TAPS: usize = 64;
/// Filters between two input samples; linear interpolation between 256 errs by -110 dB at 18 kHz.
const OVERSAMPLING: usize = 256;
/// How far the speed may leave 1; wider than the control loop ever goes.
const MAX_SPEED: f64 = 1.02;

/// Length of the filter for sound at `rate` Hz: going down, it must span as much time as at 48 kHz.
fn taps(rate: u32) -> usize {
    TAPS * rate.div_ceil(SAMPLE_RATE).max(1) as usize
}

/// Where in its input the resampler stands.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    taps: f64,
    /// Input frames per output frame at speed 1.
    stride: f64,
    /// Where the filter began for the last sample given, in frames from the next frame to be fed.
    index: f64,
    /// Input frames per output frame now, and at the end of the next block.
    step: f64,
    target: f64,
}

impl Phase {
    /// Of a resampler that has been fed nothing: its past is silence.
    pub(super) fn new(rate: u32) -> Self {
        let (taps, stride) = (taps(rate) as f64, f64::from(rate) / f64::from(SAMPLE_RATE));
        Self { taps, stride, index: 1.0 - taps, step: stride, target: stride }
    }

    /// Turns evenly to `speed` in the course of the next block.
    pub(super) fn steer(&mut self, speed: f64) {
        self.target = self.stride * speed;
    }

    /// The steps of a block: `step + inc`, `step + 2 inc`, … `target`; their sum.
    fn advance(&self) -> f64 {
        let increment = (self.target - self.step) / BLOCK as f64;
        BLOCK as f64 * self.step + increment * (BLOCK * (BLOCK + 1)) as f64 / 2.0
    }

    /// Input frames the next block takes, with their fraction: up to a filter's length after its last
    /// beginning.
    #[cfg(test)]
    pub(super) fn needed(&self) -> f64 {
        self.index + self.advance() + self.taps
    }

    /// A block was given for `fed` input frames.
    pub(super) fn proceed(&mut self, fed: usize) {
        self.index += self.advance() - fed as f64;
        self.step = self.target;
    }

    /// The instant the next sample shows, in frames after the next frame to be fed (usually negative).
    ///
    /// The filter's middle is `taps / 2 - 1` frames and one of the filters between after its beginning.
    pub fn lead(&self) -> f64 {
        let first_step = self.step + (self.target - self.step) / BLOCK as f64;
        self.index + first_step + self.taps / 2.0 - 1.0 + 1.0 / OVERSAMPLING as f64
    }
}

/// Resamples interleaved sound from some rate to blocks of [`BLOCK`] frames at [`SAMPLE_RATE`].
pub struct Converter {
    inner: Async<f32>,
    channels: usize,
    phase: Phase,
}

impl Converter {
    /// From `rate` Hz, `channels` interleaved.
    ///
    /// # Errors
    /// If there is no ratio between the rates.
    pub fn new(rate: u32, channels: usize) -> Result<Self, ResamplerConstructionError> {
        let parameters = SincInterpolationParameters::new(taps(rate), WindowFunction::Hann2)
            .oversampling_factor(OVERSAMPLING)
            .interpolation(SincInterpolationType::Linear);
        let ratio = f64::from(SAMPLE_RATE) / f64::from(rate);
        let inner = Async::new_sinc(ratio, MAX_SPEED, &parameters, BLOCK, channels, FixedAsync::Output)?;
        Ok(Self { inner, channels, phase: Phase::new(rate) })
    }

    /// Input frames the next block takes.
    pub fn needed(&self) -> usize {
        self.inner.input_frames_next()
    }

    /// See [`Phase::lead`].
    pub fn lead(&self) -> f64 {
        self.phase.lead()
    }

    /// Turns evenly, in the course of the next block, to `speed` input frames per frame of the claimed
    /// rate. Changes [`Self::needed`].
    pub fn steer(&mut self, speed: f64) {
        let speed = speed.clamp(1.0 / MAX_SPEED, MAX_SPEED);
        if self.inner.set_resample_ratio_relative(1.0 / speed, true).is_ok() {
            self.phase.steer(speed);
        }
    }

    /// Takes the [`Self::needed`] frames and gives a block.
    pub fn convert(&mut self, input: &[f32], output: &mut [f32]) {
        let needed = self.needed();
        let input = InterleavedSlice::new(input, self.channels, needed)
            .expect("the caller brings the frames asked for");
        let mut output =
            InterleavedSlice::new_mut(output, self.channels, BLOCK).expect("the caller has room for a block");
        self.inner
            .process_into_buffer(&input, &mut output, None)
            .expect("both buffers have the size the resampler asked for");
        self.phase.proceed(needed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The phase kept beside the resampler predicts what the resampler itself asks for.
        #[test]
        fn the_phase_agrees_with_the_resampler(
            rate in prop::sample::select(vec![8_000u32, 32_000, 44_100, 48_000, 96_000, 192_000]),
            speeds in prop::collection::vec(0.995f64..1.005, 1..40),
        ) {
            let mut converter = Converter::new(rate, 1).expect("a rate");
            let mut block = [0.0; BLOCK];
            for speed in speeds {
                converter.steer(speed);
                let needed = converter.phase.needed();
                let asked = converter.needed() as f64;
                prop_assert!((needed - 1e-6..needed + 1.0 + 1e-6).contains(&asked), "{needed} {asked}");
                let input = vec![0.0; converter.needed()];
                converter.convert(&input, &mut block);
            }
        }
    }
}
