//! Markers as they come, change and go, told as server-sent events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use outpost::base::Clock;
use outpost::base::{Pts, Span, Sync, WallTime};
use outpost::media::marker::MarkerKind;
use outpost::segment::{Dates, Shelf, Snapshot};
use outpost::timeline::Draft;
use serde_json::Value;

use crate::site::{NOW, Running, request, segment, snapshot, until};
use crate::writing;

const EVENTS: &str = "/api/v1/streams/radio/markers/events";

/// Segments 7 to 10: from 14 s to 22 s.
fn radio() -> Running {
    writing::radio(|_| {})
}

fn at(seconds: i64) -> Pts {
    Pts::default() + Span::from_millis(1000 * seconds)
}

/// Sets one of ours, and says what it is called.
fn set(server: &Running, from: i64, to: Option<i64>) -> String {
    let (kind, to) = (MarkerKind::TRANSMISSION, to.map(at));
    let draft = Draft { kind, from: at(from), to, level: Some(-20.0), label: None };
    server.timeline.write(|log| log.add_ours(draft)).id.to_string()
}

/// A reader that has read the head of its reply.
struct Reader(BufReader<TcpStream>);

impl Reader {
    fn new(server: &Running, query: &str, lines: &[&str]) -> Self {
        let mut client = server.connect();
        client.write_all(request("GET", &format!("{EVENTS}{query}"), lines).as_bytes()).expect("sent");
        let mut reader = Self(BufReader::new(client));
        assert_eq!(reader.line(), "HTTP/1.1 200 OK");
        let head: Vec<_> =
            std::iter::from_fn(|| Some(reader.line()).filter(|line| !line.is_empty())).collect();
        for field in
            ["content-type: text/event-stream", "cache-control: no-store", "access-control-allow-origin: *"]
        {
            assert!(head.iter().any(|line| line == field), "{field}: {head:?}");
        }
        reader
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The next event: its name, its id and what it says.
    fn next(&mut self) -> (String, u64, Value) {
        let (mut name, mut id, mut data) = (String::new(), 0, Value::Null);
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("event", it)) => name = it.to_owned(),
                Some(("id", it)) => id = it.parse().expect("a revision"),
                Some(("data", it)) => data = serde_json::from_str(it).expect("JSON"),
                // Lengths of chunks and empty lines between them.
                _ if !data.is_null() => return (name, id, data),
                _ => {}
            }
        }
    }

    /// Its name, its id, and whom it is about.
    fn told(&mut self) -> String {
        let (name, id, data) = self.next();
        format!("{name} {id} {}", data["id"].as_str().unwrap_or_default()).trim_end().to_owned()
    }
}

#[test]
fn what_comes_changes_and_goes_is_told_with_its_revision() {
    let server = radio();
    set(&server, 15, Some(16));
    let mut reader = Reader::new(&server, "", &[]);
    assert_eq!(reader.next(), ("revision".to_owned(), 8, serde_json::json!({ "revision": 8 })));
    let id = set(&server, 18, None);
    let (name, revision, marker) = reader.next();
    assert_eq!((name.as_str(), revision, marker["id"].as_str()), ("marker", 9, Some(&*id)));
    assert_eq!((&marker["kind"], &marker["to"]), (&"transmission".into(), &Value::Null));
    let place = serde_json::json!({ "media_sequence": 9, "offset_seconds": 0.0 });
    assert_eq!((&marker["from"]["media_seconds"], &marker["from"]["segment"]), (&18.0.into(), &place));
    let list: Value =
        serde_json::from_slice(&server.get("/api/v1/streams/radio/markers", &[]).body).expect("JSON");
    assert_eq!((&list["revision"], &list["markers"][1]), (&9.into(), &marker), "as in the list");

    let ended = server.timeline.write(|log| {
        log.end_ours(&log.markers()[1].id.clone(), at(20), None, None).expect("there").id.to_string()
    });
    assert_eq!(reader.told(), format!("marker 10 {ended}"));
    // Two segments later the first one cannot be heard any more, which who lists finds out.
    server.list(&[9, 10, 11].map(|sequence| segment(sequence, 10)));
    server.get("/api/v1/streams/radio/markers", &[]);
    assert!(reader.told().starts_with("removed 11 "));
}

#[test]
fn who_was_away_is_told_what_was_missed_or_to_list_again() {
    let server = radio();
    let first = set(&server, 15, Some(16));
    let second = set(&server, 17, Some(18));
    let mut reader = Reader::new(&server, "", &["Last-Event-ID: 8"]);
    assert_eq!([reader.told(), reader.told()], [format!("marker 9 {second}"), "revision 9".to_owned()]);
    let mut reader = Reader::new(&server, "?since=7", &["Last-Event-ID: 8"]);
    assert_eq!([reader.told(), reader.told()], [format!("marker 9 {second}"), "revision 9".to_owned()]);
    let mut reader = Reader::new(&server, "?since=7", &["Last-Event-ID: ?"]);
    let expected = [format!("marker 8 {first}"), format!("marker 9 {second}"), "revision 9".to_owned()];
    assert_eq!([reader.told(), reader.told(), reader.told()], expected);
    for (query, line) in [("?since=6", ""), ("?since=10", ""), ("", "Last-Event-ID: 1234567")] {
        let mut reader =
            Reader::new(&server, query, &[line].map(|it| if it.is_empty() { "X: y" } else { it }));
        assert_eq!(
            [reader.told(), reader.told()],
            ["reset 9", "revision 9"],
            "of another run: {query}{line}"
        );
    }
    // What is no revision of anybody is as if it had not come.
    assert_eq!(Reader::new(&server, "", &["Last-Event-ID: ?"]).told(), "revision 9");
    assert_eq!(server.get(&format!("{EVENTS}?since=x"), &[]).status, 400);
}

