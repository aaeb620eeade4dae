//! What pictures a node offers, and choosing one.

use std::fmt;
use std::io;

use v4l::v4l_sys as raw;
use v4l::v4l2::vidioc;

use super::node::entries;
use super::{Node, text};

const CAPTURE: u32 = raw::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

/// Four characters that name a layout of pictures.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(u32);

/// Layouts that are known by name (videodev2.h, V4L2_PIX_FMT_…).
pub mod four_cc {
    use super::FourCc;

    /// Y, then U and V interleaved.
    pub const NV12: FourCc = FourCc::new(b"NV12");
    /// Y, U and V apart.
    pub const YU12: FourCc = FourCc::new(b"YU12");
    /// 4:2:2, Y U Y V.
    pub const YUYV: FourCc = FourCc::new(b"YUYV");
    /// Motion JPEG.
    pub const MJPG: FourCc = FourCc::new(b"MJPG");
    /// JPEG, which some drivers call motion JPEG so.
    pub const JPEG: FourCc = FourCc::new(b"JPEG");
    /// H.264 with start codes.
    pub const H264: FourCc = FourCc::new(b"H264");
}

impl FourCc {
    /// From its characters.
    pub const fn new(characters: &[u8; 4]) -> Self {
        Self(u32::from_le_bytes(*characters))
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The top bit marks big-endian variants.
        let [a, b, c, d] = (self.0 & 0x7fff_ffff).to_le_bytes().map(|byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '?',
        });
        let text: String = [a, b, c, d].iter().collect();
        f.write_str(text.trim_end())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A layout a node offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelFormat {
    /// Its short name.
    pub four_cc: FourCc,
    /// The driver's words for it.
    pub description: String,
}

/// Numbers from `least` to `most` in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub least: u32,
    /// The last.
    pub most: u32,
    /// From one to the next; at least 1.
    pub step: u32,
}

impl Range {
    /// One number only.
    pub const fn only(value: u32) -> Self {
        Self { least: value, most: value, step: 1 }
    }

    /// The least in it that is not below `wanted`; the last if all are.
    pub fn at_least(self, wanted: u32) -> u32 {
        let above = wanted.saturating_sub(self.least).div_ceil(self.step.max(1));
        self.least.saturating_add(above.saturating_mul(self.step.max(1))).min(self.most)
    }
}

/// Sizes of pictures: any of the widths with any of the heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// In pixels.
    pub width: Range,
    /// In pixels.
    pub height: Range,
}

/// Seconds from one picture to the next, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Seconds times `denominator`.
    pub numerator: u32,
    /// Parts of a second.
    pub denominator: u32,
}

/// Intervals a node offers at a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intervals {
    /// This one.
    One(Interval),
    /// Any between these.
    Between(Interval, Interval),
}

/// What the driver made of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The layout.
    pub four_cc: FourCc,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Bytes from one row of the first plane to the next; 0 for coded pictures.
    pub stride: u32,
    /// Whether samples use all of 0 to 255, instead of 16 to 235 (240 for chroma).
    pub full_range: bool,
}

impl From<raw::v4l2_fract> for Interval {
    fn from(fraction: raw::v4l2_fract) -> Self {
        Self { numerator: fraction.numerator, denominator: fraction.denominator }
    }
}

impl Node {
    /// The layouts it offers (VIDIOC_ENUM_FMT), in the driver's order.
    pub fn formats(&self) -> Vec<PixelFormat> {
        entries(|index| {
            self.ask(vidioc::VIDIOC_ENUM_FMT, |ask: &mut raw::v4l2_fmtdesc| {
                (ask.index, ask.type_) = (index, CAPTURE);
            })
        })
        .iter()
        .map(|answer| PixelFormat {
            four_cc: FourCc(answer.pixelformat),
            description: text(&answer.description),
        })
        .collect()
    }

