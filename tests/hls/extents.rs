//! Ordinary playlists with gaps, keys, deltas and pieces.

use std::sync::Arc;

use outpost::base::{Span, WallTime};
use outpost::playlist::{Extent, Format, Piece, Skip, Style, covered, media};
use outpost::segment::{Segment, Snapshot};
use proptest::prelude::*;

use crate::script::{NOON, playlist, transport_stream};
use crate::shelves::{Read, Told, broken, enciphered, gap, init, read, segment, shelf};

const HEAD: &str = "#EXTM3U\n\
    #EXT-X-VERSION:8\n\
    #EXT-X-TARGETDURATION:2\n\
    #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n\
    #EXT-X-MEDIA-SEQUENCE:100\n\
    #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
    #EXT-X-INDEPENDENT-SEGMENTS\n";

fn delta(snapshot: &Snapshot) -> String {
    media(snapshot, &transport_stream(), Extent::Delta(Skip::Segments), &[])
}

#[test]
fn a_hole_is_told_and_dated_when_it_is_over() {
    let text = playlist(&shelf([segment(0), gap(1), gap(2), segment(3), segment(4)], None));
    assert_eq!(
        text,
        HEAD.to_owned()
            + "#EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
               #EXTINF:2.000000,\n\
               100.ts\n\
               #EXT-X-GAP\n\
               #EXTINF:2.000000,\n\
               101.ts\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:04.000Z\n\
               #EXT-X-GAP\n\
               #EXTINF:2.000000,\n\
               102.ts\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:06.000Z\n\
               #EXTINF:2.000000,\n\
               103.ts\n\
               #EXTINF:2.000000,\n\
               104.ts\n"
    );
}

#[test]
fn a_key_holds_until_another_one_or_none() {
    let listed = [
        enciphered(0, 5),
        enciphered(1, 5),
        gap(2),
        enciphered(3, 5),
        Segment { join: broken(4).join, ..enciphered(4, 6) },
        segment(5),
    ];
    assert_eq!(
        playlist(&shelf(listed, None)),
        HEAD.to_owned()
            + "#EXT-X-KEY:METHOD=AES-128,URI=\"../keys/5.key\"\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
               #EXTINF:2.000000,\n\
               100.ts\n\
               #EXTINF:2.000000,\n\
               101.ts\n\
               #EXT-X-GAP\n\
               #EXTINF:2.000000,\n\
               102.ts\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:06.000Z\n\
               #EXTINF:2.000000,\n\
               103.ts\n\
               #EXT-X-DISCONTINUITY\n\
               #EXT-X-KEY:METHOD=AES-128,URI=\"../keys/6.key\"\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:08.000Z\n\
               #EXTINF:2.000000,\n\
               104.ts\n\
               #EXT-X-KEY:METHOD=NONE\n\
               #EXTINF:2.000000,\n\
               105.ts\n"
    );
}

#[test]
fn a_delta_tells_six_targets_and_what_still_holds() {
    // The seventh segment from the end ends at the boundary.
    let listed = |count| (0..count).map(|n| enciphered(n, 5));
    assert_eq!(delta(&shelf(listed(7), None)), playlist(&shelf(listed(7), None)), "nothing to skip");
    let text = delta(&shelf(listed(9), None));
    assert_eq!(
        text.replace("#EXTINF:2.000000,\n", ""),
        HEAD.replace("VERSION:8", "VERSION:9")
            + "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n\
               #EXT-X-KEY:METHOD=AES-128,URI=\"../keys/5.key\"\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:04.000Z\n\
               102.ts\n103.ts\n104.ts\n105.ts\n106.ts\n107.ts\n108.ts\n"
    );
    // After the last one with a key, it is told that there is none.
    let clear = (0..9).map(|n| if n < 2 { enciphered(n, 5) } else { segment(n) });
    assert!(delta(&shelf(clear, None)).contains("SEGMENTS=2\n#EXT-X-KEY:METHOD=NONE\n"));
    assert!(!delta(&shelf((0..9).map(segment), None)).contains("#EXT-X-KEY"));
}

