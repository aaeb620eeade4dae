//! From a filled buffer to a picture of the size wanted.
//!
//! Belongs here: which steps a layout takes. Does not: the steps themselves, which are of the room `pixel`.

use super::choose::Layout;
use crate::media::{Picture, Plane, Planes, Size};
use crate::pixel::{self, Misfit, Scaler, jpeg, yuyv};
use crate::sys::v4l2::Accepted;

/// The way of one camera's pictures; allocates nothing while it runs.
pub(super) struct Conversion {
    layout: Layout,
    /// As the camera delivers.
    size: Size,
    /// Bytes from one row of its first plane to the next.
    stride: usize,
    range: Range,
    step: Step,
    scaling: Option<(Scaler, Picture)>,
}

/// What comes before scaling.
enum Step {
    /// Nothing: the planes are used where they are.
    None,
    /// Rewritten into planes of our own, of limited range.
    Rewrite(Picture),
    Decode(jpeg::Decoder, Picture),
}

/// Of the samples.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    Limited,
    Full,
}

const CUT_SHORT: &str = "picture cut short";

impl Conversion {
    /// From what the driver delivers to pictures of the size `wanted`.
    ///
    /// # Errors
    /// If the JPEG library refuses.
    pub(super) fn new(
        layout: Layout,
        size: Size,
        accepted: &Accepted,
        wanted: Size,
    ) -> Result<Self, jpeg::JpegError> {
        let range = if accepted.full_range { Range::Full } else { Range::Limited };
        let step = match (layout, range) {
            (Layout::Mjpeg, _) => Step::Decode(jpeg::Decoder::new()?, Picture::black(size)),
            (Layout::Nv12 | Layout::Yu12, Range::Limited) | (Layout::H264, _) => Step::None,
            (Layout::Nv12 | Layout::Yu12, Range::Full) | (Layout::Yuyv, _) => {
                Step::Rewrite(Picture::black(size))
            }
        };
        let row = if layout == Layout::Yuyv { 2 * size.width() } else { size.width() };
        let scaling = (size != wanted).then(|| (Scaler::new(), Picture::black(wanted)));
        Ok(Self { layout, size, stride: row.max(accepted.stride as usize), range, step, scaling })
    }

    /// Whether the picture is the filled buffer itself, untouched.
    pub(super) fn is_none(&self) -> bool {
        matches!((&self.step, self.layout), (Step::None, Layout::Nv12 | Layout::Yu12))
            && self.scaling.is_none()
    }

    /// Converts the picture in `bytes`.
    ///
    /// # Errors
    /// What is wrong with it, if it cannot be used. The picture converted before is still whole then.
    pub(super) fn convert(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let short = |_: Misfit| CUT_SHORT;
        let planes = match &mut self.step {
            Step::None => planes(self.layout, self.size, self.stride, bytes)?,
            Step::Rewrite(picture) => {
                match self.layout {
                    Layout::Yuyv => yuyv::to_i420(bytes, self.stride, picture).map_err(short)?,
                    layout => {
                        let planes = planes(layout, self.size, self.stride, bytes)?;
                        pixel::copy(&planes, picture).map_err(short)?;
                    }
                }
                if self.range == Range::Full {
                    pixel::limit(picture);
                }
                picture.planes()
            }
            Step::Decode(decoder, picture) => {
                decoder.decode(bytes, picture).map_err(|error| error.kind())?;
                picture.planes()
            }
        };
        if let Some((scaler, picture)) = &mut self.scaling {
            scaler.scale(self.size, &planes, picture).map_err(short)?;
        }
        Ok(())
    }

    /// The picture that was converted last, from `bytes`.
    pub(super) fn picture<'a>(&'a self, bytes: &'a [u8]) -> Option<Planes<'a>> {
        match (&self.scaling, &self.step) {
            (Some((_, picture)), _) | (None, Step::Rewrite(picture) | Step::Decode(_, picture)) => {
                Some(picture.planes())
            }
            (None, Step::None) => planes(self.layout, self.size, self.stride, bytes).ok(),
        }
    }
}

