//! Parameter sets, as far as a container and a playlist must know them (ITU-T H.264, 7.3.2.1, 7.3.2.2, E.1.1).

use super::bits::Bits;
use super::{NalType, nal_type};
use crate::media::video::{FrameRate, Size};

/// What a sequence parameter set says of its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u32,
    /// `profile_idc`, the constraint flags, `level_idc`: the three bytes that RFC 6381 writes as hexadecimal digits.
    pub profile: [u8; 3],
    /// How its pictures are sampled.
    pub samples: Samples,
    /// Of the decoded picture, cropped.
    pub size: Size,
    /// Pictures per second, if it says how many.
    pub rate: Option<FrameRate>,
}

/// How pictures are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// `chroma_format_idc`: 0 monochrome, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
    pub chroma: u8,
    /// Bits of a luma sample, 8 to 14.
    pub luma_bits: u8,
    /// Bits of a chroma sample, 8 to 14.
    pub chroma_bits: u8,
}

/// Why a sequence parameter set is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpsError {
    /// It is another kind of NAL unit.
    #[error("it is not a sequence parameter set")]
    Kind,
    /// It ends too early.
    #[error("it is cut short")]
    Short,
    /// A value the standard does not allow.
    #[error("its {0} is out of range")]
    Value(&'static str),
    /// A size that makes no stream.
    #[error("pictures of {width}x{height} cannot be streamed: both sides must be even, 16 to 8192")]
    Size {
        /// Samples in a row.
        width: i64,
        /// Rows.
        height: i64,
    },
}

impl Sps {
    /// Reads a NAL unit, its header included, without start code.
    ///
    /// # Errors
    /// If it is no sequence parameter set, ends too early, or describes no picture that can be streamed.
    pub fn parse(nal: &[u8]) -> Result<Self, SpsError> {
        if nal_type(nal) != Some(NalType::Sps) {
            return Err(SpsError::Kind);
        }
        let profile = *nal.get(1..).and_then(<[u8]>::first_chunk).ok_or(SpsError::Short)?;
        let mut bits = Bits::new(&nal[4..]);
        let id = bits.ue().ok_or(SpsError::Short)?;
        if id > 31 {
            return Err(SpsError::Value("seq_parameter_set_id"));
        }
        let samples = if has_samples(profile[0]) { samples(&mut bits)? } else { Samples::USUAL };
        skip_order(&mut bits)?;
        let size = size(&mut bits, samples.chroma)?;
        // Some cameras cut their VUI short; it is then as good as absent.
        let rate = timing(&mut bits).flatten();
        Ok(Self { id, profile, samples, size, rate })
    }

    /// The name of RFC 6381, as `avc1.64001f`.
    pub fn codecs(&self) -> String {
        let [profile, constraints, level] = self.profile;
        format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
    }
}

/// The number of a picture parameter set and that of the sequence parameter set it refers to.
pub fn pps_ids(nal: &[u8]) -> Option<(u32, u32)> {
    if nal_type(nal) != Some(NalType::Pps) {
        return None;
    }
    let mut bits = Bits::new(&nal[1..]);
    let ids = (bits.ue()?, bits.ue()?);
    (ids.0 <= 255 && ids.1 <= 31).then_some(ids)
}

impl Samples {
    /// 4:2:0 with 8 bits: of all profiles that cannot say otherwise (7.4.2.1.1).
    const USUAL: Self = Self { chroma: 1, luma_bits: 8, chroma_bits: 8 };
}

/// The profiles whose parameter sets say how their pictures are sampled (7.3.2.1.1).
pub(super) const fn has_samples(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn samples(bits: &mut Bits<'_>) -> Result<Samples, SpsError> {
    let short = SpsError::Short;
    let chroma = bits.ue().ok_or(short)?;
    if chroma > 3 {
        return Err(SpsError::Value("chroma_format_idc"));
    }
    if chroma == 3 {
        bits.flag().ok_or(short)?; // separate_colour_plane_flag
    }
    let depths = [bits.ue().ok_or(short)?, bits.ue().ok_or(short)?]; // bit_depth_luma_minus8, …_chroma_minus8
    if depths.iter().any(|depth| *depth > 6) {
        return Err(SpsError::Value("bit depth"));
    }
    let [luma_bits, chroma_bits] = depths.map(|depth| 8 + depth as u8);
    bits.flag().ok_or(short)?; // qpprime_y_zero_transform_bypass_flag
    if bits.flag().ok_or(short)? {
        let lists = if chroma == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag().ok_or(short)? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 }).ok_or(short)?;
            }
        }
    }
    Ok(Samples { chroma: chroma as u8, luma_bits, chroma_bits })
}

