//! Second-order filters: what lets a band of a signal through.

use std::f32::consts::{FRAC_1_SQRT_2, PI, TAU};

/// Which side of an edge passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is above.
    High,
    /// What is below.
    Low,
}

/// A second-order section: y = a x + b x₁ + c x₂ + d y₁ + e y₂.
#[derive(Clone, Copy, Debug, Default)]
pub struct Section {
    x: [f32; 3],
    y: [f32; 2],
    past: [f32; 4],
}

impl Section {
    /// A Butterworth filter with its edge at `frequency`, by the bilinear transform. Both in Hz; `frequency` is below
    /// half of `rate`.
    pub fn pass(side: Side, frequency: f32, rate: f32) -> Self {
        let side = if side == Side::Low { 1.0 } else { -1.0 };
        let (sin, cos) = (TAU * frequency / rate).sin_cos();
        let alpha = sin * FRAC_1_SQRT_2;
        let (edge, norm) = ((1.0 - side * cos) / 2.0, 1.0 / (1.0 + alpha));
        Self {
            x: [edge * norm, side * 2.0 * edge * norm, edge * norm],
            y: [2.0 * cos * norm, (alpha - 1.0) * norm],
            past: [0.0; 4],
        }
    }

    /// Becomes a resonance of unit gain at 0 Hz (Klatt, "Software for a cascade/parallel formant synthesizer", 1980,
    /// equation 1), without losing what it holds. All in Hz.
    pub fn resonate(&mut self, frequency: f32, bandwidth: f32, rate: f32) {
        let e = -(-TAU * bandwidth / rate).exp();
        let d = 2.0 * (-PI * bandwidth / rate).exp() * (TAU * frequency / rate).cos();
        (self.x, self.y) = ([1.0 - d - e, 0.0, 0.0], [d, e]);
    }

    /// The next sample. One that is not a finite number would stay for ever: who may be given such keeps them out.
    pub fn run(&mut self, input: f32) -> f32 {
        let [x1, x2, y1, y2] = self.past;
        let output = self.x[0] * input + self.x[1] * x1 + self.x[2] * x2 + self.y[0] * y1 + self.y[1] * y2;
        self.past = [input, x1, output, y1];
        output
    }
}
