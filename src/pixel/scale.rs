//! One size to another.

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::{Misfit, copy, planar};
use crate::media::{Picture, Planes, Size};

/// Scales pictures, one after the other; keeps its buffers from each to the next. (The library works out its
/// weights anew for each, and takes some 200 KiB for them in small pieces while it does.)
///
/// A picture shrunk to a half, a third and so on is made of the means of what falls together (a box). To any
/// other size the filter is a triangle as wide as two pixels of the coarser side, which is bilinear interpolation
/// where it grows; it takes twice the time, but the pixels of a box would be of unequal size there, and jump.
/// The weights are positive and sum to one: limited range stays limited.
#[derive(Default)]
pub struct Scaler {
    resizer: Resizer,
    /// Planes of a source that has padding or interleaved chroma.
    unpadded: Vec<u8>,
}

impl Scaler {
    /// A scaler for any sizes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scales `planes` of `size` to the size of `into`, keeping the shape, in the middle of black where the
    /// shapes differ. The same size is only copied.
    ///
    /// # Errors
    /// If the planes are too short for `size`.
    pub fn scale(&mut self, size: Size, planes: &Planes<'_>, into: &mut Picture) -> Result<(), Misfit> {
        if size == into.size() {
            return copy(planes, into);
        }
        let area = Area::fitting(size, into.size());
        let width = into.size().width();
        let sources = unpadded(&mut self.unpadded, size, planes)?;
        for (n, (from, to)) in sources.into_iter().zip(into.planes_mut()).enumerate() {
            let (share, black) = if n == 0 { (1, 16) } else { (2, 128) };
            let source = (size.width() / share, size.height() / share);
            resize(&mut self.resizer, from, source, to, width / share, area.shared(share), black);
        }
        Ok(())
    }
}

/// The planes without padding: as they are, if they have none, or else copied to `buffer`.
fn unpadded<'a>(buffer: &'a mut Vec<u8>, size: Size, planes: &Planes<'a>) -> Result<[&'a [u8]; 3], Misfit> {
    let (width, luma) = (size.width(), size.width() * size.height());
    if let Planes::I420([y, u, v]) = *planes
        && [y.stride, u.stride, v.stride] == [width, width / 2, width / 2]
        && let (Some(y), Some(u), Some(v)) =
            (y.data.get(..luma), u.data.get(..luma / 4), v.data.get(..luma / 4))
    {
        return Ok([y, u, v]);
    }
    buffer.resize(size.bytes(), 0);
    let (y, chroma) = buffer.split_at_mut(luma);
    let (u, v) = chroma.split_at_mut(luma / 4);
    planar(planes, size, [&mut *y, &mut *u, &mut *v])?;
    Ok([y, u, v])
}

/// Fills `area` of a plane whose rows are `width` long with the plane `from`, and the rest with `black`.
fn resize(
    resizer: &mut Resizer,
    from: &[u8],
    (source_width, source_height): (usize, usize),
    to: &mut [u8],
    width: usize,
    area: Area,
    black: u8,
) {
    area.frame(to, width, black);
    let height = to.len() / width;
    let whole = source_width.is_multiple_of(area.width) && source_height.is_multiple_of(area.height);
    let filter = if whole { FilterType::Box } else { FilterType::Bilinear };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let source = TypedImageRef::<U8>::from_buffer(source_width as u32, source_height as u32, from)
        .expect("a whole plane");
    let target =
        TypedImage::<U8>::from_buffer(width as u32, height as u32, to).expect("whole rows of whole bytes");
    let [left, top, width, height] = [area.left, area.top, area.width, area.height].map(|side| side as u32);
    let mut target =
        TypedCroppedImageMut::new(target, left, top, width, height).expect("the area lies within");
    resizer.resize_typed(&source, &mut target, &options).expect("nothing is cropped off the source");
}

/// Where in a picture another one goes, in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Area {
    /// The greatest of the shape of `inner` in the middle of `outer`; everything even, so that chroma has its
    /// half.
    fn fitting(inner: Size, outer: Size) -> Self {
        let (w, h) = (inner.width(), inner.height());
        let (outer_w, outer_h) = (outer.width(), outer.height());
        // The nearest even number to a / b.
        let even = |a: usize, b: usize| ((a + b) / (2 * b) * 2).max(2);
        let (width, height) = match w * outer_h >= outer_w * h {
            true => (outer_w, even(outer_w * h, w).min(outer_h)),
            false => (even(outer_h * w, h).min(outer_w), outer_h),
        };
        let middle = |outer: usize, inner: usize| (outer - inner) / 4 * 2;
        Self { left: middle(outer_w, width), top: middle(outer_h, height), width, height }
    }

    /// The same in a plane that has a sample for every `share` pixels in a row, and as many in a column.
    fn shared(self, share: usize) -> Self {
        let Self { left, top, width, height } = self;
        Self { left: left / share, top: top / share, width: width / share, height: height / share }
    }

    /// Fills what is around the area, in a plane whose rows are `width` long.
    fn frame(self, plane: &mut [u8], width: usize, black: u8) {
        let (above, rest) = plane.split_at_mut(self.top * width);
        let (within, below) = rest.split_at_mut(self.height * width);
        above.fill(black);
        below.fill(black);
        for row in within.chunks_exact_mut(width) {
            row[..self.left].fill(black);
            row[self.left + self.width..].fill(black);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_kept() {
        let table = [
            ("1280x720", "640x360", (0, 0, 640, 360)),
            ("640x480", "1280x720", (160, 0, 960, 720)),
            ("1280x720", "640x480", (0, 60, 640, 360)),
            ("1920x1088", "1280x720", (4, 0, 1270, 720)),
            ("1280x720", "426x240", (0, 0, 426, 240)),
            ("8192x16", "16x8192", (0, 4094, 16, 2)),
            ("16x8192", "8192x16", (4094, 0, 2, 16)),
        ];
        for (inner, outer, (left, top, width, height)) in table {
            let size = |text: &str| text.parse::<Size>().expect("a size");
            let area = Area { left, top, width, height };
            assert_eq!(Area::fitting(size(inner), size(outer)), area, "{inner} in {outer}");
        }
    }
}
