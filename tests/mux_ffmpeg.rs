//! The transport stream judged by ffmpeg, which also makes what goes into it.

#[path = "support/tool.rs"]
mod tool;

use std::path::Path;

use outpost::base::{Pts, Span};
use outpost::container::id3;
use outpost::container::ts::{Mark, Mux, PACKET_LEN, Sink};
use outpost::media::FrameRate;
use outpost::media::aac::adts_frame_len;
use outpost::media::grid::Cutter;
use outpost::media::h264::{NalType, nal_units};
use outpost::media::packet::VideoConfig;
use outpost::media::{AacConfig, CutGrid, Entry, Field, Packet, Program, Track};

use tool::{Scratch, text};

/// A transport stream, as one would record it.
struct File {
    bytes: Vec<u8>,
    /// Where a mark without a packet goes.
    nowhere: [u8; PACKET_LEN],
}

impl File {
    fn new() -> Self {
        Self { bytes: Vec::new(), nowhere: [0; PACKET_LEN] }
    }
}

impl Sink for File {
    fn slot(&mut self, mark: Mark) -> &mut [u8; PACKET_LEN] {
        if matches!(mark, Mark::End { .. }) {
            return &mut self.nowhere;
        }
        let at = self.bytes.len();
        self.bytes.resize(at + PACKET_LEN, 0);
        self.bytes.last_chunk_mut().expect("just made longer")
    }

    fn publish(&mut self) {}
}

/// What a program that must succeed prints.
fn run(program: &str, arguments: &[&str]) -> String {
    String::from_utf8(tool::run(program, arguments)).expect("text")
}

/// Raw AAC frames that ffmpeg has encoded: a tone of `secs` seconds.
fn tone(scratch: &Scratch, secs: u32, bitrate: &str) -> Vec<Vec<u8>> {
    let path = scratch.file("tone.aac");
    let source = format!("sine=frequency=440:sample_rate=48000:duration={secs}");
    let make =
        ["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-ac", "1", "-c:a", "aac", "-b:a", bitrate];
    run("ffmpeg", &[&make[..], &["-f", "adts", text(&path)]].concat());
    let bytes = std::fs::read(&path).expect("what ffmpeg wrote");
    let mut frames = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (frame, behind) = rest.split_at(adts_frame_len(rest).expect("a frame"));
        frames.push(frame[7..].to_vec());
        rest = behind;
    }
    frames
}

fn mono() -> AacConfig {
    AacConfig::parse(&[0x11, 0x88]).expect("AAC-LC, 48 kHz, mono")
}

/// The captured stream: 100 pictures, 25 a second, by x264 with an IDR every 50 and B pictures between.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ts/pictures.h264");
const PICTURE: i64 = 3600;

/// An access unit, and which picture it is in the order of showing.
struct Picture {
    data: Vec<u8>,
    entry: Entry,
    shown: i64,
}

/// The access units of the captured stream; each begins with a delimiter.
fn pictures() -> Vec<Picture> {
    let stream = std::fs::read(PICTURES).expect("the captured stream");
    // Bytes, and whether other pictures need this one (nal_ref_idc of its slices; 7.4.1): here B pictures
    // are those that none needs, and are shown before the one decoded ahead of them.
    let mut units: Vec<(Picture, bool)> = Vec::new();
    for nal in nal_units(&stream) {
        let kind = NalType::of(nal[0]);
        if kind == NalType::Aud {
            units.push((Picture { data: Vec::new(), entry: Entry::Dependent, shown: 0 }, false));
        }
        let (picture, needed) = units.last_mut().expect("the stream begins with a delimiter");
        picture.data.extend([0, 0, 0, 1]);
        picture.data.extend(nal);
        *needed |= matches!(kind, NalType::Idr | NalType::Slice) && nal[0] & 0x60 != 0;
        if kind == NalType::Idr {
            picture.entry = Entry::Key;
        }
    }
    let mut next = 0;
    for n in 0..units.len() {
        if units[n].1 {
            let between = units[n + 1..].iter().take_while(|(_, needed)| !needed).count();
            units[n].0.shown = next + between as i64;
            (1..=between).for_each(|b| units[n + b].0.shown = next + b as i64 - 1);
            next += between as i64 + 1;
        }
    }
    units.into_iter().map(|(picture, _)| picture).collect()
}

