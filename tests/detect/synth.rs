//! Receivers that play what they are told: who speaks when is known.

use std::f32::consts::{PI, TAU};

use outpost::base::Random;
use outpost::base::filter::Section;
use outpost::base::filter::Side::{High, Low};

pub(crate) const RATE: u32 = 48_000;

/// Noise of unit power, and nearly normal.
fn noise(random: &mut Random) -> f32 {
    (0..4).map(|_| random.within(-1.0..1.0)).sum::<f32>() * 0.866
}

pub(crate) fn amplitude(dbfs: f32) -> f32 {
    10f32.powf(dbfs / 20.0)
}

/// Who speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Speaker {
    /// With a pitch of so many Hz.
    Voice(f32),
    /// A tone of so many Hz.
    Tone(f32),
    /// Noise alone: nobody.
    Noise,
}

/// What is heard while nobody speaks; levels in dBFS (RMS).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Idle {
    Nothing,
    Hiss(f32),
    /// 50 Hz with what a rectifier adds, and a little hiss.
    Hum(f32),
    /// The hiss of FM without a carrier, and what is left of it with one.
    Discriminator {
        without: f32,
        with: f32,
    },
}

/// Something on the air: seconds, and dBFS while it sounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) from: f32,
    pub(crate) to: f32,
    pub(crate) level: f32,
    pub(crate) speaker: Speaker,
    /// Noise after it until the squelch closes: seconds.
    pub(crate) tail: f32,
}

/// A receiver's sound, made as it is asked for.
pub(crate) struct Receiver {
    pub(crate) random: Random,
    idle: Idle,
    calls: Vec<Call>,
    n: u64,
    phase: f32,
    /// Loudness of the syllable being spoken (0 in a pause), and when it is over.
    syllable: (f32, f32),
    resonances: [Section; 3],
    passband: [Section; 3],
    hiss: [Section; 2],
}

/// F1, F2, F3 in Hz, and what makes each as loud as the others behind the passband.
const VOWELS: [([f32; 3], f32); 5] = [
    ([270.0, 2_290.0, 3_010.0], 3.2),
    ([530.0, 1_840.0, 2_480.0], 1.8),
    ([730.0, 1_090.0, 2_440.0], 1.0),
    ([570.0, 840.0, 2_410.0], 1.05),
    ([300.0, 870.0, 2_240.0], 2.6),
];

impl Receiver {
    pub(crate) fn new(idle: Idle, calls: Vec<Call>, seed: u64) -> Self {
        let rate = RATE as f32;
        let low = Section::pass(Low, 3_000.0, rate);
        Self {
            random: Random::new(seed),
            idle,
            calls,
            n: 0,
            phase: 0.0,
            syllable: (0.0, 0.0),
            resonances: Default::default(),
            passband: [Section::pass(High, 300.0, rate), low, low],
            hiss: [Section::pass(Low, 4_500.0, rate); 2],
        }
    }

    pub(crate) fn sample(&mut self) -> f32 {
        let t = self.n as f32 / RATE as f32;
        self.n += 1;
        let call = self.calls.iter().find(|call| (call.from..call.to + call.tail).contains(&t)).copied();
        let idle = self.idle(t, call.is_some_and(|call| t < call.to));
        let sound = match call {
            Some(call) if t >= call.to => {
                // A little louder than who spoke: 3 kHz of noise.
                self.filtered() * amplitude(call.level) * 2.8
            }
            Some(Call { level, speaker: Speaker::Tone(frequency), .. }) => {
                amplitude(level) * 2f32.sqrt() * (TAU * frequency * t).sin()
            }
            Some(Call { level, speaker: Speaker::Noise, .. }) => self.filtered() * amplitude(level) * 2.8,
            Some(Call { level, speaker: Speaker::Voice(pitch), from, to, .. }) => {
                let voice = self.voice(t - from, to - t, pitch);
                let voice = self.passband.iter_mut().fold(voice, |sound, section| section.run(sound));
                voice * amplitude(level)
            }
            None => 0.0,
        };
        (idle + sound).clamp(-1.0, 1.0)
    }

    fn filtered(&mut self) -> f32 {
        let noise = noise(&mut self.random);
        self.passband.iter_mut().fold(noise, |sound, section| section.run(sound))
    }

    fn idle(&mut self, t: f32, carrier: bool) -> f32 {
        let mut hiss = |level: f32| {
            let noise = noise(&mut self.random);
            // 4.5 kHz of 24 are let through.
            self.hiss.iter_mut().fold(noise, |sound, section| section.run(sound)) * amplitude(level) * 2.3
        };
        match self.idle {
            Idle::Nothing => 0.0,
            Idle::Hiss(level) => hiss(level),
            Idle::Hum(level) => {
                let wave = |n: f32| (TAU * 50.0 * n * t + n).sin() / n;
                let hum: f32 = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 14.0].into_iter().map(wave).sum();
                hum * amplitude(level) + hiss(level - 40.0)
            }
            Idle::Discriminator { without, with } => hiss(if carrier { with } else { without }),
        }
    }

    /// Syllables of a voice, of about unit power while it sounds; it begins and ends with one.
    fn voice(&mut self, since: f32, left: f32, pitch: f32) -> f32 {
        let t = self.n as f32 / RATE as f32;
        if t >= self.syllable.1 || since < 1.0 / RATE as f32 {
            let random = &mut self.random;
            let pause = self.syllable.0 > 0.0 && since > 0.5 && left > 0.8 && random.chance(0.2);
            let lasts =
                if pause { random.within(0.1..0.5) } else { random.within(0.12..0.28).min(left.max(0.05)) };
            let (vowel, gain) = VOWELS[(random.bits() % 5) as usize];
            let loudness = if pause { 0.0 } else { gain * random.within(0.8..1.2) };
            self.syllable = (loudness, t + lasts);
            for ((section, formant), width) in self.resonances.iter_mut().zip(vowel).zip([70.0, 100.0, 140.0])
            {
                section.resonate(formant, width, RATE as f32);
            }
        }
        let (loudness, _) = self.syllable;
        self.phase = (self.phase + pitch / RATE as f32).fract();
        let glottis = match self.phase {
            phase if phase < 0.4 => 0.4 * (PI * phase / 0.4).sin(),
            phase if phase < 0.56 => -(PI / 2.0 * (phase - 0.4) / 0.16).sin(),
            _ => 0.0,
        };
        self.resonances.iter_mut().fold(loudness * glottis, |sound, section| section.run(sound))
    }
}
