//! The program itself, or any other server, watched while it is live.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::outpost_program::Outpost;
use crate::rules::{Finding, TIMED, judge_all};
use crate::seen::Stream;
use crate::watch::{Client, Weather, is_busy, watch};

/// How long an ordinary run watches: long enough for segments to leave the window.
const WATCHED: Duration = Duration::from_secs(30);
/// How long a source stays away, and how long after it the weather counts as bad.
const AWAY: Duration = Duration::from_secs(8);
const CALM: Duration = Duration::from_secs(6);

/// What is watched: the scanner, the same enciphered, and a camera in two sizes whose cable can be pulled.
fn streams(dir: &Path) -> String {
    let pid = dir.join("camera.pid");
    let away = dir.join("camera.away");
    let script = format!(
        "if [ -e {} ]; then echo 'the cable is out' >&2; exit 1; fi; echo $$ > {}; exec ffmpeg -nostdin -v error \
         -re -f lavfi -i testsrc2=size=320x180:rate=15 -pix_fmt yuv420p -f rawvideo pipe:1",
        away.display(),
        pid.display()
    );
    format!(
        "[[stream]]\nname = \"radio\"\nlow_latency = {{}}\n[stream.audio]\nkind = \"synth\"\n[stream.window]\n\
         segment = \"1s\"\nlength = \"10s\"\n\n[[stream]]\nname = \"closed\"\naudio.kind = \"synth\"\n\
         encryption.rotate = 3\nwindow = {{ segment = \"1s\", length = \"10s\" }}\n\n\
         [[stream]]\nname = \"camera\"\nlow_latency = {{ part = \"300ms\" }}\n\
         rendition = [{{ size = \"160x90\", bitrate = \"100k\" }}]\n[stream.window]\nsegment = \"2s\"\nlength = \"12s\"\n\
         [stream.video]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\noutput = \"yu12\"\n\
         size = \"320x180\"\nrate = 15\nbitrate = \"300k\"\n[stream.audio]\nkind = \"synth\"\nsound = \"clapper\"\n"
    )
}

const PLAYLISTS: [&str; 5] = [
    "/radio/index.m3u8",
    "/radio/ll/index.m3u8",
    "/closed/index.m3u8",
    "/camera/index.m3u8",
    "/camera/ll/index.m3u8",
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
        Err(_) => ours(length, minutes.is_some()).await,
    };
    let (late, found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| is_busy() && TIMED.contains(&finding.rule));
    late.iter().for_each(|finding| println!("on a machine that is busy with something else: {finding}"));
    let report: Vec<String> = found.iter().map(|finding| format!("  {finding}")).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), report.join("\n"));
}

/// Watches a program of our own; with `trouble`, its camera goes and comes, and it is killed and started again.
async fn ours(length: Duration, trouble: bool) -> Vec<Finding> {
    let dir = std::env::temp_dir().join(format!("outpost-checker-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a temporary folder");
    let config = dir.join("outpost.toml");
    fs::write(&config, streams(&dir)).expect("a configuration");
    let arguments = ["run", config.to_str().expect("a name in UTF-8")];
    let outpost = Outpost::start(&arguments, &[], &dir);
    let (address, server) = (outpost.address, outpost.url(""));
    let weather = Weather::default();
    let paths = PLAYLISTS.map(str::to_owned);
    let (watching, outpost) = {
        let (weather, server) = (weather.clone(), server.clone());
        (tokio::spawn(async move { judged(&server, &paths, length, &weather).await }), outpost)
    };
    if trouble {
        tokio::time::sleep(length / 3).await;
        // Losing a source is no excuse for anything: the slate goes on in its place.
        pull(&dir);
        tokio::time::sleep(AWAY).await;
        fs::remove_file(dir.join("camera.away")).expect("it was away");
        tokio::time::sleep(length / 3).await;
        weather.turn();
        drop(outpost); // SIGKILL
        let dir_again: PathBuf = dir.clone();
        let again = tokio::task::spawn_blocking(move || {
            let config = dir_again.join("outpost.toml");
            Outpost::start_at(address, &["run", config.to_str().expect("UTF-8")], &[], &dir_again)
        });
        let again = again.await.expect("it starts again");
        tokio::time::sleep(CALM).await;
        weather.turn();
        let found = watching.await.expect("a judge does not fail");
        drop(again);
        let _ = fs::remove_dir_all(&dir);
        return found;
    }
    let found = watching.await.expect("a judge does not fail");
    drop(outpost);
    let _ = fs::remove_dir_all(&dir);
    found
}

fn pull(dir: &Path) {
    fs::write(dir.join("camera.away"), "").expect("a file");
    let pid = fs::read_to_string(dir.join("camera.pid")).expect("the camera has run");
    kill(Pid::from_raw(pid.trim().parse().expect("a number")), Signal::SIGKILL).expect("the camera runs");
}

/// Watches all `paths` of a server at once, says what was seen, and judges it.
async fn judged(server: &str, paths: &[String], length: Duration, weather: &Weather) -> Vec<Finding> {
    let client = Arc::new(Client::new(server));
    let watching = paths.iter().map(|path| watch(Arc::clone(&client), path.clone(), length, weather.clone()));
    let watching: Vec<_> = watching.map(tokio::spawn).collect();
    let mut found = Vec::new();
    for (path, watching) in paths.iter().zip(watching) {
        let stream = watching.await.expect("a watcher does not fail");
        for rendition in &stream.renditions {
            let ended = rendition.listings.last().is_some_and(|last| last.media.ended);
            assert!(
                ended || rendition.listings.len() > 2,
                "{path} {}: hardly a playlist came",
                rendition.uri
            );
            println!(
                "{path} {}: {} playlists, {} held, {} files fetched, {} deltas",
                rendition.uri,
                rendition.listings.len(),
                rendition.held.len(),
                rendition.files.len(),
                rendition.deltas.len()
            );
        }
        found.extend(judge_all(&stream, path));
        if let Some((from, to)) = piece(&stream) {
            found.extend(judged_piece(&client, path, from, to).await);
        }
    }
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    found.iter().for_each(|finding| *count.entry(finding.rule).or_default() += 1);
    println!("{count:#?}");
    found
}

/// An instant in a segment from the middle of the window, which will not leave it at once, and one in the next, in
/// seconds since 1970; where the playlist is none of low latency.
fn piece(stream: &Stream) -> Option<(f64, f64)> {
    let media = &stream.renditions.first()?.listings.last()?.media;
    let dates = media.dates();
    let middle = dates.len() / 2;
    (!media.has_parts() && !media.ended && middle > 1)
        .then(|| (dates[middle].1 + 0.1, dates[middle + 1].1 + 0.1))
}

/// A piece of the window is a finished playlist that begins and ends where it was asked to, as far as segments go.
async fn judged_piece(client: &Arc<Client>, path: &str, from: f64, to: f64) -> Vec<Finding> {
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
    judge_all(&stream, &path)
}

/// `http://host:port` and the rest.
fn split(url: &str) -> (String, String) {
    let host = url.strip_prefix("http://").expect("an address that begins with http://");
    let (host, path) = host.split_once('/').expect("a path to a multivariant playlist");
    (format!("http://{host}"), format!("/{path}"))
}
