//! Which level of H.264 a stream needs (ITU-T H.264, table A-1 and A.3.1).

use crate::encode::VideoParams;

/// The highest item of the kernel's menu there is.
pub(super) const HIGHEST: i32 = FIRST + TABLE.len() as i32 - 1;

/// `V4L2_MPEG_VIDEO_H264_LEVEL_3_0`; the menu goes on from there as the table does.
const FIRST: i32 = 8;

/// Macroblocks per second, macroblocks per picture, kbit/s. Below level 3 there is no player left to care.
const TABLE: [(f64, usize, u32); 9] = [
    (40_500.0, 1_620, 10_000),      // 3
    (108_000.0, 3_600, 14_000),     // 3.1
    (216_000.0, 5_120, 20_000),     // 3.2
    (245_760.0, 8_192, 20_000),     // 4
    (245_760.0, 8_192, 50_000),     // 4.1
    (522_240.0, 8_704, 50_000),     // 4.2
    (589_824.0, 22_080, 135_000),   // 5
    (983_040.0, 36_864, 240_000),   // 5.1
    (2_073_600.0, 36_864, 240_000), // 5.2
];

/// The lowest item of the menu that carries such a stream; the highest one if none does.
pub(super) fn item(params: &VideoParams) -> i32 {
    let (columns, rows) = (params.size.width().div_ceil(16), params.size.height().div_ceil(16));
    let picture = columns * rows;
    let carries = |(per_second, per_picture, kilobits): &(f64, usize, u32)| {
        picture <= *per_picture
            // Neither side longer than the root of eight times the area.
            && columns.pow(2).max(rows.pow(2)) <= 8 * per_picture
            && picture as f64 * params.rate.hertz() <= *per_second
            && params.tuning.bitrate <= kilobits * 1000
    };
    let place = TABLE.iter().position(carries).unwrap_or(TABLE.len() - 1);
    FIRST + place as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Preset, Tuning};
    use crate::media::{FrameRate, Size};

    #[test]
    fn levels_as_the_standard_has_them() {
        // Width, height, pictures per second, Mbit/s; the item.
        let table = [
            (640, 360, 30, 1, 8),
            (720, 576, 25, 10, 8),
            (720, 576, 26, 10, 9),
            (720, 576, 25, 11, 9),
            (1280, 720, 30, 2, 9),
            (1280, 720, 60, 4, 10),
            (1280, 1024, 25, 4, 10),
            (1920, 1080, 30, 4, 11),
            (1920, 1080, 30, 21, 12),
            (1920, 1080, 60, 10, 13),
            (2560, 1440, 30, 10, 14),
            (3840, 2160, 30, 20, 15),
            (3840, 2160, 60, 20, 16),
            (8192, 8192, 60, 20, 16),
            // Few macroblocks, but too many in a row.
            (8192, 64, 5, 1, 15),
        ];
        for (width, height, rate, megabits, expected) in table {
            let size = Size::new(width, height).expect("a size");
            let rate = FrameRate::new(rate, 1).expect("a rate");
            let tuning = Tuning { bitrate: megabits * 1_000_000, rate };
            let found = item(&VideoParams { size, rate, tuning, preset: Preset::default() });
            assert_eq!(found, expected, "{width}x{height} at {rate}, {megabits} Mbit/s");
        }
        assert_eq!(HIGHEST, 16);
    }
}