/// 7.3.2.1.1.1
fn skip_scaling_list(bits: &mut Bits<'_>, len: usize) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..len {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// From `log2_max_frame_num_minus4` to `gaps_in_frame_num_value_allowed_flag`.
fn skip_order(bits: &mut Bits<'_>) -> Result<(), SpsError> {
    let short = SpsError::Short;
    bits.ue().ok_or(short)?; // log2_max_frame_num_minus4
    match bits.ue().ok_or(short)? {
        0 => {
            bits.ue().ok_or(short)?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.flag().ok_or(short)?; // delta_pic_order_always_zero_flag
            bits.se().ok_or(short)?; // offset_for_non_ref_pic
            bits.se().ok_or(short)?; // offset_for_top_to_bottom_field
            let count = bits.ue().ok_or(short)?;
            if count > 255 {
                return Err(SpsError::Value("num_ref_frames_in_pic_order_cnt_cycle"));
            }
            for _ in 0..count {
                bits.se().ok_or(short)?;
            }
        }
        2 => {}
        _ => return Err(SpsError::Value("pic_order_cnt_type")),
    }
    bits.ue().ok_or(short)?; // max_num_ref_frames
    bits.flag().ok_or(short)?; // gaps_in_frame_num_value_allowed_flag
    Ok(())
}

/// From `pic_width_in_mbs_minus1` to the cropping offsets.
fn size(bits: &mut Bits<'_>, chroma: u8) -> Result<Size, SpsError> {
    let short = SpsError::Short;
    let width = (i64::from(bits.ue().ok_or(short)?) + 1) * 16;
    let units = (i64::from(bits.ue().ok_or(short)?) + 1) * 16;
    let frames_only = bits.flag().ok_or(short)?;
    if !frames_only {
        bits.flag().ok_or(short)?; // mb_adaptive_frame_field_flag
    }
    bits.flag().ok_or(short)?; // direct_8x8_inference_flag
    // A map unit is one row of macroblocks of a frame, or of each of its two fields (7-18).
    let fields = if frames_only { 1 } else { 2 };
    let mut crop = [0; 4];
    if bits.flag().ok_or(short)? {
        for side in &mut crop {
            *side = i64::from(bits.ue().ok_or(short)?);
        }
    }
    let [left, right, top, bottom] = crop;
    // CropUnitX and CropUnitY (7-19 to 7-22).
    let (unit_x, unit_y) = match chroma {
        1 => (2, 2 * fields),
        2 => (2, fields),
        _ => (1, fields),
    };
    let (width, height) = (width - unit_x * (left + right), units * fields - unit_y * (top + bottom));
    let sides = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    sides.and_then(|(w, h)| Size::new(w, h)).ok_or(SpsError::Size { width, height })
}

/// The VUI as far as `time_scale` (E.1.1); `None` where it ends too early.
fn timing(bits: &mut Bits<'_>) -> Option<Option<FrameRate>> {
    const EXTENDED_SAR: u32 = 255;
    if !bits.flag()? {
        return Some(None);
    }
    if bits.flag()? && bits.bits(8)? == EXTENDED_SAR {
        bits.bits(32)?; // sar_width, sar_height
    }
    if bits.flag()? {
        bits.flag()?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.bits(4)?; // video_format, video_full_range_flag
        if bits.flag()? {
            bits.bits(24)?; // colour_primaries, transfer_characteristics, matrix_coefficients
        }
    }
    if bits.flag()? {
        bits.ue()?; // chroma_sample_loc_type_top_field
        bits.ue()?; // chroma_sample_loc_type_bottom_field
    }
    if !bits.flag()? {
        return Some(None);
    }
    let (tick, scale) = (u64::from(bits.bits(32)?), u64::from(bits.bits(32)?));
    // A tick is the time of a field (E.2.1).
    Some(reduced(scale, 2 * tick))
}

fn reduced(numerator: u64, denominator: u64) -> Option<FrameRate> {
    let (mut a, mut b) = (numerator, denominator);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let part = |value: u64| u32::try_from(value.checked_div(a)?).ok();
    FrameRate::new(part(numerator)?, part(denominator)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex")).collect()
    }

    #[test]
    fn parameter_sets_as_they_are_found() {
        // What coded it; the set; its name; size and rate.
        let table = [
            (
                "x264 ultrafast",
                "6742c01fda014016ec0440000003004000000f23c60ca8",
                "avc1.42c01f",
                "1280x720",
                "30",
            ),
            (
                "x264 high",
                "67640028acd940780227e5c04400000fa40003a9803c60c658",
                "avc1.640028",
                "1920x1080",
                "29.97",
            ),
            ("x264 main", "674d401eeca0501ed808800000030080000019078b16cb", "avc1.4d401e", "640x480", "25"),
            (
                "x264 baseline",
                "6742c00cd901419f9f0110000003001000000301e0f142a480",
                "avc1.42c00c",
                "320x180",
                "15",
            ),
            (
                "x264 interlaced",
                "67640028acd94078044fde0220000003002000000643e2c5b2c0",
                "avc1.640028",
                "1920x1080",
                "25",
            ),
            (
                "x264 4:2:2",
                "677a0020bcd9405005bb0110000003001000000640f1831960",
                "avc1.7a0020",
                "1280x720",
                "50",
            ),
            (
                "x264 10 bit",
                "676e0020a6cd9405005bb011000003000100000300640f183196",
                "avc1.6e0020",
                "1280x720",
                "50",
            ),
            (
                "x264 with HRD",
                "6764001eacd940a02ff9701100000300010000030030602001e840007a12930c01e2c5b2c0",
                "avc1.64001e",
                "640x360",
                "24",
            ),
            (
                "x264 with a sample aspect ratio",
                "6764001eacd940a42fe224ffc2d402d244000003000400000300c03c58b658",
                "avc1.64001e",
                "642x362",
                "24",
            ),
            ("Raspberry Pi firmware", "27640028ac2b402802dd00f1226a", "avc1.640028", "1280x720", "none"),
            (
                "Raspberry Pi, bcm2835-codec",
                "27640028ac2b403c0113f2c200000300020000030079c140061a8000bebcdef700f1226a",
                "avc1.640028",
                "1920x1080",
                "30",
            ),
            ("IP Webcam for Android", "6742c0288c8d403c0112f2c03c2211a8", "avc1.42c028", "1920x1080", "none"),
        ];
        for (coder, bytes, codecs, size, rate) in table {
            let sps = Sps::parse(&hex(bytes)).expect(coder);
            let told = sps.rate.map_or("none".into(), |rate| rate.to_string());
            assert_eq!(
                (sps.codecs(), sps.size.to_string(), told),
                (codecs.into(), size.into(), rate.into()),
                "{coder}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let whole = hex("6742c01fda014016ec0440000003004000000f23c60ca8");
        assert_eq!(Sps::parse(&[]), Err(SpsError::Kind));
        assert_eq!(Sps::parse(&[0x68, 0xCE]), Err(SpsError::Kind));
        for len in 1..9 {
            assert_eq!(Sps::parse(&whole[..len]), Err(SpsError::Short), "{len}");
        }
        // One macroblock, cropped by its whole height.
        let nothing = Err(SpsError::Size { width: 16, height: 0 });
        assert_eq!(Sps::parse(&hex("6742001eda7f8900")), nothing);
    }

    #[test]
    fn a_vui_cut_short_leaves_the_size() {
        let whole = hex("6742c01fda014016ec0440000003004000000f23c60ca8");
        let sps = Sps::parse(&whole[..14]).expect("all but the timing is there");
        assert_eq!((sps.size.to_string(), sps.rate), ("1280x720".into(), None));
    }

    #[test]
    fn rates_are_fractions_in_lowest_terms() {
        let fraction = |scale, tick| reduced(scale, tick).map(FrameRate::fraction);
        assert_eq!(fraction(60, 2), Some((30, 1)));
        assert_eq!(fraction(60_000, 2002), Some((30_000, 1001)));
        assert_eq!(fraction(4_000_000_000, 800_000_000), Some((5, 1)));
        for (scale, tick) in [(0, 0), (0, 2), (60, 0), (1, 4), (u64::from(u32::MAX), 2)] {
            assert_eq!(fraction(scale, tick), None, "{scale}/{tick}");
        }
    }

    #[test]
    fn picture_parameter_sets_name_their_sequence() {
        assert_eq!(pps_ids(&[0x68, 0xCE, 0x3C, 0x80]), Some((0, 0)));
        // 010 011…: number 1, of sequence 2.
        assert_eq!(pps_ids(&[0x28, 0b0100_1100]), Some((1, 2)));
        assert_eq!((pps_ids(&[]), pps_ids(&[0x68]), pps_ids(&[0x67, 0xCE])), (None, None, None));
    }

    /// Writes what [`Bits`] reads.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn bits(&mut self, value: u32, count: u32) {
            self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        }

        fn ue(&mut self, value: u32) {
            let len = 32 - (value + 1).leading_zeros();
            self.bits(0, len - 1);
            self.bits(value + 1, len);
        }

        /// With emulation prevention.
        fn bytes(&self) -> Vec<u8> {
            let mut out: Vec<u8> = Vec::new();
            for chunk in self.0.chunks(8) {
                let byte =
                    chunk.iter().enumerate().fold(0, |byte, (i, bit)| byte | u8::from(*bit) << (7 - i));
                if byte <= 3 && out.ends_with(&[0, 0]) {
                    out.push(3);
                }
                out.push(byte);
            }
            out
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 0u8..3) {
            if let Some(first) = bytes.first_mut() {
                *first = [0x67, 0x68, *first][usize::from(kind)];
            }
            let _ = (Sps::parse(&bytes), pps_ids(&bytes));
        }

        #[test]
        fn size_and_rate_are_read_back(
            width in 8u32..=4096, height in 8u32..=4096, id in 0u32..32, order in 0u32..3,
            lists in proptest::option::of(proptest::collection::vec(proptest::option::of(0u32..20), 8)),
            rate in 1u32..=240,
        ) {
            let (width, height) = (2 * width, 2 * height);
            let mut w = Writer::default();
            w.bits(0x67_64_00_1f, 32);
            w.ue(id);
            w.ue(1); // 4:2:0
            w.bits(0b110, 3); // 8 bits, no bypass
            w.bits(u32::from(lists.is_some()), 1);
            for (number, list) in lists.iter().flatten().enumerate() {
                w.bits(u32::from(list.is_some()), 1);
                // Every entry differs from the one before by the same step, until that makes one 0.
                if let Some(step) = list {
                    let mut value = 8i64;
                    for _ in 0..if number < 6 { 16 } else { 64 } {
                        w.ue(*step);
                        let step = i64::from(*step);
                        value = (value + if step % 2 == 1 { (step + 1) / 2 } else { -(step / 2) }).rem_euclid(256);
                        if value == 0 {
                            break;
                        }
                    }
                }
            }
            w.ue(0);
            w.ue(order);
            match order {
                0 => w.ue(4),
                1 => { w.bits(1, 1); w.ue(3); w.ue(4); w.ue(2); w.ue(7); w.ue(8); }
                _ => {}
            }
            w.ue(1);
            w.bits(0, 1);
            w.ue(width.div_ceil(16) - 1);
            w.ue(height.div_ceil(16) - 1);
            w.bits(0b11, 2);
            w.bits(1, 1);
            for crop in [0, (width.next_multiple_of(16) - width) / 2, 0, (height.next_multiple_of(16) - height) / 2] {
                w.ue(crop);
            }
            w.bits(0b1_0_0_0_0_1, 6); // VUI with nothing but timing
            w.bits(1000, 32);
            w.bits(2000 * rate, 32);
            w.bits(0b1000_0000, 8);
            let sps = Sps::parse(&w.bytes()).expect("a whole set");
            prop_assert_eq!(sps.id, id);
            prop_assert_eq!((sps.size.width(), sps.size.height()), (width as usize, height as usize));
            prop_assert_eq!(sps.rate, FrameRate::new(rate, 1));
        }
    }
}
