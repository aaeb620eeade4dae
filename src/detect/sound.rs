//! What can be told of ten milliseconds of sound: how loud each band is, and whether it has a pitch.
//!
//! Belongs here: arithmetic on samples. Does not: a judgement about them (`activity`).

use crate::base::filter::Section;
use crate::base::filter::Side::{High, Low};
use crate::base::{Pts, Span};
use crate::media::AudioBlock;
use crate::media::audio::SAMPLE_RATE;

/// How long one step lasts.
pub const STEP: Span = Span::from_millis(10);
/// Samples of a step.
const STEP_SAMPLES: u32 = SAMPLE_RATE / 100;
/// Of so many samples one is made, as speech has nothing above 6 kHz that is needed here.
const DECIMATION: u32 = 4;
const RATE: f32 = (SAMPLE_RATE / DECIMATION) as f32;
/// And of so many of those one for the search for a pitch: 6 kHz.
const PITCH_DECIMATION: u32 = 2;
/// Periods of voices, 80 to 400 Hz, in samples at 6 kHz. A tone above that has a multiple of its period among them.
const PERIODS: std::ops::RangeInclusive<usize> = 15..=75;
/// What is compared with itself a period later: 27 ms.
const COMPARED: usize = 160;
const HISTORY: usize = COMPARED + *PERIODS.end();
/// A pitch is searched for in every second step: it takes longer than that to be one.
const PITCH_EVERY: u32 = 2;
/// At or above this a sample is at the end of what the input can tell.
const CLIPPED: f32 = 0.985;

/// Ten milliseconds of sound. Powers are mean squares, with a full scale of 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// When it begins.
    pub at: Pts,
    /// Everything.
    pub power: f32,
    /// From 300 Hz on, where hum is not.
    pub body: f32,
    /// From 2.2 kHz on, where voices on the air hardly are, and noise is.
    pub treble: f32,
    /// How much it repeats itself, 0 to 1: noise hardly does; a voice, a tone and hum do.
    pub pitch: f32,
    /// The loudest sample.
    pub peak: f32,
    /// The difference between the highest sample and the lowest: 0 if nothing moves.
    pub swing: f32,
    /// How many samples of [`Step::SAMPLES`] are clipped.
    pub clipped: u32,
}

impl Step {
    /// Samples in a step.
    pub const SAMPLES: u32 = STEP_SAMPLES;
}

/// Hears blocks and tells their steps.
#[derive(Debug)]
pub struct Ear {
    now: Sums,
    group: f32,
    hum_edge: [Section; 2],
    treble_edge: Section,
    pitch_edge: Section,
    /// The newest of what is searched for a pitch, twice, so that the last `HISTORY` always lie in one piece.
    history: [f32; 2 * HISTORY],
    at: usize,
    steps: u32,
    pitch: f32,
}

/// What a step is made of.
#[derive(Debug, Default)]
struct Sums {
    samples: u32,
    power: f32,
    peak: f32,
    body: f32,
    treble: f32,
    top: f32,
    bottom: f32,
    clipped: u32,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            now: Sums::default(),
            group: 0.0,
            hum_edge: [Section::pass(High, 300.0, RATE); 2],
            treble_edge: Section::pass(High, 2_200.0, RATE),
            pitch_edge: Section::pass(Low, 2_200.0, RATE),
            history: [0.0; 2 * HISTORY],
            at: 0,
            steps: 0,
            pitch: 0.0,
        }
    }
}

impl Ear {
    /// Tells the steps that `block` completes. How loud it is, is told of all channels; the rest of their mean. Blocks
    /// follow each other without a gap.
    pub fn hear(&mut self, block: &AudioBlock<'_>, told: &mut dyn FnMut(&Step)) {
        let channels = block.channels.max(1);
        let share = 1.0 / channels as f32;
        for (n, frame) in block.samples.chunks_exact(channels).enumerate() {
            let sample = frame.iter().sum::<f32>() * share;
            // A device that delivers what is no number must not leave it in the filters.
            if sample.is_finite() {
                self.now.power += frame.iter().map(|it| it * it).sum::<f32>() * share;
                self.now.peak = frame.iter().fold(self.now.peak, |peak, it| peak.max(it.abs()));
                self.sample(sample);
            } else {
                self.sample(0.0);
            }
            if self.now.samples == STEP_SAMPLES {
                let end = block.pts + Span::from_samples(n as i64 + 1, SAMPLE_RATE);
                told(&self.finish(end - STEP));
            }
        }
    }

