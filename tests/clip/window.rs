//! A window of segments, and what ffmpeg says of a file cut from it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use outpost::base::{Pts, Span};
use outpost::clip::{Clip, Kind, Refusal, cut};
use outpost::container::ts::{Join, Mark, Mux, PACKET_LEN, Sink};
use outpost::media::aac::adts_frame_len;
use outpost::media::h264::{AccessUnits, NalType, nal_units};
use outpost::media::packet::VideoConfig;
use outpost::media::{AacConfig, Entry, FrameRate, Packet, Program, Track};
use outpost::segment::{Body, Segment};

use crate::tool::{Scratch, run, text};

pub(crate) const RATE: u32 = 48_000;
/// Eleven hours after the machine's start.
pub(crate) const START: Pts = Pts::from_ticks(40_000 * 90_000);
/// How long the window is, and each of its segments.
pub(crate) const LENGTH: i64 = 8;
const SEGMENT: Span = Span::from_millis(2_000);
const PICTURE: Span = Span::from_ticks(3_600);

/// So many milliseconds after the window's beginning.
pub(crate) fn at(millis: i64) -> Pts {
    START + Span::from_millis(millis)
}

/// Segments, as the multiplexer begins and ends them.
struct Reel {
    segments: Vec<(Pts, Vec<u8>, Pts)>,
    nowhere: [u8; PACKET_LEN],
}

impl Sink for Reel {
    fn slot(&mut self, mark: Mark) -> &mut [u8; PACKET_LEN] {
        match (mark, self.segments.last_mut()) {
            (Mark::Begin { at, .. }, _) => self.segments.push((at, Vec::new(), at)),
            (Mark::End { at }, Some(segment)) => segment.2 = at,
            _ => {}
        }
        let Some((_, bytes, _)) = self.segments.last_mut().filter(|_| !matches!(mark, Mark::End { .. }))
        else {
            return &mut self.nowhere;
        };
        let from = bytes.len();
        bytes.resize(from + PACKET_LEN, 0);
        bytes.last_chunk_mut().expect("just made longer")
    }

    fn publish(&mut self) {}
}

/// A sweep of eight seconds, which sounds like itself at no other time, as raw AAC frames.
pub(crate) fn sweep() -> &'static [Vec<u8>] {
    static SWEEP: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SWEEP.get_or_init(|| {
        let source = format!("aevalsrc=0.4*sin(2*PI*(200*t+100*t*t)):s={RATE}:d={LENGTH}");
        let make = ["-v", "error", "-f", "lavfi", "-i", &source, "-ac", "1", "-c:a", "aac"];
        let bytes =
            run("ffmpeg", &[&make[..], &["-b:a", "96k", "-aac_pns", "0", "-f", "adts", "-"]].concat());
        let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let (frame, behind) = rest.split_at(adts_frame_len(rest).expect("a frame"));
            frames.push(frame[7..].to_vec());
            rest = behind;
        }
        frames
    })
}

pub(crate) fn mono() -> AacConfig {
    AacConfig::parse(&[0x11, 0x88]).expect("AAC-LC, 48 kHz, mono")
}

/// Eight seconds of a moving test card, 25 pictures a second, an IDR picture every two seconds.
pub(crate) fn card(size: &'static str) -> &'static [Vec<u8>] {
    static CARDS: OnceLock<HashMap<&str, Vec<Vec<u8>>>> = OnceLock::new();
    &CARDS.get_or_init(|| ["160x90", "320x180"].map(|size| (size, film(size))).into())[size]
}

fn film(size: &str) -> Vec<Vec<u8>> {
    let source = format!("testsrc2=s={size}:r=25:d={LENGTH}");
    let make = ["-v", "error", "-f", "lavfi", "-i", &source, "-c:v", "libx264", "-preset", "ultrafast"];
    let params = "aud=1:repeat-headers=1:scenecut=0";
    let how = ["-g", "50", "-bf", "0", "-x264-params", params, "-f", "h264", "-"];
    let mut parser = AccessUnits::default();
    parser.push(&run("ffmpeg", &[&make[..], &how].concat()));
    let mut units = Vec::new();
    for _ in 0..2 {
        while let Some(unit) = parser.next_unit() {
            units.push(unit.expect("ffmpeg writes no rubbish").to_vec());
        }
        parser.flush();
    }
    units
}

fn frames() -> impl Iterator<Item = (Packet<'static>, Pts)> {
    sweep().iter().enumerate().map(|(n, data)| {
        let pts = START + Span::from_samples(n as i64 * 1024, RATE);
        (Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data }, pts)
    })
}

/// A window with the sweep alone.
pub(crate) fn radio() -> Vec<Arc<Segment>> {
    let program = Program::audio_only(mono());
    written(&program, frames().map(|(unit, _)| unit).collect())
}

