//! What the renditions of a stream agree on: numbers, gaps, discontinuities, dates.

use std::sync::Arc;
use std::time::Duration;

use outpost::base::{Clock, Pts, SimClock, Span, Sync, WallTime};
use outpost::container::ts::{Join, Record};
use outpost::media::CutGrid;
use outpost::segment::{
    Agreement, Before, Ledger, Numbering, Presence, Refusal, SegmentConfig, Sequence, Snapshot,
};
use proptest::prelude::*;

use crate::script::{BOOT_HOUR, Bench, NOON, Scratch, begin, clock, segment};

pub(crate) const TARGET: i64 = 2000;
/// The number of the cell that begins an hour after boot: a first start counts from the clock.
const FIRST: u64 = 1_763_640_000;

pub(crate) fn at(millis: i64) -> Pts {
    BOOT_HOUR.to_pts() + Span::from_millis(millis)
}

/// A segment from one instant to another.
pub(crate) fn whole(from: i64, to: i64, join: Join) -> Vec<Record> {
    segment(at(from), Span::from_millis(to - from), 8, join)
}

/// Renditions of one stream, on one clock.
fn renditions(count: usize, config: SegmentConfig, scratch: &Scratch) -> (Arc<SimClock>, Vec<Bench>) {
    let (clock, benches, _) = agreed(count, config, scratch);
    (clock, benches)
}

/// The same, and what others would agree on with them.
fn agreed(
    count: usize,
    config: SegmentConfig,
    scratch: &Scratch,
) -> (Arc<SimClock>, Vec<Bench>, Arc<Agreement>) {
    let clock = clock();
    let numbering = Numbering::Aligned(CutGrid::new(Span::from_millis(TARGET)));
    let ledger = Ledger::open(scratch.file(), None);
    let agreement = Agreement::new(&ledger, "radio", numbering, &config, &clock.wall(), Span::ZERO, &[]);
    let benches = (0..count).map(|_| Bench::with(config, &clock, &agreement)).collect();
    (clock, benches, agreement)
}

/// A list in a line: how many discontinuities came before, then each segment: its number, `!` where it begins with a
/// discontinuity, `-` if it is a gap, and from when to when.
pub(crate) fn line(snapshot: &Snapshot) -> String {
    let segments = snapshot.listed.iter().map(|it| {
        let millis = |pts: Pts| (pts - at(0)).ticks() / 90;
        let broken = if it.join == Join::Broken { "!" } else { "" };
        let gap = if it.presence == Presence::Gap { "-" } else { "" };
        format!(
            "{}{broken}{gap} {}..{}",
            it.sequence as i64 - FIRST as i64,
            millis(it.start),
            millis(it.start + it.duration)
        )
    });
    format!("{}: {}", snapshot.discontinuity_sequence - 323, segments.collect::<Vec<_>>().join(", "))
}

fn now(records: Vec<Record>) -> [(Duration, Vec<Record>); 1] {
    [(Duration::ZERO, records)]
}

#[test]
fn who_gets_no_place_is_told_why() {
    use Join::{Broken, Continuous, Lost};
    let scratch = Scratch::new("refusals");
    let (clock, config) = (clock(), SegmentConfig::default());
    let numbering = Numbering::Aligned(CutGrid::new(Span::from_millis(TARGET)));
    let ledger = Ledger::open(scratch.file(), None);
    let agreement = Agreement::new(&ledger, "radio", numbering, &config, &clock.wall(), Span::ZERO, &[]);
    let (mut one, mut other) = (agreement.sequence("radio/one"), agreement.sequence("radio/other"));
    assert_eq!(one.place(at(-500), Continuous, None).err(), Some(Refusal::TooEarly));
    assert_eq!(one.place(at(0), Continuous, None).map(|it| it.sequence), Ok(FIRST));
    assert_eq!(one.place(at(500), Lost, Some(at(400))).err(), Some(Refusal::Taken));
    assert_eq!(other.place(at(0), Continuous, None).map(|it| it.join), Ok(Broken));
    assert_eq!(other.place(at(2000), Continuous, Some(at(2000))).map(|it| it.join), Ok(Continuous));
    let late = one.place(at(2000), Broken, Some(at(2000)));
    assert_eq!(late.err(), Some(Refusal::AwaitsDiscontinuity));
    assert_eq!(one.place(at(4000), Continuous, Some(at(2000))).map(|it| it.join), Ok(Broken));
}

