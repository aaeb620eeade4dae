//! What holds whatever records come, checked after each change of the list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost::base::time::TICKS_PER_SECOND;
use outpost::base::{Clock, Monotonic, Pts, Span};
use outpost::container::ts::{Join, Record};
use outpost::segment::{Ledger, Segment, SegmentConfig, Snapshot, Tail};
use proptest::prelude::*;

use crate::script::{BOOT_HOUR, Bench, Scratch, begin, end, playlist, segment};

/// What may happen to a stream.
#[derive(Clone, Debug)]
enum Turn {
    /// A segment, in this many batches.
    Whole { millis: i64, packets: usize, join: Join, batches: usize },
    /// A segment whose end is lost.
    NoEnd { packets: usize },
    /// Packets, or an end, of no segment.
    Stray { packets: usize },
    /// A segment that ends before it begins.
    Backwards,
    /// Media time leaps on between two segments.
    Hole { millis: i64 },
    /// It leaps on within one.
    HoleInside { millis: i64 },
    /// Nothing comes for a while.
    Silence { millis: u64 },
}

fn turn() -> impl Strategy<Value = Turn> {
    let join = prop_oneof![9 => Just(Join::Continuous), 1 => Just(Join::Broken)];
    prop_oneof![
        20 => (1i64..2499, 1usize..120, join, 1usize..5)
            .prop_map(|(millis, packets, join, batches)| Turn::Whole { millis, packets, join, batches }),
        1 => (0usize..50).prop_map(|packets| Turn::NoEnd { packets }),
        1 => (0usize..3).prop_map(|packets| Turn::Stray { packets }),
        1 => Just(Turn::Backwards),
        1 => (1i64..30_000).prop_map(|millis| Turn::Hole { millis }),
        1 => (2500i64..30_000).prop_map(|millis| Turn::HoleInside { millis }),
        1 => (1u64..30_000).prop_map(|millis| Turn::Silence { millis }),
    ]
}

/// The records of all turns, in batches with the time that passes before each.
fn batches(turns: &[Turn]) -> Vec<(Duration, Vec<Record>)> {
    let mut at = BOOT_HOUR.to_pts();
    let mut batches = Vec::new();
    for turn in turns {
        match *turn {
            Turn::Whole { millis, packets, join, batches: count } => {
                let records = segment(at, Span::from_millis(millis), packets, join);
                let size = records.len().div_ceil(count);
                let wait = Duration::from_millis(millis as u64) / records.chunks(size).len() as u32;
                batches.extend(records.chunks(size).map(|chunk| (wait, chunk.to_vec())));
                at += Span::from_millis(millis);
            }
            Turn::NoEnd { packets } => {
                let mut records = vec![begin(at, Join::Continuous)];
                records.resize(packets + 1, Record::default());
                batches.push((Duration::ZERO, records));
                at += Span::from_millis(500);
            }
            Turn::Stray { packets } => {
                let mut records = vec![Record::default(); packets];
                records.push(end(at));
                batches.push((Duration::ZERO, records));
            }
            Turn::Backwards => {
                batches.push((
                    Duration::ZERO,
                    vec![begin(at, Join::Continuous), end(at - Span::from_millis(1))],
                ));
            }
            Turn::Hole { millis } => at += Span::from_millis(millis),
            Turn::HoleInside { millis } => {
                let records = segment(at, Span::from_millis(millis), 5, Join::Continuous);
                batches.push((Duration::from_millis(millis as u64), records));
                at += Span::from_millis(millis);
            }
            Turn::Silence { millis } => batches.push((Duration::from_millis(millis), Vec::new())),
        }
    }
    batches
}

/// Follows the list from change to change.
struct Auditor {
    config: SegmentConfig,
    target: i64,
    seen: HashMap<u64, Arc<Segment>>,
    /// The longest list that held a segment.
    longest: HashMap<u64, Span>,
    /// Until when segments that left the list must stay.
    promised: HashMap<u64, Monotonic>,
    previous: Option<(Arc<Snapshot>, String)>,
    first_discontinuity: u64,
}

