//! Numbers across restarts, power cuts and broken files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use outpost::base::{Pts, Span, Sync, WallReading, WallTime};
use outpost::container::ts::Join;
use outpost::segment::{Agreement, Before, Boot, Ledger, Numbering, Placed, SegmentConfig, Sequence};
use proptest::prelude::*;

use crate::script::{BOOT_HOUR, Bench, NOON, Scratch, playlist, segment};

const NOON_SECONDS: u64 = 1_763_640_000;
/// 2025-11-20 in days since 2025-01-01.
const NOON_DAYS: u64 = 323;

/// The start of the machine all is about, if nothing else is said.
fn boot() -> Option<Boot> {
    Some(Boot::new("the first"))
}

fn reading(wall: WallTime) -> WallReading {
    WallReading { monotonic: BOOT_HOUR, wall, sync: Sync::Synchronised, suspended: Duration::ZERO }
}

/// The numbers of a run of one rendition, and of the segments it would number next.
struct Numbers {
    sequence: Sequence,
    /// Those not used yet, of a segment and of the discontinuities before it.
    media: u64,
    discontinuity: u64,
}

impl Numbers {
    fn of(ledger: &Arc<Ledger>, stream: &str, wall: WallTime) -> Self {
        Self::at(ledger, stream, reading(wall))
    }

    fn at(ledger: &Arc<Ledger>, stream: &str, now: WallReading) -> Self {
        let config = SegmentConfig::default();
        let agreement = Agreement::new(ledger, stream, Numbering::Counted, &config, &now, Span::ZERO, &[]);
        // What another rendition learns: this one's first segment is not begun yet.
        let Placed { sequence: media, before: Before::Anew { discontinuities: discontinuity, .. }, .. } =
            agreement.sequence("other").place(Pts::default(), Join::Lost, None).expect("all are counted")
        else {
            panic!("it is the first");
        };
        Self { sequence: agreement.sequence("audio"), media, discontinuity }
    }

    fn take(&mut self, join: Join) {
        let placed = self.sequence.place(Pts::default(), join, None).expect("all are counted");
        assert_eq!(placed.sequence, self.media);
        self.media += 1;
        self.discontinuity += u64::from(placed.join == Join::Broken);
    }
}

/// A run of the program that numbers `count` segments, every tenth after a break, and then loses power.
/// Gives it as it is then, the first number, and the first discontinuity number. All that takes no time.
fn run(path: &Path, count: u64, wall: WallTime) -> (Numbers, u64, u64) {
    let mut numbers = Numbers::of(&Ledger::open(path, boot()), "radio", wall);
    let (media, discontinuity) = (numbers.media, numbers.discontinuity);
    for n in 0..count {
        numbers.take(if n % 10 == 0 { Join::Broken } else { Join::Continuous });
        if let Some(reservation) = numbers.sequence.restock() {
            reservation.write();
        }
    }
    (numbers, media, discontinuity)
}

#[test]
fn a_first_start_counts_from_the_clock() {
    let scratch = Scratch::new("first-start");
    let (_, media, discontinuity) = run(&scratch.file(), 0, NOON);
    assert_eq!((media, discontinuity), (NOON_SECONDS, NOON_DAYS));
}

#[test]
fn a_restart_goes_on_above_all_numbers_used_whatever_the_clock_says() {
    let scratch = Scratch::new("restart");
    let mut above = (0, 0);
    for (count, wall) in
        [(0, NOON), (1, NOON), (17, NOON), (0, NOON), (100_000, WallTime::default()), (5, NOON)]
    {
        let (numbers, media, discontinuity) = run(&scratch.file(), count, wall);
        assert!(media >= above.0 && discontinuity >= above.1, "{media} {discontinuity} after {above:?}");
        assert!(media <= above.0.max(NOON_SECONDS) + 21_600, "no farther than half a day");
        above = (numbers.media, numbers.discontinuity);
    }
}

