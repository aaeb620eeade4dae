use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::base::{Clock, Pts, SimClock, Span, WallTime};
use crate::container::ts::Join;
use crate::media::Entry as Entrance;
use crate::segment::{Body, Init, Key, Part, Presence, SegmentConfig};

const NOW: Monotonic = Monotonic::from_nanos(1_000_000_000_000);

fn dates() -> (Dates, Duration) {
    let clock = SimClock::new(NOW, WallTime::from_unix_nanos(1_800_000_000_000_000_000));
    (Dates::of(&clock.wall()), Duration::from_secs(3))
}

/// What a segment is made of: gaps before it, how it joins, the lengths of its pieces, whether these are parts of it, its
/// key.
type Shape = (u64, bool, Vec<usize>, bool, Option<u64>);

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let lens = proptest::collection::vec(0usize..9_000, 0..4);
    let shape = (0u64..3, any::<bool>(), lens, any::<bool>(), proptest::option::of(0u64..9));
    proptest::collection::vec(shape, 0..12)
}

/// Segments of those shapes, each with the gaps before it.
fn segments(shapes: &[Shape]) -> Vec<(Vec<Segment>, Segment)> {
    let second = Span::from_millis(1000);
    let mut next = 0;
    let mut place = |join| {
        next += 1;
        let start = Pts::default() + Span::from_millis(1000 * next as i64);
        Segment::gap(700 + next, start, second, join)
    };
    let made = shapes.iter().map(|(gaps, broken, lens, parts, key)| {
        let gaps: Vec<_> = (0..*gaps).map(|_| place(Join::Continuous)).collect();
        let mut segment = place(if *broken { Join::Broken } else { Join::Continuous });
        let bodies = lens.iter().enumerate().map(|(n, len)| {
            let bytes = Bytes::from(vec![n as u8 + 1; *len]);
            Body {
                len: bytes.len(),
                chunks: if bytes.is_empty() { Arc::default() } else { Arc::new([bytes]) },
            }
        });
        let bodies: Vec<_> = bodies.collect();
        let chunks: Vec<_> = bodies.iter().flat_map(|it| it.chunks.iter().cloned()).collect();
        segment.body = Body { len: lens.iter().sum(), chunks: chunks.into() };
        segment.key = key.map(|number| Arc::new(Key { number, secret: [number as u8; 16] }));
        segment.presence = if lens.is_empty() { Presence::Gap } else { Presence::There };
        if *parts {
            segment.init = Some(Arc::new(Init { number: 7, bytes: Bytes::from_static(b"how to decode it") }));
            let part = |body: Body| Part {
                start: segment.start,
                duration: Span::from_millis(200),
                entry: Entrance::Dependent,
                presence: if body.len == 0 { Presence::Gap } else { Presence::There },
                body,
            };
            segment.parts = bodies.into_iter().map(part).collect();
        }
        (gaps, segment)
    });
    made.collect()
}

/// All there is to know of a segment, its bytes in one piece.
fn told(segment: &Segment) -> String {
    let bytes = |body: &Body| {
        let all = body.chunks.concat();
        assert_eq!(all.len(), body.len);
        (all.len(), all.iter().fold(0u64, |sum, it| sum.wrapping_mul(31) + u64::from(*it)))
    };
    let Segment { sequence, start, duration, join, presence, body, key, init, parts } = segment;
    let parts: Vec<_> =
        parts.iter().map(|it| (it.start, it.duration, it.entry, it.presence, bytes(&it.body))).collect();
    let (key, init) =
        (key.as_ref().map(|it| (it.number, it.secret)), init.as_ref().map(|it| it.bytes.clone()));
    format!(
        "{sequence} {start:?} {duration:?} {join:?} {presence:?} {:?} {key:?} {init:?} {parts:?}",
        bytes(body)
    )
}

/// Keeps them all, and loses all but the last `count`; what is left, and what was kept.
fn kept(segments: Vec<(Vec<Segment>, Segment)>, count: usize) -> (OwnedFd, Vec<String>) {
    let mut store = Store::new("radio/audio", "terms").expect("memory");
    let window = Window::new(&SegmentConfig::default(), dates().0);
    let mut kept = Vec::new();
    for (gaps, segment) in segments {
        let line = |it: &Segment| gaps.iter().chain([it]).map(told).collect::<Vec<_>>().join("; ");
        let before = line(&segment);
        store.prepare(&Before::Gaps(gaps.clone()), 5);
        let segment = store.keep(segment, NOW, dates(), &window);
        assert_eq!(line(&segment), before, "it is the same where it lies now");
        kept.push((segment.sequence, before));
    }
    let kept = kept.split_off(kept.len().saturating_sub(count));
    store.forget_before(kept.first().map_or(u64::MAX, |it| it.0));
    let descriptor = store.descriptor().try_clone_to_owned().expect("a descriptor");
    (descriptor, kept.into_iter().map(|it| it.1).collect())
}

fn found(store: &Store) -> Vec<String> {
    let listings = store.past().map(|it| &*it.listings).unwrap_or_default();
    let line = |it: &Listing| it.gaps.iter().chain([&it.segment]).map(told).collect::<Vec<_>>().join("; ");
    listings.iter().map(line).collect()
}

fn open(descriptor: &OwnedFd) -> Result<Store, Discarded> {
    Store::open(descriptor.try_clone().expect("a descriptor"), "radio/audio", "terms", NOW)
}

