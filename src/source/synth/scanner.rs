//! What a scanner radio plays: somebody talks, the squelch closes with a tail of noise, then it is quiet.
//!
//! Belongs here: sound without meaning, made from numbers. The voice is a small formant synthesiser
//! (Klatt, "Software for a cascade/parallel formant synthesizer", 1980): pulses of the glottis through
//! three resonances, hissing consonants, the rhythm of syllables, and a radio's narrow passband.

use std::f32::consts::{PI, TAU};

use crate::base::Random;
use crate::base::filter::Section;
use crate::base::filter::Side::{High, Low};

/// Control steps per second, at which pitch, envelope and resonances move.
const STEPS: u32 = 200;

/// F1, F2, F3 in Hz of eight vowels (Peterson and Barney, 1952, men).
const VOWELS: [[f32; 3]; 8] = [
    [270.0, 2290.0, 3010.0],
    [390.0, 1990.0, 2550.0],
    [530.0, 1840.0, 2480.0],
    [660.0, 1720.0, 2410.0],
    [730.0, 1090.0, 2440.0],
    [570.0, 840.0, 2410.0],
    [440.0, 1020.0, 2240.0],
    [490.0, 1350.0, 1690.0],
];
/// Their bandwidths in Hz.
const BANDWIDTHS: [f32; 3] = [70.0, 100.0, 140.0];

/// What is heard at the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Quiet,
    /// Two tones, one after the other, that open a called station's squelch.
    Page([f32; 2]),
    Speech,
    /// The noise after the carrier is gone, until the squelch notices.
    Tail,
}

/// A syllable being spoken, or a pause for breath.
#[derive(Clone, Copy)]
struct Syllable {
    steps: u32,
    /// Steps of hissing at its beginning.
    hiss: u32,
    vowel: [f32; 3],
    loudness: f32,
    pitch: f32,
}

/// One radio.
pub(super) struct Scanner {
    random: Random,
    rate: f32,
    act: Act,
    /// Control steps the act goes on, and those it has gone on.
    steps: u32,
    step: u32,
    /// Samples left of the control step.
    samples: u32,
    samples_per_step: u32,
    /// Of this transmission: peak level, pitch of the voice in Hz, size of the mouth.
    level: f32,
    pitch: f32,
    mouth: f32,
    /// Seconds of speech after a page.
    speech: f32,
    syllable: Syllable,
    spoken: u32,
    /// Moving within the control step: phase of glottis or tone and its step, and the two envelopes.
    phase: f32,
    phase_step: f32,
    voice: f32,
    hiss: f32,
    formants: [f32; 3],
    resonances: [Section; 3],
    fricative: Section,
    passband: [Section; 3],
}

impl Scanner {
    pub(super) fn new(seed: u64, rate: u32) -> Self {
        let samples_per_step = (rate / STEPS).max(1);
        let rate = rate as f32;
        // Low rates have no room for the whole passband.
        let upper = 3_000f32.min(rate * 0.4);
        let mut fricative = Section::default();
        fricative.resonate(2_400f32.min(rate * 0.35), 900.0, rate);
        Self {
            random: Random::new(seed),
            rate,
            act: Act::Quiet,
            steps: STEPS,
            step: 0,
            samples: 0,
            samples_per_step,
            level: 0.0,
            pitch: 120.0,
            mouth: 1.0,
            speech: 0.0,
            syllable: Syllable { steps: 0, hiss: 0, vowel: VOWELS[0], loudness: 0.0, pitch: 1.0 },
            spoken: 0,
            phase: 0.0,
            phase_step: 0.0,
            voice: 0.0,
            hiss: 0.0,
            formants: VOWELS[7],
            resonances: [Section::default(); 3],
            fricative,
            passband: [
                Section::pass(High, 300.0, rate),
                Section::pass(Low, upper, rate),
                Section::pass(Low, upper, rate),
            ],
        }
    }

    /// The next sample, within ±1.
    pub(super) fn sample(&mut self) -> f32 {
        if self.samples == 0 {
            self.control();
            self.samples = self.samples_per_step;
        }
        self.samples -= 1;
        let noise = self.random.within(-1.0..1.0);
        let sound = match self.act {
            // -78 dB of full scale: a line input with nothing on it.
            Act::Quiet => return noise * 2e-4,
            Act::Tail => 0.8 * noise,
            Act::Page(_) => self.voice * self.oscillate(|phase| (TAU * phase).sin()) + 0.02 * noise,
            Act::Speech => {
                let glottis = self.voice * self.oscillate(glottis) + 0.002 * noise;
                let vowel = self.resonances.iter_mut().fold(glottis, |sound, r| r.run(sound));
                vowel + self.hiss * self.fricative.run(noise) + 0.02 * noise
            }
        };
        let sound = self.passband.iter_mut().fold(sound, |sound, section| section.run(sound));
        // A radio's audio stage saturates softly.
        self.level * sound / (1.0 + sound.abs()) * 1.6
    }