    /// The sizes it offers in a layout (VIDIOC_ENUM_FRAMESIZES); none if it does not tell.
    pub fn sizes(&self, four_cc: FourCc) -> Vec<Sizes> {
        entries(|index| {
            self.ask(vidioc::VIDIOC_ENUM_FRAMESIZES, |ask: &mut raw::v4l2_frmsizeenum| {
                (ask.index, ask.pixel_format) = (index, four_cc.0);
            })
        })
        .iter()
        .map(|answer| {
            if answer.type_ == raw::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                // SAFETY: both arms of the union are numbers, for which any bits are valid.
                let size = unsafe { answer.__bindgen_anon_1.discrete };
                return Sizes { width: Range::only(size.width), height: Range::only(size.height) };
            }
            // SAFETY: as above.
            let steps = unsafe { answer.__bindgen_anon_1.stepwise };
            let range = |least, most, step: u32| Range { least, most, step: step.max(1) };
            Sizes {
                width: range(steps.min_width, steps.max_width, steps.step_width),
                height: range(steps.min_height, steps.max_height, steps.step_height),
            }
        })
        .collect()
    }

    /// The intervals it offers in a layout at a size (VIDIOC_ENUM_FRAMEINTERVALS); none if it does not tell.
    pub fn intervals(&self, four_cc: FourCc, width: u32, height: u32) -> Vec<Intervals> {
        entries(|index| {
            self.ask(vidioc::VIDIOC_ENUM_FRAMEINTERVALS, |ask: &mut raw::v4l2_frmivalenum| {
                (ask.index, ask.pixel_format) = (index, four_cc.0);
                (ask.width, ask.height) = (width, height);
            })
        })
        .iter()
        .map(|answer| {
            if answer.type_ == raw::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                // SAFETY: both arms of the union are numbers, for which any bits are valid.
                return Intervals::One(unsafe { answer.__bindgen_anon_1.discrete }.into());
            }
            // SAFETY: as above.
            let steps = unsafe { answer.__bindgen_anon_1.stepwise };
            Intervals::Between(steps.min.into(), steps.max.into())
        })
        .collect()
    }

    /// Asks for a layout and a size, whole pictures and not fields (VIDIOC_S_FMT); says what the driver made
    /// of it.
    ///
    /// # Errors
    /// EBUSY if another program captures with it; EINVAL if it cannot capture at all.
    pub fn set_format(&self, four_cc: FourCc, width: u32, height: u32) -> io::Result<Accepted> {
        let answer = self.ask(vidioc::VIDIOC_S_FMT, |ask: &mut raw::v4l2_format| {
            ask.type_ = CAPTURE;
            // SAFETY: the union has been zeroed, which is valid for this arm of numbers.
            let pix = unsafe { &mut ask.fmt.pix };
            (pix.width, pix.height, pix.pixelformat) = (width, height, four_cc.0);
            pix.field = raw::v4l2_field_V4L2_FIELD_NONE;
        })?;
        // SAFETY: the arm the type asks for, and numbers.
        Ok(unsafe { answer.fmt.pix }.into())
    }

    /// Sets the layout and size again that it has (VIDIOC_G_FMT, VIDIOC_S_FMT): changes nothing, and shows
    /// whether one could.
    ///
    /// # Errors
    /// EBUSY if another program captures with it.
    pub fn set_same_format(&self) -> io::Result<()> {
        let now = self.ask(vidioc::VIDIOC_G_FMT, |ask: &mut raw::v4l2_format| ask.type_ = CAPTURE)?;
        self.ask(vidioc::VIDIOC_S_FMT, |ask: &mut raw::v4l2_format| *ask = now).map(drop)
    }

    /// Asks for an interval (VIDIOC_S_PARM); says what the driver made of it.
    ///
    /// # Errors
    /// ENOTTY or EINVAL where it cannot be chosen.
    pub fn set_interval(&self, interval: Interval) -> io::Result<Interval> {
        let answer = self.ask(vidioc::VIDIOC_S_PARM, |ask: &mut raw::v4l2_streamparm| {
            ask.type_ = CAPTURE;
            // SAFETY: the union has been zeroed, which is valid for this arm of numbers.
            let wish = unsafe { &mut ask.parm.capture.timeperframe };
            (wish.numerator, wish.denominator) = (interval.numerator, interval.denominator);
        })?;
        // SAFETY: the arm the type asks for, and numbers.
        Ok(unsafe { answer.parm.capture.timeperframe }.into())
    }
}

impl From<raw::v4l2_pix_format> for Accepted {
    fn from(pix: raw::v4l2_pix_format) -> Self {
        // What V4L2_MAP_QUANTIZATION_DEFAULT of videodev2.h makes of the default for Y'CbCr.
        let full_range = pix.quantization == raw::v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE
            || (pix.quantization == raw::v4l2_quantization_V4L2_QUANTIZATION_DEFAULT
                && pix.colorspace == raw::v4l2_colorspace_V4L2_COLORSPACE_JPEG);
        Self {
            four_cc: FourCc(pix.pixelformat),
            width: pix.width,
            height: pix.height,
            stride: pix.bytesperline,
            full_range,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_written_as_v4l2_ctl_writes_them() {
        assert_eq!(
            (four_cc::NV12.to_string(), FourCc(0x2059_3859).to_string()),
            ("NV12".into(), "Y8Y".into())
        );
        assert_eq!(FourCc(0x0102_0304).to_string(), "????");
    }

    #[test]
    fn a_range_gives_the_next_larger() {
        let range = Range { least: 32, most: 2592, step: 16 };
        for (wanted, given) in [(0, 32), (32, 32), (33, 48), (1280, 1280), (2592, 2592), (u32::MAX, 2592)] {
            assert_eq!(range.at_least(wanted), given, "{wanted}");
        }
        assert_eq!(Range { least: 1, most: u32::MAX, step: 0 }.at_least(640), 640);
    }
}
