//! The program itself, or any other server, watched while it is live.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::outpost_program::Outpost;
use crate::rules::{Finding, judge_all};
use crate::seen::Stream;
use crate::text::Media;
use crate::watch::{Client, Weather, join, probe, watch};

/// How long an ordinary run watches: long enough for segments to leave the window, and for both troubles.
const WATCHED: Duration = Duration::from_secs(40);
/// How long a restart counts as bad weather.
const CALM: Duration = Duration::from_secs(6);

/// What is watched: a scanner, the same enciphered and in HE-AAC, a camera in two sizes, and one whose own H.264 is
/// passed through; all on cables that can be pulled at once.
fn streams(dir: &Path) -> String {
    let program = |name: &str, gives: &str| {
        let script = format!(
            "if [ -e {0}/away ]; then echo 'the cable is out' >&2; exit 1; fi; echo $$ > {0}/{name}.pid; \
             exec ffmpeg -nostdin -v error -re -f lavfi -i {gives} pipe:1",
            dir.display()
        );
        format!("kind = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\n")
    };
    let sound = |name: &str| {
        let gives = "sine=frequency=997:sample_rate=48000 -f s16le";
        format!("[stream.audio]\n{}input = {{ rate = 48000, channels = 1 }}\n", program(name, gives))
    };
    let pictures = |name: &str| {
        let program = program(name, "testsrc2=size=320x180:rate=15 -pix_fmt yuv420p -f rawvideo");
        format!(
            "[stream.video]\n{program}output = \"yu12\"\nsize = \"320x180\"\nrate = 15\nbitrate = \"300k\"\n\
             [stream.audio]\nkind = \"synth\"\nsound = \"clapper\"\n"
        )
    };
    let passed = program(
        "passed",
        // Key frames where no cut of the sound is, and another profile than the slate's.
        "testsrc2=size=320x180:rate=15 -c:v libx264 -preset veryfast -tune zerolatency -g 20 -f h264",
    );
    let short = "window = { segment = \"1s\", length = \"10s\" }\n";
    [
        &format!("[[stream]]\nname = \"radio\"\nlow_latency = {{}}\n{short}{}\n", sound("radio")),
        &format!("[[stream]]\nname = \"closed\"\nencryption.rotate = 3\n{short}{}\n", sound("closed")),
        &format!(
            "[[stream]]\nname = \"narrow\"\nlow_latency = {{}}\n{short}{}profile = \"he\"\n",
            sound("narrow")
        ),
        "[[stream]]\nname = \"camera\"\nlow_latency = { part = \"300ms\" }\n\
         rendition = [{ size = \"160x90\", bitrate = \"100k\" }]\n",
        "window = { segment = \"2s\", length = \"12s\" }\n",
        &pictures("camera"),
        &format!(
            "[[stream]]\nname = \"passed\"\nlow_latency = {{ part = \"300ms\" }}\n{short}[stream.video]\n{passed}\
             output = \"h264\"\nsize = \"320x180\"\nrate = 15\nbitrate = \"300k\"\n\
             [stream.audio]\nkind = \"synth\"\nsound = \"clapper\"\n"
        ),
    ]
    .concat()
}

const CABLES: [&str; 5] = ["radio", "closed", "narrow", "camera", "passed"];
const PLAYLISTS: [&str; 9] = [
    "/radio/index.m3u8",
    "/radio/ll/index.m3u8",
    "/closed/index.m3u8",
    "/camera/index.m3u8",
    "/camera/ll/index.m3u8",
    "/passed/index.m3u8",
    "/passed/ll/index.m3u8",
    "/narrow/index.m3u8",
    "/narrow/ll/index.m3u8",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_to_be_said_against_what_is_served() {
    let minutes = std::env::var("OUTPOST_CHECK_MINUTES").ok();
    let minutes: Option<f64> = minutes.map(|it| it.parse().expect("OUTPOST_CHECK_MINUTES is a number"));
    let length = minutes.map_or(WATCHED, |minutes| Duration::from_secs_f64(60.0 * minutes));
    let found = match std::env::var("OUTPOST_CHECK_URL") {
        Ok(url) => {
            let (server, path) = split(&url);
            judged(&server, &[path], length, &Weather::default()).await
        }
        Err(_) => ours(length).await,
    };
    let report: Vec<String> = found.iter().map(|finding| format!("  {finding}")).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), report.join("\n"));
}

