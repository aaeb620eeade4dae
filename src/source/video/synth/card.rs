//! The test card itself.
//!
//! From top to bottom: colour bars, which turn white for the flash, and along whose lower edge a box passes now and
//! then, so that there is motion to be found; a panel with the title, a running clock
//! and the frame counter; a row of 32 blocks, white for 1 and black for 0, that says the counter in binary,
//! highest bit first. Each picture is the one before with what has changed drawn over it.
//!
//! Belongs here: layout and drawing. Does not: when a picture is due.

use jiff::tz::TimeZone;

use crate::base::{Monotonic, WallReading, WallTime};
use crate::media::{Picture, Size};
use crate::source::video::draw::{Area, Colour, Text, fill};

/// How long the flash lasts from each whole second of CLOCK_MONOTONIC, in ticks of 90 kHz: 100 ms.
const FLASH: i64 = 9_000;
const SECOND: i64 = 90_000;
/// Within each half minute, from when to when a box passes.
const ROUND: i64 = 30 * SECOND;
const PASSING: std::ops::Range<i64> = 10 * SECOND..15 * SECOND;

/// Bars of 75 % in order of their luma (ITU-R BT.1729).
const BARS: [Colour; 7] = [
    Colour::rgb(191, 191, 191),
    Colour::rgb(191, 191, 0),
    Colour::rgb(0, 191, 191),
    Colour::rgb(0, 191, 0),
    Colour::rgb(191, 0, 191),
    Colour::rgb(191, 0, 0),
    Colour::rgb(0, 0, 191),
];
const PAPER: Colour = Colour::rgb(18, 21, 27);
const ACCENT: Colour = Colour::rgb(232, 163, 61);
const INK: Colour = Colour::rgb(236, 238, 242);
const FAINT: Colour = Colour::rgb(148, 157, 172);

/// Luma of a block: black and white of limited range (ITU-R BT.601-7, 2.5.3).
const BLOCK: [u8; 2] = [16, 235];
const BLOCKS: usize = 32;

/// What the upper part of the card shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Light {
    Bars,
    Flash,
}

/// A card that is drawn on again and again.
pub(super) struct Card {
    picture: Picture,
    layout: Layout,
    zone: TimeZone,
    light: Option<Light>,
    /// Where the box is.
    passer: Option<Area>,
    clock: Readout<11>,
    counter: Readout<10>,
    /// The counter the blocks show.
    blocks: Option<u32>,
}

/// Where the parts begin, by rows.
#[derive(Clone, Copy, Debug)]
struct Layout {
    width: usize,
    /// Above it are bars and nothing else.
    passer: usize,
    panel: usize,
    blocks: usize,
}

impl Layout {
    fn new(size: Size) -> Self {
        let blocks = size.height() - (size.height() / 12).max(8);
        let panel = (size.height() * 5 / 8).min(blocks) & !1;
        let passer = (size.height() / 2).next_multiple_of(2).min(panel);
        Self { width: size.width(), passer, panel, blocks: blocks & !1 }
    }

    /// Where the box is at that instant of the media clock, if it is there: it comes in at the left.
    fn passer(self, ticks: i64) -> Option<Area> {
        let since = ticks.rem_euclid(ROUND);
        let side = self.panel - self.passer;
        let way = (self.width + side) as i64 * (since - PASSING.start) / (PASSING.end - PASSING.start);
        let right = usize::try_from(way).ok().filter(|_| PASSING.contains(&since))?;
        let x = right.saturating_sub(side);
        Some(Area { x, y: self.passer, width: right - x, height: side })
    }
}

