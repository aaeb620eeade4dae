//! The tables byte by byte, read by the letter of the standard.

use super::*;
use crate::base::Span;
use crate::container::fmp4::tests::reader::{boxes, find, tree};
use crate::media::h264::ParameterSets;
use crate::media::{AacConfig, Entry};

const FILM: &[u8] = include_bytes!("../../../tests/data/ts/pictures.h264");

fn sound() -> AacConfig {
    AacConfig::parse(&[0x11, 0x88]).expect("AAC-LC, 48 kHz, mono")
}

fn sample(size: u32, duration: u32, composition: u32, entry: Entry) -> Sample {
    Sample { size, duration, composition, entry }
}

/// Big-endian numbers.
fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(4).map(|four| u32::from_be_bytes(four.try_into().expect("whole numbers"))).collect()
}

/// The numbers in a box below `path` of the track number `track`, its version and flags first.
fn table(file: &[u8], track: usize, path: &[&str]) -> Vec<u32> {
    let traks: Vec<_> = boxes(find(file, &["moov"])).into_iter().filter(|(kind, _)| kind == "trak").collect();
    numbers(find(traks[track].1, path))
}

#[test]
fn a_file_of_sound_byte_by_byte() {
    let config = sound();
    let samples = [(10, 1024), (20, 1024), (30, 2048), (40, 1024), (50, 1024)];
    let track = TrackTable {
        codec: Codec::Audio(&config),
        samples: samples.map(|(size, duration)| sample(size, duration, 0, Entry::Key)).to_vec(),
        // Two, none, two, one.
        chunks: vec![2, 0, 2, 1],
        edit: Edit { delay: Span::ZERO, skip: 700, length: Span::from_ticks(9_000) },
    };
    let file = head(&[track]).expect("small enough");
    let stbl = "stbl(stsd(mp4a(esds)) stts stsc stsz stco)";
    let trak = format!("trak(tkhd edts(elst) mdia(mdhd hdlr minf(smhd dinf(dref(url )) {stbl})))");
    // The media are not there yet.
    let (moov, mdat) = file.split_at(file.len() - 8);
    assert_eq!(tree(moov), format!("ftyp moov(mvhd {trak})"));
    assert_eq!(mdat, [&158u32.to_be_bytes()[..], b"mdat"].concat());
    assert_eq!(find(moov, &["ftyp"]), b"M4A \0\0\0\0M4A isomiso2");
    let of = |name: &str| table(moov, 0, &["mdia", "minf", "stbl", name]);
    assert_eq!(of("stts"), [0, 3, 2, 1024, 1, 2048, 2, 1024]);
    assert_eq!(of("stsc"), [0, 2, 1, 2, 1, 3, 1, 1]);
    assert_eq!(of("stsz"), [0, 0, 5, 10, 20, 30, 40, 50]);
    let begin = file.len() as u32;
    assert_eq!(of("stco"), [0, 3, begin, begin + 30, begin + 100]);
    assert_eq!(table(moov, 0, &["edts", "elst"]), [0, 1, 9_000, 700, 0x1_0000]);
    // timescale, duration
    assert_eq!(table(moov, 0, &["mdia", "mdhd"])[3..5], [48_000, 6 * 1024]);
    assert_eq!(numbers(&find(moov, &["moov", "mvhd"])[12..20]), [90_000, 9_000]);
    assert_eq!(table(moov, 0, &["tkhd"])[5], 9_000);
}

#[test]
fn pictures_and_sound_take_turns() {
    let (config, sets) = (sound(), ParameterSets::of(FILM).expect("it begins with them"));
    let key = |size| sample(size, 3_600, 3_600, Entry::Key);
    let other = |size, composition| sample(size, 3_600, composition, Entry::Dependent);
    let pictures = TrackTable {
        codec: Codec::Video(&sets),
        samples: vec![key(1_000), other(100, 7_200), other(50, 0), key(2_000)],
        chunks: vec![3, 1],
        edit: Edit { delay: Span::ZERO, skip: 3_600, length: Span::from_ticks(14_400) },
    };
    let sound = TrackTable {
        codec: Codec::Audio(&config),
        samples: vec![sample(7, 1024, 0, Entry::Key); 3],
        chunks: vec![2, 1],
        edit: Edit { delay: Span::from_ticks(900), skip: 0, length: Span::from_ticks(5_760) },
    };
    let file = head(&[pictures, sound]).expect("small enough");
    let moov = &file[..file.len() - 8];
    let of = |track, name: &str| table(moov, track, &["mdia", "minf", "stbl", name]);
    let begin = file.len() as u32;
    assert_eq!(of(0, "stco"), [0, 2, begin, begin + 1_164]);
    assert_eq!(of(1, "stco"), [0, 2, begin + 1_150, begin + 3_164]);
    assert_eq!(of(0, "stss"), [0, 2, 1, 4]);
    assert_eq!(of(0, "ctts"), [0, 4, 1, 3_600, 1, 7_200, 1, 0, 1, 3_600]);
    assert_eq!(of(0, "stts"), [0, 1, 4, 3_600]);
    // Nothing of it for a hundredth of a second, then all.
    let expected = [0, 2, 900, u32::MAX, 0x1_0000, 5_760, 0, 0x1_0000];
    assert_eq!(table(moov, 1, &["edts", "elst"]), expected);
    assert_eq!(find(moov, &["ftyp"])[..4], *b"isom");
    assert_eq!(table(moov, 0, &["tkhd"])[19..], [320 << 16, 180 << 16]);
}

#[test]
fn a_file_of_more_than_four_gigabytes_is_refused() {
    let config = sound();
    let edit = Edit { delay: Span::ZERO, skip: 0, length: Span::ZERO };
    let of = |size| {
        let samples = vec![sample(size, 1024, 0, Entry::Key); 2];
        head(&[TrackTable { codec: Codec::Audio(&config), samples, chunks: vec![2], edit }]).map(|_| ())
    };
    assert_eq!((of(1 << 31), of((1 << 31) - 1_000)), (Err(TooLarge), Ok(())));
}
