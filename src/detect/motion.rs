//! When something moves before a camera.
//!
//! A few times a second each cell of a picture is compared with what it was like a moment ago. How much it changes all
//! the time, by noise, flicker or wind, is followed, and more than that is asked of it. When the light changes, most
//! cells do by the same factor, which is taken out; when they change in another way, but most of them and at once,
//! somebody has switched a lamp. What changes once and then stays so is no motion either, however large.
//!
//! Belongs here: the judgement, look by look, in media time. Does not: arithmetic on samples (`mosaic`).

use std::fmt;
use std::str::FromStr;

use super::Happening;
use super::mosaic::Mosaic;
use crate::base::{Pts, Span};
use crate::media::{Planes, Size};

/// Pictures that follow the last look sooner are not looked at: three of 30 a second make one look.
const PACE: Span = Span::from_millis(90);
/// How long ago a moment is. Whoever walks moves by about their own width in it.
const MOMENT: Span = Span::from_millis(400);
/// Looks that are remembered: a moment of them.
const REMEMBERED: usize = 5;
/// What is usual is learned for so long before anything is told.
const LEARNING: Span = Span::from_millis(2_000);
/// Of how many looks the usual change of a cell is the mean, at first and after two minutes: who works in one place is
/// no noise.
const UNREST: (u32, u32) = (100, 1_200);
/// A cell has changed if it did by so many times what is usual, and by so much of 8 bits at least.
const UNUSUAL: f32 = 5.0;
const LEAST: f32 = 6.0;
/// So many of its eight neighbours must have changed with it: drops of rain fall alone.
const NEIGHBOURS: usize = 3;
/// Luma below black, from which on brightness is taken as a factor (BT.601: black is 16).
const DARK: f32 = 8.0;
const WHITE: f32 = 235.0;
/// If so much of the picture changes from one look to the next, the light did; but hardly so often in a row.
const LIGHT: Share = Share(400);
const LIGHTS: u32 = 4;
/// What pauses for longer has to go on for long enough anew.
const DIP: Span = Span::from_millis(250);

/// A share of the picture, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// So many parts of `all`.
    fn of(parts: usize, all: usize) -> Self {
        Self((parts * 1_000 / all.max(1)) as u16)
    }

    /// So many thousandths.
    pub const fn thousandths(thousandths: u16) -> Self {
        Self(thousandths)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').map(str::trim_end);
        let (whole, tenth) = number.and_then(|it| it.split_once('.').or(Some((it, "0")))).unwrap_or_default();
        let share = whole.parse::<u16>().ok().zip(tenth.parse::<u16>().ok().filter(|_| tenth.len() == 1));
        let share = share.map(|(whole, tenth)| whole.saturating_mul(10).saturating_add(tenth));
        share.filter(|share| *share <= 1_000).map(Self).ok_or_else(|| {
            format!("{text:?} is no share of a picture; write it in percent, as \"0.5%\" or \"3%\"")
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10, self.0 % 10) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, tenth) => write!(f, "{whole}.{tenth}%"),
        }
    }
}

/// A part of a picture, in percent of its width and height: `50,0 50x30` is the right half of its upper part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    left: u8,
    top: u8,
    width: u8,
    height: u8,
}

impl Region {
    /// Whether the point lies in it, `x` and `y` in percent.
    fn covers(self, (x, y): (f32, f32)) -> bool {
        let within = |at: f32, from: u8, length: u8| at >= f32::from(from) && at <= f32::from(from + length);
        within(x, self.left, self.width) && within(y, self.top, self.height)
    }
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once(' ').and_then(|(place, size)| {
            let ((left, top), (width, height)) = (place.split_once(',')?, size.split_once('x')?);
            let number = |text: &str| text.trim().parse::<u8>().ok();
            Some([number(left)?, number(top)?, number(width)?, number(height)?])
        });
        let fits =
            |from: u8, length: u8| length > 0 && from.checked_add(length).is_some_and(|end| end <= 100);
        match numbers {
            Some([left, top, width, height]) if fits(left, width) && fits(top, height) => {
                Ok(Self { left, top, width, height })
            }
            _ => Err(format!(
                "{text:?} is no part of a picture; write its place and its size in percent, as \"50,0 50x30\" for \
                 the right half of the upper 30 %"
            )),
        }
    }
}