#[test]
fn holes_become_gaps_and_breaks_discontinuities() {
    use Join::{Broken, Continuous, Lost};
    let ends_lost = |from: i64| vec![begin(at(from), Continuous), Record::default()];
    let table: &[(&str, Vec<Vec<Record>>, &str)] = &[
        (
            "cut where pictures come, a little after the instant",
            vec![whole(300, 2010, Lost), whole(2010, 4000, Continuous), whole(4000, 6090, Continuous)],
            "0: 0! 300..2010, 1 2010..4000, 2 4000..6090",
        ),
        (
            "what the ring lost",
            vec![whole(0, 2010, Lost), ends_lost(2010), whole(8020, 10_000, Lost)],
            "0: 0! 0..2010, 1- 2010..4000, 2- 4000..6000, 3- 6000..8020, 4 8020..10000",
        ),
        (
            "a break at an instant of the grid",
            vec![whole(0, 2000, Lost), whole(2005, 4000, Broken), whole(4000, 6000, Continuous)],
            "0: 0! 0..2000, 1! 2005..4000, 2 4000..6000",
        ),
        (
            "a break within a cell, which has its segment already",
            vec![
                whole(0, 2000, Lost),
                whole(2000, 3100, Continuous),
                whole(3200, 4000, Broken),
                whole(4000, 6000, Continuous),
            ],
            "0: 0! 0..2000, 1 2000..3100, 2! 4000..6000",
        ),
        (
            "a break after a hole",
            vec![whole(0, 2000, Lost), whole(6010, 8000, Broken)],
            "0: 0! 0..2000, 1- 2000..4000, 2- 4000..6010, 3! 6010..8000",
        ),
        (
            "media that go on in the middle of a cell",
            vec![whole(0, 2000, Lost), whole(7000, 8000, Lost)],
            "0: 0! 0..2000, 1- 2000..4000, 2- 4000..6000, 3! 7000..8000",
        ),
        (
            "a cut so late that a cell has none",
            vec![whole(0, 3900, Lost), whole(3900, 6000, Continuous), whole(6000, 8000, Continuous)],
            "0: 0! 0..2000, 1! 3900..6000, 2- 4000..6000, 3! 6000..8000",
        ),
        (
            "a hole longer than the window",
            vec![whole(0, 2000, Lost), whole(2000, 4000, Continuous), whole(40_000, 42_000, Lost)],
            "1: 17- 34000..36000, 18- 36000..38000, 19- 38000..40000, 20 40000..42000",
        ),
        (
            "a break after one",
            vec![whole(0, 2000, Lost), whole(40_010, 42_000, Broken), whole(42_000, 44_000, Continuous)],
            "1: 17- 34000..36000, 18- 36000..38000, 19- 38000..40010, 20! 40010..42000, 21 42000..44000",
        ),
    ];
    for (case, batches, expected) in table {
        let scratch = Scratch::new("agreement");
        let config = SegmentConfig { length: Span::from_millis(30_000), ..SegmentConfig::default() };
        let (_, mut renditions) = renditions(1, config, &scratch);
        renditions[0].play(batches.iter().map(|records| (Duration::from_secs(2), records.clone())));
        assert_eq!(line(&renditions[0].shelf.last()), *expected, "{case}");
    }
}

#[test]
fn windows_begin_together_whichever_of_them_lacks_memory() {
    let scratch = Scratch::new("fronts");
    let config = SegmentConfig { length: Span::from_millis(60_000), ..SegmentConfig::default() };
    let (clock, mut renditions, agreement) = agreed(2, config, &scratch);
    // Room for eight segments or so, and as many that are no longer listed.
    let little = SegmentConfig { bytes: 20 * 8 * 188, ..config };
    renditions.insert(1, Bench::with(little, &clock, &agreement));
    for cell in 0..60 {
        clock.advance(Duration::from_secs(2));
        for (rendition, late) in renditions.iter_mut().zip([0, 30, 60]) {
            let (from, to) = (cell * TARGET + late, (cell + 1) * TARGET + late);
            rendition.play(now(whole(from, to, Join::Continuous)));
        }
        let first: Vec<i64> =
            renditions.iter().map(|it| it.shelf.last().listed[0].sequence as i64 - FIRST as i64).collect();
        assert!(first.iter().max().zip(first.iter().min()).is_some_and(|(a, b)| a - b <= 1), "{first:?}");
    }
    let listed: Vec<_> = renditions.iter().map(|it| it.shelf.last().listed.len()).collect();
    assert!(listed.iter().all(|count| (6..=10).contains(count)), "{listed:?}");
    let evictions: Vec<_> = renditions.iter().map(|it| it.stats.evictions.get() > 0).collect();
    assert_eq!(evictions, [false, true, false]);
}

