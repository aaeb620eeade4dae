//! Setting, ending and removing markers: what comes of it, and who may not.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Command;
use std::time::Duration;

use outpost::serve::Writers;
use serde_json::{Value, json};

use crate::site::{Answer, Running, TOKEN, request, segment};
use crate::tls::{folder, own};

const MARKERS: &str = "/api/v1/streams/radio/markers";
const JSON: &str = "Content-Type: application/json";

/// Segments 7 to 10: from 14 s to 22 s, which is now.
pub(crate) fn radio(writers: impl FnOnce(&mut Writers)) -> Running {
    let listed = [7, 8, 9, 10].map(|sequence| segment(sequence, 10));
    let server = Running::with(&listed, |config| writers(&mut config.writers));
    server.clock.advance(Duration::from_secs(22));
    server
}

fn say(server: &Running, method: &str, path: &str, lines: &[&str], body: &str) -> Answer {
    let len = format!("Content-Length: {}", body.len());
    let lines: Vec<&str> = lines.iter().copied().chain([&*len]).collect();
    server.ask(request(method, path, &lines) + body)
}

fn write(server: &Running, method: &str, path: &str, body: &Value) -> Answer {
    say(server, method, path, &[JSON], &body.to_string())
}

fn read(answer: &Answer) -> Value {
    assert_eq!(answer.field("content-type"), "application/json", "{answer:?}");
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn error(answer: &Answer) -> String {
    read(answer)["error"].as_str().expect("words").to_owned()
}

#[test]
fn a_marker_is_set_ended_told_in_other_words_and_removed() {
    let server = radio(|_| {});
    let asked =
        json!({ "kind": "door", "from": { "media_seconds": 20 }, "label": "Tür", "level_dbfs": -3.25 });
    let set = write(&server, "POST", MARKERS, &asked);
    let marker = read(&set);
    assert_eq!(set.status, 201, "{marker}");
    let place = format!("{MARKERS}/{}", marker["id"].as_str().expect("an id"));
    assert_eq!(set.field("location"), place);
    let from = json!({
        "wall": "2023-11-14T22:13:40.000Z", "media_seconds": 20.0, "monotonic_ns": 20_000_000_000u64,
        "segment": { "media_sequence": 10, "offset_seconds": 0.0 },
    });
    let expected = json!({
        "id": marker["id"], "kind": "door", "from": from, "to": null, "level_dbfs": -3.3, "label": "Tür",
    });
    assert_eq!(marker, expected);
    assert_eq!(read(&server.get(&place, &[])), marker);
    assert_eq!(read(&server.get(MARKERS, &[]))["markers"], json!([marker]));
    assert_eq!(server.ask(request("HEAD", &place, &[])).status, 200);

    let ended = write(
        &server,
        "PATCH",
        &place,
        &json!({ "to": { "segment": { "media_sequence": 10, "offset_seconds": 1 } } }),
    );
    assert_eq!((ended.status, &read(&ended)["to"]["media_seconds"]), (200, &json!(21.0)));
    let told = write(&server, "PATCH", &place, &json!({ "label": "door", "to": "now" }));
    let told = read(&told);
    assert_eq!((&told["to"]["wall"], &told["label"]), (&json!("2023-11-14T22:13:42.000Z"), &json!("door")));
    assert_eq!(say(&server, "DELETE", &place, &[], "").status, 204);
    for method in ["GET", "HEAD"] {
        assert_eq!(server.ask(request(method, &place, &[])).status, 404);
    }
    assert_eq!(say(&server, "DELETE", &place, &[], "").status, 404);
    assert_eq!(write(&server, "PATCH", &place, &json!({ "to": "now" })).status, 404);

    let instant = read(&write(&server, "POST", MARKERS, &json!({ "kind": "door", "to": "now" })));
    assert_eq!(instant["from"], instant["to"]);
    assert_eq!(
        read(&write(&server, "POST", MARKERS, &json!({ "kind": "door", "to": null })))["to"],
        Value::Null
    );
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let server = radio(|_| {});
    let media = |seconds: i64| json!({ "media_seconds": seconds });
    let table = [
        (json!({ "kind": "gap" }), 422, "Outpost alone sets"),
        (json!({ "kind": "door", "from": media(32) }), 422, "it lies 10 s in the future"),
        (
            json!({ "kind": "door", "from": media(1), "to": media(4) }),
            422,
            "it ended 10 s before the window begins",
        ),
        (json!({ "kind": "door", "from": media(20), "to": media(15) }), 422, "it ends 5 s before it begins"),
        (
            json!({ "kind": "door", "from": { "segment": { "media_sequence": 99 } } }),
            422,
            "segment 99 is not listed",
        ),
        (
            json!({ "kind": "door", "from": { "segment": { "media_sequence": 9, "offset_seconds": 3 } } }),
            422,
            "segment 9 lasts 2 s",
        ),
        (
            json!({ "kind": "door", "from": media(1_000_000_000_000) }),
            422,
            "further away than any stream lasts",
        ),
        (
            json!({ "kind": "door", "labels": "x" }),
            400,
            "line 1, column 23: unknown field \"labels\"; did you mean \"label\"?",
        ),
        (json!([]), 400, "line 1, column 2"),
    ];
    for (body, status, words) in table {
        let answer = write(&server, "POST", MARKERS, &body);
        let told = error(&answer);
        assert_eq!(answer.status, status, "{body}: {told}");
        assert!(told.contains(words), "{body}: {told}");
    }
    let ours = server.timeline.write(|log| {
        let (kind, from) =
            ("transmission".parse().expect("a kind"), outpost::base::Pts::from_ticks(1_500_000));
        log.add_ours(outpost::timeline::Draft { kind, from, to: None, level: None, label: None })
    });
    let place = format!("{MARKERS}/{}", ours.id);
    let answers =
        [say(&server, "DELETE", &place, &[], ""), write(&server, "PATCH", &place, &json!({ "to": "now" }))];
    assert!(answers.iter().all(|it| it.status == 422 && error(it).contains("Outpost alone")), "{answers:?}");
    let nothing = write(&server, "PATCH", &place, &json!({ "to": null }));
    assert_eq!((nothing.status, error(&nothing).contains("nothing to change")), (400, true));
    let other = "/api/v1/streams/other/markers";
    assert_eq!(write(&server, "POST", other, &json!({ "kind": "door" })).status, 404);
    assert_eq!(error(&server.get(other, &[])), error(&server.get("/api/v1/nothing", &[])));
    let misspelt = server.get(&format!("{MARKERS}?kind=%44oor"), &[]);
    assert_eq!((misspelt.status, error(&misspelt).contains("a kind is a word")), (400, true));
}

#[test]
fn each_path_takes_its_methods_and_pages_from_elsewhere_may_only_read() {
    let server = radio(|_| {});
    let table = [
        (MARKERS.to_owned(), "GET, HEAD, OPTIONS, POST"),
        (format!("{MARKERS}/1-1"), "GET, HEAD, OPTIONS, PATCH, DELETE"),
        (format!("{MARKERS}/events"), "GET, HEAD, OPTIONS"),
        ("/api/v1/streams/radio/time".to_owned(), "GET, HEAD, OPTIONS"),
        ("/api/v1/status".to_owned(), "GET, HEAD, OPTIONS"),
    ];
    for (path, methods) in &table {
        let options = server.ask(request("OPTIONS", path, &[]));
        assert_eq!((options.status, options.field("allow")), (204, *methods), "{path}");
        for method in ["POST", "PUT", "PATCH", "DELETE"].iter().filter(|it| !methods.contains(**it)) {
            let answer = write(&server, method, path, &json!({ "kind": "door" }));
            assert_eq!((answer.status, answer.field("allow")), (405, *methods), "{method} {path}");
            assert!(error(&answer).contains(methods), "{method} {path}");
        }
        let asked = ["Origin: https://example.org", "Access-Control-Request-Method: POST"];
        let preflight = server.ask(request("OPTIONS", path, &asked));
        assert_eq!(preflight.field("access-control-allow-methods"), "GET, HEAD, OPTIONS", "{path}");
        assert!(!preflight.field("access-control-allow-headers").to_lowercase().contains("content-type"));
    }
    let body = json!({ "kind": "door" }).to_string();
    for (line, words) in [
        ("Origin: https://example.org", "from elsewhere"),
        ("Origin: null", "from elsewhere"),
        ("Sec-Fetch-Site: cross-site", "from elsewhere"),
        ("X-Forwarded-For: 127.0.0.1", "not through a proxy"),
    ] {
        let answer = say(&server, "POST", MARKERS, &[JSON, line], &body);
        assert_eq!((answer.status, answer.field("access-control-allow-origin")), (403, ""), "{line}");
        assert!(error(&answer).contains(words), "{line}: {}", error(&answer));
    }
    let rebound = request("POST", MARKERS, &[JSON]).replace("Host: test", "Host: evil.example.org");
    let rebound = server.ask(rebound);
    assert_eq!(
        (rebound.status, error(&rebound).contains("evil.example.org is no name of this box")),
        (403, true)
    );
    assert_eq!(say(&server, "POST", MARKERS, &[JSON, "Origin: http://test"], &body).status, 201);
    assert_eq!(server.stats.denied.get(), 5);
    for kind in ["", "Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded"] {
        let lines: Vec<_> = Some(kind).filter(|it| !it.is_empty()).into_iter().collect();
        assert_eq!(say(&server, "POST", MARKERS, &lines, &body).status, 415, "{kind}");
    }
}

#[test]
fn where_there_is_a_token_nothing_else_counts() {
    let server = radio(|writers| writers.token = TOKEN.parse().ok());
    let body = json!({ "kind": "door" }).to_string();
    let with = |line: &str| say(&server, "POST", MARKERS, &[JSON, line], &body);
    let none = with("X-Forwarded-For: 127.0.0.1");
    assert_eq!((none.status, none.field("www-authenticate")), (401, "Bearer"));
    let wrong = with("Authorization: Bearer 0123456789abcdeF");
    assert_eq!((wrong.status, wrong.field("www-authenticate")), (403, ""));
    assert!(!error(&wrong).contains("0123"), "a token is told to nobody");
    assert_eq!(with(&format!("Authorization: Bearer {TOKEN}")).status, 201);
    assert_eq!(server.get(MARKERS, &[]).status, 200, "reading is for everybody");
}

#[test]
fn a_flood_of_markers_is_told_when_to_come_again() {
    let server = radio(|_| {});
    let body = json!({ "kind": "door" });
    assert!((0..200).all(|_| write(&server, "POST", MARKERS, &body).status == 201));
    let refused = write(&server, "POST", MARKERS, &body);
    assert_eq!((refused.status, refused.field("retry-after")), (429, "1"));
    server.clock.advance(Duration::from_secs(1));
    let admitted = (0..60).filter(|_| write(&server, "POST", MARKERS, &body).status == 201).count();
    assert_eq!(admitted, 50);
}

/// The next answer on a connection that goes on.
fn next(client: &mut BufReader<std::net::TcpStream>) -> (String, String) {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).expect("a line");
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let len = lines.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; len.unwrap_or(0)];
    client.read_exact(&mut body).expect("a body");
    (lines.first().cloned().unwrap_or_default(), String::from_utf8(body).expect("text"))
}