#[test]
fn much_that_was_missed_is_told_in_order_and_in_the_end_the_revision() {
    let server = radio();
    let ids: Vec<_> = (0..200).map(|_| set(&server, 15, Some(16))).collect();
    for missed in [63, 64, 65, 128, 200] {
        let mut reader = Reader::new(&server, &format!("?since={}", 207 - missed), &[]);
        let told: Vec<_> = (0..missed).map(|_| reader.told()).collect();
        let expected = ids.iter().zip(8..).skip(200 - missed).map(|(id, made)| format!("marker {made} {id}"));
        assert_eq!(told, expected.collect::<Vec<_>>());
        assert_eq!(reader.told(), "revision 207");
    }
}

#[test]
fn other_dates_are_told_by_listing_again() {
    let server = radio();
    let mut reader = Reader::new(&server, "", &[]);
    assert_eq!(reader.told(), "revision 7");
    server.clock.set_wall(WallTime::from_unix_nanos(NOW.as_unix_nanos() + 1), Sync::Synchronised);
    let listed = [7, 8, 9, 10].map(|sequence| segment(sequence, 10));
    let dates = Dates::of(&server.clock.wall());
    server.rendition.list(Arc::new(Snapshot { dates, ..snapshot(&listed) }));
    set(&server, 15, Some(16));
    assert_eq!(reader.told(), "reset 8");
    set(&server, 16, Some(17));
    assert!(reader.told().starts_with("marker 9 "));
}

#[test]
fn who_was_away_when_dates_were_corrected_is_told_to_list_again() {
    let server = radio();
    set(&server, 15, Some(16));
    let mut reader = Reader::new(&server, "?since=7", &[]);
    assert!(reader.told().starts_with("marker 8 "));
    drop(reader);
    server.clock.set_wall(WallTime::from_unix_nanos(NOW.as_unix_nanos() + 1), Sync::Synchronised);
    let listed = [7, 8, 9, 10].map(|sequence| segment(sequence, 10));
    let dates = Dates::of(&server.clock.wall());
    server.rendition.list(Arc::new(Snapshot { dates, ..snapshot(&listed) }));
    // Both the revision that was the last when it happened and those before.
    for seen in [7, 8] {
        let mut reader = Reader::new(&server, "", &[&format!("Last-Event-ID: {seen}")]);
        assert_eq!([reader.told(), reader.told()], ["reset 8", "revision 8"], "{seen}");
    }
    assert_eq!(Reader::new(&server, "", &[]).told(), "revision 8", "who knows nothing");
    let id = set(&server, 16, Some(17));
    let mut reader = Reader::new(&server, "", &["Last-Event-ID: 9"]);
    assert_eq!(reader.told(), "revision 9", "{id} was told by the new dates");
}

#[test]
fn readers_at_rest_make_room_for_others_the_oldest_first() {
    const MOST: usize = 10;
    let server = Running::with(&[7, 8, 9].map(|sequence| segment(sequence, 10)), |config| {
        config.max_connections = MOST;
    });
    let listener = listen(&server);
    let mut readers: Vec<_> = (1..MOST).map(|_| Reader::new(&server, "", &[])).collect();
    assert!(readers.iter_mut().all(|reader| reader.told() == "revision 7"));
    assert_eq!(server.stats.connections(), MOST as u64);
    // Two more, who stay: they are readers too.
    let mut others = [(); 2].map(|()| Reader::new(&server, "", &[]));
    assert!(others.iter_mut().all(|reader| reader.told() == "revision 7"));
    assert_eq!((server.stats.displaced.get(), server.stats.refused.get()), (2, 0));
    let id = set(&server, 15, Some(16));
    for mut oldest in readers.drain(..2) {
        let mut heard = String::new();
        oldest.0.read_to_string(&mut heard).expect("it is closed in order");
        assert_eq!(heard.trim(), "", "it was closed, and told nothing");
    }
    for reader in readers.iter_mut().chain(&mut others) {
        assert_eq!(reader.told(), format!("marker 8 {id}"));
    }
    drop(listener);
}

/// Somebody who hears the endless stream, and is never at rest.
fn listen(server: &Running) -> TcpStream {
    let mut client = server.connect();
    client.write_all(request("GET", "/radio/live.ts", &[]).as_bytes()).expect("sent");
    client.read_exact(&mut [0; 12]).expect("an answer begins");
    client
}

#[test]
fn hundreds_follow_and_the_server_stops_all_the_same() {
    const COUNT: usize = 300;
    let server = radio();
    let mut readers: Vec<_> = (0..COUNT).map(|_| Reader::new(&server, "", &[])).collect();
    assert!(readers.iter_mut().all(|reader| reader.told() == "revision 7"));
    assert!(server.stats.connections() >= COUNT as u64, "each counts");
    let ids: Vec<_> = (15..20).map(|from| set(&server, from, Some(from + 1))).collect();
    for reader in &mut readers {
        let told: Vec<_> = ids.iter().map(|_| reader.told()).collect();
        let expected: Vec<_> =
            (8..).zip(&ids).map(|(revision, id)| format!("marker {revision} {id}")).collect();
        assert_eq!(told, expected);
    }
    readers.truncate(COUNT / 2);
    until("those who go are forgotten", || server.stats.connections() <= COUNT as u64 / 2);
    assert!(server.stop() < Duration::from_secs(1), "they end with the server");
}