/// A window with a tone of 440 hertz in HE-AAC.
#[cfg(feature = "fdk-aac")]
pub(crate) fn thrifty() -> Vec<Arc<Segment>> {
    use outpost::encode::{self, AacParams, AacProfile};
    use outpost::media::{AudioBlock, Channels};

    let params = AacParams { profile: AacProfile::He, channels: Channels::Mono, bitrate: 32_000 };
    let mut encoder = encode::aac(params).expect("parameters that go together");
    let mut units: Vec<(Pts, Vec<u8>)> = Vec::new();
    for block in 0..LENGTH * i64::from(RATE) / 1024 {
        let tone = |n: i64| ((n as f32) * 440.0 * std::f32::consts::TAU / RATE as f32).sin() / 4.0;
        let samples: Vec<f32> = (0..1024).map(|n| tone(block * 1024 + n)).collect();
        let block = AudioBlock {
            pts: START + Span::from_samples(block * 1024, RATE),
            channels: 1,
            samples: &samples,
        };
        let mut take = |unit: &Packet<'_>| units.push((unit.pts, unit.data.to_vec()));
        encoder.encode(&block, &mut take).expect("it encodes");
    }
    let packet = |(pts, data): &'static (Pts, Vec<u8>)| Packet {
        track: Track::Audio,
        pts: *pts,
        dts: *pts,
        entry: Entry::Key,
        data,
    };
    let units: &'static [_] = units.leak();
    written(&Program::audio_only(encoder.config().clone()), units.iter().map(packet).collect())
}

/// A window with the sweep and the test card, which from `change` on has another size.
pub(crate) fn camera(change: Option<Pts>) -> Vec<Arc<Segment>> {
    let config = VideoConfig {
        codecs: "avc1.42c01e".to_owned(),
        size: "320x180".parse().expect("a size"),
        rate: FrameRate::new(25, 1).expect("a rate"),
    };
    let program = Program { video: Some(config), audio: Some(mono()) };
    let pictures = (0..card("320x180").len()).map(|n| {
        let pts = START + Span::from_ticks(n as i64 * PICTURE.ticks());
        let data = &card(if change.is_some_and(|at| pts >= at) { "160x90" } else { "320x180" })[n];
        let key = nal_units(data).any(|nal| NalType::of(nal[0]) == NalType::Idr);
        let entry = if key { Entry::Key } else { Entry::Dependent };
        (Packet { track: Track::Video, pts, dts: pts, entry, data }, pts)
    });
    let mut units: Vec<_> = pictures.chain(frames()).collect();
    units.sort_by_key(|(_, pts)| *pts);
    written(&program, units.into_iter().map(|(unit, _)| unit).collect())
}

fn written(program: &Program, units: Vec<Packet<'_>>) -> Vec<Arc<Segment>> {
    let (mut mux, mut reel, mut next) =
        (Mux::new(program), Reel { segments: Vec::new(), nowhere: [0; PACKET_LEN] }, START + SEGMENT);
    for unit in &units {
        let leads = program.video.is_none() || unit.track == Track::Video;
        if leads && unit.pts >= next {
            mux.cut(unit.pts, &mut reel);
            next += SEGMENT;
        }
        mux.write(unit, &mut reel).expect("in order");
    }
    mux.cut(at(LENGTH * 1000), &mut reel);
    let segment = |((start, bytes, end), sequence): ((Pts, Vec<u8>, Pts), u64)| {
        let chunks: Arc<[Bytes]> = bytes.chunks(30_000).map(Bytes::copy_from_slice).collect();
        let body = Body { chunks, len: bytes.len() };
        Arc::new(Segment::plain(sequence, start, end - start, Join::Continuous, body))
    };
    reel.segments.into_iter().zip(100..).map(segment).collect()
}

/// The whole file.
pub(crate) fn bytes(clip: &Clip, window: &[Arc<Segment>]) -> Vec<u8> {
    let mut file = clip.head.to_vec();
    for piece in &clip.pieces {
        let segment = window.iter().find(|it| it.sequence == piece.sequence).expect("its segment");
        file.extend_from_slice(&piece.bytes(segment).expect("what was cut"));
    }
    assert_eq!(file.len(), clip.size());
    file
}

/// Cuts `from..to` (milliseconds) and writes it to `{name}.{kind}`.
pub(crate) fn write(
    scratch: &Scratch,
    window: &[Arc<Segment>],
    (from, to): (i64, i64),
    kind: Kind,
) -> Result<std::path::PathBuf, Refusal> {
    let clip = cut(window, at(from)..at(to), kind)?;
    let path = scratch.file(&format!("{from}-{to}.{}", kind.extension()));
    std::fs::write(&path, bytes(&clip, window)).expect("room on the disk");
    Ok(path)
}

/// Its sound as a player hears it, on one channel.
pub(crate) fn heard(path: &Path) -> Vec<f32> {
    // Of ADTS it warns that it does not know how long it is.
    let level = if path.extension().is_some_and(|it| it == "aac") { "error" } else { "warning" };
    let pcm = run("ffmpeg", &["-v", level, "-i", text(path), "-map", "0:a", "-ac", "1", "-f", "f32le", "-"]);
    pcm.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().expect("four bytes"))).collect()
}

/// What ffprobe says, line by line.
pub(crate) fn probe(path: &Path, stream: &str, what: &str) -> Vec<String> {
    let how = ["-v", "error", "-select_streams", stream, "-show_entries", what, "-of", "csv=p=0", text(path)];
    let said = String::from_utf8(run("ffprobe", &how)).expect("text");
    said.lines().filter(|it| !it.is_empty()).map(|it| it.trim_end_matches(',').to_owned()).collect()
}