#[test]
fn broken_files_lead_back_to_the_clock() {
    let scratch = Scratch::new("broken");
    let (_, _, _) = run(&scratch.file(), 100, NOON);
    let whole = fs::read(scratch.file()).expect("it was written");
    let later = WallTime::from_unix_nanos(NOON.as_unix_nanos() + 200_000_000_000);
    let table: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("cut short", &whole[..whole.len() / 2]),
        ("zeros", &[0; 64]),
        ("another language", b"media = 5\n"),
        ("a negative number", br#"{"radio/audio":{"media":-5,"discontinuity":0}}"#),
        ("a number beyond counting", br#"{"radio/audio":{"media":18446744073709551615,"discontinuity":0}}"#),
        ("a missing number", br#"{"radio/audio":{"media":5}}"#),
        ("no text", &[0xFF, 0xFE, 0x80]),
    ];
    for (case, bytes) in table {
        fs::write(scratch.file(), bytes).expect("writable");
        let (_, media, discontinuity) = run(&scratch.file(), 0, later);
        assert_eq!((media, discontinuity), (NOON_SECONDS + 200, NOON_DAYS), "{case}");
        let (_, again, _) = run(&scratch.file(), 0, WallTime::default());
        assert_eq!(again, NOON_SECONDS + 232, "{case}: the file is whole again");
    }
}

#[test]
fn a_power_cut_while_writing_leaves_the_old_file_or_the_new_one() {
    let scratch = Scratch::new("power-cut");
    let (numbers, _, _) = run(&scratch.file(), 40, NOON);
    let before = fs::read(scratch.file()).expect("it was written");
    // Cut between writing and renaming: a part of the new file lies beside the old one.
    let unfinished = scratch.file().with_extension("unfinished");
    fs::write(&unfinished, &before[..before.len() / 3]).expect("writable");
    let (_, media, _) = run(&scratch.file(), 0, WallTime::default());
    assert!(media >= numbers.media);
    assert!(!unfinished.exists(), "the next write took its place");
}

#[test]
fn a_file_that_cannot_be_written_leads_back_to_the_clock_too() {
    // A directory stands where the unfinished file would be written, which stops even root.
    let scratch = Scratch::new("read-only");
    let (_, _, _) = run(&scratch.file(), 40, NOON);
    fs::create_dir(scratch.file().with_extension("unfinished")).expect("writable");
    let hour = WallTime::from_unix_nanos(NOON.as_unix_nanos() + 3_600_000_000_000);
    for seconds in [0, 100, 200] {
        let wall = WallTime::from_unix_nanos(hour.as_unix_nanos() + seconds * 1_000_000_000);
        let (_, media, _) = run(&scratch.file(), 40, wall);
        assert_eq!(
            media,
            NOON_SECONDS + 3600 + seconds as u64,
            "above the last run's, though nothing was saved"
        );
    }
}

#[test]
fn quick_restarts_without_a_writable_file_repeat_no_number() {
    let scratch = Scratch::new("read-only-quick");
    let at = |seconds: i64| WallTime::from_unix_nanos(NOON.as_unix_nanos() + seconds * 1_000_000_000);
    let (numbers, ..) = run(&scratch.file(), 3, NOON);
    let mut used = numbers.media;
    let file = fs::File::options().write(true).open(scratch.file()).expect("it was written");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(NOON_SECONDS)).expect("its date can be set");
    fs::create_dir(scratch.file().with_extension("unfinished")).expect("writable");
    // The reservation is ahead of the clock all the while: 32 numbers, and half a minute.
    for seconds in [4, 8, 12, 24] {
        let (numbers, media, _) = run(&scratch.file(), 4, at(seconds));
        assert!(media >= used, "after {seconds} s: {media}, though {used} is the next one");
        used = numbers.media;
    }
}

#[test]
fn without_a_file_and_a_clock_numbers_are_left_to_chance_below_those_of_any_clock() {
    let scratch = Scratch::new("neither");
    fs::create_dir(scratch.file().with_extension("unfinished")).expect("writable");
    let boot = WallTime::from_unix_nanos(30_000_000_000);
    let begun: BTreeSet<_> = (0..20).map(|_| run(&scratch.file(), 0, boot).1).collect();
    assert_eq!(begun.len(), 20, "{begun:?}");
    let (_, set, _) = run(&scratch.file(), 0, NOON);
    assert!(begun.iter().all(|it| *it < set), "{begun:?}");
}

#[test]
fn a_directory_that_is_missing_is_made() {
    let scratch = Scratch::new("directory");
    let path = scratch.0.join("state/outpost/sequence.json");
    run(&path, 1, NOON);
    assert!(path.exists());
}

#[test]
fn streams_have_numbers_of_their_own_in_one_file() {
    let scratch = Scratch::new("streams");
    let ledger = Ledger::open(scratch.file(), boot());
    let mut tower = Numbers::of(&ledger, "tower", NOON);
    let ground = Numbers::of(&ledger, "ground", NOON);
    for _ in 0..1000 {
        tower.take(Join::Continuous);
        tower.sequence.restock().into_iter().for_each(|it| it.write());
    }
    drop(ledger);
    let ledger = Ledger::open(scratch.file(), boot());
    assert!(Numbers::of(&ledger, "tower", NOON).media >= tower.media);
    assert_eq!(Numbers::of(&ledger, "ground", NOON).media, ground.media + 32);
}

#[test]
fn a_stream_goes_on_above_what_its_renditions_had_reserved_for_themselves() {
    let scratch = Scratch::new("migration");
    let old = r#"{"tower/audio":{"media":70,"discontinuity":9},"tower/video":{"media":80,"discontinuity":3},
                  "tower2":{"media":500,"discontinuity":50}}"#;
    fs::write(scratch.file(), old).expect("writable");
    let numbers = Numbers::of(&Ledger::open(scratch.file(), boot()), "tower", NOON);
    assert_eq!((numbers.media, numbers.discontinuity), (80, 9));
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(scratch.file()).expect("written")).expect("JSON");
    let expected = r#"{"tower":{"media":7280,"discontinuity":17,
                                "near":{"boot":"the first","uptime":3600,"media":112}},
                       "tower2":{"media":500,"discontinuity":50}}"#;
    assert_eq!(kept, serde_json::from_str::<serde_json::Value>(expected).expect("JSON"));
}

