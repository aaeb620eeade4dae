//! A stream that never was: what a watcher of a good server would have noted down.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::seen::{Answer, Delta, Fetch, Listing, Probe, Rendition, Stream};
use crate::text::{Media, Multivariant};

/// Segments last two seconds, their parts half a second.
pub(super) const PARTS: u64 = 4;
/// The number of the first segment.
pub(super) const FIRST: u64 = 100;
/// How many segments are listed.
const ORDINARY_WINDOW: u64 = 5;
const LOW_WINDOW: u64 = 9;

pub(super) fn answer(path: &str, seconds: f64, kind: &str, cache: &str, body: &[u8]) -> Answer {
    let at = Duration::from_secs_f64(seconds);
    let fields = [("content-type", kind), ("cache-control", cache), ("access-control-allow-origin", "*")];
    let fields: BTreeMap<_, _> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer {
        path: path.to_owned(),
        asked: at,
        begun: at,
        ended: at,
        status: 200,
        fields,
        body: Arc::new(body.to_vec()),
    }
}

fn playlist(path: &str, seconds: f64, cache: &str, text: &str) -> Answer {
    let mut answer = answer(path, seconds, "application/vnd.apple.mpegurl", cache, text.as_bytes());
    answer.fields.insert("content-encoding".to_owned(), "gzip".to_owned());
    answer
}

pub(super) fn listing(path: &str, seconds: f64, text: &str) -> Listing {
    let cache = if path.contains("_HLS_") { "public, max-age=12" } else { "public, max-age=1" };
    Listing { answer: playlist(path, seconds, cache, text), media: Media::read(text), after_trouble: false }
}

pub(super) fn file(uri: &str, seconds: f64, body: &[u8]) -> Fetch {
    let kind = match uri.rsplit_once('.') {
        Some((_, "ts")) => "video/mp2t",
        Some((_, "key")) => "application/octet-stream",
        _ => "video/mp4",
    };
    let answer = answer(uri, seconds, kind, "public, max-age=3600, immutable", body);
    Fetch { clear: Arc::clone(&answer.body), answer, uri: uri.to_owned(), owed: true, hinted: false }
}

fn head(version: u32, first: u64) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
        u32::from(first > FIRST)
    )
}

/// EXT-X-PROGRAM-DATE-TIME of a segment, which is all that tells when it began.
fn date(number: u64) -> String {
    let seconds = (number - FIRST) * 2;
    format!("#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:{:02}:{:02}.000Z\n", seconds / 60, seconds % 60)
}

/// What happened: its ID, and when it began and ended, in seconds after the first segment began.
const RANGES: [(&str, f64, f64); 4] =
    [("a-0", 0.25, 0.75), ("a-1", 1.0, 10.5), ("a-2", 13.5, 14.0), ("a-3", 20.25, 24.0)];

/// EXT-X-DATERANGE of all that had begun at `now` and reaches into a playlist whose first segment is `first`.
fn ranges(first: u64, now: f64) -> String {
    let from = 2.0 * (first - FIRST) as f64;
    let told = RANGES.iter().filter(|(_, begun, ended)| *begun < now && *ended >= from);
    let line = |(id, begun, ended): &(&str, f64, f64)| {
        let duration = if *ended <= now { format!(",DURATION={:.3}", ended - begun) } else { String::new() };
        format!(
            "#EXT-X-DATERANGE:ID=\"{id}\",CLASS=\"radio\",START-DATE=\"2026-11-20T12:00:{begun:06.3}Z\"{duration}\n"
        )
    };
    told.map(line).collect()
}

/// The playlist of MPEG-TS once `done` segments are finished; the first of all is a discontinuity.
pub(super) fn ordinary_text(done: u64) -> String {
    let first = FIRST + done.saturating_sub(ORDINARY_WINDOW);
    let mut text = head(3, first) + &ranges(first, 2.0 * done as f64);
    for number in first..FIRST + done {
        if number == FIRST {
            text += "#EXT-X-DISCONTINUITY\n";
        }
        if number == first {
            text += &date(number);
        }
        let _ = write!(text, "#EXTINF:2.000000,\n{number}.ts\n");
    }
    text
}

