#![no_main]
//! Any bytes as a JPEG picture: what is refused leaves no trace, what is not is of limited range.

use libfuzzer_sys::fuzz_target;
use outpost::media::{Picture, Planes, Size};
use outpost::pixel::jpeg::Decoder;

const SIDE: u8 = 48;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    // Any frame header tells the size that is expected: the interesting things lie behind it.
    for at in 0..bytes.len().saturating_sub(8) {
        if bytes[at] == 0xFF && (0xC0..=0xC3).contains(&bytes[at + 1]) {
            bytes[at + 5..at + 9].copy_from_slice(&[0, SIDE, 0, SIDE]);
        }
    }
    let size = Size::new(SIDE.into(), SIDE.into()).expect("a size");
    let mut picture = Picture::black(size);
    let result = Decoder::new().expect("memory").decode(&bytes, &mut picture);
    let Planes::I420([y, u, v]) = picture.planes() else { unreachable!("pictures are I420") };
    match result {
        Ok(()) => {
            assert!(y.data.iter().all(|sample| (16..=235).contains(sample)));
            assert!(u.data.iter().chain(v.data).all(|sample| (16..=240).contains(sample)));
        }
        Err(_) => assert!(
            y.data.iter().all(|sample| *sample == 16) && u.data.iter().chain(v.data).all(|sample| *sample == 128)
        ),
    }
});
