//! Uncompressed pictures, 4:2:0.
//!
//! Inside, samples are always of limited range (16 to 235) with the BT.601 matrix, which is what USB cameras
//! mean unless they say otherwise (UVC 1.5, color matching descriptor); whoever reads anything else converts.

use std::fmt;
use std::num::NonZeroU32;
use std::os::fd::BorrowedFd;
use std::str::FromStr;
use std::time::Duration;

use crate::base::time::TICKS_PER_SECOND;
use crate::base::{Pts, Span};

/// Width and height of a picture in pixels: even, 16 to 8192.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    width: u32,
    height: u32,
}

impl Size {
    /// The bounds of either side.
    pub const SIDES: std::ops::RangeInclusive<u32> = 16..=8192;

    /// A size, if both sides are even and within bounds.
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let fits = |side: u32| side.is_multiple_of(2) && Self::SIDES.contains(&side);
        (fits(width) && fits(height)).then_some(Self { width, height })
    }

    /// Luma samples in a row.
    pub const fn width(self) -> usize {
        self.width as usize
    }

    /// Rows of luma samples.
    pub const fn height(self) -> usize {
        self.height as usize
    }

    /// Bytes of a picture in 4:2:0 without padding.
    pub const fn bytes(self) -> usize {
        self.width() * self.height() * 3 / 2
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        sides.and_then(|(width, height)| Self::new(width, height)).ok_or_else(|| {
            format!("{text:?} is no picture size; write width and height, both even, as \"1280x720\"")
        })
    }
}

/// Pictures per second, as a fraction: 30/1, 30000/1001.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: NonZeroU32,
    denominator: NonZeroU32,
}

impl FrameRate {
    /// `numerator / denominator` pictures per second, if that is 1 to 240.
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        let (n, d) = (NonZeroU32::new(numerator)?, NonZeroU32::new(denominator)?);
        let hertz = f64::from(numerator) / f64::from(denominator);
        (1.0..=240.0).contains(&hertz).then_some(Self { numerator: n, denominator: d })
    }

    /// The fraction.
    pub const fn fraction(self) -> (u32, u32) {
        (self.numerator.get(), self.denominator.get())
    }

    /// Pictures per second.
    pub fn hertz(self) -> f64 {
        f64::from(self.numerator.get()) / f64::from(self.denominator.get())
    }

    /// From one picture to the next, to the nearest tick.
    pub fn span(self) -> Span {
        let (n, d) = (i64::from(self.numerator.get()), i64::from(self.denominator.get()));
        Span::from_ticks((TICKS_PER_SECOND * d + n / 2) / n)
    }

    /// From one picture to the next, to the nearest nanosecond.
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.hertz())
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator.get() {
            1 => write!(f, "{}", self.numerator),
            _ => write!(f, "{}", (self.hertz() * 100.0).round() / 100.0),
        }
    }
}

/// One plane of samples.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    /// Rows of `stride` bytes; the last one may end with its last sample.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// The samples of a picture: chroma has half the rows and half the columns.
#[derive(Clone, Copy, Debug)]
pub enum Planes<'a> {
    /// Y, U and V apart (V4L2: YU12).
    I420([Plane<'a>; 3]),
    /// Y, then U and V interleaved.
    Nv12([Plane<'a>; 2]),
}

impl<'a> Planes<'a> {
    /// The plane of Y.
    pub const fn luma(&self) -> Plane<'a> {
        match self {
            Self::I420([luma, ..]) | Self::Nv12([luma, _]) => *luma,
        }
    }

    /// Whether every row of a picture of `size` lies within them.
    pub fn hold(&self, size: Size) -> bool {
        let (width, height) = (size.width(), size.height());
        let holds = |plane: &Plane<'_>, width: usize, rows: usize| {
            plane.stride >= width
                && plane.stride.checked_mul(rows - 1).is_some_and(|last| plane.data.len() >= last + width)
        };
        match self {
            Self::I420([y, u, v]) => {
                holds(y, width, height) && [u, v].iter().all(|chroma| holds(chroma, width / 2, height / 2))
            }
            Self::Nv12([y, uv]) => holds(y, width, height) && holds(uv, width, height / 2),
        }
    }
}

/// A picture.
#[derive(Clone, Copy, Debug)]
pub struct VideoFrame<'a> {
    /// When it was captured.
    pub pts: Pts,
    /// Of its luma plane.
    pub size: Size,
    /// Its samples.
    pub planes: Planes<'a>,
    /// Where they lie, if other devices may read them there.
    pub memory: Option<Dmabuf<'a>>,
}

