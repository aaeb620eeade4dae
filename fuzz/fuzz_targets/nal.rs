#![no_main]
//! Any bytes as an Annex B stream: units are never empty and lie within it.

use libfuzzer_sys::fuzz_target;
use outpost::media::h264::{begins_with_delimiter, nal_units};

fuzz_target!(|bytes: &[u8]| {
    let len: usize = nal_units(bytes).map(|unit| unit.len()).sum();
    assert!(len <= bytes.len() && nal_units(bytes).all(|unit| !unit.is_empty()));
    let _ = begins_with_delimiter(bytes);
});