/// The planes of a picture as they lie in a buffer (V4L2_PIX_FMT_NV12, _YUV420: one after the other, the rows
/// of chroma padded in proportion).
fn planes(layout: Layout, size: Size, stride: usize, bytes: &[u8]) -> Result<Planes<'_>, &'static str> {
    let luma = stride * size.height();
    let plane = |from: usize, stride: usize, width: usize, rows: usize| -> Result<Plane<'_>, &'static str> {
        // The last row may end with its last sample.
        let least = stride * (rows - 1) + width;
        let data = bytes.get(from..).filter(|rest| rest.len() >= least).ok_or(CUT_SHORT)?;
        Ok::<_, &'static str>(Plane { data: &data[..data.len().min(stride * rows)], stride })
    };
    let y = plane(0, stride, size.width(), size.height())?;
    let (half_width, half_rows) = (size.width() / 2, size.height() / 2);
    if layout == Layout::Nv12 {
        return Ok(Planes::Nv12([y, plane(luma, stride, size.width(), half_rows)?]));
    }
    let chroma = stride / 2;
    let u = plane(luma, chroma, half_width, half_rows)?;
    let v = plane(luma + chroma * half_rows, chroma, half_width, half_rows)?;
    Ok(Planes::I420([y, u, v]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::v4l2::four_cc;

    fn size(text: &str) -> Size {
        text.parse().expect("a size")
    }

    fn conversion(layout: Layout, wanted: &str, stride: u32, full_range: bool) -> Conversion {
        let accepted = Accepted { four_cc: four_cc::NV12, width: 32, height: 16, stride, full_range };
        Conversion::new(layout, size("32x16"), &accepted, size(wanted)).expect("the library is there")
    }

    fn take<'a>(conversion: &'a mut Conversion, bytes: &'a [u8]) -> Result<Planes<'a>, &'static str> {
        conversion.convert(bytes)?;
        Ok(conversion.picture(bytes).expect("it was converted"))
    }

    /// The first samples of Y, U and V.
    fn first(planes: Planes<'_>) -> [u8; 3] {
        match planes {
            Planes::I420(planes) => planes.map(|plane| plane.data[0]),
            Planes::Nv12([y, chroma]) => [y.data[0], chroma.data[0], chroma.data[1]],
        }
    }

    /// A picture of one colour in rows of 48 bytes (or for YUYV, 80).
    fn buffer(layout: Layout) -> (Vec<u8>, u32) {
        let mut bytes = vec![100; 48 * 16];
        match layout {
            Layout::Nv12 => bytes.extend([90, 200].repeat(24 * 8)),
            Layout::Yu12 => {
                bytes.extend([90; 24 * 8]);
                bytes.extend([200; 24 * 8]);
            }
            _ => return ([100, 90, 100, 200].repeat(20 * 16), 80),
        }
        (bytes, 48)
    }

    #[test]
    fn every_layout_arrives_as_what_it_was() {
        for layout in [Layout::Nv12, Layout::Yu12, Layout::Yuyv] {
            let (bytes, stride) = buffer(layout);
            for (wanted, full_range, expected) in [
                ("32x16", false, [100, 90, 200]),
                ("16x16", false, [16, 128, 128]), // a black bar above
                ("32x16", true, [102, 95, 191]),  // 16 + 100 * 219 / 255, 128 + (90 - 128) * 224 / 255
            ] {
                let mut conversion = conversion(layout, wanted, stride, full_range);
                let found = take(&mut conversion, &bytes).map(first);
                assert_eq!(found, Ok(expected), "{layout} {wanted} {full_range}");
            }
        }
    }

    #[test]
    fn planes_that_need_nothing_stay_where_they_are() {
        for (layout, wanted, full_range) in [
            (Layout::Yuyv, "32x16", false),
            (Layout::Mjpeg, "32x16", true),
            (Layout::H264, "32x16", false),
            (Layout::Nv12, "16x16", false),
            (Layout::Nv12, "32x16", true),
        ] {
            assert!(!conversion(layout, wanted, 48, full_range).is_none(), "{layout} {wanted} {full_range}");
        }
        for layout in [Layout::Nv12, Layout::Yu12] {
            let (bytes, stride) = buffer(layout);
            let mut conversion = conversion(layout, "32x16", stride, false);
            assert!(conversion.is_none(), "{layout}");
            let data = match take(&mut conversion, &bytes).expect("a whole picture") {
                Planes::I420([y, ..]) | Planes::Nv12([y, _]) => y.data,
            };
            assert!(std::ptr::eq(data.as_ptr(), bytes.as_ptr()), "{layout}");
        }
    }

    #[test]
    fn one_byte_too_few_is_noticed_and_padding_may_be_missing() {
        for layout in [Layout::Nv12, Layout::Yu12, Layout::Yuyv] {
            let (bytes, stride) = buffer(layout);
            let padding = match layout {
                Layout::Nv12 | Layout::Yuyv => 16,
                _ => 8,
            };
            let whole = bytes.len() - padding;
            let mut conversion = conversion(layout, "32x16", stride, false);
            assert!(take(&mut conversion, &bytes[..whole]).is_ok(), "{layout}");
            for length in [0, 1, whole / 2, whole - 1] {
                let found = take(&mut conversion, &bytes[..length]).err();
                assert_eq!(found, Some(CUT_SHORT), "{layout} {length}");
            }
        }
    }

    #[test]
    fn a_jpeg_is_decoded_scaled_or_refused() {
        let mut picture = Picture::black(size("32x16"));
        picture.planes_mut()[0].fill(180);
        let bytes = jpeg::encode(&picture, 90).expect("a picture");
        let mut conversion = conversion(Layout::Mjpeg, "64x32", 0, true);
        let [y, u, v] = first(take(&mut conversion, &bytes).expect("a picture"));
        assert!(y.abs_diff(180) < 3 && u.abs_diff(128) < 3 && v.abs_diff(128) < 3, "{y} {u} {v}");
        for damaged in [&bytes[..bytes.len() / 2], &bytes[2..], b"", b"rubbish"] {
            assert!(conversion.convert(damaged).is_err());
            let before = conversion.picture(damaged).map(first);
            assert_eq!(before, Some([y, u, v]), "the picture before is still whole");
        }
        assert!(conversion.convert(&bytes).is_ok());
    }
}
