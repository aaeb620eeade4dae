#![no_main]
//! Any bytes, in two pieces: units and faults may come of them, never a panic, and never more data than
//! went in.

use libfuzzer_sys::fuzz_target;
use outpost::base::Pts;
use outpost::container::ts::{Demux, Event};

fuzz_target!(|bytes: &[u8]| {
    let mut demux = Demux::new(Pts::default());
    let mut units = 0;
    let mut count = |event: Event<'_>| {
        if let Event::Unit(unit) = event {
            units += unit.data.len();
        }
    };
    let (first, second) = bytes.split_at(bytes.len() / 3);
    demux.feed(first, &mut count);
    demux.feed(second, &mut count);
    demux.finish(&mut count);
    assert!(units <= bytes.len());
});