/// The memory a device shares with others (Linux DMA-BUF), beside its mapping into ours. The planes of the
/// picture in it lie one right behind the other, from its first byte on, the rows of chroma padded in
/// proportion to those of luma (V4L2_PIX_FMT_NV12, _YUV420).
#[derive(Clone, Copy, Debug)]
pub struct Dmabuf<'a> {
    /// Names it. The picture stays as it is while this is borrowed.
    pub fd: BorrowedFd<'a>,
}

impl fmt::Debug for Plane<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes in rows of {}", self.data.len(), self.stride)
    }
}

/// A picture's own memory, I420 without padding; used again and again.
#[derive(Clone)]
pub struct Picture {
    size: Size,
    data: Vec<u8>,
}

impl Picture {
    /// A black picture.
    pub fn black(size: Size) -> Self {
        let luma = size.width() * size.height();
        let mut data = vec![128; size.bytes()];
        data[..luma].fill(16);
        Self { size, data }
    }

    /// Its size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Y, U and V; rows of `width`, `width / 2` and `width / 2` bytes.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let luma = self.size.width() * self.size.height();
        let (y, chroma) = self.data.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(luma / 4);
        [y, u, v]
    }

    /// Its samples, to be read.
    pub fn planes(&self) -> Planes<'_> {
        let width = self.size.width();
        let luma = width * self.size.height();
        let (y, chroma) = self.data.split_at(luma);
        let (u, v) = chroma.split_at(luma / 4);
        Planes::I420([
            Plane { data: y, stride: width },
            Plane { data: u, stride: width / 2 },
            Plane { data: v, stride: width / 2 },
        ])
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({})", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!("1280x720".parse(), Ok(Size { width: 1280, height: 720 }));
        for wrong in ["", "1280", "1280x", "x720", "1281x720", "0x0", "8x8", "9000x720", "-2x16", "1280X720"]
        {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn planes_hold_a_picture_or_they_do_not() {
        let size = Size::new(32, 16).expect("a size");
        let picture = Picture::black(size);
        assert!(picture.planes().hold(size));
        assert!(!picture.planes().hold(Size::new(32, 18).expect("a size")));
        let plane = |len, stride| Plane { data: &picture.data[..len], stride };
        let table = [
            // The last row needs no padding.
            (plane(15 * 34 + 32, 34), plane(7 * 32 + 32, 32), true),
            (plane(15 * 34 + 31, 34), plane(7 * 32 + 32, 32), false),
            (plane(512, 32), plane(255, 32), false),
            (plane(512, 31), plane(256, 32), false),
        ];
        for (y, uv, holds) in table {
            assert_eq!(Planes::Nv12([y, uv]).hold(size), holds, "{y:?}, {uv:?}");
        }
    }

    #[test]
    fn rates_and_their_intervals() {
        let rate = |n, d| FrameRate::new(n, d).expect("a rate");
        assert_eq!(rate(30, 1).span(), Span::from_ticks(3000));
        assert_eq!(rate(30_000, 1001).span(), Span::from_ticks(3003));
        assert_eq!((rate(30_000, 1001).to_string(), rate(25, 1).to_string()), ("29.97".into(), "25".into()));
        assert_eq!((FrameRate::new(0, 1), FrameRate::new(1, 0), FrameRate::new(1, 2)), (None, None, None));
    }
}
