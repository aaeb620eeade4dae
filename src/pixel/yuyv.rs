//! YUYV (V4L2: YUYV; UVC: YUY2), what most USB cameras give uncompressed: 4:2:2, packed.
//!
//! The library unpacks with NEON on 64-bit ARM, with AVX2 or SSE4.1 on x86, as found when it runs; elsewhere
//! with a plain loop.

use yuv::{BufferStoreMut, YuvPackedImage, YuvPlanarImageMut, yuyv422_to_yuv422};

use super::{Misfit, rows};
use crate::media::{Picture, Plane, Size};

/// The most chroma samples in a row.
const CHROMA: usize = *Size::SIDES.end() as usize / 2;

/// Unpacks `data`, of the picture's own size, in rows of `stride` bytes, of which the last may end with its
/// last sample. The chroma of two rows becomes one: their mean, as libswscale does it, rounded up.
///
/// # Errors
/// If there is less than a picture; the picture is untouched then.
pub fn to_i420(data: &[u8], stride: usize, into: &mut Picture) -> Result<(), Misfit> {
    let (width, height) = (into.size().width(), into.size().height());
    let mut packed = rows("YUYV", Plane { data, stride }, 2 * width, height)?;
    let [y, u, v] = into.planes_mut();
    // Chroma of two rows; it stays in the nearest cache.
    let [mut upper, mut lower] = [[[0; CHROMA]; 2]; 2];
    let chroma = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
    for (y, (u, v)) in y.chunks_exact_mut(2 * width).zip(chroma) {
        let (above, below) = y.split_at_mut(width);
        // The library's own way to 4:2:0 takes the chroma of one row or of the other, by the column.
        for (luma, chroma) in [(above, &mut upper), (below, &mut lower)] {
            unpack(packed.next().unwrap_or_default(), luma, chroma);
        }
        mean(&upper[0], &lower[0], u);
        mean(&upper[1], &lower[1], v);
    }
    Ok(())
}

/// One row of YUYV to luma and, in the first half as many bytes of each, chroma.
fn unpack(row: &[u8], luma: &mut [u8], chroma: &mut [[u8; CHROMA]; 2]) {
    let width = luma.len();
    let [u, v] = chroma.each_mut().map(|plane| &mut plane[..width / 2]);
    let [bytes, samples, halves] = [2 * width, width, width / 2].map(|len| len as u32);
    let packed = YuvPackedImage { yuy: row, yuy_stride: bytes, width: samples, height: 1 };
    let mut planar = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(luma),
        y_stride: samples,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: halves,
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: halves,
        width: samples,
        height: 1,
    };
    let fits = yuyv422_to_yuv422(&mut planar, &packed);
    debug_assert!(fits.is_ok(), "{fits:?}");
}

/// A loop the compiler turns into the processor's own instruction for it (PAVGB, URHADD).
fn mean(upper: &[u8], lower: &[u8], into: &mut [u8]) {
    for ((to, upper), lower) in into.iter_mut().zip(upper).zip(lower) {
        *to = ((u16::from(*upper) + u16::from(*lower) + 1) >> 1) as u8;
    }
}
