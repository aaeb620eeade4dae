//! Cameras that see what they are told: what moves when is known.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use outpost::base::Random;
use outpost::media::{Picture, Size};

/// There are 40 by 22 cells in it.
pub(crate) const SIZE: (usize, usize) = (320, 180);

/// What is before the camera, one thing in front of the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Thing {
    /// Walks across from left to right: its height and width as shares of the picture, its luma.
    Walker { from: f32, to: f32, height: f32, width: f32, luma: f32 },
    /// Comes in until the middle, and stays there.
    Guest { from: f32, to: f32 },
    /// Waves an arm in one place.
    Worker { from: f32, to: f32 },
    /// Flakes before the lens, anew in each picture.
    Snow,
    /// Leaves at the left, moving each its own way.
    Tree { from: f32 },
    /// Drops that fall, anew in each picture.
    Rain,
    /// A strip that shines in its own way all the time.
    Screen,
}

/// What the light does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Light {
    Steady,
    /// A lamp beats with the shutter: so many bands drift over the picture, so often a second.
    Flicker {
        bands: f32,
        hertz: f32,
    },
    /// A lamp at the left is on for a while, brightest near itself, and the camera's exposure follows.
    Lamp {
        from: f32,
        to: f32,
    },
    /// The same without exposure, over a part of the picture alone.
    Spot {
        from: f32,
        to: f32,
    },
    /// Every second, for a tenth of it, twice as bright and more, at the top more than below.
    Lightning,
    /// A cloud comes and goes, everywhere at once.
    Cloud {
        from: f32,
        to: f32,
    },
    /// Its soft edge passes over the picture, and back.
    Shadow {
        from: f32,
        to: f32,
    },
}

/// What the camera adds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grain {
    /// Noise of each pixel, as its standard deviation.
    Fine(f32),
    /// What is left of strong noise when a camera has smoothed it: blotches.
    Coarse(f32),
    /// Blocks whose brightness is rounded to such steps, with some noise.
    Blocks(f32),
}

pub(crate) struct Scene {
    pub(crate) things: Vec<Thing>,
    pub(crate) light: Light,
    pub(crate) grain: Grain,
    /// How bright it is altogether, 1 by day.
    pub(crate) day: f32,
}

/// What is behind everything: shelves and shades of grey.
static WALL: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let place = |n: usize| (n % SIZE.0, n / SIZE.0);
    let tile = |(x, y)| chance((x / 23) as u32, (y / 17) as u32, 7);
    let shade = |at: (usize, usize)| 50.0 + 70.0 * tile(at) + 20.0 * (at.0 as f32 / SIZE.0 as f32);
    (0..SIZE.0 * SIZE.1).map(|n| shade(place(n))).collect()
});

fn wall(x: usize, y: usize) -> f32 {
    WALL[(y * SIZE.0 + x).min(WALL.len() - 1)]
}

/// Chance that is the same for the same three numbers.
fn chance(a: u32, b: u32, c: u32) -> f32 {
    let seed = u64::from(a) << 40 ^ u64::from(b) << 20 ^ u64::from(c);
    Random::new(seed.wrapping_mul(0xff51_afd7_ed55_8ccd)).unit()
}

/// 0 before `from` and after `to`, 1 between, going over within `soft` seconds.
fn between(t: f32, from: f32, to: f32, soft: f32) -> f32 {
    ((t - from) / soft).clamp(0.0, 1.0) * (1.0 - ((t - to) / soft).clamp(0.0, 1.0))
}