#[test]
fn what_is_told_is_measured_by_what_lasts_and_not_by_holes() {
    // An hour without anything before the fifth.
    let later = |n| {
        let whole = segment(n);
        Segment { start: whole.start + Span::from_millis(3_600_000), ..whole }
    };
    let listed = (0..9).map(|n| if n < 4 { segment(n) } else { later(n) });
    let told = read(&delta(&shelf(listed, None)));
    assert_eq!((told.skipped, told.segments.len()), (2, 7));
}

fn seconds(from: Option<i64>, to: Option<i64>) -> Piece {
    let wall = |seconds| WallTime::from_unix_nanos(NOON.as_unix_nanos() + seconds * 1_000_000_000);
    Piece { from: from.map(wall), to: to.map(wall) }
}

fn recording(snapshot: &Snapshot, piece: &Piece) -> Option<String> {
    let listed = covered(snapshot, piece)?;
    Some(outpost::playlist::recording(snapshot, &transport_stream(), listed))
}

#[test]
fn a_piece_is_a_finished_playlist() {
    let listed = [segment(0), broken(1), enciphered(2, 5), broken(3), segment(4)];
    let snapshot = shelf(listed, None);
    let text = recording(&snapshot, &seconds(Some(5), Some(8))).expect("it is there");
    assert_eq!(
        text,
        "#EXTM3U\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:102\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:8\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"../keys/5.key\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:04.000Z\n\
         #EXTINF:2.000000,\n\
         102.ts\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-KEY:METHOD=NONE\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:06.000Z\n\
         #EXTINF:2.000000,\n\
         103.ts\n\
         #EXT-X-ENDLIST\n"
    );
    let open = recording(&snapshot, &seconds(Some(5), None)).expect("it is there");
    assert_eq!(open, text.replace("103.ts\n", "103.ts\n#EXTINF:2.000000,\n104.ts\n"));
    let parsed = m3u8_rs::parse_media_playlist_res(text.as_bytes()).expect("m3u8-rs reads it");
    // It loses its front with time, which one that has a type may not (4.3.3.5).
    assert!(parsed.end_list && parsed.playlist_type.is_none());
}

#[test]
fn a_piece_is_every_segment_that_has_some_of_it() {
    /// From and to, in seconds; the first segment and how many.
    type Case = (Option<i64>, Option<i64>, Option<(u64, usize)>);
    let snapshot = shelf([segment(0), segment(1), gap(2), segment(3)], None);
    let table: &[Case] = &[
        (None, Some(99), Some((100, 4))),
        (Some(-9), None, Some((100, 4))),
        (Some(0), Some(2), Some((100, 1))),
        (Some(1), Some(3), Some((100, 2))),
        (Some(2), Some(4), Some((101, 1))),
        (Some(3), Some(5), Some((101, 2))),
        (Some(4), Some(6), None),
        (Some(7), None, Some((103, 1))),
        (Some(8), None, None),
        (None, Some(0), None),
    ];
    for (from, to, expected) in table {
        let text = recording(&snapshot, &seconds(*from, *to));
        let found = text.map(|text| read(&text)).map(|it| (it.first, it.segments.len()));
        assert_eq!(found, *expected, "{from:?} to {to:?}");
    }
}

