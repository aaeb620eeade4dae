//! Playlists of parts, as whole text and as what they promise.

use std::sync::Arc;

use outpost::base::Span;
use outpost::container::ts::Join;
use outpost::playlist::{Extent, Report, Skip, media};
use outpost::segment::{Edge, Part, PartList, Presence, Segment, Snapshot};
use proptest::prelude::*;

use crate::shelves::{
    PART_TARGET, broken, edge, gap, init, instant, low_latency, parted, parts, read, shelf,
};

const HEAD: &str = "#EXTM3U\n\
    #EXT-X-VERSION:9\n\
    #EXT-X-TARGETDURATION:2\n\
    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.320000,CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n\
    #EXT-X-PART-INF:PART-TARGET=0.440000\n";

fn playlist(snapshot: &Snapshot) -> String {
    let text = media(snapshot, &low_latency(), Extent::Whole, &[]);
    m3u8_rs::parse_media_playlist_res(text.as_bytes()).expect("m3u8-rs reads it");
    text
}

#[test]
fn parts_stand_at_the_live_edge_alone() {
    // Two parts into segment 105: its start less 3 targets and 0.8 s on is amid segment 102.
    let reports = [
        Report { uri: "../video/index.m3u8".into(), sequence: 105, part: Some(2) },
        Report { uri: "../low/index.m3u8".into(), sequence: 104, part: None },
    ];
    let snapshot = shelf((0..5).map(parted), Some(edge(5, 2)));
    let text = media(&snapshot, &low_latency(), Extent::Whole, &reports);
    assert_eq!(
        text,
        HEAD.to_owned()
            + "#EXT-X-MEDIA-SEQUENCE:100\n\
               #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
               #EXT-X-INDEPENDENT-SEGMENTS\n\
               #EXT-X-MAP:URI=\"init-0.mp4\"\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
               #EXTINF:2.000000,\n\
               100.m4s\n\
               #EXTINF:2.000000,\n\
               101.m4s\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"102.0.m4s\",INDEPENDENT=YES\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"102.1.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"102.2.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"102.3.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"102.4.m4s\"\n\
               #EXTINF:2.000000,\n\
               102.m4s\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"103.0.m4s\",INDEPENDENT=YES\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"103.1.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"103.2.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"103.3.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"103.4.m4s\"\n\
               #EXTINF:2.000000,\n\
               103.m4s\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"104.0.m4s\",INDEPENDENT=YES\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"104.1.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"104.2.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"104.3.m4s\"\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"104.4.m4s\"\n\
               #EXTINF:2.000000,\n\
               104.m4s\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"105.0.m4s\",INDEPENDENT=YES\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"105.1.m4s\"\n\
               #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"105.2.m4s\"\n\
               #EXT-X-RENDITION-REPORT:URI=\"../video/index.m3u8\",LAST-MSN=105,LAST-PART=2\n\
               #EXT-X-RENDITION-REPORT:URI=\"../low/index.m3u8\",LAST-MSN=104\n"
    );
}

#[test]
fn a_hole_takes_no_parts_away() {
    // A minute without anything before the segment being written.
    let late = |part: &Part| Part { start: part.start + Span::from_millis(60_000), ..part.clone() };
    let written = edge(5, 2);
    let start = written.start + Span::from_millis(60_000);
    let written =
        Edge { start, join: Join::Broken, parts: written.parts.iter().map(late).collect(), ..written };
    let parts = |edge| playlist(&shelf((0..5).map(parted), Some(edge))).matches("#EXT-X-PART:").count();
    assert_eq!([edge(5, 2), written].map(parts), [17, 17]);
}

#[test]
fn before_the_first_segment_there_are_parts() {
    let story = Edge { join: Join::Broken, ..edge(0, 1) };
    assert_eq!(
        media(&shelf([], Some(story)), &low_latency(), Extent::Delta(Skip::Segments), &[]),
        HEAD.to_owned()
            + "#EXT-X-MEDIA-SEQUENCE:100\n\
               #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
               #EXT-X-INDEPENDENT-SEGMENTS\n\
               #EXT-X-DISCONTINUITY\n\
               #EXT-X-MAP:URI=\"init-0.mp4\"\n\
               #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
               #EXT-X-PART:DURATION=0.400000,URI=\"100.0.m4s\",INDEPENDENT=YES\n\
               #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"100.1.m4s\"\n"
    );
}