impl Scene {
    /// Paints the picture at `t` seconds, the `number`th.
    pub(crate) fn paint(&self, picture: &mut Picture, t: f32, number: u32) {
        let (width, height) = SIZE;
        let mut random = Random::new(u64::from(number));
        let [luma, ..] = picture.planes_mut();
        for (n, sample) in luma.iter_mut().enumerate() {
            let (x, y) = (n % width, n / width);
            let place = ((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
            let shade = self.things.iter().rev().find_map(|thing| thing.luma(t, place, number));
            let shade = shade.unwrap_or_else(|| wall(x, y)) * self.day * self.light.on(t, place);
            let seen = match self.grain {
                Grain::Fine(deviation) => shade + noise(&mut random) * deviation,
                Grain::Coarse(deviation) => {
                    let blotch = chance(number, (x / 6) as u32, (y / 6) as u32 + 1_000);
                    shade + (blotch - 0.5) * 3.46 * deviation
                }
                Grain::Blocks(step) => {
                    let dither = chance(number, (x / 8) as u32, (y / 8) as u32 + 2_000) - 0.5;
                    let mean = wall(x / 8 * 8 + 4, y / 8 * 8 + 4) * self.day;
                    let rounded = ((mean / step) + 0.6 * dither).round() * step;
                    shade + rounded - mean + noise(&mut random)
                }
            };
            *sample = (16.0 + seen).clamp(16.0, 235.0) as u8;
        }
    }

    pub(crate) fn picture() -> Picture {
        Picture::black(Size::new(SIZE.0 as u32, SIZE.1 as u32).expect("even sides"))
    }
}

/// Of unit deviation. What a cell has of it is normal: it is the mean of many pixels.
fn noise(random: &mut Random) -> f32 {
    random.within(-1.0..1.0) * 3f32.sqrt()
}

impl Light {
    fn on(self, t: f32, (x, y): (f32, f32)) -> f32 {
        match self {
            Self::Steady => 1.0,
            Self::Flicker { bands, hertz } => 1.0 + 0.12 * (TAU * (hertz * t + bands * y)).sin(),
            Self::Lamp { from, to } => {
                let on = between(t, from, to, 0.05);
                let exposure = 1.0 - 0.35 * between(t, from + 0.2, to + 0.2, 1.5);
                (1.0 + on * (1.3 - 0.7 * x)) * exposure
            }
            Self::Spot { from, to } => {
                let on = between(t, from, to, 0.05);
                1.0 + on * (1.0 - ((x - 0.2).hypot(y - 0.4) / 0.35).min(1.0)) * 1.5
            }
            Self::Lightning => {
                if (0.45..0.55).contains(&t.fract()) {
                    3.0 - 1.2 * y
                } else {
                    1.0
                }
            }
            Self::Cloud { from, to } => 1.0 - 0.45 * between(t, from, to, 1.5),
            Self::Shadow { from, to } => 1.0 - 0.35 * between(t - 2.0 * x, from, to, 3.0),
        }
    }
}

impl Thing {
    /// Its luma where it is to be seen.
    fn luma(self, t: f32, (x, y): (f32, f32), number: u32) -> Option<f32> {
        match self {
            Self::Walker { from, to, height, width, luma } => {
                let left = (t - from) / (to - from) * (1.0 + width) - width;
                let there = (from..to).contains(&t) && (left..left + width).contains(&x);
                (there && (0.9 - height..0.9).contains(&y)).then_some(luma)
            }
            Self::Guest { from, to } => {
                let left = 0.5 * ((t - from) / (to - from)).min(1.0) - 0.1;
                let there = t >= from && (left..left + 0.1).contains(&x);
                (there && (0.3..0.9).contains(&y)).then_some(30.0)
            }
            Self::Worker { from, to } => {
                let swing = 0.06 * (TAU * 0.8 * t).sin();
                let there = (from..to).contains(&t) && (0.55 + swing..0.63 + swing).contains(&x);
                (there && (0.4..0.7).contains(&y)).then_some(150.0)
            }
            Self::Tree { from } => {
                let (leaf, crown) =
                    (chance((x * 40.0) as u32, (y * 24.0) as u32, 3), (x - 0.15).hypot(y - 0.3) < 0.2);
                let sway = (TAU * (0.3 + leaf) * t + 9.0 * leaf).sin() * (TAU * 0.07 * t).sin();
                let bright = if t >= from { 30.0 * sway } else { 0.0 };
                crown.then_some(70.0 + 40.0 * leaf + bright)
            }
            Self::Rain => {
                // A streak is a pixel wide and eight high; 300 of them at once.
                let column = (x * SIZE.0 as f32) as u32;
                let row = (y * SIZE.1 as f32) as u32 / 8;
                (chance(number, column, row + 3_000) < 0.04)
                    .then(|| wall(column as usize, row as usize * 8) + 60.0)
            }
            Self::Snow => {
                // Each lies within one cell.
                let (column, row) = ((x * SIZE.0 as f32) as u32, (y * SIZE.1 as f32) as u32);
                let flake = (1..6).contains(&(column % 8)) && (1..6).contains(&(row % 8));
                (flake && chance(number, column / 8, row / 8 + 5_000) < 0.015).then_some(500.0)
            }
            Self::Screen => {
                let there = (0.75..0.95).contains(&x) && (0.1..0.35).contains(&y);
                let scene = (t / 0.7) as u32;
                there.then(|| 40.0 + 150.0 * chance(scene, (x * 20.0) as u32, (y * 20.0) as u32 + 4_000))
            }
        }
    }
}
