//! Pictures from one layout to another: what cameras give to planar 4:2:0, one size to another, JPEG both ways.
//!
//! Belongs here: calling the SIMD libraries that do it, and the little between them. Does not: devices, or
//! deciding what is wanted.

pub mod jpeg;
mod range;
pub mod scale;
pub mod yuyv;

pub use range::limit;
pub use scale::Scaler;

use crate::media::{Picture, Plane, Planes, Size};

/// Bytes that do not hold the picture they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Rows would overlap.
    #[error("{what} cannot lie in rows of {stride} bytes: a row takes {needed}")]
    Rows {
        /// What should be there: `YUYV`, `NV12 chroma`.
        what: &'static str,
        /// Bytes from one row to the next.
        stride: usize,
        /// Bytes of a row.
        needed: usize,
    },
    /// The last rows are missing.
    #[error("{what} takes {needed} bytes, and there are {given}")]
    Short {
        /// What should be there: `YUYV`, `NV12 chroma`.
        what: &'static str,
        /// Bytes it takes, up to the last sample of the last row.
        needed: usize,
        /// Bytes there are.
        given: usize,
    },
}

/// The rows of a plane, without what pads them: `height` slices of `width` bytes.
fn rows<'a>(
    what: &'static str,
    plane: Plane<'a>,
    width: usize,
    height: usize,
) -> Result<impl Iterator<Item = &'a [u8]>, Misfit> {
    let Plane { data, stride } = plane;
    if stride < width {
        return Err(Misfit::Rows { what, stride, needed: width });
    }
    let needed = stride.saturating_mul(height - 1).saturating_add(width);
    if data.len() < needed {
        return Err(Misfit::Short { what, needed, given: data.len() });
    }
    Ok(data.chunks(stride).take(height).map(move |row| &row[..width]))
}

/// Copies planes of the picture's own size into it, whatever their layout and padding.
///
/// # Errors
/// If the planes are too short for that size; part of them may have been copied then.
pub fn copy(planes: &Planes<'_>, into: &mut Picture) -> Result<(), Misfit> {
    let size = into.size();
    planar(planes, size, into.planes_mut())
}

/// Copies planes of `size` to Y, U and V without padding.
fn planar(planes: &Planes<'_>, size: Size, into: [&mut [u8]; 3]) -> Result<(), Misfit> {
    let (width, height) = (size.width(), size.height());
    match *planes {
        Planes::I420([luma, blue, red]) => {
            let [y, u, v] = into;
            plane("luma", luma, width, height, y)?;
            plane("I420 chroma", blue, width / 2, height / 2, u)?;
            plane("I420 chroma", red, width / 2, height / 2, v)
        }
        Planes::Nv12([luma, chroma]) => {
            let [y, u, v] = into;
            plane("luma", luma, width, height, y)?;
            apart(chroma, width, height, u, v)
        }
    }
}

/// Copies the rows of one plane.
fn plane(
    what: &'static str,
    from: Plane<'_>,
    width: usize,
    height: usize,
    into: &mut [u8],
) -> Result<(), Misfit> {
    for (to, from) in into.chunks_exact_mut(width).zip(rows(what, from, width, height)?) {
        to.copy_from_slice(from);
    }
    Ok(())
}

/// Takes the chroma of NV12 apart; `width` and `height` are those of the luma.
fn apart(chroma: Plane<'_>, width: usize, height: usize, u: &mut [u8], v: &mut [u8]) -> Result<(), Misfit> {
    let to = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
    for ((u, v), row) in to.zip(rows("NV12 chroma", chroma, width, height / 2)?) {
        for ((u, v), both) in u.iter_mut().zip(v).zip(row.as_chunks::<2>().0) {
            [*u, *v] = *both;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