impl Card {
    /// A card with `title`, and `caption` below it; its clock shows the time of `zone`.
    pub(super) fn new(size: Size, title: &str, caption: &str, zone: TimeZone) -> Self {
        let layout = Layout::new(size);
        let mut picture = Picture::black(size);
        let (width, height) = (size.width(), layout.blocks - layout.panel);
        fill(&mut picture, Area { x: 0, y: layout.panel, width, height }, PAPER);
        let rule = (height / 40).max(2);
        fill(&mut picture, Area { x: 0, y: layout.panel, width, height: rule }, ACCENT);

        let margin = width / 40;
        let share = |part: f32| height as f32 * part;
        // A clock of eleven figures takes a little more than half of the width, at most.
        let mut clock = Readout::new(*b"00:00:00.00", share(0.46).min(width as f32 / 12.0), INK);
        let mut counter = Readout::new([b'0'; 10], share(0.3).min(width as f32 / 19.0), FAINT);
        let rows = [0.36, 0.76].map(|middle| layout.panel + share(middle) as usize);
        let centred = |row: usize, height: usize| row.saturating_sub(height / 2);
        let right = |length: usize| width.saturating_sub(margin + length);

        clock.place = (right(clock.width), centred(rows[0], clock.height()));
        counter.place = (right(counter.width), centred(rows[1], counter.height()));
        let left = width.saturating_sub(clock.width + 3 * margin);
        let title = Text::within(title, share(0.34), left);
        title.put(&mut picture, (margin, centred(rows[0], title.height())), INK, PAPER);
        let caption = Text::within(caption, share(0.22), left);
        caption.put(&mut picture, (margin, centred(rows[1], caption.height())), FAINT, PAPER);
        Self { picture, layout, zone, light: None, passer: None, clock, counter, blocks: None }
    }

    /// The picture captured at `captured`, number `counter`.
    pub(super) fn show(&mut self, counter: u32, captured: Monotonic, now: WallReading) -> &Picture {
        let ticks = captured.to_pts().ticks();
        let flash = ticks.rem_euclid(SECOND) < FLASH;
        self.shine(if flash { Light::Flash } else { Light::Bars });
        self.pass(self.layout.passer(ticks));
        let time = self.time(now.at(captured));
        self.clock.show(&mut self.picture, time);
        let digit = |place: u32| b'0' + (counter / 10u32.pow(place) % 10) as u8;
        self.counter.show(&mut self.picture, std::array::from_fn(|at| digit(9 - at as u32)));
        self.count(counter);
        &self.picture
    }

    /// As it was shown last.
    pub(super) fn picture(&self) -> &Picture {
        &self.picture
    }

    fn shine(&mut self, light: Light) {
        if self.light == Some(light) {
            return;
        }
        (self.light, self.passer) = (Some(light), None);
        self.lighten(Area { x: 0, y: 0, width: self.layout.width, height: self.layout.panel });
    }

    /// Draws what the light is like over a part of the bars.
    fn lighten(&mut self, area: Area) {
        if self.light == Some(Light::Flash) {
            return fill(&mut self.picture, area, Colour::WHITE);
        }
        for (at, colour) in BARS.into_iter().enumerate() {
            let edge = |at: usize| (self.layout.width * at / BARS.len()).next_multiple_of(2);
            let (x, right) = (edge(at).max(area.x), edge(at + 1).min(area.x + area.width));
            let bar = Area { x, width: right.saturating_sub(x), ..area };
            fill(&mut self.picture, bar, colour);
        }
    }

    /// Moves the box. It is dark and white, so that it differs from every bar.
    fn pass(&mut self, place: Option<Area>) {
        if self.passer == place {
            return;
        }
        if let Some(left) = std::mem::replace(&mut self.passer, place) {
            self.lighten(left);
        }
        if let Some(area) = place {
            fill(&mut self.picture, area, PAPER);
            let (y, height) = (area.y + area.height / 4, area.height / 2);
            fill(&mut self.picture, Area { y, height, ..area }, Colour::WHITE);
        }
    }

