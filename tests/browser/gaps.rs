//! Segments that were lost (EXT-X-GAP), while the stream plays in players that we did not write: each lets hear and
//! shows what comes after them.
//!
//! What a reader that is too slow does to a stream cannot be had at will: between the program and the players stands
//! one that says of some segments that they were lost, and gives what the program gives for them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use outpost::base::{Pts, Span};
use outpost::container::ts::Join;
use outpost::segment::Segment;

use crate::breaks::{Audience, CASE, ENCODED, Station, give};
use crate::chromium::Browser;
use crate::outpost_program::fetch;
use crate::{alone, profile, temporary};

const RENDITIONS: [&str; 2] = ["video", "audio"];

/// What is lost: in which renditions, and how many segments.
const CASES: [(&str, &[&str], u64); 3] = [
    ("a segment of the pictures is lost", &["video"], 1),
    ("one of everything is lost", &RENDITIONS, 1),
    ("four of everything are lost", &RENDITIONS, 4),
];

/// Stands between.
#[derive(Clone)]
struct Between {
    program: SocketAddr,
    /// By rendition and number.
    lost: Arc<Mutex<BTreeSet<(String, u64)>>>,
}

impl Between {
    fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let answering = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let between = answering.clone();
                thread::spawn(move || between.answer(stream));
            }
        });
        address
    }

    fn lost(&self) -> MutexGuard<'_, BTreeSet<(String, u64)>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, renditions: &[&str], numbers: Range<u64>) {
        let all = renditions.iter().flat_map(|it| numbers.clone().map(|number| ((*it).to_owned(), number)));
        self.lost().extend(all);
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let request = lines.next().unwrap_or_default();
        lines.take_while(|line| !line.is_empty()).for_each(drop);
        let asked = request.split(' ').nth(1).unwrap_or_default();
        let path = asked.split('?').next().unwrap_or_default();
        let mut names = path.rsplit('/');
        let (file, rendition) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let number = file.strip_suffix(".ts").and_then(|number| number.parse().ok());
        let (mut head, mut body) = self.ask(asked);
        if file == "index.m3u8" {
            body = self.with_gaps(rendition, &String::from_utf8_lossy(&body)).into_bytes();
        } else if number.is_some_and(|number| self.lost().contains(&(rendition.to_owned(), number))) {
            let gap = Segment::gap(0, Pts::default(), Span::ZERO, Join::Continuous);
            body = gap.filled().expect("a gap").body.chunks.concat();
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        // A player that hung up has what it wanted.
        drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
    }

    /// What the program answers: a head without a length, and a body.
    fn ask(&self, path: &str) -> (String, Vec<u8>) {
        let mut whole = Vec::new();
        let question = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.program);
        let asked = TcpStream::connect(self.program).and_then(|mut program| {
            program.write_all(question.as_bytes())?;
            program.read_to_end(&mut whole)
        });
        asked.expect("the program answers");
        let end = whole.windows(4).position(|it| it == b"\r\n\r\n").expect("a head") + 4;
        let body = whole.split_off(end);
        let head = String::from_utf8_lossy(&whole).into_owned();
        let fields = head.lines().filter(|line| !line.is_empty() && !line.starts_with("content-length"));
        (fields.map(|line| format!("{line}\r\n")).collect(), body)
    }

    /// A playlist with gaps in it. As the program learns what was lost when it has what comes after, none is the last.
    fn with_gaps(&self, rendition: &str, text: &str) -> String {
        let said = |name: &str| -> u64 {
            let digits = |it: &str| it.find(|c: char| !c.is_ascii_digit()).map(|end| it[..end].to_owned());
            let value = text.split(name).nth(1).and_then(|it| digits(it)?.parse().ok());
            value.unwrap_or(0)
        };
        // A delta update leaves some out.
        let mut number = said("#EXT-X-MEDIA-SEQUENCE:") + said("SKIPPED-SEGMENTS=");
        let (mut told, mut pending) = (String::new(), String::new());
        for line in text.lines() {
            let is_segment = line.starts_with("#EXTINF");
            let is_lost = self.lost().contains(&(rendition.to_owned(), number));
            if is_segment && is_lost {
                pending += "#EXT-X-GAP\n";
            }
            number += u64::from(is_segment);
            pending += line;
            pending += "\n";
            let was_lost = self.lost().contains(&(rendition.to_owned(), number.saturating_sub(1)));
            if !was_lost && !line.starts_with('#') {
                told += &std::mem::take(&mut pending);
            }
        }
        told
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_player_goes_on_after_what_was_lost() {
    let _alone = alone().await;
    let (dir, profile) = (temporary("gaps"), profile("gaps"));
    let station = Station::start(&dir.join("station"), &ENCODED);
    let between = Between { program: station.manager.address, lost: Arc::default() };
    let address = between.listen();
    let url = format!("http://{address}{}", CASE.path);
    let browser = Browser::start(&profile).await;
    let mut audience = Audience::gather(&browser, &url, &dir).await;
    audience.go_on(0, "at first").await;
    for (number, (what, renditions, count)) in CASES.into_iter().enumerate() {
        let before = station.playlist();
        let next = before.media_sequence + before.segments.len() as u64 + 1;
        between.lose(renditions, next..next + count);
        tokio::time::sleep(Duration::from_secs(count + 2)).await;
        give(&station.dir, number + 1);
        station.end_sources();
        audience.go_on(number + 1, what).await;
        let told = fetch(&format!("http://{address}/camera/video/index.m3u8")).expect("a playlist");
        assert!(told.contains("#EXT-X-GAP"), "{what}: {told}");
    }
}
