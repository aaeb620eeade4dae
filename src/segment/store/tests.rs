use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::base::{Clock, Pts, SimClock, Span, WallTime};
use crate::container::ts::Join;
use crate::media::Entry as Entrance;
use crate::segment::{Body, Init, Key, Part, Presence};

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

/// All there is to know of segments, and a sum of their bytes.
fn told<'a>(segments: impl Iterator<Item = &'a Segment>) -> (String, u64) {
    let (lines, sums): (Vec<_>, Vec<_>) = segments.map(told_of_one).unzip();
    (lines.join("; "), sums.into_iter().fold(0, add))
}

fn add(sum: u64, it: u64) -> u64 {
    sum.wrapping_mul(31).wrapping_add(it)
}

fn told_of_one(segment: &Segment) -> (String, u64) {
    let mut sum = 0;
    let mut len_of = |bytes: &[u8]| {
        sum = bytes.iter().map(|it| u64::from(*it)).fold(sum, add);
        bytes.len()
    };
    let mut bytes = |body: &Body| {
        assert_eq!(len_of(&body.chunks.concat()), body.len);
        body.len
    };
    let Segment { sequence, start, duration, join, presence, body, key, init, parts } = segment;
    let parts: Vec<_> =
        parts.iter().map(|it| (it.start, it.duration, it.entry, it.presence, bytes(&it.body))).collect();
    let body = bytes(body);
    let (key, init) =
        (key.as_ref().map(|it| (it.number, it.secret)), init.as_ref().map(|it| len_of(&it.bytes)));
    (
        format!("{sequence} {start:?} {duration:?} {join:?} {presence:?} {body} {key:?} {init:?} {parts:?}"),
        sum,
    )
}

/// Keeps them all, and loses all but the last `count`; what is left, and what was kept.
fn kept(segments: Vec<(Vec<Segment>, Segment)>, count: usize) -> (OwnedFd, Vec<(String, u64)>) {
    let mut store = Store::new("radio/audio", "terms").expect("memory");
    let mut kept = Vec::new();
    for (gaps, segment) in segments {
        let line = |it: &Segment| told(gaps.iter().chain([it]));
        let before = line(&segment);
        store.prepare(&Before::Gaps(gaps.clone()), 5);
        let segment = store.keep(segment, 5, NOW, dates(), None);
        assert_eq!(line(&segment), before, "it is the same where it lies now");
        kept.push((segment.sequence, before));
    }
    let kept = kept.split_off(kept.len().saturating_sub(count));
    store.forget_before(kept.first().map_or(u64::MAX, |it| it.0));
    let descriptor = store.descriptor().try_clone_to_owned().expect("a descriptor");
    (descriptor, kept.into_iter().map(|it| it.1).collect())
}

fn found(store: &Store) -> Vec<(String, u64)> {
    let listings = store.past().map(|it| &*it.listings).unwrap_or_default();
    listings.iter().map(|it| told(it.gaps.iter().chain([&it.segment]))).collect()
}

fn open(descriptor: &OwnedFd) -> Result<Store, Discarded> {
    match Store::open(descriptor.try_clone().expect("a descriptor"), "radio/audio", "terms", NOW)? {
        Left::Same(store) => Ok(*store),
        Left::Changed { before, .. } => panic!("nothing has changed since {before}"),
    }
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
        ("radio/audio", "terms", Monotonic::default(), "spoilt"),
    ] {
        let told = open(rendition, terms, now).expect_err(why);
        assert!(told.contains(why), "{told}");
    }
    let empty = Lasting::new().expect("memory").descriptor().try_clone_to_owned().expect("a descriptor");
    assert!(Store::open(empty, "radio/audio", "terms", NOW).is_err());
}

#[test]
fn of_a_stream_that_has_changed_there_is_what_was_listed() {
    let (descriptor, kept) = kept(segments(&[(0, true, vec![100], false, None)]), 9);
    let Ok(Left::Changed { past: Some(past), before }) =
        Store::open(descriptor, "radio/audio", "others", NOW)
    else {
        panic!("there is something left of what has changed");
    };
    assert_eq!(before, "terms");
    let listed = |it: &Listing| told(it.gaps.iter().chain([&it.segment]));
    assert_eq!(past.listings.iter().map(listed).collect::<Vec<_>>(), kept);
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
    store.keep(next, 6, NOW, dates(), None);
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
            let lines = |them: Vec<(String, u64)>| them.into_iter().map(|it| it.0).collect::<Vec<_>>();
            let (found, kept) = (lines(found(&store)), lines(kept));
            prop_assert_eq!(&found[..], &kept[..found.len()]);
        }
    }

    /// Descriptions that say anything, under a checksum that fits.
    #[test]
    fn what_is_told_is_reckoned_with_only_if_it_can_be(
        wrong in proptest::option::of((0usize..8, any::<i64>())),
        lens in proptest::collection::vec(0usize..90, 0..4),
        init in proptest::option::of((any::<u64>(), 0usize..30)),
        odd in proptest::option::of(0usize..300),
    ) {
        let (title, terms) = ("radio/audio", "terms");
        let mut store = Store::new(title, terms).expect("memory");
        let number = |n: usize, sound: i64| wrong.filter(|it| it.0 == n).map_or(sound, |it| it.1);
        let body = [7; 300];
        // The parts and what they need are all of it, but where one is as long as it likes.
        let mut lens = lens;
        if let Some((last, before)) = lens.split_last_mut() {
            let rest = body.len() - before.iter().sum::<usize>() - init.map_or(0, |it| it.1);
            *last = odd.unwrap_or(rest);
        }
        let odd = odd.filter(|_| !lens.is_empty());
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
            "listed": number(6, 1), "front": null, "key": null, "init": init, "parts": parts,
            "dates": dates, "suspended": suspended,
        });
        store.held.push_back((0, record::write(&mut store.memory, &entry, [&body[..]].into_iter()).expect("room").0));
        let descriptor = store.descriptor().try_clone_to_owned().expect("a descriptor");
        drop(store);
        let opened = open(&descriptor);
        prop_assert!(opened.is_ok() || wrong.is_some() || odd.is_some(), "{:?}", opened.err());
        if let Ok(store) = opened && let Some(past) = store.past() {
            let segment = &past.listings[0].segment;
            prop_assert!(segment.duration >= Span::ZERO && segment.start <= NOW.to_pts());
            let _ = past.dates.at(segment.start + segment.duration);
            let parts: usize = segment.parts.iter().map(|it| it.body.len).sum();
            prop_assert!(segment.parts.is_empty() || parts == segment.body.len);
        }
    }
}
