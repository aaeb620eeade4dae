//! The chunks judged by a reader of their own, and by the standard's rules.

pub(in crate::container) mod reader;

use proptest::prelude::*;

use super::*;
use crate::base::{Pts, Span};
use crate::media::{Entry, Packet, Track};
use reader::{Chunk, Sample, boxes, chunks, find, tree};

const FILM: &[u8] = include_bytes!("../../../../tests/data/ts/pictures.h264");

fn film() -> TrackConfig {
    let sets = ParameterSets::of(FILM).expect("the film begins with its parameter sets");
    TrackConfig::Video { sets, rate: FrameRate::new(30, 1).expect("a rate") }
}

fn sound(config: &[u8]) -> TrackConfig {
    TrackConfig::Audio(AacConfig::parse(config).expect("valid"))
}

const LC: &[u8] = &[0x11, 0x88];
const HE: &[u8] = &[0x2B, 0x09, 0x88, 0x00];

fn picture(pts: i64, entry: Entry, data: &[u8]) -> Packet<'_> {
    let pts = Pts::from_ticks(pts);
    Packet { track: Track::Video, pts, dts: pts, entry, data }
}

fn frame(pts: i64, data: &[u8]) -> Packet<'_> {
    Packet { track: Track::Audio, ..picture(pts, Entry::Key, data) }
}

fn finish(mux: &mut Mux) -> Vec<u8> {
    let mut out = Vec::new();
    mux.finish(&mut out);
    out.concat()
}

#[test]
fn the_boxes_of_an_initialisation_segment() {
    let table = [
        (film(), "vmhd", "avc1(avcC)", 90_000, (320, 180)),
        (sound(LC), "smhd", "mp4a(esds)", 48_000, (0, 0)),
        (sound(&[0x2B, 0x11, 0x88, 0x00]), "smhd", "mp4a(esds)", 48_000, (0, 0)),
    ];
    for (track, media, entry, timescale, (width, height)) in table {
        let init = init(&track);
        let tables = format!("stbl(stsd({entry}) stts stsc stco stsz)");
        let minf = format!("minf({media} dinf(dref(url )) {tables})");
        let expected = format!("ftyp moov(mvhd trak(tkhd mdia(mdhd hdlr {minf})) mvex(trex))");
        assert_eq!(tree(&init), expected);
        assert_eq!(find(&init, &["ftyp"]), b"iso6\0\0\0\0iso6cmfccmf2");
        let mdhd = find(&init, &["moov", "trak", "mdia", "mdhd"]);
        assert_eq!(mdhd[12..16], u32::to_be_bytes(timescale));
        let tkhd = find(&init, &["moov", "trak", "tkhd"]);
        assert_eq!(tkhd.len(), 84);
        let side = |side: u32| (side << 16).to_be_bytes();
        assert_eq!(tkhd[76..], [side(width), side(height)].concat());
        assert_eq!((find(&init, &["moov", "mvhd"]).len(), mdhd.len()), (100, 24));
    }
}