#[test]
fn what_holds_for_a_segment_stands_before_its_first_part() {
    // A hole, and then an encoder with other parameters; of its segment nothing is there yet.
    let changed = |count| Edge { join: Join::Broken, init: init(1), ..edge(7, count) };
    let missing = parts(6, 1).iter().map(|part| Part { presence: Presence::Gap, ..part.clone() }).collect();
    let lost = Segment { parts: missing, ..gap(6) };
    let text = playlist(&shelf([parted(5), lost.clone()], Some(changed(0))));
    let tail = "#EXTINF:2.000000,\n\
                105.m4s\n\
                #EXT-X-PART:DURATION=0.400000,URI=\"106.0.m4s\",INDEPENDENT=YES,GAP=YES\n\
                #EXT-X-GAP\n\
                #EXTINF:2.000000,\n\
                106.m4s\n";
    let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"107.0.m4s\"\n";
    assert!(text.ends_with(&format!("{tail}{hint}")), "{text}");

    let opening = "#EXT-X-DISCONTINUITY\n\
                   #EXT-X-MAP:URI=\"init-1.mp4\"\n\
                   #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:14.000Z\n\
                   #EXT-X-PART:DURATION=0.400000,URI=\"107.0.m4s\",INDEPENDENT=YES\n";
    let text = playlist(&shelf([parted(5), lost.clone()], Some(changed(1))));
    let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"107.1.m4s\"\n";
    assert!(text.ends_with(&format!("{tail}{opening}{hint}")), "{text}");

    // Complete, it says the same once, before its parts.
    let complete = Segment { init: Some(init(1)), parts: parts(7, 5), ..broken(7) };
    let text = playlist(&shelf([parted(5), lost, complete], Some(Edge { init: init(1), ..edge(8, 1) })));
    assert!(text.contains(&format!("{tail}{opening}")), "{text}");
    assert_eq!(text.matches("#EXT-X-MAP").count(), 2, "{text}");
    assert_eq!(text.matches("#EXT-X-PROGRAM-DATE-TIME").count(), 2, "{text}");
}

#[test]
fn without_an_edge_it_is_a_list_of_segments_whose_readers_may_still_wait() {
    let text = playlist(&shelf((0..2).map(parted), None));
    assert_eq!(
        text,
        "#EXTM3U\n\
         #EXT-X-VERSION:9\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n\
         #EXT-X-MEDIA-SEQUENCE:100\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MAP:URI=\"init-0.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
         #EXTINF:2.000000,\n\
         100.m4s\n\
         #EXTINF:2.000000,\n\
         101.m4s\n"
    );
}

#[test]
fn a_delta_of_parts_skips_what_is_past_the_boundary() {
    let snapshot = shelf((0..15).map(parted), Some(edge(15, 1)));
    let text = media(&snapshot, &low_latency(), Extent::Delta(Skip::Segments), &[]);
    let opening = "#EXT-X-MEDIA-SEQUENCE:100\n\
                   #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
                   #EXT-X-INDEPENDENT-SEGMENTS\n\
                   #EXT-X-SKIP:SKIPPED-SEGMENTS=8\n\
                   #EXT-X-MAP:URI=\"init-0.mp4\"\n\
                   #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:16.000Z\n\
                   #EXTINF:2.000000,\n\
                   108.m4s\n";
    assert!(text.starts_with(&format!("{HEAD}{opening}")), "{text}");
    assert!(text.ends_with("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"115.1.m4s\"\n"), "{text}");
}

#[test]
fn reports_tell_the_last_part_there_is() {
    let report = |snapshot: &Snapshot| Report::of("a", snapshot).map(|it| (it.sequence, it.part));
    let table = [
        (shelf([], None), None),
        (shelf([], Some(edge(0, 0))), None),
        (shelf([], Some(edge(0, 2))), Some((100, Some(1)))),
        (shelf((0..2).map(parted), Some(edge(2, 0))), Some((101, Some(4)))),
        (shelf((0..2).map(parted), Some(edge(2, 3))), Some((102, Some(2)))),
        (shelf([gap(0)], Some(edge(1, 0))), Some((100, None))),
    ];
    for (snapshot, expected) in table {
        assert_eq!(report(&snapshot), expected, "{snapshot:?}");
    }
}

