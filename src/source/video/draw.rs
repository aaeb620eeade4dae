//! Boxes and lines of text, put into a picture's planes.
//!
//! Belongs here: colours, filling, the embedded font. Does not: what a picture shows (`slate`, `synth`).
//!
//! Places are in luma pixels and rounded down to even ones, because chroma has half the columns and rows.
//! Whatever lies outside of the picture is left out.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

use crate::media::{Picture, Size};

/// Inter Medium with tabular figures: Latin, Greek and Cyrillic. Its licence (OFL 1.1) stands beside it.
static FONT: &[u8] = include_bytes!("font/inter.ttf");

/// Below this height of a line letters cannot be told apart.
const LEGIBLE: f32 = 10.0;
/// A line too long for its place shrinks so far, and no further.
const SMALLEST: f32 = 0.6;

/// A colour of limited range, BT.601.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour {
    y: u8,
    u: u8,
    v: u8,
}

impl Colour {
    /// White: 255, 255, 255.
    pub(super) const WHITE: Self = Self::rgb(255, 255, 255);

    /// From red, green and blue of full range (ITU-R BT.601-7, 2.5), in units of 1/65536.
    pub(super) const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        let (r, g, b) = (red as i32, green as i32, blue as i32);
        Self {
            y: (16 + ((16_829 * r + 33_039 * g + 6_416 * b + 32_768) >> 16)) as u8,
            u: (128 + ((-9_714 * r - 19_070 * g + 28_784 * b + 32_768) >> 16)) as u8,
            v: (128 + ((28_784 * r - 24_103 * g - 4_681 * b + 32_768) >> 16)) as u8,
        }
    }
}

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Area {
    /// The part of it within `size`, on even places.
    fn within(self, size: Size) -> Self {
        let cut = |at: usize, length: usize, limit: usize| {
            let (begin, end) = (at.min(limit) & !1, (at + length).min(limit) & !1);
            (begin, end - begin)
        };
        let (x, width) = cut(self.x, self.width, size.width());
        let (y, height) = cut(self.y, self.height, size.height());
        Self { x, y, width, height }
    }

    fn halved(self) -> Self {
        Self { x: self.x / 2, y: self.y / 2, width: self.width / 2, height: self.height / 2 }
    }

    /// Its rows within a plane whose rows have `stride` bytes.
    fn rows(self, plane: &mut [u8], stride: usize) -> impl Iterator<Item = &mut [u8]> {
        let rows = plane.chunks_exact_mut(stride).skip(self.y).take(self.height);
        rows.map(move |row| &mut row[self.x..self.x + self.width])
    }
}

/// Fills an area.
pub(super) fn fill(picture: &mut Picture, area: Area, colour: Colour) {
    let size = picture.size();
    let area = area.within(size);
    let [y, u, v] = picture.planes_mut();
    area.rows(y, size.width()).for_each(|row| row.fill(colour.y));
    for (plane, sample) in [(u, colour.u), (v, colour.v)] {
        area.halved().rows(plane, size.width() / 2).for_each(|row| row.fill(sample));
    }
}

/// A line of text, drawn once and put into pictures as often as one likes.
#[derive(Debug)]
pub(super) struct Text {
    width: usize,
    height: usize,
    /// How much of each luma sample is ink, 0 to 255; rows of `width`.
    luma: Vec<u8>,
    /// The same of each chroma sample; rows of `width / 2`.
    chroma: Vec<u8>,
}

impl Text {
    /// A line `height` pixels high, from the tops of the highest letters to the ends of the lowest.
    pub(super) fn new(text: &str, height: f32) -> Self {
        Self::set(text, height, advance(text, height))
    }

    /// A line at most `width` pixels wide: smaller letters if it must be, and at last fewer of them.
    pub(super) fn within(text: &str, height: f32, width: usize) -> Self {
        let limit = width as f32;
        let natural = advance(text, height);
        if natural <= limit {
            return Self::new(text, height);
        }
        let least = (height * SMALLEST).max(LEGIBLE.min(height));
        let height = (height * limit / natural).max(least).floor();
        let (mut kept, mut shown) = (text.to_owned(), text.to_owned());
        while advance(&shown, height) > limit && kept.pop().is_some() {
            shown = format!("{}…", kept.trim_end());
        }
        Self::set(&shown, height, advance(&shown, height).min(limit))
    }

    /// Draws as much of `text` as fits into `width` pixels.
    fn set(text: &str, height: f32, width: f32) -> Self {
        let even = |length: f32| (length.ceil().max(0.0) as usize).next_multiple_of(2);
        let (width, rows) = (even(width), even(height));
        let mut luma = vec![0; width * rows];
        let font = font();
        let font = font.as_scaled(PxScale::from(height));
        place(text, height, |id, x| {
            let glyph = id.with_scale_and_position(height, ab_glyph::point(x, font.ascent()));
            let Some(outline) = font.outline_glyph(glyph) else { return };
            let bounds = outline.px_bounds();
            outline.draw(|x, y, ink| {
                let (x, y) = (bounds.min.x as i32 + x as i32, bounds.min.y as i32 + y as i32);
                let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
                if x < width && y < rows {
                    let sample: &mut u8 = &mut luma[y * width + x];
                    *sample = sample.saturating_add((ink * 255.0).round() as u8);
                }
            });
        });
        let chroma = luma
            .chunks_exact(2 * width.max(1))
            .flat_map(|pair| {
                let (upper, lower) = pair.split_at(width);
                upper.chunks_exact(2).zip(lower.chunks_exact(2)).map(|(a, b)| {
                    let sum: u16 = [a[0], a[1], b[0], b[1]].map(u16::from).iter().sum();
                    ((sum + 2) / 4) as u8
                })
            })
            .collect();
        Self { width, height: rows, luma, chroma }
    }