#[test]
fn a_decoder_s_configuration_byte_by_byte() {
    let entry = |track: &TrackConfig| {
        let init = init(track);
        let stsd = find(&init, &["moov", "trak", "mdia", "minf", "stbl", "stsd"]);
        boxes(&stsd[8..])[0].1.to_vec()
    };
    // Of HE-AAC what is heard: 48 kHz, of 2 channels. Its configuration names SBR.
    let he = entry(&sound(&[0x2B, 0x11, 0x88, 0x00]));
    assert_eq!(he[16..26], [0, 2, 0, 16, 0, 0, 0, 0, 0xBB, 0x80]);
    let expected = [
        &[0, 0, 0, 0, 3, 0x80, 0x80, 0x80, 36, 0, 0, 0][..],
        &[4, 0x80, 0x80, 0x80, 22, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[5, 0x80, 0x80, 0x80, 4, 0x2B, 0x11, 0x88, 0x00],
        &[6, 0x80, 0x80, 0x80, 1, 2],
    ];
    assert_eq!(find(&he[28..], &["esds"]), expected.concat());
    // 96 kHz do not fit the entry.
    assert_eq!(entry(&sound(&[0x10, 0x08]))[24..26], [0, 0]);

    let TrackConfig::Video { sets, .. } = film() else { panic!("a film has pictures") };
    assert_eq!(find(&entry(&film())[78..], &["avcC"]), sets.record());
}

#[test]
fn a_chunk_byte_by_byte() {
    let mut mux = Mux::new(&sound(LC));
    mux.push(&frame(90_000, b"one")).expect("the first");
    mux.push(&frame(91_920, b"three")).expect("it follows");
    let expected = [
        &b"\0\0\0\x68moof\0\0\0\x10mfhd\0\0\0\0\0\0\0\x01\0\0\0\x50traf"[..],
        b"\0\0\0\x18tfhd\0\x02\0\x28\0\0\0\x01\0\0\x04\0\x02\0\0\0",
        b"\0\0\0\x14tfdt\x01\0\0\0\0\0\0\0\0\0\xBB\x80",
        b"\0\0\0\x1Ctrun\x01\0\x02\x01\0\0\0\x02\0\0\0\x70\0\0\0\x03\0\0\0\x05",
        b"\0\0\0\x10mdatonethree",
    ]
    .concat();
    assert_eq!(finish(&mut mux).escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert!(finish(&mut mux).is_empty(), "no chunk without a unit");
}

#[test]
fn pictures_lose_their_start_codes_and_what_the_initialisation_segment_has() {
    let unit = [
        &[0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3][..],
        &[0, 0, 1, 6, 5, 4, 0, 0, 1, 0x65, 0x88, 0, 0, 3, 1, 0, 0, 0, 1, 0x65, 7],
    ]
    .concat();
    let mut mux = Mux::new(&film());
    mux.push(&picture(90_000, Entry::Key, &unit)).expect("a picture");
    let bare = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x67, 1];
    assert_eq!(mux.push(&picture(93_000, Entry::Key, &bare)), Err(MuxError::Empty));
    mux.push(&picture(93_000, Entry::Dependent, &[0, 0, 1, 0x41, 9])).expect("a picture");
    let found = chunks(&finish(&mut mux));
    let first = [0, 0, 0, 3, 6, 5, 4, 0, 0, 0, 6, 0x65, 0x88, 0, 0, 3, 1, 0, 0, 0, 2, 0x65, 7];
    let samples = [
        Sample { dts: 87_000, pts: 90_000, duration: 3_000, sync: true, data: first.to_vec() },
        Sample { dts: 90_000, pts: 93_000, duration: 3_000, sync: false, data: vec![0, 0, 0, 2, 0x41, 9] },
    ];
    assert_eq!(found[0].samples, samples);
}

#[test]
fn what_cannot_follow_is_refused_until_an_interruption() {
    for (track, step) in [(film(), 3_000), (sound(LC), 1_920)] {
        let mut mux = Mux::new(&track);
        let unit = |pts| picture(pts, Entry::Key, &[0, 0, 1, 0x65, 1]);
        mux.push(&unit(90_000)).expect("the first");
        let from = Pts::from_ticks(90_000);
        for to in [90_000, 0, 990_001] {
            let to = Pts::from_ticks(to);
            assert_eq!(mux.push(&unit(to.ticks())), Err(MuxError::Jump { from, to }));
        }
        mux.push(&unit(90_000 + step)).expect("it follows");
        let before = chunks(&finish(&mut mux));
        mux.interrupt();
        mux.push(&unit(45_000)).expect("anything may follow");
        let behind = chunks(&finish(&mut mux));
        let begin = if step == 3_000 { 42_000 } else { 24_000 };
        assert_eq!((before[0].samples.len(), behind[0].decode, behind[0].sequence), (2, begin, 2));
    }
}

#[test]
fn sound_keeps_to_its_time_through_holes() {
    // PTS of frames in ticks, chunks of two frames: where each then lies in samples.
    let table: [(&[i64], &[i64]); 4] = [
        (&[0, 1920, 3840, 5760], &[0, 1024, 2048, 3072]),
        // A tick beside it is rounding.
        (&[0, 1921, 3839, 5760], &[0, 1024, 2048, 3072]),
        // A hole within a chunk: the frame before lasts.
        (&[0, 3840, 5760, 7680], &[0, 2048, 3072, 4096]),
        // A hole between two.
        (&[0, 1920, 5760, 7680], &[0, 1024, 3072, 4096]),
    ];
    for (stamps, expected) in table {
        let mut mux = Mux::new(&sound(LC));
        let mut out = Vec::new();
        for pair in stamps.chunks(2) {
            pair.iter().for_each(|pts| mux.push(&frame(*pts, b"sound")).expect("in order"));
            mux.finish(&mut out);
        }
        let found: Vec<_> =
            chunks(&out.concat()).iter().flat_map(|chunk| &chunk.samples).map(|one| one.pts).collect();
        assert_eq!(found, expected, "{stamps:?}");
    }
}

#[test]
fn notes_go_before_the_chunk() {
    let mut mux = Mux::new(&sound(HE));
    mux.push(&frame(90_000, b"sound")).expect("the first");
    mux.note(Pts::from_ticks(90_001), b"ID3 one");
    mux.note(Pts::from_ticks(93_000), b"ID3 two");
    let out = finish(&mut mux);
    assert_eq!(tree(&out), "emsg emsg moof(mfhd traf(tfhd tfdt trun)) mdat");
    let expected = [
        &b"\x01\0\0\0\0\x01\x5F\x90\0\0\0\0\0\x01\x5F\x91\xFF\xFF\xFF\xFF\0\0\0\x01"[..],
        b"https://aomedia.org/emsg/ID3\0\0ID3 one",
    ];
    assert_eq!(boxes(&out)[0].1.escape_ascii().to_string(), expected.concat().escape_ascii().to_string());
    mux.push(&frame(93_840, b"sound")).expect("it follows");
    assert!(tree(&finish(&mut mux)).starts_with("moof"), "each is written once");
}

#[test]
fn long_units_are_spread_over_slabs_and_come_out_whole() {
    let (mut mux, mut out) = (Mux::new(&sound(LC)), Vec::new());
    let units: Vec<Vec<u8>> = (0..40).map(|n: usize| vec![n as u8; n * 7919 % 90_000 + 1]).collect();
    for (n, some) in units.chunks(4).enumerate() {
        for (m, data) in some.iter().enumerate() {
            mux.push(&frame((n * 4 + m) as i64 * 1920, data)).expect("in order");
        }
        mux.finish(&mut out);
    }
    let longest = out.iter().map(|piece| piece.len()).max();
    assert_eq!(longest, Some(32 << 10), "no piece holds more than a slab");
    let found = chunks(&out.concat());
    let found: Vec<_> = found.into_iter().flat_map(|chunk| chunk.samples).map(|sample| sample.data).collect();
    assert_eq!(found, units);
}

/// Chunks of `len` units each.
fn cut(track: &TrackConfig, units: &[Packet<'_>], len: usize) -> Vec<Chunk> {
    let (mut mux, mut out) = (Mux::new(track), Vec::new());
    for some in units.chunks(len) {
        some.iter().for_each(|unit| mux.push(unit).expect("in order"));
        mux.finish(&mut out);
    }
    chunks(&out.concat())
}

fn continuous(chunks: &[Chunk]) -> bool {
    chunks.windows(2).all(|pair| pair[0].end() == pair[1].decode && pair[0].sequence + 1 == pair[1].sequence)
}

proptest! {
    #[test]
    fn pictures_that_come_as_they_like_are_shown_at_their_pts(
        start in 3_000i64..1 << 40,
        steps in proptest::collection::vec((1i64..20_000, any::<bool>(), 1usize..300), 1..80),
        len in 1usize..9,
    ) {
        let mut pts = start;
        let coded: Vec<_> = steps.iter().map(|(_, _, len)| [&[0, 0, 1, 0x65][..], &vec![7; *len]].concat()).collect();
        let mut units = Vec::new();
        for ((step, key, _), data) in steps.iter().zip(&coded) {
            units.push(picture(pts, if *key { Entry::Key } else { Entry::Dependent }, data));
            pts += step;
        }
        let found = cut(&film(), &units, len);
        prop_assert!(continuous(&found));
        prop_assert_eq!(found[0].decode, start - 3_000);
        let samples: Vec<_> = found.iter().flat_map(|chunk| &chunk.samples).collect();
        prop_assert_eq!(samples.len(), units.len());
        for (sample, unit) in samples.iter().zip(&units) {
            prop_assert_eq!((sample.pts, sample.sync), (unit.pts.ticks(), unit.entry == Entry::Key));
            prop_assert!(sample.duration >= 1);
            prop_assert_eq!(&sample.data[4..], &unit.data[3..]);
        }
        // It is decoded when the one before it is shown, and never later.
        for (units, samples) in units.windows(2).zip(samples.windows(2)) {
            prop_assert_eq!(samples[1].dts, units[0].pts.ticks());
        }
    }

    #[test]
    fn sound_is_counted_and_stays_within_a_millisecond(
        start in 0i64..1 << 40,
        rate in proptest::sample::select(vec![(0x11u8, 0x88u8, 48_000), (0x12, 0x08, 44_100), (0x14, 0x08, 16_000)]),
        jitter in proptest::collection::vec(-40i64..40, 1..200),
        len in 1usize..12,
    ) {
        let (high, low, hertz) = rate;
        let units: Vec<_> = jitter
            .iter()
            .enumerate()
            .map(|(n, jitter)| {
                let after = Span::from_samples(n as i64 * 1024, hertz) + Span::from_ticks(*jitter);
                frame(start + after.ticks(), b"sound")
            })
            .collect();
        let found = cut(&sound(&[high, low]), &units, len);
        prop_assert!(continuous(&found));
        let samples: Vec<_> = found.iter().flat_map(|chunk| &chunk.samples).collect();
        prop_assert_eq!(samples.len(), units.len());
        for (sample, unit) in samples.iter().zip(&units) {
            let truth = (unit.pts - Pts::default()).to_samples(hertz);
            prop_assert!((sample.pts - truth).abs() <= i64::from(hertz) / 1000, "{:?}", sample);
            prop_assert_eq!((sample.duration, sample.sync), (1024, true));
        }
    }

    #[test]
    fn any_bytes_make_a_chunk_or_none(bytes in proptest::collection::vec(0u8..10, 0..80)) {
        let mut mux = Mux::new(&film());
        let taken = mux.push(&picture(0, Entry::Dependent, &bytes));
        let found = chunks(&finish(&mut mux));
        prop_assert_eq!(found.len(), usize::from(taken.is_ok()));
    }
}