#[test]
fn a_break_in_one_rendition_is_one_in_all() {
    use Join::{Broken, Continuous, Lost};
    let scratch = Scratch::new("breaks");
    let (_, mut renditions) = renditions(2, SegmentConfig::default(), &scratch);
    let mut play = |number: usize, from, to, join| renditions[number].play(now(whole(from, to, join)));
    play(0, 0, 2000, Lost);
    play(1, 10, 2010, Lost);
    // An encoder was replaced at a cut, which the other rendition has not listed yet.
    play(0, 2000, 4000, Broken);
    play(1, 2010, 4010, Continuous);
    // The other has listed that cell: the break is told at the next.
    play(1, 4010, 6010, Continuous);
    play(0, 4000, 6000, Broken);
    play(0, 6000, 8000, Continuous);
    play(1, 6010, 8010, Continuous);
    // Both break for the same cause.
    play(1, 8010, 10_010, Broken);
    play(0, 8000, 10_000, Broken);
    let lines: Vec<_> = renditions.iter().map(|bench| line(&bench.shelf.last())).collect();
    assert_eq!(
        lines,
        [
            "0: 0! 0..2000, 1! 2000..4000, 2- 4000..6000, 3! 6000..8000, 4! 8000..10000",
            "0: 0! 10..2010, 1! 2010..4010, 2 4010..6010, 3! 6010..8010, 4! 8010..10010",
        ]
    );
}

/// The dates of a list in milliseconds since noon.
fn dates(snapshot: &Snapshot) -> Vec<i64> {
    let millis = |date: WallTime| (date.as_unix_nanos() - NOON.as_unix_nanos()) / 1_000_000;
    snapshot.listed.iter().map(|it| millis(snapshot.dates.at(it.start))).collect()
}

#[test]
fn a_suspended_machine_moves_the_dates_of_what_comes_after() {
    const HOUR: i64 = 3_600_000;
    let scratch = Scratch::new("suspended");
    let (clock, mut renditions) = renditions(2, SegmentConfig::default(), &scratch);
    let mut go_on = |cells: std::ops::Range<i64>, asleep: Option<i64>| {
        for cell in cells {
            clock.advance(Duration::from_millis(1200));
            if asleep == Some(cell) {
                clock.suspend(Duration::from_millis(HOUR as u64));
            }
            clock.advance(Duration::from_millis(800));
            for (rendition, late) in renditions.iter_mut().zip([5, 20]) {
                let (from, to) = (cell * TARGET + late, (cell + 1) * TARGET + late);
                rendition.play(now(whole(from, to, Join::Continuous)));
            }
        }
        [renditions[0].shelf.last(), renditions[1].shelf.last()]
    };
    let lists = go_on(0..6, Some(3));
    assert_eq!(
        line(&lists[0]),
        "0: 0! 5..2005, 1 2005..4005, 2 4005..6005, 3 6005..8005, 4! 8005..10005, 5 10005..12005"
    );
    for (list, late) in lists.iter().zip([5, 20]) {
        let expected = [0, 2000, 4000, 6000, HOUR + 8000, HOUR + 10_000].map(|it| it + late);
        assert_eq!(dates(list), expected, "what was captured before keeps its dates");
        assert_eq!(list.discontinuity_sequence, 323);
    }
    // Then the clock is set, a minute forward: everything moves alike.
    let wall = WallTime::from_unix_nanos(clock.wall().wall.as_unix_nanos() + 60_000_000_000);
    clock.set_wall(wall, Sync::Synchronised);
    let lists = go_on(6..7, None);
    for (list, late) in lists.iter().zip([5, 20]) {
        let expected = [0, 2000, 4000, 6000, HOUR + 8000, HOUR + 10_000, HOUR + 12_000];
        assert_eq!(dates(list), expected.map(|it| it + late + 60_000));
    }
}

/// What happens to one rendition in one cell.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Whole,
    /// Nothing of it comes through.
    Lost,
    /// The encoder is replaced at the cut.
    Breaks,
    /// It is replaced so many milliseconds later.
    BreaksWithin(i64),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => Just(Turn::Whole),
        2 => Just(Turn::Lost),
        1 => Just(Turn::Breaks),
        1 => (100i64..1900).prop_map(Turn::BreaksWithin),
    ]
}

/// A rendition whose segments are counted: where they begin, in milliseconds, and how they join.
type Cuts = Vec<(i64, Join)>;