    /// Pixels in a row; even.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Rows; even.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Puts it into `picture` in `ink` on `paper`, its upper left corner at `x`, `y`.
    pub(super) fn put(&self, picture: &mut Picture, (x, y): (usize, usize), ink: Colour, paper: Colour) {
        let size = picture.size();
        let area = Area { x: x & !1, y: y & !1, width: self.width, height: self.height }.within(size);
        let [luma, u, v] = picture.planes_mut();
        let blend = |plane, area: Area, stride, cover: &[u8], width: usize, (ink, paper): (u8, u8)| {
            for (row, cover) in area.rows(plane, stride).zip(cover.chunks_exact(width.max(1))) {
                for (sample, cover) in row.iter_mut().zip(cover) {
                    let (ink, paper, cover) = (i32::from(ink), i32::from(paper), i32::from(*cover));
                    *sample = (paper + ((ink - paper) * cover + 127) / 255) as u8;
                }
            }
        };
        blend(luma, area, size.width(), &self.luma, self.width, (ink.y, paper.y));
        let (half, stride, width) = (area.halved(), size.width() / 2, self.width / 2);
        blend(u, half, stride, &self.chroma, width, (ink.u, paper.u));
        blend(v, half, stride, &self.chroma, width, (ink.v, paper.v));
    }
}

fn font() -> FontRef<'static> {
    FontRef::try_from_slice(FONT).expect("the embedded font is whole: the tests draw with it")
}

/// Tells of each glyph where it begins, and gives the width of all.
fn place(text: &str, height: f32, mut each: impl FnMut(ab_glyph::GlyphId, f32)) -> f32 {
    let font = font();
    let font = font.as_scaled(PxScale::from(height));
    text.chars().fold(0.0, |x, character| {
        let id = font.glyph_id(character);
        each(id, x);
        x + font.h_advance(id)
    })
}

fn advance(text: &str, height: f32) -> f32 {
    place(text, height, |_, _| {})
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_as_the_standard_has_them() {
        // 100 % bars of BT.601: Y, Cb, Cr.
        let table = [
            ((255, 255, 255), (235, 128, 128)),
            ((255, 255, 0), (210, 16, 146)),
            ((0, 255, 255), (170, 166, 16)),
            ((0, 255, 0), (145, 54, 34)),
            ((255, 0, 255), (106, 202, 222)),
            ((255, 0, 0), (81, 90, 240)),
            ((0, 0, 255), (41, 240, 110)),
            ((0, 0, 0), (16, 128, 128)),
        ];
        for ((r, g, b), (y, u, v)) in table {
            assert_eq!(Colour::rgb(r, g, b), Colour { y, u, v }, "{r} {g} {b}");
        }
    }

    #[test]
    fn a_line_too_long_shrinks_and_then_ends_in_an_ellipsis() {
        let natural = Text::new("a camera on a pole", 40.0);
        let limit = natural.width() * 3 / 4;
        let smaller = Text::within("a camera on a pole", 40.0, limit);
        assert!((limit - 16..=limit + 2).contains(&smaller.width()), "{} of {limit}", smaller.width());
        assert!((28..=30).contains(&smaller.height()), "{}", smaller.height());
        for (text, width) in [("a camera on a very high pole in the wood", 80), ("…………", 20), ("wide", 1)]
        {
            let cut = Text::within(text, 40.0, width);
            assert!(cut.width() <= width + 2, "{text}: {} of {width}", cut.width());
            assert_eq!(cut.height(), 24);
        }
    }

    #[test]
    fn figures_are_of_one_width_and_letters_have_ink() {
        let widths: Vec<_> = "0123456789".chars().map(|c| Text::new(&c.to_string(), 40.0).width()).collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{widths:?}");
        let missing = Text::new("\u{10FFFF}", 40.0).luma;
        for letter in ["A", "ß", "é", "ł", "Ω", "Ж", "€"] {
            let text = Text::new(letter, 40.0);
            assert!(text.luma.iter().any(|ink| *ink > 250), "{letter}");
            assert_ne!(text.luma, missing, "{letter} is in the font");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_drawn_outside(
            (x, y, width, height) in (0usize..200, 0usize..200, 0usize..200, 0usize..200),
            text in ".{0,8}", line in 1f32..60.0,
        ) {
            let size = Size::new(64, 48).expect("a size");
            let mut picture = Picture::black(size);
            fill(&mut picture, Area { x, y, width, height }, Colour::WHITE);
            Text::within(&text, line, width).put(&mut picture, (x, y), Colour::WHITE, Colour::rgb(0, 0, 0));
            for (at, sample) in picture.planes_mut()[0].iter().enumerate() {
                prop_assert!(*sample == 16 || (at % 64 >= x & !1 && at / 64 >= y & !1), "{at}: {sample}");
            }
        }
    }
}
