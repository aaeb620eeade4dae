//! Full range (JPEG: luma and chroma 0 to 255) to limited range (luma 16 to 235, chroma 16 to 240) and back:
//! ITU-T T.871, clause 7, and ITU-R BT.601-7, table 3.
//!
//! Every result is the exact one, rounded once to the nearest.

use crate::media::Picture;

/// The share of its steps luma keeps: 219 of 255.
const LUMA: u16 = 219;
/// And chroma: 224 of 255.
const CHROMA: u16 = 224;
/// What is added to `sample * CHROMA` so that the middle, 128, stays where it is: 128 * (255 - 224).
const MIDDLE: u16 = 128 * (255 - CHROMA);

/// `n / 255`, rounded to the nearest (there are no ties: 255 is odd), for `n` up to 65,152: in 16 bits, so that a vector register holds many.
#[inline]
const fn by_255(n: u16) -> u8 {
    let n = n + 128;
    ((n + (n >> 8)) >> 8) as u8
}

/// A picture of full range made one of limited range.
pub fn limit(picture: &mut Picture) {
    let [y, u, v] = picture.planes_mut();
    y.iter_mut().for_each(|sample| *sample = by_255(u16::from(*sample) * LUMA) + 16);
    for plane in [u, v] {
        plane.iter_mut().for_each(|sample| *sample = by_255(u16::from(*sample) * CHROMA + MIDDLE));
    }
}

/// Luma to limited range.
pub(super) fn luma(from: &[u8], into: &mut [u8]) {
    for (to, from) in into.iter_mut().zip(from) {
        *to = by_255(u16::from(*from) * LUMA) + 16;
    }
}

/// Chroma of 4:2:0 to limited range.
pub(super) fn chroma(from: &[u8], into: &mut [u8]) {
    for (to, from) in into.iter_mut().zip(from) {
        *to = by_255(u16::from(*from) * CHROMA + MIDDLE);
    }
}

/// Chroma of 4:2:2 to limited range: the mean of two rows.
pub(super) fn chroma_of_2(rows: [&[u8]; 2], into: &mut [u8]) {
    for ((to, upper), lower) in into.iter_mut().zip(rows[0]).zip(rows[1]) {
        *to = by_255((u16::from(*upper) + u16::from(*lower)) * (CHROMA / 2) + MIDDLE);
    }
}

/// Chroma of 4:4:4 to limited range: the mean of four samples.
pub(super) fn chroma_of_4(rows: [&[u8]; 2], into: &mut [u8]) {
    let pairs = rows.map(|row| row.as_chunks::<2>().0);
    for ((to, upper), lower) in into.iter_mut().zip(pairs[0]).zip(pairs[1]) {
        let sum: u16 = [upper[0], upper[1], lower[0], lower[1]].map(u16::from).iter().sum();
        *to = by_255(sum * (CHROMA / 4) + MIDDLE);
    }
}

/// What limited luma is in full range; what lies beyond is cut off.
pub(super) const FULL_LUMA: [u8; 256] = full(16, LUMA as i32, 0);
/// What limited chroma is in full range.
pub(super) const FULL_CHROMA: [u8; 256] = full(128, CHROMA as i32, 128);

/// Steps from `zero`, of which there are `steps` in limited range, to the 255 of full range, from `new_zero`.
const fn full(zero: i32, steps: i32, new_zero: i32) -> [u8; 256] {
    let mut table = [0; 256];
    let mut sample = 0;
    while sample < 256 {
        let scaled = 2 * (sample as i32 - zero) * 255 + steps;
        let rounded = scaled.div_euclid(2 * steps) + new_zero;
        table[sample] = if rounded < 0 {
            0
        } else if rounded > 255 {
            255
        } else {
            rounded as u8
        };
        sample += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_sample() -> Vec<u8> {
        (0..=255).collect()
    }

    /// The definition, in floating point.
    fn exact(mean: f64, steps: f64, zero: f64) -> u8 {
        (zero + (mean - if zero == 16.0 { 0.0 } else { 128.0 }) * steps / 255.0).round() as u8
    }

    #[test]
    fn the_ends_and_the_middle() {
        let all = every_sample();
        let (mut y, mut c) = ([0; 256], [0; 256]);
        luma(&all, &mut y);
        chroma(&all, &mut c);
        assert_eq!((y[0], y[255]), (16, 235));
        assert_eq!((c[0], c[128], c[255]), (16, 128, 240));
        assert_eq!((FULL_LUMA[0], FULL_LUMA[16], FULL_LUMA[235], FULL_LUMA[255]), (0, 0, 255, 255));
        assert_eq!((FULL_CHROMA[0], FULL_CHROMA[128], FULL_CHROMA[255]), (0, 128, 255));
        assert_eq!((FULL_CHROMA[16], FULL_CHROMA[240]), (1, 255), "0.5 and 255.5");
    }

    #[test]
    fn every_sample_is_rounded_to_the_nearest() {
        let all = every_sample();
        let (mut y, mut c) = ([0; 256], [0; 256]);
        luma(&all, &mut y);
        chroma(&all, &mut c);
        for n in 0..256 {
            assert_eq!(y[n], exact(n as f64, 219.0, 16.0), "luma {n}");
            assert_eq!(c[n], exact(n as f64, 224.0, 128.0), "chroma {n}");
        }
    }

    #[test]
    fn every_mean_is_rounded_once() {
        for upper in 0..=255_u8 {
            for lower in 0..=255_u8 {
                let mut one = [0];
                let mean = (f64::from(upper) + f64::from(lower)) / 2.0;
                chroma_of_2([&[upper], &[lower]], &mut one);
                assert_eq!(one[0], exact(mean, 224.0, 128.0), "{upper}, {lower}");
                let mean = (f64::from(upper) + 3.0 * f64::from(lower)) / 4.0;
                chroma_of_4([&[upper, lower], &[lower, lower]], &mut one);
                assert_eq!(one[0], exact(mean, 224.0, 128.0), "{upper}, three times {lower}");
            }
        }
    }

    #[test]
    fn there_and_back_is_the_same() {
        let all = every_sample();
        let (full_y, full_c) = (all.iter().map(|n| FULL_LUMA[usize::from(*n)]), all.iter());
        let full_y: Vec<u8> = full_y.collect();
        let full_c: Vec<u8> = full_c.map(|n| FULL_CHROMA[usize::from(*n)]).collect();
        let (mut y, mut c) = ([0; 256], [0; 256]);
        luma(&full_y, &mut y);
        chroma(&full_c, &mut c);
        assert_eq!(y[16..=235], all[16..=235]);
        assert_eq!(c[16..=240], all[16..=240]);
    }
}
