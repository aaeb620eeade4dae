#![no_main]
//! Any bytes, in pieces with pauses between: never a panic, and never more bytes than went in. The first byte
//! says how long the pieces are.

use libfuzzer_sys::fuzz_target;
use outpost::media::h264::AccessUnits;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let mut parser = AccessUnits::default();
    let mut given = 0;
    for (number, piece) in bytes.chunks(usize::from(first / 2) + 1).enumerate() {
        parser.push(piece);
        for pause in [false, first % 2 == 1 && number % 3 == 0] {
            if pause {
                parser.flush();
            }
            while let Some(found) = parser.next_unit() {
                given += found.map_or(0, <[u8]>::len);
            }
        }
    }
    assert!(given <= bytes.len());
});
