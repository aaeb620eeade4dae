#![no_main]
//! Any bytes as parameter sets and slice headers: what is read can be used.

use libfuzzer_sys::fuzz_target;
use outpost::media::h264::{SliceHead, Sps, pps_ids};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sps) = Sps::parse(bytes) {
        assert!(sps.id <= 31 && sps.codecs().len() == "avc1.64001f".len());
    }
    let _ = (pps_ids(bytes), SliceHead::parse(bytes));
});