fn length(snapshot: &Snapshot) -> Span {
    snapshot.listed.iter().fold(Span::ZERO, |sum, it| sum + it.duration)
}

impl Auditor {
    fn new(config: SegmentConfig, first_discontinuity: u64) -> Self {
        let (seen, longest, promised) = Default::default();
        Self { config, target: 2, seen, longest, promised, previous: None, first_discontinuity }
    }

    /// `tight` says that the bytes may have cut promises short.
    fn audit(&mut self, now: Monotonic, snapshot: &Arc<Snapshot>, tight: bool) -> Result<(), TestCaseError> {
        let listed = &snapshot.listed;
        let (first, last) = (&listed[0], &listed[listed.len() - 1]);

        prop_assert!(listed.windows(2).all(|two| two[1].sequence == two[0].sequence + 1));
        for two in listed.windows(2).filter(|two| two[1].join == Join::Continuous) {
            prop_assert_eq!(two[1].start, two[0].start + two[0].duration, "durations add up to media time");
        }
        prop_assert_eq!(i64::from(snapshot.target.0), self.target, "TARGETDURATION never changes");
        for segment in listed.iter() {
            let rounded = (segment.duration.ticks() + TICKS_PER_SECOND / 2) / TICKS_PER_SECOND;
            prop_assert!(rounded <= self.target && segment.duration > Span::ZERO);
        }

        let bytes: usize = listed.iter().chain(snapshot.retired.iter()).map(|it| it.body.len).sum();
        prop_assert!(bytes <= self.config.bytes, "{bytes} bytes");
        let three = Span::from_ticks(3 * self.target * TICKS_PER_SECOND);
        let bound = self.config.length.max(three) + Span::from_millis(2500);
        prop_assert!(length(snapshot) <= bound, "{:?}", length(snapshot));

        if let Some((previous, text)) = &self.previous {
            prop_assert_eq!(&playlist(previous), text, "a snapshot never changes");
            let (old_first, old_last) = (&previous.listed[0], &previous.listed[previous.listed.len() - 1]);
            prop_assert_eq!(last.sequence, old_last.sequence + 1, "one segment more, none twice");
            prop_assert!(first.sequence >= old_first.sequence);
            if first.sequence > old_first.sequence && !tight {
                prop_assert!(length(snapshot) >= three, "too short: {:?}", length(snapshot));
            }
            for gone in previous.listed.iter().filter(|it| it.sequence < first.sequence) {
                let until = now + (gone.duration + self.longest[&gone.sequence]).to_duration();
                self.promised.insert(gone.sequence, until);
            }
        }
        self.promised.retain(|_, until| *until > now);
        if !tight {
            for sequence in self.promised.keys() {
                prop_assert!(
                    snapshot.retired.iter().any(|it| it.sequence == *sequence),
                    "{sequence} is gone"
                );
            }
        }

        self.seen.insert(last.sequence, Arc::clone(last));
        let left = self.seen.values().filter(|it| it.sequence < first.sequence && it.join == Join::Broken);
        prop_assert_eq!(snapshot.discontinuity_sequence, self.first_discontinuity + left.count() as u64);
        for segment in listed.iter() {
            let longest = self.longest.entry(segment.sequence).or_default();
            *longest = (*longest).max(length(snapshot));
        }
        prop_assert!(snapshot.rate.peak >= snapshot.rate.average && snapshot.rate.average > 0);

        let text = playlist(snapshot);
        let parsed = m3u8_rs::parse_media_playlist_res(text.as_bytes())
            .map_err(|error| TestCaseError::fail(format!("{error:?} in {text}")))?;
        prop_assert_eq!(parsed.segments.len(), listed.len());
        prop_assert_eq!(parsed.media_sequence, first.sequence);
        self.previous = Some((Arc::clone(snapshot), text));
        Ok(())
    }
}