#[test]
fn what_does_not_fit_is_told_and_not_taken() {
    let open = |rendition, terms, now| {
        let (descriptor, _) = kept(segments(&[(0, true, vec![100], false, None)]), 9);
        Store::open(descriptor, rendition, terms, now).map(|_| ()).map_err(|it| it.to_string())
    };
    assert_eq!(open("radio/audio", "terms", NOW), Ok(()));
    for (rendition, terms, now, why) in [
        ("radio/video", "terms", NOW, "it is that of radio/audio"),
        ("radio/audio", "others", NOW, "it was terms, and is others"),
        ("radio/audio", "terms", Monotonic::default(), "spoilt"),
    ] {
        let told = open(rendition, terms, now).expect_err(why);
        assert!(told.contains(why), "{told}");
    }
    let empty = Lasting::new().expect("memory").descriptor().try_clone_to_owned().expect("a descriptor");
    assert!(Store::open(empty, "radio/audio", "terms", NOW).is_err());
}

#[test]
fn one_that_was_not_written_to_its_end_is_left_out_and_the_next_takes_its_place() {
    use std::os::unix::fs::FileExt;
    let shapes = [(0, true, vec![5000], false, None), (0, false, vec![9000], false, None)];
    let (descriptor, kept) = kept(segments(&shapes), 9);
    // The title and the first have a page and two; of the second the head was not there yet.
    let file = std::fs::File::from(descriptor.try_clone().expect("a descriptor"));
    let page = 4096;
    file.write_all_at(&[0; 24], 3 * page).expect("it can be written");
    let mut store = open(&descriptor).expect("the first is whole");
    assert_eq!(found(&store), kept[..1]);
    let next = segments(&shapes).pop().expect("the second").1;
    store.keep(next, NOW, dates(), &Window::new(&SegmentConfig::default(), dates().0));
    drop(store);
    assert_eq!(found(&open(&descriptor).expect("both are whole")), kept);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_kept_is_found_again(shapes in shapes(), count in 0usize..12) {
        let (descriptor, kept) = kept(segments(&shapes), count);
        let store = open(&descriptor).expect("it can be read");
        prop_assert_eq!(found(&store), kept);
    }

    /// Whatever is written over: what is found then was kept, in its order, or all of it is given up.
    #[test]
    fn what_was_written_over_is_not_believed(
        shapes in shapes(),
        spoilt in proptest::collection::vec((0u64..20, 0u64..400, any::<u8>()), 1..20),
    ) {
        use std::os::unix::fs::FileExt;
        let (descriptor, kept) = kept(segments(&shapes), 12);
        let file = std::fs::File::from(descriptor.try_clone().expect("a descriptor"));
        for (page, offset, byte) in spoilt {
            file.write_all_at(&[byte], page * 4096 + offset).expect("it can be written");
        }
        if let Ok(store) = open(&descriptor) {
            // All but the bytes, which have no checksum.
            let place = |it: &String| it.split(" (").next().unwrap_or_default().to_owned();
            let (found, kept): (Vec<_>, Vec<_>) =
                (found(&store).iter().map(place).collect(), kept.iter().map(place).collect());
            prop_assert_eq!(&found[..], &kept[..found.len()]);
        }
    }

    /// Descriptions that say anything, under a checksum that fits.
    #[test]
    fn what_is_told_is_reckoned_with_only_if_it_can_be(
        numbers in proptest::collection::vec(any::<i64>(), 8),
        lens in proptest::collection::vec(0usize..300, 0..4),
        init in proptest::option::of((any::<u64>(), 0usize..300)),
        mask in any::<u8>(),
    ) {
        let (title, terms) = ("radio/audio", "terms");
        let mut store = Store::new(title, terms).expect("memory");
        // Some of them as they should be.
        let number = |n: usize, sound: i64| if mask >> n & 1 == 1 { numbers[n] } else { sound };
        let stretch = |n| serde_json::json!({
            "sequence": number(n, 700) as u64, "start": number(n + 1, 90_000), "duration": number(n + 2, 90_000),
            "join": "Continuous",
        });
        let (sound, suspended) = dates();
        let mut dates = serde_json::to_value(sound).expect("JSON");
        dates["offset_nanos"] = number(7, 0).into();
        let parts: Vec<_> = lens.iter().map(|len| serde_json::json!({
            "start": number(3, 0), "duration": number(4, 0), "entry": "Key", "presence": "There", "len": len,
        })).collect();
        let entry = serde_json::json!({
            "discontinuities": number(5, 3) as u64, "gaps": [], "segment": stretch(0), "presence": "There",
            "listed": number(6, 1), "front": null, "key": null, "init": init, "parts": parts, "dates": dates, "suspended": suspended,
        });
        let body = [7; 300];
        store.held.push_back((0, record::write(&mut store.memory, &entry, [&body[..]].into_iter()).expect("room").0));
        let descriptor = store.descriptor().try_clone_to_owned().expect("a descriptor");
        drop(store);
        if let Ok(store) = open(&descriptor) && let Some(past) = store.past() {
            let segment = &past.listings[0].segment;
            prop_assert!(segment.duration >= Span::ZERO && segment.start <= NOW.to_pts());
            let _ = past.dates.at(segment.start + segment.duration);
            let parts: usize = segment.parts.iter().map(|it| it.body.len).sum();
            prop_assert!(segment.parts.is_empty() || parts == segment.body.len);
        }
    }
}