    fn sample(&mut self, sample: f32) {
        let now = &mut self.now;
        (now.top, now.bottom) =
            if now.samples == 0 { (sample, sample) } else { (now.top.max(sample), now.bottom.min(sample)) };
        now.clipped += u32::from(sample.abs() >= CLIPPED);
        now.samples += 1;
        self.group += sample;
        if !now.samples.is_multiple_of(DECIMATION) {
            return;
        }
        let mean = std::mem::take(&mut self.group) / DECIMATION as f32;
        let body = self.hum_edge.iter_mut().fold(mean, |sound, section| section.run(sound));
        let treble = self.treble_edge.run(body);
        let low = self.pitch_edge.run(body);
        now.body += body * body;
        now.treble += treble * treble;
        if now.samples.is_multiple_of(DECIMATION * PITCH_DECIMATION) {
            (self.history[self.at], self.history[self.at + HISTORY]) = (low, low);
            self.at = (self.at + 1) % HISTORY;
        }
    }

    fn finish(&mut self, at: Pts) -> Step {
        let Sums { power, peak, body, treble, top, bottom, clipped, .. } = std::mem::take(&mut self.now);
        if self.steps.is_multiple_of(PITCH_EVERY) {
            self.pitch = pitch(&self.history[self.at..self.at + HISTORY]);
        }
        self.steps = self.steps.wrapping_add(1);
        let few = (STEP_SAMPLES / DECIMATION) as f32;
        Step {
            at,
            power: power / STEP_SAMPLES as f32,
            body: body / few,
            treble: treble / few,
            pitch: self.pitch,
            peak,
            swing: top - bottom,
            clipped,
        }
    }
}

/// How like itself a period later the newest of `history` is: the greatest normalised correlation.
fn pitch(history: &[f32]) -> f32 {
    let newest = &history[HISTORY - COMPARED..];
    let own = product(newest, newest);
    let likeness = |period: usize| {
        let before = &history[HISTORY - COMPARED - period..HISTORY - period];
        let both = (own * product(before, before)).sqrt();
        if both > f32::MIN_POSITIVE { product(newest, before) / both } else { 0.0 }
    };
    PERIODS.map(likeness).fold(0.0, f32::max)
}

/// The sum of products, in lanes that the compiler can put side by side.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Random;

    fn heard(seconds: f32, mut sound: impl FnMut(f32) -> f32) -> Vec<Step> {
        let samples: Vec<f32> = (0..(seconds * SAMPLE_RATE as f32) as u32)
            .map(|n| sound(n as f32 / SAMPLE_RATE as f32))
            .collect();
        let (mut ear, mut steps, mut pts) = (Ear::default(), Vec::new(), Pts::from_ticks(77));
        for samples in samples.chunks(1024) {
            ear.hear(&AudioBlock { pts, channels: 1, samples }, &mut |step| steps.push(*step));
            pts += Span::from_samples(samples.len() as i64, SAMPLE_RATE);
        }
        steps
    }

    #[test]
    fn steps_follow_each_other_and_tones_fall_into_their_bands() {
        let tone = |frequency: f32| move |t: f32| 0.5 * (std::f32::consts::TAU * frequency * t).sin();
        // Frequency; power in body and treble, as parts of the whole in dB: at least, at most.
        let table = [
            (50.0, (-90.0, -55.0), (-120.0, -80.0)),
            (120.0, (-60.0, -25.0), (-120.0, -60.0)),
            (997.0, (-0.5, 0.5), (-20.0, -10.0)),
            (2_900.0, (-2.0, 0.5), (-4.0, 0.0)),
        ];
        for (frequency, body, treble) in table {
            let steps = heard(1.0, tone(frequency));
            assert_eq!(steps.len(), 100);
            assert!(steps.windows(2).all(|pair| pair[1].at - pair[0].at == STEP), "{frequency}");
            assert_eq!(steps[0].at, Pts::from_ticks(77));
            let last = &steps[90..];
            let mean = |of: fn(&Step) -> f32| last.iter().map(of).sum::<f32>() / 10.0;
            let whole = mean(|step| step.power);
            assert!((whole - 0.125).abs() < 0.01, "{whole}");
            for (part, (least, most)) in [(mean(|it| it.body), body), (mean(|it| it.treble), treble)] {
                let part = 10.0 * (part / whole).log10();
                assert!((least..=most).contains(&part), "{frequency}: {part}");
            }
            assert!(last.iter().all(|step| step.pitch > 0.9 || frequency < 100.0), "{frequency}: {last:?}");
        }
    }

    #[test]
    fn noise_has_no_pitch_and_what_is_no_number_does_not_stay() {
        let mut random = Random::new(1);
        let steps = heard(5.0, |_| random.within(-1.0..1.0));
        let pitched = steps.iter().filter(|step| step.pitch > 0.5).count();
        assert!(pitched < 10, "{pitched} of 500");
        let steps = heard(1.0, |t| if t < 0.5 { f32::NAN } else { 0.0 });
        assert!(steps[60..].iter().all(|step| step.body == 0.0 && step.swing == 0.0 && step.pitch == 0.0));
    }
}