/// What ffprobe says of each packet of a stream.
fn packets(path: &Path, stream: &str, fields: &str) -> Vec<Vec<String>> {
    let fields = format!("packet={fields}");
    let arguments =
        ["-v", "error", "-select_streams", stream, "-show_entries", &fields, "-of", "csv=p=0", text(path)];
    let lines = run("ffprobe", &arguments);
    let row = |line: &str| line.split(',').map(str::to_owned).collect();
    lines.lines().filter(|line| !line.is_empty()).map(row).collect()
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

#[test]
fn a_radio_across_the_wrap_is_read_without_a_word_of_complaint() {
    let scratch = Scratch::new("mux-radio");
    let frames = tone(&scratch, 20, "64k");
    // Ten seconds before the 33 bits are full.
    let start = Pts::from_ticks((1 << 33) - 900_000);
    let (mut mux, mut file) = (Mux::new(&Program::audio_only(mono())), File::new());
    let mut cutter = Cutter::new(CutGrid::new(Span::from_millis(2000)));
    for (n, data) in frames.iter().enumerate() {
        let pts = start + Span::from_ticks(n as i64 * 1920);
        if cutter.is_cut(pts) {
            mux.cut(pts, &mut file);
        }
        let unit = Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data };
        mux.write(&unit, &mut file).expect("in order");
    }
    mux.flush(&mut file);
    let path = scratch.file("radio.ts");
    std::fs::write(&path, &file.bytes).expect("room on the disk");

    let about = "stream=codec_name,profile,sample_rate,channels,id";
    let about = run("ffprobe", &["-v", "error", "-show_entries", about, "-of", "csv=p=0", text(&path)]);
    assert!(about.contains("aac,LC,48000,1,0x101"), "{about}");
    let found = packets(&path, "a:0", "pts");
    assert_eq!(found.len(), frames.len());
    for pair in found.windows(2) {
        assert_eq!(number(&pair[1][0]) - number(&pair[0][0]), 1920, "a step in the timestamps");
    }
    // Decoding says nothing, and the sound is the one encoded.
    run("ffmpeg", &["-v", "error", "-i", text(&path), "-f", "null", "-"]);
    let digest = |input: &Path| {
        let make = ["-v", "error", "-i", text(input), "-map", "0:a", "-f", "md5", "-"];
        run("ffmpeg", &make)
    };
    assert_eq!(digest(&path), digest(&scratch.file("tone.aac")));
}