pub(super) fn ordinary() -> Stream {
    let rendition = |uri: &str, pictures: bool| {
        let mut rendition = Rendition { uri: uri.to_owned(), ..Rendition::default() };
        for done in 3..12 {
            rendition.listings.push(listing("index.m3u8", 2.0 * done as f64, &ordinary_text(done)));
        }
        for number in FIRST..FIRST + 11 {
            let uri = format!("{number}.ts");
            let body = transport_stream(number - FIRST, pictures);
            let listed = 2.0 * (number - FIRST + 1) as f64;
            rendition.files.extend([listed, listed + 15.0].map(|at| file(&uri, at, &body)));
        }
        rendition.probe = Some(Probe {
            avc: pictures.then_some((0x42, 0x1f)),
            size: pictures.then(|| "1280x720".to_owned()),
            rate: pictures.then_some(30.0),
            sounds: 1,
        });
        rendition
    };
    let text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-STREAM-INF:BANDWIDTH=3100,AVERAGE-BANDWIDTH=3050,CODECS=\"avc1.42c01f,mp4a.40.2\",\
        RESOLUTION=1280x720,FRAME-RATE=30.000\nvideo/index.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=3100,AVERAGE-BANDWIDTH=3050,CODECS=\"mp4a.40.2\"\naudio/index.m3u8\n";
    Stream {
        multivariants: vec![(
            playlist("index.m3u8", 0.0, "public, max-age=1", text),
            Multivariant::read(text),
        )],
        renditions: vec![rendition("video/index.m3u8", true), rendition("audio/index.m3u8", false)],
    }
}

/// The playlist of low latency once `ticks` parts are finished, with a report about `other`.
pub(super) fn low_text(ticks: u64, other: &str) -> String {
    let (done, open) = (ticks / PARTS, ticks % PARTS);
    let first = FIRST + done.saturating_sub(LOW_WINDOW);
    let mut text = head(9, first);
    text += "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5,HOLD-BACK=6.0,CAN-SKIP-UNTIL=12.0,\
             CAN-SKIP-DATERANGES=YES\n#EXT-X-PART-INF:PART-TARGET=0.5\n";
    text += &ranges(first, 0.5 * ticks as f64);
    for number in first..=FIRST + done {
        if number == FIRST {
            text += "#EXT-X-DISCONTINUITY\n";
        }
        if number == first {
            text += "#EXT-X-MAP:URI=\"init-0.mp4\"\n";
            text += &date(number);
        }
        let parts = if number == FIRST + done { open } else { PARTS };
        for part in 0..parts {
            if number + 4 > FIRST + done {
                let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
                let _ = writeln!(text, "#EXT-X-PART:DURATION=0.5,URI=\"{number}.{part}.m4s\"{independent}");
            }
        }
        if number < FIRST + done {
            let _ = write!(text, "#EXTINF:2.000000,\n{number}.m4s\n");
        }
    }
    let last = ticks - 1;
    let (msn, part) = (FIRST + last / PARTS, last % PARTS);
    let _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}.{open}.m4s\"", FIRST + done);
    let _ = writeln!(text, "#EXT-X-RENDITION-REPORT:URI=\"{other}\",LAST-MSN={msn},LAST-PART={part}");
    text
}

/// The same without its first two segments.
pub(super) fn delta_text(ticks: u64, other: &str) -> String {
    let whole = low_text(ticks, other);
    let from = whole.find("#EXT-X-DISCONTINUITY\n").or(whole.find("#EXT-X-MAP")).expect("one of them");
    let third = whole.match_indices("#EXTINF").nth(2).expect("more than two segments").0;
    format!("{}#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n{}", &whole[..from], &whole[third..])
}

/// The same for one who knows of all date ranges but the last, of which the first has left the playlist.
pub(super) fn lean_text(ticks: u64, other: &str) -> String {
    let skip = "SKIPPED-SEGMENTS=2";
    let text = delta_text(ticks, other).replace("VERSION:9", "VERSION:10");
    let text = text.replace(skip, &format!("{skip},RECENTLY-REMOVED-DATERANGES=\"a-0\""));
    let known = |line: &str| line.contains("ID=\"a-1\"") || line.contains("ID=\"a-2\"");
    text.lines().filter(|line| !known(line)).map(|line| format!("{line}\n")).collect()
}

