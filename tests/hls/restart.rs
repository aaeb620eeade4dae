//! Numbers across restarts, power cuts and broken files.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use outpost::base::{Span, Sync, WallTime};
use outpost::container::ts::Join;
use outpost::segment::{Ledger, SegmentConfig, Sequence};
use proptest::prelude::*;

use crate::script::{BOOT_HOUR, Bench, NOON, Scratch, playlist, segment};

const NOON_SECONDS: u64 = 1_763_640_000;
/// 2025-11-20 in days since 2025-01-01.
const NOON_DAYS: u64 = 323;

/// A run of the program that numbers `count` segments, every tenth after a break, and then loses power.
/// Gives the first number, the first discontinuity number, and the ones it would have used next.
fn run(path: &Path, count: u64, wall: WallTime) -> (Sequence, u64, u64) {
    let mut sequence = Ledger::open(path).sequence("radio/audio", wall);
    let first = sequence.next();
    for n in 0..count {
        sequence.take(if n % 10 == 0 { Join::Broken } else { Join::Continuous });
        if let Some(reservation) = sequence.restock() {
            reservation.write();
        }
    }
    (sequence, first.media, first.discontinuity)
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
        let (sequence, media, discontinuity) = run(&scratch.file(), count, wall);
        assert!(media >= above.0 && discontinuity >= above.1, "{media} {discontinuity} after {above:?}");
        assert!(media <= above.0.max(NOON_SECONDS) + 21_600, "no farther than half a day");
        above = (sequence.next().media, sequence.next().discontinuity);
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
    let (sequence, _, _) = run(&scratch.file(), 40, NOON);
    let before = fs::read(scratch.file()).expect("it was written");
    // Cut between writing and renaming: a part of the new file lies beside the old one.
    let unfinished = scratch.file().with_extension("unfinished");
    fs::write(&unfinished, &before[..before.len() / 3]).expect("writable");
    let (_, media, _) = run(&scratch.file(), 0, WallTime::default());
    assert!(media >= sequence.next().media);
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
    let (sequence, ..) = run(&scratch.file(), 3, NOON);
    let mut used = sequence.next().media;
    let file = fs::File::options().write(true).open(scratch.file()).expect("it was written");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(NOON_SECONDS)).expect("its date can be set");
    fs::create_dir(scratch.file().with_extension("unfinished")).expect("writable");
    // The reservation is ahead of the clock all the while: 32 numbers, and half a minute.
    for seconds in [4, 8, 12, 24] {
        let (sequence, media, _) = run(&scratch.file(), 4, at(seconds));
        assert!(media >= used, "after {seconds} s: {media}, though {used} is the next one");
        used = sequence.next().media;
    }
}

#[test]
fn a_directory_that_is_missing_is_made() {
    let scratch = Scratch::new("directory");
    let path = scratch.0.join("state/outpost/sequence.json");
    run(&path, 1, NOON);
    assert!(path.exists());
}

#[test]
fn renditions_have_numbers_of_their_own_in_one_file() {
    let scratch = Scratch::new("renditions");
    let ledger = Ledger::open(scratch.file());
    let mut tower = ledger.sequence("tower/audio", NOON);
    let ground = ledger.sequence("ground/audio", NOON);
    for _ in 0..1000 {
        tower.take(Join::Continuous);
        tower.restock().into_iter().for_each(|it| it.write());
    }
    drop(ledger);
    let ledger = Ledger::open(scratch.file());
    assert!(ledger.sequence("tower/audio", NOON).next().media >= tower.next().media);
    assert_eq!(ledger.sequence("ground/audio", NOON).next().media, ground.next().media + 32);
}

#[test]
fn a_day_of_segments_is_a_handful_of_writes() {
    let scratch = Scratch::new("writes");
    let mut sequence = Ledger::open(scratch.file()).sequence("radio/audio", NOON);
    let mut writes = 1;
    for _ in 0..10 * 43_200 {
        sequence.take(Join::Continuous);
        writes += u32::from(sequence.restock().is_some());
    }
    assert!(writes < 70, "{writes} writes in ten days");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn no_number_comes_twice_over_any_restarts(runs in proptest::collection::vec(0u64..3000, 1..8)) {
        let scratch = Scratch::new("any-restarts");
        let mut above = (0, 0);
        let mut used = 0;
        for (nth, count) in runs.iter().enumerate() {
            let (sequence, media, discontinuity) = run(&scratch.file(), *count, NOON);
            prop_assert!(media >= above.0 && discontinuity >= above.1);
            prop_assert!(media <= NOON_SECONDS + 2 * used + 32 * nth as u64, "runs ahead of the clock");
            above = (sequence.next().media, sequence.next().discontinuity);
            used += count;
        }
    }
}

#[test]
fn after_a_restart_the_playlist_begins_with_a_discontinuity_and_higher_numbers() {
    let scratch = Scratch::new("playlists");
    let play = || {
        let mut bench = Bench::new(SegmentConfig::default(), &Ledger::open(scratch.file()));
        bench.play((0..3).map(|n| {
            let at = BOOT_HOUR.to_pts() + Span::from_millis(n * 2000);
            (Duration::from_secs(2), segment(at, Span::from_millis(2000), 8, Join::Continuous))
        }));
        playlist(&bench.shelf.last())
    };
    let head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000\n";
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
    let mut bench = Bench::new(SegmentConfig::default(), &Ledger::open(scratch.file()));
    let at = |n: i64| BOOT_HOUR.to_pts() + Span::from_millis(n * 2000);
    let whole = |n| (Duration::from_secs(2), segment(at(n), Span::from_millis(2000), 8, Join::Continuous));
    bench.play([whole(0), whole(1)]);
    let before = bench.shelf.last();
    bench.clock.set_wall(WallTime::from_unix_nanos(0), Sync::Unsynchronised);
    bench.play([(Duration::from_secs(1), Vec::new())]);
    let after = bench.shelf.last();
    assert_eq!(after.dates.sync, Sync::Unsynchronised);
    assert_ne!(before.dates, after.dates);
    assert!(before.listed.iter().zip(&after.listed).all(|(a, b)| Arc::ptr_eq(a, b)), "no segment moved");
    assert_eq!((before.listed.len(), after.listed.len()), (2, 2));
    assert!(
        playlist(&after).contains("#EXT-X-PROGRAM-DATE-TIME:1969-12-31T23:59:56.000Z\n"),
        "{}",
        playlist(&after)
    );
}