/// Watches a program of our own, whose sources all go and come, and which is killed and started again.
async fn ours(length: Duration) -> Vec<Finding> {
    let dir = std::env::temp_dir().join(format!("outpost-checker-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a temporary folder");
    let config = dir.join("outpost.toml");
    fs::write(&config, streams(&dir)).expect("a configuration");
    let arguments = ["run", config.to_str().expect("a name in UTF-8")];
    let outpost = Outpost::start(&arguments, &[], &dir);
    let (address, server) = (outpost.address, outpost.url(""));
    let weather = Weather::default();
    let watching = tokio::spawn({
        let weather = weather.clone();
        async move { judged(&server, &PLAYLISTS.map(str::to_owned), length, &weather).await }
    });
    tokio::time::sleep(length / 4).await;
    // Losing a source is no excuse for anything: silence and the slate go on in its place.
    pull(&dir);
    tokio::time::sleep(length / 8).await;
    fs::remove_file(dir.join("away")).expect("they were away");
    tokio::time::sleep(length / 4).await;
    weather.turn();
    drop(outpost); // SIGKILL
    let again = Outpost::start_at(address, &arguments, &[], &dir);
    tokio::time::sleep(CALM).await;
    weather.turn();
    let found = watching.await.expect("a judge does not fail");
    drop(again);
    if found.is_empty() {
        let _ = fs::remove_dir_all(&dir);
    }
    found
}

fn pull(dir: &Path) {
    fs::write(dir.join("away"), "").expect("a file");
    for name in CABLES {
        let pid = fs::read_to_string(dir.join(format!("{name}.pid"))).expect("it has run");
        kill(Pid::from_raw(pid.trim().parse().expect("a number")), Signal::SIGKILL).expect("it runs");
    }
}

/// Watches all `paths` of a server at once, says what was seen, and judges it.
async fn judged(server: &str, paths: &[String], length: Duration, weather: &Weather) -> Vec<Finding> {
    let client = Arc::new(Client::new(server));
    let watching = paths.iter().map(|path| watch(Arc::clone(&client), path.clone(), length, weather.clone()));
    let watching: Vec<_> = watching.map(tokio::spawn).collect();
    let mut seen = Vec::new();
    for (path, watching) in paths.iter().zip(watching) {
        seen.push((path.clone(), watching.await.expect("a watcher does not fail")));
    }
    // Before judging, which takes its time.
    let mut pieces = Vec::new();
    for (path, stream) in &seen {
        if let Some((from, to)) = piece(&client, path, stream).await {
            pieces.push(watched_piece(&client, path, from, to).await);
        }
    }
    seen.iter_mut().chain(&mut pieces).for_each(|(_, stream)| probe(stream));
    for (path, stream) in &seen {
        for rendition in &stream.renditions {
            let ended = rendition.listings.last().is_some_and(|last| last.media.ended);
            assert!(
                ended || rendition.listings.len() > 2,
                "{path} {}: hardly a playlist came",
                rendition.uri
            );
            let ranges = rendition.listings.iter().flat_map(|it| &it.media.dateranges);
            let ranges: BTreeSet<_> = ranges.filter_map(|range| range.get("ID")).collect();
            println!(
                "{path} {}: {} playlists, {} held, {} files fetched, {} deltas, {} date ranges, up to {:.0} ms of \
                 delay allowed for",
                rendition.uri,
                rendition.listings.len(),
                rendition.held.len(),
                rendition.files.len(),
                rendition.deltas.len(),
                ranges.len(),
                1e3 * rendition.delay
            );
        }
    }
    let found = seen.iter().chain(&pieces).flat_map(|(path, stream)| judge_all(stream, path));
    let found: Vec<Finding> = found.collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    found.iter().for_each(|finding| *count.entry(finding.rule).or_default() += 1);
    println!("{count:#?}");
    found
}

/// An instant in a segment from the middle of the window as it is now, which will not leave it at once, and one in the
/// next, in seconds since 1970; where the playlist is none of low latency.
async fn piece(client: &Client, path: &str, stream: &Stream) -> Option<(f64, f64)> {
    let answer = client.playlist(&join(path, &stream.renditions.first()?.uri)).await;
    let media = Media::read(&String::from_utf8_lossy(&answer.body));
    let dates = media.dates();
    let middle = dates.len() / 2;
    (!media.has_parts() && !media.ended && middle > 1)
        .then(|| (dates[middle].1 + 0.1, dates[middle + 1].1 + 0.1))
}

/// A piece of the window is a finished playlist that begins and ends where it was asked to, as far as segments go.
async fn watched_piece(client: &Arc<Client>, path: &str, from: f64, to: f64) -> (String, Stream) {
    let written = |at: f64| Timestamp::from_millisecond((at * 1e3) as i64).expect("a date of these years");
    let path = format!("{path}?from={}&to={}", written(from), written(to));
    let stream = watch(Arc::clone(client), path.clone(), Duration::from_secs(1), Weather::default()).await;
    assert!(!stream.renditions.is_empty(), "{path}: nothing came");
    for rendition in &stream.renditions {
        let media = &rendition.listings.last().unwrap_or_else(|| panic!("{path}: no playlist")).media;
        let (begin, length) = (media.dates().first().map_or(0.0, |(_, at)| *at), media.length());
        let target = media.target_seconds();
        assert!(media.ended, "{path}: {} does not end:\n{}", rendition.uri, media.text);
        assert!((0.0..=target + 1.0).contains(&(from - begin)), "{path} begins {} s early", from - begin);
        let late = begin + length - to;
        assert!((0.0..=target + 1.0).contains(&late), "{path} ends {late} s late:\n{}", media.text);
        assert!(rendition.files.len() >= media.segments.len(), "{path}: its segments were fetched");
    }
    (path, stream)
}

/// `http://host:port` and the rest.
fn split(url: &str) -> (String, String) {
    let host = url.strip_prefix("http://").expect("an address that begins with http://");
    let (host, path) = host.split_once('/').expect("a path to a multivariant playlist");
    (format!("http://{host}"), format!("/{path}"))
}
