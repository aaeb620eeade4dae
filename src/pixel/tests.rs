use proptest::prelude::*;

use super::*;

/// The samples of a picture, plane by plane.
pub(super) fn samples(picture: &Picture) -> [Vec<u8>; 3] {
    let Planes::I420(planes) = picture.planes() else { panic!("pictures are I420") };
    planes.map(|plane| plane.data.to_vec())
}

fn sizes() -> impl Strategy<Value = Size> {
    (8..150_u32, 8..40_u32).prop_map(|(w, h)| Size::new(2 * w, 2 * h).expect("even and within bounds"))
}

/// Bytes that differ from each other and from those of another `seed`.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 23) as u8).collect()
}

/// Rows of `width` bytes in `stride`, of which the last ends with its last byte.
fn padded(tight: &[u8], width: usize, stride: usize) -> Vec<u8> {
    let mut data: Vec<u8> =
        tight.chunks(width).flat_map(|row| [row, &vec![0xEE; stride - width]].concat()).collect();
    data.truncate(data.len() - (stride - width));
    data
}

proptest! {
    #[test]
    fn yuyv_is_taken_apart(size in sizes(), padding in 0..80_usize, seed: u32) {
        let (width, height) = (size.width(), size.height());
        let packed = noise(seed, 2 * width * height);
        let stride = 2 * width + padding;
        let mut picture = Picture::black(size);
        yuyv::to_i420(&padded(&packed, 2 * width, stride), stride, &mut picture).expect("a whole picture");
        let [y, u, v] = samples(&picture);
        prop_assert_eq!(y, packed.iter().copied().step_by(2).collect::<Vec<_>>());
        for (plane, first) in [(u, 1), (v, 3)] {
            for (n, sample) in plane.into_iter().enumerate() {
                let (row, column) = (n / (width / 2), n % (width / 2));
                let at = |row: usize| u16::from(packed[row * 2 * width + 4 * column + first]);
                prop_assert_eq!(u16::from(sample), (at(2 * row) + at(2 * row + 1)).div_ceil(2));
            }
        }
    }

    #[test]
    fn planes_are_copied_without_their_padding(size in sizes(), padding in 0..80_usize, seed: u32) {
        let (width, height) = (size.width(), size.height());
        let [y, u, v] = [1, 4, 4].map(|share| noise(seed + share, width * height / share as usize));
        let both: Vec<u8> = u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]).collect();
        let plane = |tight: &[u8], width: usize| (padded(tight, width, width + padding), width + padding);
        let planes =
            [plane(&y, width), plane(&u, width / 2), plane(&v, width / 2), plane(&both, width)];
        let [luma, blue, red, chroma] = planes.each_ref().map(|(data, stride)| Plane { data, stride: *stride });
        for planes in [Planes::I420([luma, blue, red]), Planes::Nv12([luma, chroma])] {
            let mut picture = Picture::black(size);
            copy(&planes, &mut picture).expect("whole planes");
            prop_assert_eq!(&samples(&picture), &[y.clone(), u.clone(), v.clone()]);
            Scaler::new().scale(size, &planes, &mut picture).expect("whole planes");
            prop_assert_eq!(&samples(&picture), &[y.clone(), u.clone(), v.clone()]);
        }
    }

    /// Whatever the sizes: a flat picture stays flat to its edges, black is around it, padding is not seen.
    #[test]
    fn a_flat_picture_stays_flat(from in sizes(), to in sizes(), padding in 0..40_usize, nv12: bool) {
        let (width, height) = (from.width(), from.height());
        let plane = |sample: u8, width: usize, height: usize| {
            (padded(&vec![sample; width * height], width, width + padding), width + padding)
        };
        let planes = [plane(200, width, height), plane(77, width / 2, height / 2),
            plane(99, width / 2, height / 2)];
        let both: Vec<u8> = [77, 99].repeat(width * height / 4);
        let both = (padded(&both, width, width + padding), width + padding);
        let [luma, blue, red] = planes.each_ref().map(|(data, stride)| Plane { data, stride: *stride });
        let chroma = Plane { data: &both.0, stride: both.1 };
        let planes = if nv12 { Planes::Nv12([luma, chroma]) } else { Planes::I420([luma, blue, red]) };
        let mut picture = Picture::black(to);
        for plane in picture.planes_mut() {
            plane.fill(0);
        }
        Scaler::new().scale(from, &planes, &mut picture).expect("whole planes");
        let [y, u, v] = samples(&picture);
        let shown = y.iter().filter(|sample| **sample == 200).count();
        prop_assert_eq!(y.iter().filter(|sample| **sample == 16).count(), y.len() - shown);
        for (plane, sample) in [(u, 77), (v, 99)] {
            prop_assert_eq!(plane.iter().filter(|seen| **seen == sample).count(), shown / 4);
            prop_assert_eq!(plane.iter().filter(|seen| **seen == 128).count(), plane.len() - shown / 4);
        }
        // It fills one side, and the other as its shape asks, to the nearest even number above zero.
        let exact = (to.width() as f64 / width as f64).min(to.height() as f64 / height as f64);
        let [w, h] = [width, height].map(|side| (exact * side as f64).max(2.0));
        let error = (shown as f64 - w * h).abs();
        prop_assert!(error <= w.max(h) * 1.01, "{shown} samples shown of {from} in {to}, not {w} x {h}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let size = Size::new(32, 16).expect("a size");
    let mut picture = Picture::black(size);
    let before = samples(&picture);
    let yuyv = |data: &[u8], stride, picture: &mut Picture| {
        yuyv::to_i420(data, stride, picture).map_err(|misfit| misfit.to_string())
    };
    assert_eq!(yuyv(&[0; 1024], 64, &mut Picture::black(size)), Ok(()));
    assert_eq!(yuyv(&[0; 1023], 64, &mut picture), Err("YUYV takes 1024 bytes, and there are 1023".into()));
    assert_eq!(yuyv(&[], 64, &mut picture), Err("YUYV takes 1024 bytes, and there are 0".into()));
    let overlap = "YUYV cannot lie in rows of 63 bytes: a row takes 64";
    assert_eq!(yuyv(&[0; 2048], 63, &mut picture), Err(overlap.into()));
    assert_eq!(yuyv(&[0; 2048], 0, &mut picture).map_err(|e| e.len()), Err(overlap.len() - 1));
    assert!(yuyv(&[0; 2048], usize::MAX, &mut picture).is_err());
    assert_eq!(samples(&picture), before, "untouched");

    let plane = |len: usize, stride: usize| Plane { data: &[0; 4096][..len], stride };
    let table = [
        (Planes::I420([plane(511, 32), plane(128, 16), plane(128, 16)]), "luma takes 512"),
        (Planes::I420([plane(512, 32), plane(127, 16), plane(128, 16)]), "I420 chroma takes 128"),
        (Planes::I420([plane(512, 32), plane(128, 16), plane(0, 16)]), "I420 chroma takes 128"),
        (Planes::Nv12([plane(512, 32), plane(255, 32)]), "NV12 chroma takes 256"),
        (Planes::Nv12([plane(512, 32), plane(256, 16)]), "NV12 chroma cannot lie in rows of 16"),
    ];
    for (planes, expected) in table {
        for target in ["32x16", "64x48", "16x16"] {
            let mut picture = Picture::black(target.parse().expect("a size"));
            let misfit = Scaler::new().scale(size, &planes, &mut picture).expect_err("too short").to_string();
            assert!(misfit.starts_with(expected), "{misfit}");
        }
    }
}

#[test]
fn a_picture_shrunk_by_half_holds_means() {
    let (from, to) = (Size::new(64, 32).expect("a size"), Size::new(32, 16).expect("a size"));
    let mut picture = Picture::black(from);
    let [y, ..] = picture.planes_mut();
    for (n, sample) in y.iter_mut().enumerate() {
        *sample = 16 + 3 * (n % 64) as u8;
    }
    let mut half = Picture::black(to);
    Scaler::new().scale(from, &picture.planes(), &mut half).expect("whole planes");
    let [y, ..] = samples(&half);
    for (n, sample) in y.into_iter().enumerate() {
        let mean = 16.0 + 3.0 * (2.0 * (n % 32) as f64 + 0.5);
        assert!((f64::from(sample) - mean).abs() <= 0.5, "{n}: {sample}, not {mean}");
    }
}