#[test]
fn picture_and_sound_are_read_without_a_word_of_complaint() {
    let scratch = Scratch::new("mux-picture");
    let (sound, pictures) = (tone(&scratch, 4, "64k"), pictures());
    assert_eq!(pictures.len(), 100);
    let start = Pts::from_ticks(10 * 90_000);
    let after = |ticks: i64| start + Span::from_ticks(ticks);
    let picture = pictures.iter().enumerate().map(|(n, Picture { data, entry, shown })| Packet {
        track: Track::Video,
        // B pictures are decoded at most one picture before they are shown.
        pts: after((shown + 1) * PICTURE),
        dts: after(n as i64 * PICTURE),
        entry: *entry,
        data,
    });
    let frame = sound.iter().enumerate().map(|(n, data)| {
        let pts = after(n as i64 * 1920 + PICTURE);
        Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data }
    });
    let mut units: Vec<_> = picture.chain(frame).collect();
    units.sort_by_key(|unit| unit.dts);

    let program = Program {
        video: Some(VideoConfig {
            codecs: "avc1.64000c".into(),
            size: "1280x720".parse().expect("a size"),
            rate: FrameRate::new(30, 1).expect("a rate"),
        }),
        audio: Some(mono()),
    };
    let (mut mux, mut file) = (Mux::new(&program), File::new());
    for unit in &units {
        if (unit.track, unit.entry) == (Track::Video, Entry::Key) {
            mux.cut(unit.pts, &mut file);
        }
        mux.write(unit, &mut file).expect("in order");
    }
    mux.flush(&mut file);
    let path = scratch.file("picture.ts");
    std::fs::write(&path, &file.bytes).expect("room on the disk");

    let about = "stream=codec_name,width,height,avg_frame_rate,id";
    let about = run("ffprobe", &["-v", "error", "-show_entries", about, "-of", "csv=p=0", text(&path)]);
    assert!(about.contains("h264,320,180") && about.contains("0x100") && about.contains("25/1"), "{about}");
    let found = packets(&path, "v:0", "pts,dts,flags");
    let expected: Vec<_> = units.iter().filter(|unit| unit.track == Track::Video).collect();
    assert_eq!(found.len(), expected.len());
    for (found, unit) in found.iter().zip(expected) {
        assert_eq!((number(&found[0]), number(&found[1])), (unit.pts.ticks(), unit.dts.ticks()));
        assert_eq!(found[2].starts_with('K'), unit.entry == Entry::Key);
    }
    assert_eq!(packets(&path, "a:0", "pts").len(), sound.len());
    run("ffmpeg", &["-v", "error", "-i", text(&path), "-f", "null", "-"]);
    // The pictures are those encoded, in the same order.
    let digest = |input: &str| {
        let make = ["-v", "error", "-i", input, "-map", "0:v", "-fps_mode", "passthrough", "-f", "md5", "-"];
        run("ffmpeg", &make)
    };
    assert_eq!(digest(text(&path)), digest(PICTURES));
}

#[test]
fn the_time_is_found_beside_the_sound() {
    let scratch = Scratch::new("mux-notes");
    let frames = tone(&scratch, 4, "64k");
    let (mut mux, mut file) = (Mux::with_notes(&Program::audio_only(mono())), File::new());
    let mut tag = Vec::new();
    id3::write([Field { name: Field::WALL_TIME, text: "2026-11-21T12:00:00.000Z" }], &mut tag);
    let mut expected = Vec::new();
    for (n, data) in frames.iter().enumerate() {
        let pts = Pts::from_ticks(900_000 + n as i64 * 1920);
        let unit = Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data };
        mux.write(&unit, &mut file).expect("in order");
        if n % 94 == 0 {
            mux.note(pts, &tag, &mut file).expect("it is short");
            expected.push(pts.ticks());
        }
    }
    mux.flush(&mut file);
    let path = scratch.file("radio.ts");
    std::fs::write(&path, &file.bytes).expect("room on the disk");
    let about = "stream=codec_name,codec_tag_string,id";
    let about = run("ffprobe", &["-v", "error", "-show_entries", about, "-of", "csv=p=0", text(&path)]);
    assert!(about.contains("timed_id3,ID3 ,0x102"), "{about}");
    let found = packets(&path, "d:0", "pts");
    assert_eq!(found.iter().map(|row| number(&row[0])).collect::<Vec<_>>(), expected);
    // ffmpeg 5.1 takes the first five bytes of such a packet, its own among them, for a header.
    let copy = ["-v", "error", "-i", text(&path), "-map", "0:d", "-c", "copy", "-f", "data", "-"];
    let copied = run("ffmpeg", &copy);
    assert!([&tag[..], &tag[5..]].iter().any(|tag| copied.as_bytes() == tag.repeat(expected.len())));
    run("ffmpeg", &["-v", "warning", "-i", text(&path), "-map", "0:a", "-f", "null", "-"]);
}