/// A run that numbers `count` segments of a second, begun at `now`, every tenth after a break if `breaks`. Gives the
/// first number, the next one, how often it wrote, and when it ended.
fn run_in_time(
    path: &Path,
    boot: Option<Boot>,
    mut now: WallReading,
    count: u64,
    breaks: bool,
) -> (u64, u64, usize, WallReading) {
    let mut numbers = Numbers::at(&Ledger::open(path, boot), "radio", now);
    let (first, mut writes) = (numbers.media, 1);
    for n in 0..count {
        numbers.take(if breaks && n % 10 == 0 { Join::Broken } else { Join::Continuous });
        now = now.moved_to(now.monotonic + Duration::from_secs(1));
        numbers.sequence.agreement().look(&now);
        if let Some(reservation) = numbers.sequence.restock() {
            reservation.write();
            writes += 1;
        }
    }
    (first, numbers.media, writes, now)
}

#[test]
fn an_hour_of_segments_is_written_at_its_start_and_a_day_is_a_handful_of_writes() {
    let scratch = Scratch::new("writes");
    for (hours, expected) in [(1, 1..=1), (24, 8..=12)] {
        for boot in [boot(), None] {
            let path = scratch.0.join(format!("{hours}-{}", boot.is_some()));
            let (.., writes, _) = run_in_time(&path, boot, reading(NOON), hours * 3600, false);
            assert!(expected.contains(&writes), "{writes} writes in {hours} h");
        }
    }
}

#[test]
fn ten_days_of_segments_of_two_seconds_are_a_handful_of_writes_too() {
    let scratch = Scratch::new("days");
    let mut numbers = Numbers::of(&Ledger::open(scratch.file(), None), "radio", NOON);
    let mut writes = 1;
    for _ in 0..10 * 43_200 {
        numbers.take(Join::Continuous);
        writes += u32::from(numbers.sequence.restock().is_some());
    }
    assert!(writes < 70, "{writes} writes in ten days");
}

