//! Windows that go on after a restart: nothing in them changes, and what comes joins it with one discontinuity.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outpost::base::{Clock, SimClock, Span, Sync};
use outpost::container::ts::{Join, Record};
use outpost::media::CutGrid;
use outpost::segment::{Agreement, Ledger, Left, Numbering, Segment, SegmentConfig, Snapshot, Store};
use proptest::prelude::*;

use crate::agreement::{TARGET, at, line, whole};
use crate::script::{Bench, Scratch, clock, playlist, segment};

/// Two renditions of a stream, whose windows lie where the next run finds them.
struct Run {
    benches: Vec<Bench>,
    kept: Vec<OwnedFd>,
}

impl Run {
    /// The first, or that after one which has `kept` its windows.
    fn begin(clock: &Arc<SimClock>, scratch: &Scratch, numbering: Numbering, kept: Vec<OwnedFd>) -> Self {
        Self::with([SegmentConfig::default(); 2], clock, scratch, numbering, kept)
    }

    /// The same, each as it is configured.
    fn with(
        configs: [SegmentConfig; 2],
        clock: &Arc<SimClock>,
        scratch: &Scratch,
        numbering: Numbering,
        kept: Vec<OwnedFd>,
    ) -> Self {
        let names = ["radio/one", "radio/other"];
        let new = |name| Store::new(name, "terms").expect("memory");
        let again = |(kept, name)| opened(kept, name, clock);
        let stores: Vec<Store> = match kept.is_empty() {
            true => names.into_iter().map(new).collect(),
            false => kept.into_iter().zip(names).map(again).collect(),
        };
        let kept =
            stores.iter().map(|it| it.descriptor().try_clone_to_owned().expect("a descriptor")).collect();
        let ledger = Ledger::open(scratch.file(), None);
        let them: Vec<&Store> = stores.iter().collect();
        let agreement =
            Agreement::new(&ledger, "radio", numbering, &configs[0], &clock.wall(), Span::ZERO, &them);
        let bench = |(store, config)| Bench::stored(config, clock, &agreement, Some(store));
        Self { benches: stores.into_iter().zip(configs).map(bench).collect(), kept }
    }

    /// Ends as one that is killed: nothing is done.
    fn kill(self) -> (Vec<OwnedFd>, Vec<Arc<Snapshot>>) {
        let last = self.benches.iter().map(|it| it.shelf.last()).collect();
        (self.kept, last)
    }
}

fn opened(kept: OwnedFd, name: &str, clock: &SimClock) -> Store {
    match Store::open(kept, name, "terms", clock.now()) {
        Ok(Left::Same(store)) => *store,
        other => panic!("not what was kept: {other:?}"),
    }
}

fn aligned() -> Numbering {
    Numbering::Aligned(CutGrid::new(Span::from_millis(TARGET)))
}

/// Each batch is listed when its media end.
fn on_time(clock: &SimClock, from: i64, to: i64, join: Join) -> (Duration, Vec<Record>) {
    (at(to).to_monotonic().since(clock.now()), whole(from, to, join))
}

fn bytes(segment: &Segment) -> Vec<u8> {
    segment.body.chunks.concat()
}

