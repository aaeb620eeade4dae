#![no_main]
//! Any bytes as an access unit: where its parameter sets make sense there is an initialisation segment, and what it
//! holds besides becomes a chunk.

use libfuzzer_sys::fuzz_target;
use outpost::base::Pts;
use outpost::container::fmp4::{Mux, TrackConfig, init};
use outpost::media::h264::ParameterSets;
use outpost::media::{Entry, FrameRate, Packet, Track};

fuzz_target!(|bytes: &[u8]| {
    let Ok(sets) = ParameterSets::of(bytes) else { return };
    assert!(sets.cover(bytes));
    let rate = FrameRate::new(30, 1).expect("a rate");
    let track = TrackConfig::Video { sets, rate };
    let (init, mut mux, mut out) = (init(&track), Mux::new(&track), Vec::new());
    let mut pts = Pts::default();
    let mut taken = 0;
    for _ in 0..2 {
        let unit = Packet { track: Track::Video, pts, dts: pts, entry: Entry::Key, data: bytes };
        taken += usize::from(mux.push(&unit).is_ok());
        pts += rate.span();
    }
    mux.finish(&mut out);
    assert_eq!(walk(&init), 2);
    assert_eq!(walk(&out.concat()), if taken > 0 { 2 } else { 0 });
});

/// How many boxes follow each other, to the last byte.
fn walk(mut bytes: &[u8]) -> usize {
    let mut boxes = 0;
    while let Some(size) = bytes.first_chunk() {
        bytes = &bytes[u32::from_be_bytes(*size) as usize..];
        boxes += 1;
    }
    assert!(bytes.is_empty());
    boxes
}