#[test]
fn a_leap_is_small_until_the_machine_is_started_anew() {
    let scratch = Scratch::new("leaps");
    let mut now = reading(NOON);
    let mut used = NOON_SECONDS;
    for _ in 0..20 {
        let (first, next, _, end) = run_in_time(&scratch.file(), boot(), now, 100, false);
        assert!((used..=used + 32).contains(&first), "{first} after {used}");
        (used, now) = (next, end);
    }
    // A machine that is started anew begins to count its seconds anew, and may have lost its clock.
    let booted = reading(WallTime::default()).moved_to(Default::default());
    let (first, next, ..) = run_in_time(&scratch.file(), Some(Boot::new("the second")), booted, 10, false);
    assert!((used..=used + 2 * 7_200).contains(&first), "{first} after {used}");
    // Seconds before those the file was written in are not this machine's, whatever it calls its start.
    let (first, ..) = run_in_time(&scratch.file(), boot(), booted, 10, false);
    assert!(first >= next, "{first} after {next}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn no_number_comes_twice_over_any_restarts(runs in proptest::collection::vec(0u64..3000, 1..8)) {
        let scratch = Scratch::new("any-restarts");
        let mut above = (0, 0);
        let mut used = 0;
        for (nth, count) in runs.iter().enumerate() {
            let (numbers, media, discontinuity) = run(&scratch.file(), *count, NOON);
            prop_assert!(media >= above.0 && discontinuity >= above.1);
            prop_assert!(media <= NOON_SECONDS + 2 * used + 32 * nth as u64, "runs ahead of the clock");
            above = (numbers.media, numbers.discontinuity);
            used += count;
        }
    }

    #[test]
    fn no_number_comes_twice_over_any_starts_of_the_machine(
        runs in proptest::collection::vec((0u64..3000, 0u64..100, any::<bool>(), any::<bool>()), 1..8),
    ) {
        let scratch = Scratch::new("any-boots");
        let (mut now, mut used) = (reading(NOON), 0);
        for (nth, (count, pause, breaks, anew)) in runs.into_iter().enumerate() {
            now = now.moved_to(now.monotonic + Duration::from_secs(pause));
            let boot = if anew { Boot::new(nth.to_string()) } else { Boot::new("one") };
            let (first, next, _, end) = run_in_time(&scratch.file(), Some(boot), now, count, breaks);
            prop_assert!(first >= used, "{first}, though {used} is the next one");
            (now, used) = (end, next);
        }
    }
}

#[test]
fn after_a_restart_the_playlist_begins_with_a_discontinuity_and_higher_numbers() {
    let scratch = Scratch::new("playlists");
    let play = || {
        let mut bench = Bench::new(SegmentConfig::default(), &Ledger::open(scratch.file(), boot()));
        bench.play((0..3).map(|n| {
            let at = BOOT_HOUR.to_pts() + Span::from_millis(n * 2000);
            (Duration::from_secs(2), segment(at, Span::from_millis(2000), 8, Join::Continuous))
        }));
        playlist(&bench.shelf.last())
    };
    let head = "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n";
    let expected = |first: u64, discontinuity: u64| {
        format!(
            "{head}\
             #EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity}\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
             #EXTINF:2.000000,\n{}.ts\n\
             #EXTINF:2.000000,\n{}.ts\n\
             #EXTINF:2.000000,\n{}.ts\n",
            first,
            first + 1,
            first + 2
        )
    };
    assert_eq!(play(), expected(NOON_SECONDS, NOON_DAYS));
    assert_eq!(play(), expected(NOON_SECONDS + 32, NOON_DAYS + 8));
}

#[test]
fn a_clock_set_while_the_stream_runs_corrects_the_list_within_a_second() {
    let scratch = Scratch::new("clock-set");
    let mut bench = Bench::new(SegmentConfig::default(), &Ledger::open(scratch.file(), boot()));
    let at = |n: i64| BOOT_HOUR.to_pts() + Span::from_millis(n * 2000);
    let whole = |n| (Duration::from_secs(2), segment(at(n), Span::from_millis(2000), 8, Join::Continuous));
    bench.play([whole(0), whole(1)]);
    let before = bench.shelf.last();
    bench.clock.set_wall(WallTime::from_unix_nanos(0), Sync::Unsynchronised);
    bench.play([(Duration::from_secs(1), Vec::new())]);
    let after = bench.shelf.last();
    assert_eq!(after.dates.sync, Sync::Unsynchronised);
    assert_ne!(before.dates, after.dates);
    assert!(
        before.listed.iter().zip(after.listed.iter()).all(|(a, b)| Arc::ptr_eq(a, b)),
        "no segment moved"
    );
    assert_eq!((before.listed.len(), after.listed.len()), (2, 2));
    assert!(
        playlist(&after).contains("#EXT-X-PROGRAM-DATE-TIME:1969-12-31T23:59:56.000Z\n"),
        "{}",
        playlist(&after)
    );
}