/// What counts as motion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How much of the picture must move at once.
    pub threshold: Share,
    /// How long it must move before it counts.
    pub attack: Span,
    /// Pauses shorter than that do not end it.
    pub hang: Span,
    /// What is shorter is none.
    pub shortest: Span,
    /// Where nothing counts.
    pub ignore: Vec<Region>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: Share(5),
            attack: Span::from_millis(1_000),
            hang: Span::from_millis(3_000),
            shortest: Span::from_millis(1_000),
            ignore: Vec::new(),
        }
    }
}

/// Something has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Motion {
    /// A moment before it was seen to: it has begun since.
    pub from: Pts,
    /// The last look at which it did.
    pub to: Pts,
    /// How much of the picture changed within a moment, when it was most: where things came from, and where they went.
    pub share: Share,
}

/// Watches a camera's pictures.
#[derive(Debug)]
pub struct Watcher {
    settings: Settings,
    mosaic: Mosaic,
    /// The cells that count.
    counted: Vec<bool>,
    /// By how much each changes usually within a moment.
    unrest: Vec<f32>,
    /// The last looks, the newest first, as far as the light was the same; as many as are `known`.
    looks: Vec<(Pts, Vec<f32>)>,
    known: usize,
    /// By how much each cell has changed, and which did unusually.
    changes: Vec<f32>,
    changed: Vec<bool>,
    factors: Vec<f32>,
    /// How many looks there were, since when, and how often in a row the light has changed.
    count: u32,
    since: Pts,
    lights: u32,
    /// What moves without a pause, with the first look at which it did.
    run: Option<(Motion, Pts)>,
    /// What was told of, as far as it is known.
    motion: Option<Motion>,
}

impl Watcher {
    /// Of pictures of `size`; nothing seen yet.
    pub fn new(settings: Settings, size: Size) -> Self {
        let mosaic = Mosaic::new(size);
        let (columns, rows) = mosaic.cells();
        let middle = |at: usize, of: usize| (at as f32 + 0.5) * 100.0 / of as f32;
        let places = (0..columns * rows).map(|n| (middle(n % columns, columns), middle(n / columns, rows)));
        let counted: Vec<_> =
            places.map(|place| !settings.ignore.iter().any(|region| region.covers(place))).collect();
        let cells = counted.len();
        Self {
            settings,
            mosaic,
            counted,
            unrest: vec![0.0; cells],
            looks: vec![(Pts::default(), vec![0.0; cells]); REMEMBERED],
            known: 0,
            changes: vec![0.0; cells],
            changed: vec![false; cells],
            factors: Vec::with_capacity(cells),
            count: 0,
            since: Pts::default(),
            lights: 0,
            run: None,
            motion: None,
        }
    }

    /// Sees a picture, if it is time for another look. Their PTS increase.
    pub fn see(&mut self, pts: Pts, planes: &Planes<'_>) -> Option<Happening<Motion>> {
        if !self.mosaic.fits(planes) {
            return None;
        }
        let last = (self.known > 0).then_some(self.looks[0].0);
        if last.is_some_and(|last| pts - last < PACE) {
            return None;
        }
        self.looks.rotate_right(1);
        self.looks[0].0 = pts;
        self.mosaic.read(planes, &mut self.looks[0].1);
        self.known = (self.known + 1).min(REMEMBERED);
        self.count = self.count.saturating_add(1);
        if last.is_none() {
            self.since = pts;
            return None;
        }
        let (before, share) = self.compare(pts);
        let lit = share >= LIGHT && self.lights < LIGHTS;
        self.lights = if share >= LIGHT { self.lights + 1 } else { 0 };
        if lit {
            // Nothing can be compared with what was before.
            self.known = 1;
            return self.expire(pts);
        }
        self.learn(pts);
        if pts - self.since < LEARNING {
            return None;
        }
        self.judge(before, pts, share)
    }

    /// Forgets what it knows, because the camera is gone; ends a motion.
    pub fn lose(&mut self) -> Option<Happening<Motion>> {
        (self.known, self.count, self.lights, self.run) = (0, 0, 0, None);
        self.motion.take().map(Happening::Ended)
    }

