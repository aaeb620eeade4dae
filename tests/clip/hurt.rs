//! Windows with gaps, holes and damage: a file that can be read, or a refusal.

use std::sync::Arc;

use bytes::Bytes;
use outpost::clip::{Kind, cut};
use outpost::container::ts::Join;
use outpost::segment::{Body, Segment};
use proptest::prelude::*;

use crate::tool::{Scratch, run, text};
use crate::window::{at, bytes, camera, probe, radio, write};

#[derive(Clone, Debug)]
enum Harm {
    None,
    Gap,
    Missing,
    /// This byte is another.
    Byte(usize, u8),
    /// It ends there.
    Short(usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        3 => Just(Harm::None),
        1 => Just(Harm::Gap),
        1 => Just(Harm::Missing),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(at, to)| Harm::Byte(at, to)),
        1 => any::<usize>().prop_map(Harm::Short),
    ]
}

fn harmed(window: &[Arc<Segment>], harms: &[Harm]) -> Vec<Arc<Segment>> {
    let harm = |(it, harm): (&Arc<Segment>, &Harm)| {
        let mut bytes = it.body.chunks.concat();
        match harm {
            Harm::None => return Some(Arc::clone(it)),
            Harm::Gap => {
                return Some(Arc::new(Segment::gap(it.sequence, it.start, it.duration, Join::Continuous)));
            }
            Harm::Missing => return None,
            Harm::Byte(at, to) => {
                let at = at % bytes.len();
                bytes[at] = *to;
            }
            Harm::Short(len) => bytes.truncate(len % bytes.len()),
        }
        let body = Body { len: bytes.len(), chunks: Arc::from([Bytes::from(bytes)]) };
        Some(Arc::new(Segment { body, ..(**it).clone() }))
    };
    window.iter().zip(harms).filter_map(harm).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_in_the_window_nothing_panics_and_the_file_is_as_long_as_it_says(
        harms in proptest::collection::vec(harm(), 4),
        from in -1_000i64..9_000,
        length in -500i64..6_000,
        kind in proptest::sample::select(vec![Kind::M4a, Kind::Aac, Kind::Mp4, Kind::Ts]),
        pictures: bool,
        change in proptest::option::of(0i64..8_000),
    ) {
        let window = if pictures { camera(change.map(at)) } else { radio() };
        let window = harmed(&window, &harms);
        if let Ok(clip) = cut(&window, at(from)..at(from + length), kind) {
            prop_assert!(clip.size() > 0);
            prop_assert!(clip.span.start < clip.span.end);
            let file = bytes(&clip, &window);
            if matches!(kind, Kind::M4a | Kind::Mp4) {
                // ftyp, moov and mdat are all there is.
                let (mut rest, mut kinds) = (&file[..], Vec::new());
                while !rest.is_empty() {
                    let size = u32::from_be_bytes(*rest.first_chunk().expect("a size")) as usize;
                    kinds.push(rest[4..8].to_vec());
                    rest = &rest[size..];
                }
                prop_assert_eq!(kinds, [b"ftyp", b"moov", b"mdat"]);
            }
        }
    }
}

#[test]
fn a_gap_is_a_pause_and_players_stay_in_time() {
    let scratch = Scratch::new("clip-gap");
    let harms = [Harm::None, Harm::Gap, Harm::None, Harm::None];
    let window = harmed(&camera(None), &harms);
    let path = write(&scratch, &window, (500, 7_000), Kind::Mp4).expect("a clip");
    run("ffmpeg", &["-v", "warning", "-i", text(&path), "-fps_mode", "passthrough", "-f", "null", "-"]);
    for stream in ["v", "a"] {
        let times: Vec<f64> =
            probe(&path, stream, "packet=pts_time").iter().map(|it| it.parse().expect("a number")).collect();
        let widest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!((1.8..2.1).contains(&widest), "{stream}: {widest}");
        assert!((6.9..=7.0).contains(times.last().expect("packets")), "{stream}: {times:?}");
    }
}
