#![no_main]
//! Any bytes as an ADTS header: a length is at least that of the header.

use libfuzzer_sys::fuzz_target;
use outpost::media::aac::{ADTS_HEADER_LEN, adts_frame_len};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(len) = adts_frame_len(bytes) {
        assert!((ADTS_HEADER_LEN..=0x1FFF).contains(&len));
    }
});