    /// How much of the picture has changed, beyond the light, and since when: a moment ago, or the last look if looks
    /// are further apart.
    fn compare(&mut self, pts: Pts) -> (Pts, Share) {
        let Self { looks, known, unrest, counted, changes, changed, factors, mosaic, .. } = self;
        let recent = |(at, _): &&(Pts, Vec<f32>)| pts - *at <= MOMENT + Span::from_ticks(PACE.ticks() / 2);
        let moment = looks[1..*known].iter().take_while(recent).count().max(1);
        let (now, (since, before)) = (&looks[0].1, &looks[moment]);
        let light = light(factors, now.iter().zip(before).zip(&*counted));
        for (change, (now, before)) in changes.iter_mut().zip(now.iter().zip(before)) {
            *change = (now - ((before - DARK) * light + DARK).min(WHITE)).abs();
        }
        for (cell, changed) in changed.iter_mut().enumerate() {
            *changed = counted[cell] && changes[cell] > LEAST.max(unrest[cell] * UNUSUAL);
        }
        let (columns, _) = mosaic.cells();
        (*since, Share::of(clusters(changed, columns), changed.len()))
    }

    /// Follows what is usual.
    fn learn(&mut self, pts: Pts) {
        let (fewest, most) = if pts - self.since < LEARNING { (1, UNREST.1) } else { UNREST };
        let weight = 1.0 / (self.count - 1).clamp(fewest, most) as f32;
        for (unrest, change) in self.unrest.iter_mut().zip(&self.changes) {
            *unrest += (change - *unrest) * weight;
        }
    }

    fn judge(&mut self, before: Pts, pts: Pts, share: Share) -> Option<Happening<Motion>> {
        let Settings { threshold, attack, shortest, .. } = self.settings;
        if share.0 * 2 < threshold.0 || share.0 == 0 {
            return self.expire(pts);
        }
        let begins = Motion { from: before, to: pts, share };
        let (run, first) = self.run.get_or_insert((begins, pts));
        (run.to, run.share) = (pts, run.share.max(share));
        let long = pts - *first >= attack && run.to - run.from >= shortest;
        if !long || run.share < threshold {
            return self.end(pts);
        }
        if let Some(motion) = &mut self.motion {
            (motion.to, motion.share) = (pts, motion.share.max(run.share));
            return None;
        }
        self.motion = Some(*run);
        Some(Happening::Began { from: run.from })
    }

    /// Ends what has not moved for too long.
    fn expire(&mut self, pts: Pts) -> Option<Happening<Motion>> {
        self.run = self.run.filter(|(run, _)| pts - run.to < DIP);
        if self.run.is_none() { self.end(pts) } else { None }
    }

    /// Ends the motion, if it is over for long enough.
    fn end(&mut self, pts: Pts) -> Option<Happening<Motion>> {
        let over = self.motion.is_some_and(|it| pts - it.to >= self.settings.hang);
        if over { self.motion.take().map(Happening::Ended) } else { None }
    }
}

/// By which factor most of the cells that count have become brighter: the median.
fn light<'a>(scratch: &mut Vec<f32>, cells: impl Iterator<Item = ((&'a f32, &'a f32), &'a bool)>) -> f32 {
    scratch.clear();
    let counted = cells.filter(|(_, counted)| **counted).map(|(it, _)| it);
    scratch.extend(counted.map(|(now, before)| (now - DARK).max(1.0) / (before - DARK).max(1.0)));
    let middle = scratch.len() / 2;
    if scratch.is_empty() { 1.0 } else { *scratch.select_nth_unstable_by(middle, f32::total_cmp).1 }
}

/// How many of the cells that have changed lie together.
fn clusters(changed: &[bool], columns: usize) -> usize {
    let rows = changed.len() / columns;
    let is_in_cluster = |cell: usize| {
        let (x, y) = (cell % columns, cell / columns);
        let around = (y.saturating_sub(1)..rows.min(y + 2))
            .flat_map(|y| (x.saturating_sub(1)..columns.min(x + 2)).map(move |x| y * columns + x));
        around.filter(|cell| changed[*cell]).count() > NEIGHBOURS
    };
    (0..changed.len()).filter(|cell| changed[*cell] && is_in_cluster(*cell)).count()
}
