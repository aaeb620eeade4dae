//! The watcher on trial: an origin of low latency, live and made up, is found to be good; one that answers too soon or
//! by drops is not.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::names;
use super::world::{FIRST, PARTS, delta_text, fragment, init, lean_text, low_text};
use crate::rules::judge_all;
use crate::watch::{Client, Weather, probe, watch};

/// How far the stream had come before anybody asked.
const BEGUN: u64 = 10 * PARTS;
const PART: Duration = Duration::from_millis(500);
const WATCHED: Duration = Duration::from_secs(5);

const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",URI=\"audio/index.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=10000,AVERAGE-BANDWIDTH=9000,CODECS=\"avc1.42c01f,mp4a.40.2\",\
    RESOLUTION=1280x720,FRAME-RATE=30.000,AUDIO=\"sound\"\nvideo/index.m3u8\n";

/// What is wrong with the origin.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// It answers a blocking reload with what there is.
    Impatient,
    /// It sends half a part before it has the rest.
    Dribbling,
    /// It takes a part without a segment for a question.
    Indulgent,
}

#[derive(Clone, Copy)]
struct Origin {
    began: Instant,
    fault: Fault,
}

impl Origin {
    fn start(fault: Fault) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let origin = Self { began: Instant::now(), fault };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || origin.converse(stream));
            }
        });
        address
    }

    /// The parts there are.
    fn ticks(&self) -> u64 {
        BEGUN + (self.began.elapsed().as_millis() / PART.as_millis()) as u64
    }

    fn wait_for(&self, ticks: u64) {
        let due = PART * u32::try_from(ticks.saturating_sub(BEGUN)).expect("a short test");
        thread::sleep(due.saturating_sub(self.began.elapsed()));
    }

    fn converse(self, mut stream: TcpStream) {
        let mut lines =
            BufReader::new(stream.try_clone().expect("a second handle")).lines().map_while(Result::ok);
        while let Some(request) = lines.next() {
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let sent = match path.split_once(".m3u8") {
                Some((file, query)) => self.playlist(&mut stream, file, query),
                None => self.file(&mut stream, path),
            };
            if sent.is_err() {
                return;
            }
        }
    }

    fn playlist(&self, stream: &mut TcpStream, file: &str, query: &str) -> std::io::Result<()> {
        let other = match file {
            "/ll/video/index" => "../audio/index.m3u8",
            "/ll/audio/index" => "../video/index.m3u8",
            _ => return self.text(stream, MULTIVARIANT, "max-age=1"),
        };
        let parameter =
            |name: &str| query[1.min(query.len())..].split('&').find_map(|it| it.strip_prefix(name));
        let (msn, part) = (parameter("_HLS_msn="), parameter("_HLS_part="));
        let number = |text: Option<&str>| text.map(str::parse::<u64>).transpose();
        let (Ok(msn), Ok(part)) = (number(msn), number(part)) else { return refuse(stream, 400) };
        if msn.is_none() && part.is_some() && self.fault != Fault::Indulgent
            || part.is_some_and(|part| part > 20)
        {
            return refuse(stream, 400);
        }
        if let Some(msn) = msn {
            if msn > FIRST + self.ticks() / PARTS + 2 {
                return refuse(stream, 400);
            }
            let wanted = msn.saturating_sub(FIRST) * PARTS + part.map_or(PARTS, |part| part + 1);
            if self.fault != Fault::Impatient {
                self.wait_for(wanted);
            }
        }
        let text = match parameter("_HLS_skip=") {
            Some("YES") => delta_text(self.ticks(), other),
            Some("v2") => lean_text(self.ticks(), other),
            _ => low_text(self.ticks(), other),
        };
        self.text(stream, &text, if msn.is_some() { "max-age=12" } else { "no-cache" })
    }

    fn text(&self, stream: &mut TcpStream, text: &str, cache: &str) -> std::io::Result<()> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes())?;
        let body = gzip.finish()?;
        let fields = format!("content-encoding: gzip\r\ncache-control: {cache}");
        stream.write_all(&head(200, "application/vnd.apple.mpegurl", &fields, body.len()))?;
        stream.write_all(&body)
    }

    fn file(&self, stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut numbers = name.split('.').map_while(|piece| piece.parse::<u64>().ok());
        let (segment, part) = (numbers.next(), numbers.next());
        let tick = |segment: u64, part: u64| (segment - FIRST) * PARTS + part;
        let made = |at: u64| fragment(at, at.is_multiple_of(PARTS));
        let (due, body) = match (segment, part) {
            (None, _) => (0, init(path.contains("video"))),
            (Some(segment), None) => {
                let parts: Vec<_> = (0..PARTS).map(|part| made(tick(segment, part))).collect();
                (tick(segment, PARTS), parts.concat())
            }
            (Some(segment), Some(part)) => (tick(segment, part) + 1, made(tick(segment, part))),
        };
        if due > self.ticks() + 1 {
            return refuse(stream, 404);
        }
        let head = head(200, "video/mp4", "cache-control: max-age=3600", body.len());
        let early = if self.fault == Fault::Dribbling { body.len() / 2 } else { 0 };
        if early > 0 {
            stream.write_all(&head)?;
            stream.write_all(&body[..early])?;
        }
        self.wait_for(due);
        if early == 0 {
            stream.write_all(&head)?;
        }
        stream.write_all(&body[early..])
    }
}

fn refuse(stream: &mut TcpStream, status: u16) -> std::io::Result<()> {
    stream.write_all(&head(status, "text/plain", "cache-control: no-store", 0))
}

fn head(status: u16, kind: &str, fields: &str, length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\naccess-control-allow-origin: *\r\n\
         {fields}\r\n\r\n"
    )
    .into_bytes()
}

/// What is found at an origin with this fault, beside what its pictures, which are none, lack.
async fn found(fault: Fault) -> Vec<&'static str> {
    let client = Arc::new(Client::new(&format!("http://{}", Origin::start(fault))));
    let mut stream = watch(client, "/ll/index.m3u8".to_owned(), WATCHED, Weather::default()).await;
    probe(&mut stream);
    for rendition in &stream.renditions {
        assert!(rendition.listings.len() > 5 && rendition.held.len() > 5, "it was hardly watched");
        assert!(rendition.deltas.len() + rendition.files.iter().filter(|it| it.hinted).count() > 5);
    }
    let found = judge_all(&stream, "");
    let told = names(&found);
    assert!(told.contains(&"what_is_told_is_in_it"), "a picture was found where there is none");
    told.into_iter().filter(|rule| *rule != "what_is_told_is_in_it").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_origin_is_good() {
    let found = found(Fault::None).await;
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_hold_is_found_out() {
    assert!(found(Fault::Impatient).await.contains(&"held_until_it_is_there"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_sends_parts_by_drops_is_found_out() {
    assert!(found(Fault::Dribbling).await.contains(&"hinted_parts_come_whole"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_nonsense_is_found_out() {
    assert!(found(Fault::Indulgent).await.contains(&"nonsense_is_refused"));
}