/// What the endless stream would have sent: the tails of a segment grow into its body.
fn assert_tails_grow(tails: &[Tail], seen: &HashMap<u64, Arc<Segment>>) -> Result<(), TestCaseError> {
    for tail in tails {
        let body = seen.get(&tail.sequence).map_or(&[][..], |it| &it.body.chunks);
        prop_assert!(!tail.chunks.is_empty());
        prop_assert!(body.len() >= tail.chunks.len(), "{} < {}", body.len(), tail.chunks.len());
        prop_assert!(
            tail.chunks.iter().zip(body).all(|(a, b)| a.as_ptr() == b.as_ptr() && a.len() == b.len())
        );
    }
    Ok(())
}

fn play(config: SegmentConfig, turns: &[Turn]) -> Result<Bench, TestCaseError> {
    let scratch = Scratch::new("properties");
    let mut bench = Bench::new(config, &Ledger::open(scratch.file(), None));
    let first_discontinuity = 323; // days of 2025 before NOON
    bench.play(batches(turns));
    let tight = bench.stats.evictions.get() > 0;
    let mut auditor = Auditor::new(config, first_discontinuity);
    let lists = bench.shelf.lists.lock().expect("nobody panicked");
    for (now, snapshot) in lists.iter() {
        auditor.audit(*now, snapshot, tight)?;
    }
    prop_assert_eq!(bench.stats.segments.get(), lists.len() as u64);
    if bench.stats.lost.get() == 0 {
        // A segment given up leaves its number, and its tails, to the next.
        assert_tails_grow(&bench.shelf.tails.lock().expect("nobody panicked"), &auditor.seen)?;
    }
    drop(lists);
    Ok(bench)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn with_memory_to_spare(
        turns in proptest::collection::vec(turn(), 0..120),
        length in 1i64..60_000,
    ) {
        let config = SegmentConfig { length: Span::from_millis(length), ..SegmentConfig::default() };
        let bench = play(config, &turns)?;
        prop_assert_eq!(bench.stats.evictions.get(), 0);
    }

    #[test]
    fn with_little_memory(
        turns in proptest::collection::vec(turn(), 0..120),
        bytes in 1usize..400_000,
    ) {
        play(SegmentConfig { bytes, ..SegmentConfig::default() }, &turns)?;
    }
}

#[test]
fn two_days_of_two_second_segments() {
    let started = Instant::now();
    let config = SegmentConfig { length: Span::from_millis(60_000), ..SegmentConfig::default() };
    let scratch = Scratch::new("two-days");
    let mut bench = Bench::new(config, &Ledger::open(scratch.file(), None));
    let count = 2 * 86_400 / 2;
    let wait = Duration::from_secs(2);
    let target = Span::from_millis(2000);
    let mut expected = 1_763_640_000;
    // Hour by hour, so that the test itself holds little.
    for hour in 0..48 {
        let first = BOOT_HOUR.to_pts() + Span::from_ticks(hour * 1800 * target.ticks());
        let batches = (0..1800).map(move |n| {
            let at: Pts = first + Span::from_ticks(n * target.ticks());
            (wait, segment(at, target, 8, Join::Continuous))
        });
        bench.play(batches);
        for (_, snapshot) in bench.shelf.lists.lock().expect("nobody panicked").drain(..) {
            assert_eq!(snapshot.listed.last().map(|it| it.sequence), Some(expected));
            assert!(snapshot.listed.len() <= 31 && snapshot.retired.len() <= 32, "{snapshot:?}");
            expected += 1;
        }
        bench.shelf.tails.lock().expect("nobody panicked").clear();
    }
    assert_eq!(bench.stats.segments.get(), count);
    assert_eq!(bench.stats.discontinuities.get(), 48, "each hour began with a new source of records");
    assert_eq!(bench.stats.lost.get() + bench.stats.evictions.get(), 0);
    assert_eq!(bench.stats.lag.get(), 0.0, "listed in the instant the media ended");
    assert_eq!(bench.stats.listed.get(), 30.0);
    assert_eq!(bench.stats.bytes.get(), (30 + bench.stats.retired.get() as usize) as f64 * 8.0 * 188.0);
    assert_eq!(bench.pulse.age(bench.clock.now()), Duration::ZERO);
    assert!(started.elapsed() < Duration::from_secs(30), "took {:?}", started.elapsed());
}
