use proptest::prelude::*;
use turbojpeg::{Image, PixelFormat};

use super::*;
use crate::pixel::tests::samples;

fn size(text: &str) -> Size {
    text.parse().expect("a size")
}

/// Something with slopes and edges in all three planes, within limited range.
fn picture(size: Size) -> Picture {
    let mut picture = Picture::black(size);
    for (n, (plane, halving)) in picture.planes_mut().into_iter().zip([1, 2, 2]).enumerate() {
        for (at, sample) in plane.iter_mut().enumerate() {
            let (x, y) = (at % (size.width() / halving), at / (size.width() / halving));
            *sample = 40 + ((3 * x + (n + 1) * y) % 160) as u8;
        }
    }
    picture
}

fn decoded(bytes: &[u8], size: Size) -> Result<Picture, JpegError> {
    let mut into = Picture::black(size);
    Decoder::new()?.decode(bytes, &mut into).map(|()| into)
}

/// The greatest difference between samples of the same place.
fn difference(one: &Picture, other: &Picture) -> u8 {
    let (one, other) = (samples(one).concat(), samples(other).concat());
    one.into_iter().zip(other).map(|(a, b)| a.abs_diff(b)).max().expect("a picture has samples")
}

/// A picture as the library writes it, from grey samples or from RGB.
fn written(size: Size, format: PixelFormat, set: impl Fn(&mut Compressor)) -> Vec<u8> {
    let (width, height, pitch) = (size.width(), size.height(), size.width() * format.size());
    let pixels: Vec<u8> = (0..pitch * height).map(|n| (n % pitch / 2) as u8).collect();
    let mut library = Compressor::new().expect("memory");
    set(&mut library);
    let image = Image { pixels: pixels.as_slice(), width, pitch, height, format };
    library.compress_to_vec(image).expect("a picture")
}

#[test]
fn there_and_back() {
    for size in ["64x48", "66x50", "16x16", "1280x720"].map(size) {
        let picture = picture(size);
        let back = decoded(&encode(&picture, 100).expect("a JPEG"), size).expect("a whole picture");
        assert!(difference(&picture, &back) <= 4, "{}", difference(&picture, &back));
    }
}

#[test]
fn quality_costs_bytes() {
    let len = |quality| encode(&picture(size("128x96")), quality).expect("a JPEG").len();
    assert!(len(95) > len(50) && len(50) > len(5));
    assert_eq!((len(0), len(255)), (len(1), len(100)));
}

#[test]
fn no_part_of_a_picture_is_ever_shown() {
    let size = size("64x48");
    let whole = encode(&picture(size), 80).expect("a JPEG");
    let mut decoder = Decoder::new().expect("memory");
    let mut into = Picture::black(size);
    for len in 0..whole.len() {
        let error = decoder.decode(&whole[..len], &mut into).expect_err("it is cut short");
        assert!(matches!(error, JpegError::CutShort(_) | JpegError::Corrupt(_)), "{len}: {error}");
        // Cut among the samples, it is called what it is.
        assert!(len < 700 || matches!(error, JpegError::CutShort(_)), "{len}: {error}");
    }
    // A piece lost on the way, as on a bad cable: the end is there, too early.
    let scan = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]).expect("SOS") + 14;
    for keep in [scan, scan + 50, whole.len() - 12] {
        let lost = [&whole[..keep], &[0xFF, 0xD9]].concat();
        let error = decoder.decode(&lost, &mut into).expect_err("a piece is missing");
        assert!(matches!(error, JpegError::CutShort(_)), "{error}");
    }
    assert_eq!(samples(&into), samples(&Picture::black(size)), "untouched");
    decoder.decode(&whole, &mut into).expect("the decoder goes on after errors");
}

#[test]
fn what_cameras_add_does_no_harm() {
    let size = size("64x48");
    let plain = encode(&picture(size), 80).expect("a JPEG");
    let expected = decoded(&plain, size).expect("a whole picture");
    let (samples, end) = plain.split_at(plain.len() - 2);
    for padding in [&[0][..], &[0; 3], &[1, 2, 3, 4, 5, 6, 7], &[0xFF; 4], &[0xFF, 0, 0]] {
        let before = [samples, padding, end].concat();
        let after = [plain.as_slice(), padding].concat();
        for bytes in [before, after] {
            let picture = decoded(&bytes, size).expect("the picture is whole");
            assert_eq!(difference(&picture, &expected), 0, "{padding:?}");
        }
    }
}

/// The same MCU again and again, a restart marker between each two: 64x16.
fn with_restarts() -> (Vec<u8>, Vec<Vec<u8>>) {
    let one = encode(&picture(size("16x16")), 80).expect("a JPEG");
    let place = |code| one.windows(2).position(|pair| pair == [0xFF, code]).expect("a marker");
    let (frame, scan) = (place(0xC0), place(0xDA));
    let begin = scan + 14;
    let mut header = one[..frame].to_vec();
    header.extend_from_slice(&one[frame..scan]);
    // X in the frame header (T.81, B.2.2) after marker, length, precision and Y.
    header[frame + 7..frame + 9].copy_from_slice(&64_u16.to_be_bytes());
    header.extend_from_slice(&[0xFF, 0xDD, 0, 4, 0, 1]);
    header.extend_from_slice(&one[scan..begin]);
    let mcu = &one[begin..one.len() - 2];
    let pieces = (0..4_u8).map(|n| match n {
        3 => [mcu, &[0xFF, 0xD9]].concat(),
        n => [mcu, &[0xFF, 0xD0 + n]].concat(),
    });
    (header, pieces.collect())
}