fn seconds(line: &str, name: &str) -> f64 {
    let value = line.split([':', ',']).find_map(|it| it.strip_prefix(name)).expect("it is there");
    value.trim_start_matches('=').parse().expect("a number")
}

proptest! {
    /// Part by part, as it is published: names are hinted before they are listed, lines are only appended at the
    /// end, and taken away from the front, and no part seems longer than the target.
    #[test]
    fn a_series_of_playlists_keeps_the_rules(
        target in 9_000i64..90_000,
        lengths in proptest::collection::vec(proptest::collection::vec(1i64..=100, 1..8), 1..20),
        gaps in proptest::collection::vec(0u8..10, 20),
    ) {
        let mut listed: Vec<Segment> = Vec::new();
        let mut edge = Edge { part_target: Span::from_ticks(target), ..edge(0, 0) };
        let mut before: Option<(String, Vec<String>)> = None;
        for (lengths, gap) in lengths.iter().zip(gaps) {
            edge = Edge { init: init(0), parts: PartList::default(), ..edge };
            let mut start = edge.start;
            for (nth, percent) in lengths.iter().enumerate() {
                let mut part = parts(0, nth as i64 + 1).last().cloned().expect("one at least");
                (part.start, part.duration) = (start, Span::from_ticks(target * percent / 100));
                start += part.duration;
                edge.parts.push(part);
                let now = shelf(listed.clone(), Some(edge.clone()));
                let text = playlist(&now);
                let part_target = text.lines().find(|it| it.starts_with("#EXT-X-PART-INF")).expect("told");
                let part_target = seconds(part_target, "PART-TARGET");
                for line in text.lines().filter(|it| it.starts_with("#EXT-X-PART:")) {
                    prop_assert!(seconds(line, "DURATION") <= part_target, "{line} of {part_target}");
                }
                prop_assert_eq!(text.matches("#EXT-X-PRELOAD-HINT").count(), 1);
                let told = read(&text);
                let uris: Vec<String> = text
                    .lines()
                    .filter(|it| it.starts_with("#EXT-X-PART:"))
                    .filter_map(|it| it.split('"').nth(1).map(str::to_owned))
                    .collect();
                prop_assert_eq!(told.segments.len(), listed.len());
                let hint = text.lines().last().and_then(|it| it.split('"').nth(1)).expect("a hint");
                prop_assert!(!uris.iter().any(|it| it == hint), "hinted though listed");
                if let Some((hint, old)) = &before {
                    prop_assert_eq!(uris.last(), Some(hint), "what comes is what was hinted");
                    let kept = old.iter().position(|it| Some(it) == uris.first()).unwrap_or(old.len());
                    prop_assert!(uris.starts_with(&old[kept..]), "{old:?} became {uris:?}");
                }
                before = Some((hint.to_owned(), uris));
            }
            let duration = start - edge.start;
            let presence = if gap == 0 { Presence::Gap } else { Presence::There };
            let (sequence, init) = (edge.sequence, Some(Arc::clone(&edge.init)));
            let parts = edge.parts.clone();
            listed.push(Segment {
                sequence, start: edge.start, duration, join: edge.join, presence, init, parts, ..parted(0)
            });
            (edge.sequence, edge.start) = (sequence + 1, start);
            // The hint of the last playlist is of a part the segment did not have: it is hinted anew.
            let text = playlist(&shelf(listed.clone(), Some(Edge { parts: PartList::default(), ..edge.clone() })));
            let hint = text.lines().last().and_then(|it| it.split('"').nth(1)).expect("a hint");
            prop_assert_eq!(hint, format!("{}.0.m4s", edge.sequence));
            before = before.map(|(_, uris)| (hint.to_owned(), uris));
        }
    }
}

#[test]
fn the_part_target_is_told_rounded_up_and_the_parts_down() {
    let third = Span::from_ticks(PART_TARGET.ticks() / 3 + 1);
    let mut story = Edge { part_target: third, ..edge(0, 1) };
    story.parts = parts(0, 1).iter().map(|part| Part { duration: third, ..part.clone() }).collect();
    story.start = instant(0);
    let text = playlist(&shelf([], Some(story)));
    assert!(text.contains("PART-TARGET=0.146678\n") && text.contains("DURATION=0.146677,"), "{text}");
    assert!(text.contains("PART-HOLD-BACK=0.440034,"), "{text}");
}
