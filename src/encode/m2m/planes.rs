//! A picture into the memory of an encoder.

use crate::media::{Plane, Planes, VideoFrame};
use crate::sys::m2m::{Canvas, PlaneMut};

/// Copies a picture, row by row; chroma is interleaved or taken apart as the canvas wants it. What is beyond
/// the picture stays as it is.
pub(super) fn copy(frame: &VideoFrame<'_>, canvas: Canvas<'_>) {
    let (width, height) = (frame.size.width(), frame.size.height());
    let (half, rows) = (width / 2, height / 2);
    match (frame.planes, canvas) {
        (Planes::Nv12([y, uv]), Canvas::Nv12([to_y, to_uv])) => {
            copy_rows(y, to_y, width, height);
            copy_rows(uv, to_uv, width, rows);
        }
        (Planes::I420([y, u, v]), Canvas::I420([to_y, to_u, to_v])) => {
            copy_rows(y, to_y, width, height);
            copy_rows(u, to_u, half, rows);
            copy_rows(v, to_v, half, rows);
        }
        (Planes::I420([y, u, v]), Canvas::Nv12([to_y, to_uv])) => {
            copy_rows(y, to_y, width, height);
            for (to, (u, v)) in rows_mut(to_uv, width, rows).zip(rows_of(u, half).zip(rows_of(v, half))) {
                for (to, (u, v)) in to.chunks_exact_mut(2).zip(u.iter().zip(v)) {
                    (to[0], to[1]) = (*u, *v);
                }
            }
        }
        (Planes::Nv12([y, uv]), Canvas::I420([to_y, to_u, to_v])) => {
            copy_rows(y, to_y, width, height);
            let to = rows_mut(to_u, half, rows).zip(rows_mut(to_v, half, rows));
            for ((to_u, to_v), uv) in to.zip(rows_of(uv, width)) {
                for ((u, v), uv) in to_u.iter_mut().zip(to_v).zip(uv.chunks_exact(2)) {
                    (*u, *v) = (uv[0], uv[1]);
                }
            }
        }
    }
}

fn copy_rows(from: Plane<'_>, to: PlaneMut<'_>, width: usize, rows: usize) {
    for (to, from) in rows_mut(to, width, rows).zip(rows_of(from, width)) {
        let width = to.len().min(from.len());
        to[..width].copy_from_slice(&from[..width]);
    }
}

fn rows_of(plane: Plane<'_>, width: usize) -> impl Iterator<Item = &[u8]> {
    plane.data.chunks(plane.stride.max(1)).map(move |row| &row[..width.min(row.len())])
}

fn rows_mut(plane: PlaneMut<'_>, width: usize, rows: usize) -> impl Iterator<Item = &mut [u8]> {
    plane.data.chunks_mut(plane.stride.max(1)).take(rows).map(move |row| {
        let width = width.min(row.len());
        &mut row[..width]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pts;
    use crate::media::Size;

    const WIDTH: usize = 20;
    const HEIGHT: usize = 16;
    const PADDING: u8 = 0xEE;

    /// The sample at a place of a plane (0 is Y, 1 U, 2 V): no two neighbours alike.
    fn sample(plane: usize, x: usize, y: usize) -> u8 {
        (plane * 80 + x * 3 + y * 7) as u8
    }

    fn plane(stride: usize, rows: usize, at: impl Fn(usize, usize) -> Option<u8>) -> Vec<u8> {
        (0..rows * stride).map(|n| at(n % stride, n / stride).unwrap_or(PADDING)).collect()
    }

    fn apart(of: usize, width: usize, height: usize) -> impl Fn(usize, usize) -> Option<u8> {
        move |x, y| (x < width && y < height).then(|| sample(of, x, y))
    }

    fn woven(x: usize, y: usize) -> Option<u8> {
        (x < WIDTH && y < HEIGHT / 2).then(|| sample(1 + x % 2, x / 2, y))
    }

    #[test]
    fn every_sample_finds_its_place_whatever_the_strides() {
        let size = Size::new(WIDTH as u32, HEIGHT as u32).expect("a size");
        let (half, rows) = (WIDTH / 2, HEIGHT / 2);
        let y = plane(23, HEIGHT, apart(0, WIDTH, HEIGHT));
        let (u, v) = (plane(11, rows, apart(1, half, rows)), plane(13, rows, apart(2, half, rows)));
        let uv = plane(29, rows, woven);
        // The last row of a plane may end with its last sample.
        let y = Plane { data: &y[..23 * (HEIGHT - 1) + WIDTH], stride: 23 };
        let sources = [
            Planes::I420([y, Plane { data: &u, stride: 11 }, Plane { data: &v, stride: 13 }]),
            Planes::Nv12([y, Plane { data: &uv, stride: 29 }]),
        ];
        for planes in sources {
            let frame = VideoFrame { pts: Pts::default(), size, planes, memory: None };
            // Padded to 32 by 18.
            let mut memory = [vec![PADDING; 32 * 18], vec![PADDING; 32 * 9], vec![PADDING; 16 * 9]];
            let [first, second, third] = &mut memory;
            let canvas = Canvas::I420([
                PlaneMut { data: first, stride: 32 },
                PlaneMut { data: &mut second[..16 * 9], stride: 16 },
                PlaneMut { data: third, stride: 16 },
            ]);
            copy(&frame, canvas);
            assert_eq!(memory[0], plane(32, 18, apart(0, WIDTH, HEIGHT)), "{planes:?}: Y");
            assert_eq!(memory[1][..16 * 9], plane(16, 9, apart(1, half, rows)), "{planes:?}: U");
            assert_eq!(memory[2], plane(16, 9, apart(2, half, rows)), "{planes:?}: V");

            let mut memory = [vec![PADDING; 32 * 18], vec![PADDING; 40 * 9]];
            let [first, second] = &mut memory;
            copy(
                &frame,
                Canvas::Nv12([PlaneMut { data: first, stride: 32 }, PlaneMut { data: second, stride: 40 }]),
            );
            assert_eq!(memory[0], plane(32, 18, apart(0, WIDTH, HEIGHT)), "{planes:?}: Y");
            assert_eq!(memory[1], plane(40, 9, woven), "{planes:?}: U and V");
        }
    }

    #[test]
    fn planes_too_small_are_no_reason_to_panic() {
        let size = Size::new(64, 64).expect("a size");
        for stride in [0, 1, 63, 64, 200] {
            let tiny = Plane { data: &[1, 2, 3], stride };
            for planes in [Planes::I420([tiny; 3]), Planes::Nv12([tiny; 2])] {
                let mut memory = [0_u8; 30];
                let (y, uv) = memory.split_at_mut(15);
                let canvas = Canvas::Nv12([PlaneMut { data: y, stride }, PlaneMut { data: uv, stride }]);
                copy(&VideoFrame { pts: Pts::default(), size, planes, memory: None }, canvas);
            }
        }
    }
}