    /// `14:03:27.43` in local time.
    fn time(&self, wall: WallTime) -> [u8; 11] {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(wall.as_unix_nanos())).unwrap_or_default();
        let time = self.zone.to_datetime(stamp).time();
        let hundredths = (time.subsec_nanosecond() / 10_000_000) as i8;
        let pair = |value: i8| [b'0' + value as u8 / 10, b'0' + value as u8 % 10];
        let [[a, b], [c, d], [e, f], [g, h]] =
            [time.hour(), time.minute(), time.second(), hundredths].map(pair);
        [a, b, b':', c, d, b':', e, f, b'.', g, h]
    }

    /// Draws the blocks that differ from those that stand there. They are grey to the eye: luma alone.
    fn count(&mut self, counter: u32) {
        let width = self.picture.size().width();
        let differs = self.blocks.map_or(u32::MAX, |shown| shown ^ counter);
        let begin = self.layout.blocks * width;
        let [luma, ..] = self.picture.planes_mut();
        for block in (0..BLOCKS).filter(|block| differs << block >> 31 == 1) {
            let span = width * block / BLOCKS..width * (block + 1) / BLOCKS;
            let bit = (counter << block >> 31) as usize;
            luma[begin..].chunks_exact_mut(width).for_each(|row| row[span.clone()].fill(BLOCK[bit]));
        }
        self.blocks = Some(counter);
    }
}

/// A row of figures that change; what stands between them does not.
struct Readout<const N: usize> {
    place: (usize, usize),
    ink: Colour,
    /// 0 to 9, then colon and point.
    glyphs: [Text; 12],
    shown: Option<[u8; N]>,
    width: usize,
}

impl<const N: usize> Readout<N> {
    /// For texts in which the separators stand where they do in `example`.
    fn new(example: [u8; N], height: f32, ink: Colour) -> Self {
        let glyphs = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', '.'];
        let mut readout = Self {
            place: (0, 0),
            ink,
            glyphs: glyphs.map(|glyph| Text::new(glyph.encode_utf8(&mut [0; 4]), height)),
            shown: None,
            width: 0,
        };
        readout.width = example.map(|character| readout.glyph(character).width()).iter().sum();
        readout
    }

    fn glyph(&self, character: u8) -> &Text {
        match character {
            b'0'..=b'9' => &self.glyphs[usize::from(character - b'0')],
            b':' => &self.glyphs[10],
            _ => &self.glyphs[11],
        }
    }

    fn height(&self) -> usize {
        self.glyphs[0].height()
    }

    /// Draws those of `text` that differ from what stands there.
    fn show(&mut self, picture: &mut Picture, text: [u8; N]) {
        let mut x = self.place.0;
        for (at, character) in text.into_iter().enumerate() {
            let glyph = self.glyph(character);
            if self.shown.is_none_or(|shown| shown[at] != character) {
                glyph.put(picture, (x, self.place.1), self.ink, PAPER);
            }
            x += glyph.width();
        }
        self.shown = Some(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_as_if_drawn_from_nothing() {
        for (width, height) in [(16, 16), (160, 120), (322, 242), (1280, 720)] {
            let size = Size::new(width, height).expect("a size");
            let card = || Card::new(size, "A card with a title", "and more", TimeZone::UTC);
            let mut used = card();
            for n in 0..40u32 {
                // With flashes, and with a box that comes and goes.
                let captured = Monotonic::from_nanos(9_000_000_000 + i64::from(n) * 170_000_000);
                let now = WallReading {
                    monotonic: captured,
                    wall: WallTime::from_unix_nanos(captured.as_nanos() * 7919),
                    sync: crate::base::Sync::Synchronised,
                    suspended: std::time::Duration::ZERO,
                };
                let counter = n.wrapping_mul(0x9e37_79b9);
                let planes = |picture: &Picture| picture.clone().planes_mut().map(|plane| plane.to_vec());
                let drawn = planes(used.show(counter, captured, now));
                assert!(drawn == planes(card().show(counter, captured, now)), "{size} {n}");
            }
        }
    }

    #[test]
    fn the_clock_shows_local_time() {
        let size = Size::new(64, 64).expect("a size");
        let card = Card::new(size, "", "", TimeZone::fixed(jiff::tz::offset(2)));
        let wall = WallTime::from_unix_nanos(1_700_000_000_430_000_000);
        assert_eq!(&card.time(wall), b"00:13:20.43");
    }
}