/// Cuts at the first units from `own` instants on, and where everything breaks: one break with each unit, of which one
/// comes each `unit` milliseconds.
fn cuts(own: impl IntoIterator<Item = i64>, breaks: &[i64], unit: i64) -> Cuts {
    let first = |at: i64| (at + unit - 1).div_euclid(unit) * unit;
    let mut cuts: Cuts = own.into_iter().map(|at| (first(at), Join::Continuous)).collect();
    let mut next = 0;
    for at in breaks {
        let at = first(*at).max(next);
        next = at + unit;
        cuts.retain(|cut| cut.0 != at);
        cuts.push((at, Join::Broken));
    }
    cuts.sort();
    cuts.dedup_by_key(|cut| cut.0);
    cuts
}

/// The segments of a rendition, as they get their places.
struct Told {
    sequence: Sequence,
    segments: Vec<Heard>,
}

/// A segment that has its place.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// In milliseconds.
    from: i64,
    number: u64,
    join: Join,
    discontinuity: u64,
    /// When it got it.
    step: usize,
}

impl Told {
    fn new(agreement: &Arc<Agreement>) -> Self {
        Self { sequence: agreement.sequence("camera"), segments: Vec::new() }
    }

    fn place(&mut self, step: usize, (from, join): (i64, Join)) {
        let placed = self.sequence.place(at(from), join, None).expect("all are counted");
        let (number, lost) = (placed.sequence, join > Join::Continuous);
        let join = placed.join;
        assert!(!lost || join == Join::Broken, "{from} does not follow");
        let before = match (placed.before, self.segments.last()) {
            (Before::Anew { discontinuities, .. }, None) => discontinuities,
            (Before::Gaps(gaps), Some(last)) if gaps.is_empty() => last.discontinuity,
            (before, _) => panic!("what was lost is no gap here: {before:?}"),
        };
        let discontinuity = before + u64::from(join == Join::Broken);
        self.segments.push(Heard { from, number, join, discontinuity, step });
    }

    fn first_of(&self, discontinuity: u64) -> Option<Heard> {
        self.segments.iter().find(|it| it.discontinuity == discontinuity).copied()
    }
}

#[test]
fn sound_that_is_listed_before_the_pictures_tells_where_they_broke() {
    let scratch = Scratch::new("told");
    let ledger = Ledger::open(scratch.file(), None);
    let (config, now) = (SegmentConfig::default(), clock().wall());
    let agreement = Agreement::new(&ledger, "camera", Numbering::Counted, &config, &now, Span::ZERO, &[]);
    let [mut pictures, mut sound] = std::array::from_fn(|_| Told::new(&agreement));
    pictures.place(0, (0, Join::Lost));
    sound.place(1, (0, Join::Lost));
    agreement.pictures().expect("they are counted").tell(at(3000));
    sound.place(2, (2000, Join::Continuous));
    // Cut where it likes after they broke, and listed before what they began there.
    sound.place(3, (3100, Join::Continuous));
    sound.place(4, (5000, Join::Continuous));
    pictures.place(5, (3000, Join::Broken));
    pictures.place(6, (5000, Join::Continuous));
    let breaks = |told: &Told| -> Vec<_> {
        let broken = told.segments.iter().filter(|it| it.join == Join::Broken);
        broken.map(|it| it.from).collect()
    };
    assert_eq!((breaks(&sound), breaks(&pictures)), (vec![0, 3100], vec![0, 3000]));
}