#[test]
fn a_connection_is_well_after_a_refused_body() {
    let server = radio(|_| {});
    let mut client = BufReader::new(server.connect());
    let mut say = |head: &str, body: &str| {
        let text = format!("{head}\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        client.get_mut().write_all(text.as_bytes()).expect("sent");
        next(&mut client).0
    };
    let post = format!("POST {MARKERS} HTTP/1.1");
    let json = format!("{post}\r\n{JSON}");
    let long = format!("{{\"kind\": \"door\", \"label\": \"{}\"}}", "x".repeat(20_000));
    let longest = format!("{{\"kind\": \"door\", \"label\": \"{}\"}}", "x".repeat(16_000));
    for _ in 0..3 {
        assert_eq!(say(&json, "{"), "HTTP/1.1 400 Bad Request");
        assert_eq!(say(&post, "{}"), "HTTP/1.1 415 Unsupported Media Type");
        assert_eq!(say(&json, &long), "HTTP/1.1 413 Payload Too Large");
        assert_eq!(say(&json, &longest), "HTTP/1.1 400 Bad Request", "a label is not that long");
        assert_eq!(say(&format!("{json}\r\nOrigin: null"), "{\"kind\": \"door\"}"), "HTTP/1.1 403 Forbidden");
        assert_eq!(say(&json, "{\"kind\": \"door\"}"), "HTTP/1.1 201 Created");
    }
    // In chunks, of which nobody said how many there will be.
    let chunk = format!("{:x}\r\n{}\r\n", 8_000, " ".repeat(8_000));
    let text =
        format!("{json}\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(3));
    client.get_mut().write_all(text.as_bytes()).expect("sent");
    assert_eq!(next(&mut client).0, "HTTP/1.1 413 Payload Too Large");
    // More than anybody listens to: the answer comes, and the connection ends.
    let text = format!("{json}\r\nHost: test\r\nContent-Length: 1000000000\r\n\r\n{}", " ".repeat(100_000));
    client.get_mut().write_all(text.as_bytes()).expect("sent");
    assert_eq!(next(&mut client).0, "HTTP/1.1 413 Payload Too Large");
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}

#[test]
fn curl_writes_in_both_versions() {
    let folder = folder("writing");
    let server = Running::with(&[7, 8, 9, 10].map(|sequence| segment(sequence, 10)), |config| {
        config.https = Some(own(&folder));
    });
    server.clock.advance(Duration::from_secs(22));
    let port = server.https.expect("HTTPS").port();
    let body = |len: usize| format!("{{\"kind\": \"door\", \"label\": \"{}\"}}", "x".repeat(len));
    for version in ["--http1.1", "--http2"] {
        let curl = |body: &str, further: &[&str]| {
            let url = format!("https://localhost:{port}{MARKERS}");
            let done = Command::new("curl")
                .args(["-sk", version, "-w", " %{http_code} %{http_version}", "--json", body, &url])
                .args(further)
                .output()
                .expect("curl runs (Debian package: curl)");
            String::from_utf8_lossy(&done.stdout).rsplit_once('}').map(|(_, rest)| rest.trim().to_owned())
        };
        let http = if version == "--http2" { "2" } else { "1.1" };
        for (len, further, status) in [
            (10, &[][..], 201),
            (16_300, &[], 400),
            (17_000, &[], 413),
            (50_000, &[], 413),
            (10, &["-H", "Origin: https://example.org"], 403),
        ] {
            let told = curl(&body(len), further);
            assert_eq!(told, Some(format!("{status} {http}")), "{len} bytes, {further:?}");
        }
        // In HTTP/2 curl waits to be told to go on for as long as we listen, and is cut short.
        if http == "1.1" {
            let told = curl(&body(17_000), &["-H", "Expect: 100-continue"]);
            assert_eq!(told.as_deref(), Some("413 1.1"));
        }
        // Several on one connection: what is refused does not keep the next from being heard.
        let url = format!("https://localhost:{port}{MARKERS}");
        let many: Vec<String> = (0..6)
            .flat_map(|_| {
                ["--next", "-sk", version, "-o", "/dev/null", "-w", "%{http_code}:%{num_connects} ", "--json"]
                    .map(str::to_owned)
                    .into_iter()
                    .chain([body(17_000), url.clone()])
            })
            .skip(1)
            .collect();
        let done = Command::new("curl").args(many).output().expect("curl runs");
        let told = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        assert_eq!(told, format!("413:1{}", " 413:0".repeat(5)), "{version}");
    }
}
