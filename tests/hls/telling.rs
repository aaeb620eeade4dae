//! What the shelf is told, when, and what the figures say.

use std::sync::Arc;
use std::time::Duration;

use outpost::base::{Clock, Pts, Span};
use outpost::container::ts::{Join, Record};
use outpost::segment::{Ledger, SegmentConfig};

use crate::script::{BOOT_HOUR, Bench, Scratch, begin, end, segment};

fn at(millis: i64) -> Pts {
    BOOT_HOUR.to_pts() + Span::from_millis(millis)
}

#[test]
fn packets_are_told_as_they_come_and_the_segment_as_soon_as_it_ends() {
    let scratch = Scratch::new("telling");
    let mut bench = Bench::new(SegmentConfig::default(), &Ledger::open(scratch.file(), None));
    let millis = Duration::from_millis;
    bench.play([
        (millis(500), vec![begin(at(0), Join::Continuous), Record::default()]),
        (millis(500), vec![]),
        (millis(500), vec![Record::default(); 3]),
        // The end of one segment and the start of the next come in one reading, 30 ms late.
        (
            millis(530),
            vec![Record::default(), end(at(2000)), begin(at(2000), Join::Continuous), Record::default()],
        ),
    ]);
    let first = 1_763_640_000;
    let tails = bench.shelf.tails.lock().expect("nobody panicked");
    let told: Vec<_> = tails
        .iter()
        .map(|it| (it.sequence, it.chunks.iter().map(|chunk| chunk.len() / 188).collect::<Vec<_>>()))
        .collect();
    assert_eq!(told, [(first, vec![2]), (first, vec![2, 3]), (first + 1, vec![2])]);
    let snapshot = bench.shelf.last();
    let chunks: Vec<_> = snapshot.listed[0].body.chunks.iter().map(|it| it.len() / 188).collect();
    assert_eq!(chunks, [2, 3, 1]);
    assert_eq!((bench.stats.segments.get(), bench.stats.discontinuities.get()), (1, 1));
    assert_eq!(bench.stats.lost.get(), 1, "the second segment was never ended");
    assert_eq!(bench.stats.lag.get(), 30.0);
    assert_eq!((bench.stats.listed.get(), bench.stats.seconds.get()), (1.0, 2.0));
    assert_eq!(bench.pulse.age(bench.clock.now()), Duration::ZERO);
}

#[test]
fn another_source_of_records_goes_on_in_the_same_playlist() {
    let scratch = Scratch::new("again");
    let mut bench = Bench::new(SegmentConfig::default(), &Ledger::open(scratch.file(), None));
    let whole =
        |n: i64| (Duration::from_secs(2), segment(at(n), Span::from_millis(2000), 8, Join::Continuous));
    bench.play([whole(0), whole(2000)]);
    bench.play([whole(4000), whole(6000)]);
    let snapshot = bench.shelf.last();
    let joins: Vec<_> = snapshot.listed.iter().map(|it| it.join).collect();
    assert_eq!(joins, [Join::Broken, Join::Continuous, Join::Broken, Join::Continuous]);
    assert!(snapshot.listed.windows(2).all(|two| two[1].sequence == two[0].sequence + 1));
}

#[test]
fn small_segments_share_memory_and_hold_little_of_it() {
    let scratch = Scratch::new("memory");
    let mut bench = Bench::new(SegmentConfig::default(), &Ledger::open(scratch.file(), None));
    // A minute of 64 kbit/s: 90 packets in 2 s.
    bench.play((0..30).map(|n| {
        (Duration::from_secs(2), segment(at(n * 2000), Span::from_millis(2000), 90, Join::Continuous))
    }));
    let snapshot = bench.shelf.last();
    let mut pieces: Vec<_> = snapshot
        .listed
        .iter()
        .flat_map(|it| it.body.chunks.iter())
        .map(|chunk| (chunk.as_ptr() as usize, chunk.len()))
        .collect();
    let bytes: usize = pieces.iter().map(|it| it.1).sum();
    assert_eq!(bytes, 30 * 90 * 188);
    // Pieces that touch lie in one slab: what is allocated is what is filled, but for the last slab.
    pieces.sort_unstable();
    let slabs = 1 + pieces.windows(2).filter(|two| two[0].0 + two[0].1 != two[1].0).count();
    assert_eq!(slabs, bytes.div_ceil(174 * 188));
    assert!(
        Arc::strong_count(&snapshot.listed[0].body.chunks) == 1,
        "nothing else holds the segments' bytes"
    );
}