proptest! {
    #[test]
    fn what_is_counted_breaks_from_the_same_instant_on(
        key_frames in proptest::collection::btree_set(1i64..30_000, 0..30),
        breaks in proptest::collection::btree_set(500i64..30_000, 0..8),
        lost in proptest::collection::btree_set((0usize..4, 1usize..20), 0..6),
        unit in 1i64..45,
        order in proptest::collection::vec(0usize..4, 0..60),
    ) {
        let scratch = Scratch::new("counted");
        let config = SegmentConfig { target: Span::from_millis(4000), ..SegmentConfig::default() };
        let clock = clock();
        let ledger = Ledger::open(scratch.file(), None);
        let agreement =
            Agreement::new(&ledger, "camera", Numbering::Counted, &config, &clock.wall(), Span::ZERO, &[]);
        let breaks: Vec<i64> = breaks.into_iter().collect();
        // Two renditions of pictures and two of sound, which is cut on a grid; and time enough at the end for all.
        let pictures = cuts(std::iter::once(0).chain(key_frames).chain((1..60).map(|n| 4000 * n)), &breaks, 1);
        let sounds = cuts((0..120).map(|n| n * TARGET), &breaks, unit);
        let all = [&pictures, &sounds, &pictures, &sounds];
        let mut told = all.map(|_| Told::new(&agreement));
        let mut done = [0; 4];
        let mut joins = [Join::Continuous; 4];
        // One may be behind the others, but has what comes at last when they have.
        let rest = (0..200).flat_map(|_| 0..4);
        for (step, rendition) in order.into_iter().chain(rest).enumerate() {
            let Some((from, join)) = all[rendition].get(done[rendition]).copied() else { continue };
            joins[rendition] = join.max(joins[rendition]);
            if lost.contains(&(rendition, done[rendition])) {
                joins[rendition] = joins[rendition].max(Join::Lost);
            } else {
                let join = std::mem::replace(&mut joins[rendition], Join::Continuous);
                told[rendition].place(step, (from, join));
            }
            done[rendition] += 1;
        }
        let last = told[0].segments[told[0].segments.len() - 1].discontinuity;
        for told in &told {
            prop_assert!(told.segments.windows(2).all(|two| two[1].number == two[0].number + 1));
            prop_assert_eq!(told.segments[told.segments.len() - 1].discontinuity, last, "all tell all of them");
        }
        for discontinuity in told[0].segments[0].discontinuity + 1..=last {
            let firsts = told.each_ref().map(|it| it.first_of(discontinuity).expect("one after the other"));
            for (told, own) in told.iter().zip(firsts) {
                // What begins from there on once another has told it tells it too, if it tells no other.
                let due = |it: &Heard| {
                    let heard = firsts.iter().any(|first| first.from <= it.from && first.step < it.step);
                    heard && it.step < own.step && it.join != Join::Broken
                };
                let silent = told.segments.iter().find(|it| due(it));
                prop_assert!(silent.is_none(), "{silent:?} does not tell {discontinuity}: {firsts:?}");
            }
        }
    }

    #[test]
    fn the_same_number_is_the_same_time_and_the_same_discontinuity(
        turns in proptest::collection::vec((turn(), turn(), turn(), any::<bool>()), 1..40),
        length in 8i64..40,
    ) {
        let scratch = Scratch::new("any-breaks");
        let config = SegmentConfig { length: Span::from_millis(length * 1000), ..SegmentConfig::default() };
        let (clock, mut renditions) = renditions(3, config, &scratch);
        let mut joins = [Join::Lost; 3];
        let mut discontinuities = std::collections::BTreeMap::new();
        for (cell, (a, b, c, last_first)) in turns.into_iter().enumerate() {
            clock.advance(Duration::from_millis(TARGET as u64));
            let mut order = [(0, a), (1, b), (2, c)];
            if last_first {
                order.reverse();
            }
            for (number, turn) in order {
                let from = cell as i64 * TARGET + 7 * number as i64;
                let to = from + TARGET;
                let (join, next) = (joins[number], Join::Continuous);
                let (records, next) = match turn {
                    Turn::Whole => (whole(from, to, join), next),
                    Turn::Lost => (vec![], join.max(Join::Lost)),
                    Turn::Breaks => (whole(from, to, Join::Broken), next),
                    Turn::BreaksWithin(millis) => {
                        let middle = from + millis;
                        ([whole(from, middle, join), whole(middle, to, Join::Broken)].concat(), next)
                    }
                };
                joins[number] = next;
                renditions[number].play(now(records));
            }
            for rendition in &renditions {
                if rendition.shelf.lists.lock().expect("no panic").is_empty() {
                    continue;
                }
                let list = rendition.shelf.last();
                let mut discontinuity = list.discontinuity_sequence;
                prop_assert!(list.listed.windows(2).all(|two| two[1].sequence == two[0].sequence + 1));
                for segment in list.listed.iter() {
                    discontinuity += u64::from(segment.join == Join::Broken);
                    let known = *discontinuities.entry(segment.sequence).or_insert(discontinuity);
                    prop_assert_eq!(known, discontinuity, "segment {} of {}", segment.sequence, line(&list));
                    let cell = (segment.start - at(0)).ticks().div_euclid(TARGET * 90);
                    // A gap begins where the list ended, be it in the cell before.
                    let gap = segment.presence == Presence::Gap;
                    prop_assert!(gap || segment.sequence == FIRST + cell as u64, "{}", line(&list));
                    prop_assert!(list.target.allows(segment.duration) && segment.duration > Span::ZERO);
                }
                for two in list.listed.windows(2).filter(|two| two[1].join == Join::Continuous) {
                    let end = two[0].start + two[0].duration;
                    // Beside a break, a gap may leave some time out.
                    let beside = two.iter().any(|it| it.presence == Presence::Gap);
                    prop_assert!(beside || two[1].start == end);
                }
            }
        }
    }
}