#[test]
fn what_comes_after_a_restart_joins_what_was_with_one_discontinuity() {
    use Join::{Continuous, Lost};
    /// How long nothing ran; what comes to one rendition, and to the other; what both list then.
    type Case = (i64, [(i64, i64); 2], [(i64, i64); 2], [&'static str; 2]);
    let table: &[Case] = &[
        (
            500,
            [(6500, 8000), (8000, 10_000)],
            [(6510, 8005), (8005, 10_000)],
            ["3! 6500..8000, 4 8000..10000", "3! 6510..8005, 4 8005..10000"],
        ),
        (
            500,
            [(6500, 8000), (8000, 10_000)],
            [(8100, 10_000), (10_000, 12_000)],
            ["3! 6500..8000, 4 8000..10000", "3!- 6000..8100, 4 8100..10000, 5 10000..12000"],
        ),
        (
            3000,
            [(9000, 10_000), (10_000, 12_000)],
            [(9010, 10_000), (10_000, 12_000)],
            [
                "3- 6000..8000, 4! 9000..10000, 5 10000..12000",
                "3- 6000..8000, 4! 9010..10000, 5 10000..12000",
            ],
        ),
    ];
    for (away, one, other, expected) in table {
        let (scratch, clock) = (Scratch::new("resumed"), clock());
        let mut run = Run::begin(&clock, &scratch, aligned(), Vec::new());
        for n in 0..3 {
            for bench in &mut run.benches {
                let join = if n == 0 { Lost } else { Continuous };
                bench.play([on_time(&clock, n * TARGET, (n + 1) * TARGET, join)]);
            }
        }
        let (kept, before) = run.kill();
        clock.advance(Duration::from_millis(*away as u64));
        // Two readings of a clock are never quite alike.
        clock.set_wall(clock.wall().at(clock.now() + Duration::from_millis(3)), Sync::Synchronised);
        let mut run = Run::begin(&clock, &scratch, aligned(), kept);
        for (bench, before) in run.benches.iter().zip(&before) {
            assert_eq!(playlist(&bench.shelf.last()), playlist(before), "it is all there at once");
        }
        for (bench, come) in run.benches.iter_mut().zip([one, other]) {
            for (from, to) in come {
                bench.play([on_time(&clock, *from, *to, Lost)]);
            }
        }
        for ((bench, before), expected) in run.benches.iter().zip(&before).zip(expected) {
            let now = bench.shelf.last();
            assert_eq!(line(&now), format!("{}, {expected}", line(before)), "away for {away} ms");
            for (old, new) in before.listed.iter().zip(&*now.listed) {
                assert_eq!(bytes(old), bytes(new));
                assert_eq!(before.dates.at(old.start), now.dates.at(new.start));
            }
        }
    }
}

/// RFC 8216, 6.2.2: what has left a list does not come back to it.
#[test]
fn what_had_left_the_list_for_another_rendition_does_not_come_back() {
    let (scratch, clock) = (Scratch::new("resumed-fronts"), clock());
    let config = SegmentConfig { length: Span::from_millis(60_000), ..SegmentConfig::default() };
    // Room for eight segments or so, and as many that are no longer listed.
    let little = SegmentConfig { bytes: 20 * 8 * 188, ..config };
    let begin = |kept| Run::with([config, little], &clock, &scratch, aligned(), kept);
    let mut kept = Vec::new();
    for run in 0..12 {
        let mut now = begin(kept);
        for n in 0..5 {
            let cell = 5 * run + n;
            for (bench, late) in now.benches.iter_mut().zip([0, 30]) {
                let first = bench
                    .shelf
                    .lists
                    .lock()
                    .expect("nobody panicked")
                    .last()
                    .map(|it| it.1.listed[0].sequence);
                let join = if n == 0 { Join::Lost } else { Join::Continuous };
                bench.play([on_time(&clock, cell * TARGET + late, (cell + 1) * TARGET + late, join)]);
                let last = bench.shelf.last().listed[0].sequence;
                assert!(first.is_none_or(|first| last >= first), "{last} after {first:?} in run {run}");
            }
        }
        let last;
        (kept, last) = now.kill();
        let again = begin(kept.iter().map(|it| it.try_clone().expect("a descriptor")).collect());
        for (bench, last) in again.benches.iter().zip(last) {
            assert_eq!(playlist(&bench.shelf.last()), playlist(&last), "after run {run}");
        }
    }
}

#[test]
fn of_a_window_that_is_long_past_the_end_is_told_as_a_gap() {
    let (scratch, clock) = (Scratch::new("resumed-late"), clock());
    let mut run = Run::begin(&clock, &scratch, aligned(), Vec::new());
    run.benches.iter_mut().for_each(|it| it.play([on_time(&clock, 0, 2000, Join::Lost)]));
    let (kept, _) = run.kill();
    clock.advance(Duration::from_secs(7200));
    let mut run = Run::begin(&clock, &scratch, aligned(), kept);
    let from = 7_202_000;
    run.benches[0].play([on_time(&clock, from, from + 2000, Join::Lost)]);
    let now = line(&run.benches[0].shelf.last());
    assert_eq!(
        now,
        "1: 3598- 7196000..7198000, 3599- 7198000..7200000, 3600- 7200000..7202000, 3601! 7202000..7204000"
    );
}

#[test]
fn where_segments_are_counted_each_rendition_goes_on_with_its_own_number() {
    let (scratch, clock) = (Scratch::new("resumed-counted"), clock());
    let mut run = Run::begin(&clock, &scratch, Numbering::Counted, Vec::new());
    run.benches[0]
        .play([on_time(&clock, 0, 1500, Join::Lost), on_time(&clock, 1500, 3000, Join::Continuous)]);
    run.benches[1].play([on_time(&clock, 0, 3000, Join::Lost)]);
    let (kept, before) = run.kill();
    clock.advance(Duration::from_secs(2));
    let mut run = Run::begin(&clock, &scratch, Numbering::Counted, kept);
    for (bench, before) in run.benches.iter_mut().zip(&before) {
        bench.play([on_time(&clock, 6000, 7000, Join::Lost), on_time(&clock, 7000, 8000, Join::Continuous)]);
        let (now, last) = (bench.shelf.last(), before.listed.last().expect("one").sequence);
        let told: Vec<_> =
            now.listed.iter().skip(before.listed.len()).map(|it| (it.sequence, it.join)).collect();
        assert_eq!(told, [(last + 1, Join::Broken), (last + 2, Join::Continuous)]);
        assert_eq!(now.discontinuity_sequence, before.discontinuity_sequence);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Short windows of many segments, of which most have left: what can be fetched stays so, and nothing is listed
    /// otherwise.
    #[test]
    fn a_window_is_what_it_was(
        segments in proptest::collection::vec((1usize..60, 0u8..10), 1..60),
        memory in 20_000usize..200_000,
    ) {
        let config = SegmentConfig { length: Span::from_millis(20_000), bytes: memory, ..SegmentConfig::default() };
        let (scratch, clock) = (Scratch::new("resumed-any"), clock());
        let ledger = Ledger::open(scratch.file(), None);
        let agree = |stores: &[&Store]| {
            Agreement::new(&ledger, "radio", aligned(), &config, &clock.wall(), Span::ZERO, stores)
        };
        let store = Store::new("radio/one", "terms").expect("memory");
        let kept = store.descriptor().try_clone_to_owned().expect("a descriptor");
        let mut bench = Bench::stored(config, &clock, &agree(&[]), Some(store));
        let batches = segments.iter().enumerate().map(|(n, (packets, what))| {
            let start = at(n as i64 * TARGET);
            let join = if *what == 0 { Join::Broken } else { Join::Continuous };
            // Now and then one is lost.
            let whole = segment(start, Span::from_millis(TARGET), *packets, join);
            (Duration::from_millis(TARGET as u64), if *what == 1 { Vec::new() } else { whole })
        });
        bench.play(batches.collect::<Vec<_>>());
        let lists = bench.shelf.lists.lock().expect("nobody panicked").last().cloned();
        let Some((_, before)) = lists else { return Ok(()) };
        let all = |it: &Snapshot| -> BTreeMap<_, _> {
            let there = it.retired.iter().chain(&*it.listed).filter(|it| it.body.len > 0);
            there.map(|it| (it.sequence, Bytes::from(bytes(it)))).collect()
        };
        // Copies: the next run lets go of what the first would not use any more.
        let known = all(&before);
        drop(bench);
        let store = opened(kept, "radio/one", &clock);
        let agreement = agree(&[&store]);
        let bench = Bench::stored(config, &clock, &agreement, Some(store));
        let after = bench.shelf.last();
        // Markers are not kept.
        let text = |it: &Arc<Snapshot>| -> Vec<_> {
            let list = playlist(it);
            list.lines().filter(|it| !it.starts_with("#EXT-X-DATERANGE")).map(str::to_owned).collect()
        };
        prop_assert_eq!(text(&before), text(&after));
        let now = all(&after);
        for (number, bytes) in known {
            prop_assert!(now.get(&number) == Some(&bytes), "{} is gone or another", number);
        }
    }
}