#[test]
fn restart_markers_missing_are_seen_through_padding() {
    let (header, pieces) = with_restarts();
    let size = size("64x16");
    let whole = [header.clone(), pieces.concat()].concat();
    let expected = decoded(&whole, size).expect("a whole picture");
    let mut padded = whole.clone();
    padded.splice(whole.len() - 2..whole.len() - 2, [0; 5]);
    assert_eq!(difference(&decoded(&padded, size).expect("padding only"), &expected), 0);
    for lost in 1..4 {
        // The last pieces gone, and rubbish before the end: the library's first complaint is the rubbish.
        let mut kept = pieces[..4 - lost].concat();
        kept.truncate(kept.len() - 2);
        let bytes = [header.as_slice(), &kept, &[1, 2, 3, 0xFF, 0xD9]].concat();
        let error = decoded(&bytes, size).expect_err("pieces are missing").to_string();
        assert!(error.ends_with("extraneous bytes before marker 0xd9"), "{error}");
    }
    let without_one = [header.as_slice(), &pieces[0], &pieces[2], &pieces[3]].concat();
    assert!(decoded(&without_one, size).is_err());
}

#[test]
fn every_layout_of_chroma() {
    let size = size("64x48");
    for subsamp in [Subsamp::Sub2x2, Subsamp::Sub2x1, Subsamp::None] {
        let bytes = written(size, PixelFormat::RGB, |library| {
            library.set_subsamp(subsamp).expect("known");
            library.set_quality(100).expect("known");
        });
        let [y, u, v] = samples(&decoded(&bytes, size).expect("a whole picture"));
        // R, G and B rise together from left to right: grey, from black to nearly white.
        assert!(y[0] <= 18 && y[63] > 90, "{subsamp:?}: {} {}", y[0], y[63]);
        assert!(u.iter().chain(&v).all(|sample| sample.abs_diff(128) <= 3), "{subsamp:?}");
    }
    let grey = written(size, PixelFormat::GRAY, |library| {
        library.set_subsamp(Subsamp::Gray).expect("known");
        library.set_quality(100).expect("known");
    });
    let [y, u, v] = samples(&decoded(&grey, size).expect("a whole picture"));
    assert_eq!((y[0], y[63]), (16, 16 + 27));
    assert!(u.iter().chain(&v).all(|sample| *sample == 128));
}

#[test]
fn what_cannot_be_read_is_named() {
    let small = size("64x48");
    let written = |format, set: &dyn Fn(&mut Compressor)| decoded(&written(small, format, set), small);
    let words = |result: Result<Picture, JpegError>| result.expect_err("unreadable").to_string();
    let layout =
        |subsamp| words(written(PixelFormat::RGB, &|library| library.set_subsamp(subsamp).expect("known")));
    assert_eq!(
        layout(Subsamp::Sub4x1),
        "a JPEG picture of chroma halved otherwise (4 times across, 1 times down); 4:2:0, 4:2:2, 4:4:4 and grey \
         can be read"
    );
    assert!(layout(Subsamp::Sub1x2).contains("(1 times across, 2 times down)"));
    let rgb = words(written(PixelFormat::RGB, &|library| {
        library.set_colorspace(Colorspace::RGB).expect("known");
    }));
    assert!(rgb.starts_with("a JPEG picture of RGB;"), "{rgb}");
    let cmyk = words(written(PixelFormat::CMYK, &|_| ()));
    assert!(cmyk.starts_with("a JPEG picture of YCCK;"), "{cmyk}");
    let progressive = words(written(PixelFormat::RGB, &|library| {
        library.set_progressive(true).expect("known");
    }));
    assert!(progressive.contains("more than 3 scans"), "{progressive}");

    let other = encode(&picture(size("128x96")), 80).expect("a JPEG");
    assert_eq!(words(decoded(&other, small)), "a JPEG picture of 128x96 where 64x48 was expected");
    assert!(matches!(decoded(b"no picture at all", small), Err(JpegError::Corrupt(_))));
    assert!(matches!(decoded(&[], small), Err(JpegError::CutShort(_))));
}

#[test]
fn a_huge_picture_takes_no_memory() {
    let mut bytes = encode(&picture(size("64x48")), 80).expect("a JPEG");
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame header");
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    let mut decoder = Decoder::new().expect("memory");
    let error = decoder.decode(&bytes, &mut Picture::black(size("64x48"))).expect_err("not of that size");
    assert!(matches!(error, JpegError::Size { width: 65_500, height: 65_500, .. }), "{error}");
    assert_eq!(decoder.coded.capacity(), 0);
}

proptest! {
    /// The decoder survives anything, and a picture it refuses leaves no trace.
    #[test]
    fn bytes_changed_at_random(
        changes in prop::collection::vec((0..4000_usize, any::<u8>()), 1..12),
        len in 1..4000_usize,
    ) {
        let size = size("64x48");
        let mut bytes = encode(&picture(size), 80).expect("a JPEG");
        bytes.truncate(len.max(bytes.len() / 3));
        let count = bytes.len();
        for (at, byte) in changes {
            bytes[at % count] = byte;
        }
        let mut decoder = Decoder::new().expect("memory");
        let mut into = Picture::black(size);
        if decoder.decode(&bytes, &mut into).is_err() {
            prop_assert_eq!(samples(&into), samples(&Picture::black(size)));
        } else {
            let [y, u, v] = samples(&into);
            prop_assert!(y.iter().all(|sample| (16..=235).contains(sample)));
            prop_assert!(u.iter().chain(&v).all(|sample| (16..=240).contains(sample)));
        }
        let whole = encode(&picture(size), 80).expect("a JPEG");
        prop_assert!(decoder.decode(&whole, &mut into).is_ok());
    }
}