    fn oscillate(&mut self, shape: impl Fn(f32) -> f32) -> f32 {
        self.phase = (self.phase + self.phase_step).fract();
        shape(self.phase)
    }

    /// Once per control step.
    fn control(&mut self) {
        if self.step >= self.steps {
            self.next_act();
        }
        match self.act {
            Act::Page(tones) => {
                let second = self.step * 2 >= self.steps;
                self.phase_step = tones[usize::from(second)] / self.rate;
                self.voice = 0.5;
            }
            Act::Speech => self.speak(),
            Act::Quiet | Act::Tail => {}
        }
        self.step += 1;
    }

    fn begin(&mut self, act: Act, seconds: f32) {
        (self.act, self.step, self.steps) = (act, 0, (seconds * STEPS as f32).max(1.0) as u32);
    }

    fn next_act(&mut self) {
        match self.act {
            Act::Quiet => {
                // Between -20 and -5 dB of full scale at the peaks.
                self.level = 10f32.powf(self.random.within(-1.0..-0.25));
                self.pitch = self.random.within(90.0..200.0);
                self.mouth = 0.9 + self.pitch / 800.0;
                self.syllable.steps = 0;
                self.spoken = 0;
                self.speech = self.random.within(2.0..11.0);
                if self.random.chance(0.2) {
                    let tones = [self.random.within(350.0..1000.0), self.random.within(350.0..1000.0)];
                    self.speech = (self.speech - 1.6).max(2.0);
                    self.begin(Act::Page(tones), 1.6);
                } else {
                    self.begin(Act::Speech, self.speech);
                }
            }
            Act::Page(_) => self.begin(Act::Speech, self.speech),
            Act::Speech => {
                let seconds = self.random.within(0.12..0.3);
                self.begin(Act::Tail, seconds);
            }
            Act::Tail => {
                let seconds = self.random.within(1.0..8.0);
                self.begin(Act::Quiet, seconds);
            }
        }
    }

    fn speak(&mut self) {
        if self.syllable.steps == 0 {
            self.next_syllable();
        }
        self.syllable.steps -= 1;
        let Syllable { steps, hiss, vowel, loudness, pitch } = self.syllable;
        let hissing = self.syllable.hiss > 0;
        self.syllable.hiss = hiss.saturating_sub(1);
        // Mouth and voice move there in a few steps, and fade in the last ones.
        let voice = if hissing || steps < 4 { 0.0 } else { loudness };
        self.voice += 0.3 * (voice - self.voice);
        let noise = if hissing { 0.35 * loudness } else { 0.0 };
        self.hiss += 0.4 * (noise - self.hiss);
        // The voice falls towards the end of what is said, and is never quite steady.
        let fall = 1.1 - 0.25 * self.step as f32 / self.steps as f32;
        let pitch = self.pitch * pitch * fall * self.random.within(0.99..1.01);
        self.phase_step += 0.25 * (pitch / self.rate - self.phase_step);
        for (i, formant) in self.formants.iter_mut().enumerate() {
            *formant += 0.2 * (vowel[i] * self.mouth - *formant);
            self.resonances[i].resonate(formant.min(self.rate * 0.45), BANDWIDTHS[i], self.rate);
        }
    }

    fn next_syllable(&mut self) {
        let random = &mut self.random;
        self.spoken += 1;
        if self.spoken > 3 && random.chance(0.18) {
            self.spoken = 0;
            self.syllable.steps = random.within(30.0..90.0) as u32;
            self.syllable.loudness = 0.0;
            self.syllable.hiss = 0;
            return;
        }
        self.syllable = Syllable {
            steps: random.within(24.0..56.0) as u32,
            hiss: if random.chance(0.45) { random.within(6.0..16.0) as u32 } else { 0 },
            vowel: VOWELS[(random.bits() % VOWELS.len() as u64) as usize],
            loudness: random.within(0.5..1.0),
            pitch: random.within(0.88..1.16),
        };
    }
}

/// The flow through the glottis at a phase of 0..1 (Rosenberg, 1971), differentiated as lips do.
fn glottis(phase: f32) -> f32 {
    const OPENING: f32 = 0.4;
    const CLOSING: f32 = 0.16;
    if phase < OPENING {
        0.4 * (PI * phase / OPENING).sin()
    } else if phase < OPENING + CLOSING {
        -(PI / 2.0 * (phase - OPENING) / CLOSING).sin()
    } else {
        0.0
    }
}
