#![no_main]
//! Any bytes as an AudioSpecificConfig: what is accepted can be used.

use libfuzzer_sys::fuzz_target;
use outpost::media::AacConfig;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = AacConfig::parse(bytes) {
        assert!(config.frame_samples() > 0 && config.rate() > 0 && config.channels() > 0);
        assert!(config.adts_header(100).is_ok());
    }
});