#[test]
fn a_piece_holds_what_is_listed_no_longer_while_it_can_be_fetched() {
    let all =
        |makes: &[fn(u64) -> Segment]| makes.iter().zip(0..).map(|(make, n)| make(n)).collect::<Vec<_>>();
    let all = all(&[segment, segment, broken, segment, broken, segment, broken, segment]);
    // 100 is gone; up to where it is listed no longer; after seven discontinuities those of 102 and 104 have left.
    let snapshot = |from: usize, listed: usize| {
        let retired = all[from..listed].iter().cloned().map(Arc::new).collect();
        Snapshot { retired, ..shelf(all[listed..].iter().cloned(), None) }
    };
    let piece = |snapshot: &Snapshot, from, to| {
        let text = recording(snapshot, &seconds(from, to))?;
        let (_, number) = text.split_once("DISCONTINUITY-SEQUENCE:").expect("it is always told");
        let number: u64 = number.lines().next().and_then(|it| it.parse().ok()).expect("a number");
        Some((read(&text).first, read(&text).segments.len(), number))
    };
    let kept = snapshot(1, 5);
    /// From and to; the first segment, how many, and the discontinuities before.
    type Case = (Option<i64>, Option<i64>, Option<(u64, usize, u64)>);
    let table: &[Case] = &[
        (Some(5), Some(8), Some((102, 2, 5))),
        (Some(6), Some(8), Some((103, 1, 6))),
        (Some(8), Some(11), Some((104, 2, 6))),
        (Some(11), None, Some((105, 3, 7))),
        (Some(14), None, Some((107, 1, 8))),
        // The oldest can go before it is fetched: only who asks for nothing else is told of it.
        (None, Some(8), Some((102, 2, 5))),
        (Some(0), None, Some((102, 6, 5))),
        (Some(2), Some(4), Some((101, 1, 5))),
        (Some(0), Some(2), None),
    ];
    for (from, to, expected) in table {
        assert_eq!(piece(&kept, *from, *to), *expected, "{from:?} to {to:?}");
    }
    // What was listed before everything began anew is in no playlist with what came then.
    let begun = Snapshot { retired: snapshot(1, 4).retired, ..kept };
    assert_eq!(piece(&begun, Some(0), None), Some((105, 3, 7)));
}

#[test]
fn fragmented_segments_need_what_comes_before_them() {
    let style = Style { format: Format::Fmp4, ..transport_stream() };
    let listed =
        [0, 0, 1].iter().zip(0..).map(|(number, n)| Segment { init: Some(init(*number)), ..segment(n) });
    let text = media(&shelf(listed, None), &style, Extent::Whole, &[]);
    assert_eq!(
        text,
        HEAD.to_owned()
            + "#EXT-X-MAP:URI=\"init-0.mp4\"\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
               #EXTINF:2.000000,\n\
               100.m4s\n\
               #EXTINF:2.000000,\n\
               101.m4s\n\
               #EXT-X-MAP:URI=\"init-1.mp4\"\n\
               #EXTINF:2.000000,\n\
               102.m4s\n"
    );
}

fn any_segment() -> impl Strategy<Value = fn(u64) -> Segment> {
    prop_oneof![
        8 => Just(segment as fn(u64) -> Segment),
        1 => Just(broken as fn(u64) -> Segment),
        1 => Just(gap as fn(u64) -> Segment),
        2 => Just((|n| enciphered(n, n / 4)) as fn(u64) -> Segment),
    ]
}

/// What a reader has who puts a delta in the place of what it does not skip; without a skip that is all.
fn merge(old: &Read, delta: Read) -> Read {
    if delta.skipped == 0 {
        return delta;
    }
    let from = usize::try_from(delta.first - old.first).expect("numbers grow");
    let kept = &old.segments[from..from + delta.skipped];
    Read { skipped: 0, segments: [kept, &delta.segments].concat(), ..delta }
}

proptest! {
    #[test]
    fn a_delta_and_the_last_playlist_are_the_new_one(
        made in proptest::collection::vec(any_segment(), 1..60),
        length in 1usize..40,
        steps in 1usize..5,
    ) {
        let all: Vec<Segment> = made.iter().zip(0..).map(|(make, n)| make(n)).collect();
        let window = |end: usize| shelf(all[end.saturating_sub(length)..end].iter().cloned(), None);
        let mut old = read(&playlist(&window(1)));
        for end in (1..=all.len()).step_by(steps) {
            let now = window(end);
            let (whole, delta) = (read(&playlist(&now)), read(&delta(&now)));
            prop_assert!(delta.skipped == 0 || delta.segments.len() <= 7, "{delta:?}");
            prop_assert_eq!(delta.skipped > 0, delta != whole);
            old = merge(&old, delta);
            let rest: Vec<Read> = [&old, &whole].map(|it| Read { segments: heard(it), ..it.clone() }).into();
            prop_assert_eq!(&rest[0], &rest[1]);
        }
    }
}

/// The segments, with the keys of gaps forgotten, which nobody deciphers.
fn heard(read: &Read) -> Vec<Told> {
    let clear = |mut it: Told| {
        if it.lines.iter().any(|line| line == "#EXT-X-GAP") {
            it.key.clear();
        }
        it
    };
    read.segments.iter().cloned().map(clear).collect()
}