pub(super) fn low_latency() -> Stream {
    let rendition = |uri: &str, other: &str, pictures: bool| {
        let mut rendition = Rendition { uri: uri.to_owned(), ..Rendition::default() };
        rendition.files.push(file("init-0.mp4", 0.0, &init(pictures)));
        for ticks in 8 * PARTS..12 * PARTS {
            let seconds = ticks as f64 / PARTS as f64 * 2.0;
            let text = low_text(ticks, other);
            rendition.listings.push(listing("index.m3u8", seconds, &text));
            let last = ticks - 1;
            let asked = format!("index.m3u8?_HLS_msn={}&_HLS_part={}", FIRST + last / PARTS, last % PARTS);
            rendition.held.push(listing(&asked, seconds, &text));
        }
        for number in FIRST + 8..FIRST + 11 {
            let parts: Vec<_> =
                (0..PARTS).map(|part| fragment((number - FIRST) * PARTS + part, part == 0)).collect();
            for (part, body) in parts.iter().enumerate() {
                rendition.files.push(file(&format!("{number}.{part}.m4s"), 20.0, body));
            }
            rendition.files.push(file(&format!("{number}.m4s"), 20.0, &parts.concat()));
        }
        let hinted = Fetch { hinted: true, ..file("111.2.m4s", 22.0, &fragment(11 * PARTS + 2, false)) };
        rendition.files.push(hinted);
        let mut bad = answer("index.m3u8?_HLS_part=1", 20.0, "text/plain", "no-store", b"");
        bad.status = 400;
        rendition.refused.push((bad, 400));
        let [whole, delta, after] = [low_text(40, other), delta_text(41, other), low_text(42, other)];
        let read = |text: String| Media::read(&text);
        rendition.deltas.push(Delta { whole: read(whole), delta: read(delta), after: read(after) });
        let [whole, delta, after] = [low_text(39, other), lean_text(42, other), low_text(42, other)];
        rendition.deltas.push(Delta { whole: read(whole), delta: read(delta), after: read(after) });
        rendition
    };
    Stream {
        multivariants: Vec::new(),
        renditions: vec![
            rendition("video/index.m3u8", "../audio/index.m3u8", true),
            rendition("audio/index.m3u8", "../video/index.m3u8", false),
        ],
    }
}

/// A segment of four packets: PAT, PMT, and a PES packet in two.
fn transport_stream(cell: u64, pictures: bool) -> Vec<u8> {
    let counter = |step: u64| u8::try_from(step & 15).expect("four bits");
    // The clock wraps on the way.
    let pts = ((1 << 33) - 5 * 180_000 + cell * 180_000) % (1 << 33);
    let byte = |value: u64| u8::try_from(value & 0xff).expect("masked");
    let mut pes = vec![0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5];
    pes.push(0x21 | byte(pts >> 29 & 0x0e));
    pes.extend([byte(pts >> 22), byte(pts >> 14) | 1, byte(pts >> 7), byte(pts << 1) | 1]);
    pes.extend([0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 0, 0, 1, 0x68, 0, 0, 1, 0x65, 0x88]);
    let kind = if pictures { 0x1b } else { 0x0f };
    let pat = [0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0, 0, 0, 0];
    let pmt = [0, 2, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, kind, 0xe1, 0, 0xf0, 0, 0, 0, 0, 0];
    [
        packet([0x40, 0], counter(cell), &pat),
        packet([0x50, 0], counter(cell), &pmt),
        packet([0x41, 0], counter(2 * cell), &pes),
        packet([0x01, 0], counter(2 * cell + 1), &[]),
    ]
    .concat()
}

fn packet([high, low]: [u8; 2], counter: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x47, high, low, 0x10 | counter];
    packet.extend(payload);
    packet.resize(188, 0xff);
    packet
}

fn boxed(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let len = u32::try_from(content.len() + 8).expect("a small box");
    [&len.to_be_bytes()[..], kind, &content].concat()
}

/// An init segment whose clock has 1,000 ticks a second.
pub(super) fn init(pictures: bool) -> Vec<u8> {
    let mdhd = boxed(b"mdhd", &[&[0; 12], &1000_u32.to_be_bytes(), &[0; 8]]);
    let hdlr = boxed(b"hdlr", &[&[0; 8], if pictures { b"vide" } else { b"soun" }, &[0; 13]]);
    let trak = boxed(b"trak", &[&boxed(b"mdia", &[&mdhd, &hdlr])]);
    let trex = boxed(b"trex", &[&[0; 4], &1_u32.to_be_bytes(), &1_u32.to_be_bytes(), &[0; 12]]);
    let moov = boxed(b"moov", &[&trak, &boxed(b"mvex", &[&trex])]);
    [boxed(b"ftyp", &[b"iso6", &[0; 4], b"cmfc"]), moov].concat()
}

/// Half a second in two samples.
pub(super) fn fragment(part: u64, sync: bool) -> Vec<u8> {
    let tfhd = boxed(b"tfhd", &[&0x02_0008_u32.to_be_bytes(), &1_u32.to_be_bytes(), &250_u32.to_be_bytes()]);
    let tfdt = boxed(b"tfdt", &[&[1, 0, 0, 0], &(part * 500).to_be_bytes()]);
    let flags: u32 = if sync { 0 } else { 0x1_0000 };
    let trun = boxed(b"trun", &[&0x04_u32.to_be_bytes(), &2_u32.to_be_bytes(), &flags.to_be_bytes()]);
    let moof = boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &tfdt, &trun])]);
    [moof, boxed(b"mdat", &[&part.to_be_bytes()])].concat()
}
