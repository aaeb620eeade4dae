//! Enciphered streams, deciphered by openssl and played by ffmpeg; who is let in, and who is not.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;

use m3u8_rs::{KeyMethod, MediaPlaylist};
use outpost::container::ts::PACKET_LEN;

use crate::ear;
use crate::endless::whole;
use crate::station::{Station, folder, stream, until};

const TOKEN: &str = "0123456789abcdef";
/// A new key every three segments.
const GUARDED: &str = "[stream.encryption]\nrotate = 3\n[stream.access]\ntoken = \"0123456789abcdef\"";

fn station(name: &str, tables: &str) -> Station {
    Station::start(name, &stream("radio", "kind = \"synth\"", tables), &[])
}

/// What curl got: status and body.
fn curl(station: &Station, path: &str, more: &[&str]) -> (u16, Vec<u8>) {
    let file = station.dir().join("curl.body");
    let _ = fs::remove_file(&file);
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "5", "--write-out", "%{http_code}", "--output"])
        .arg(&file)
        .args(more)
        .arg(station.url(path))
        .output()
        .expect("curl starts (Debian: curl)");
    let status = String::from_utf8_lossy(&output.stdout).parse().expect("a status");
    (status, fs::read(&file).unwrap_or_default())
}

fn with_token(station: &Station, path: &str) -> (u16, Vec<u8>) {
    curl(station, path, &["--header", &format!("Authorization: Bearer {TOKEN}")])
}

/// What `outpost sign` prints, with this station's configuration.
fn signed(station: &Station, length: &str) -> String {
    let config = station.dir().join("outpost.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_outpost"))
        .args(["sign", "radio", "--for", length, "--base", &station.url(""), "--config"])
        .arg(config)
        .output()
        .expect("outpost starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("an address").trim().to_owned()
}

/// Waits until so many keys are told of; the playlist.
fn with_keys(station: &Station, count: usize) -> MediaPlaylist {
    until("another key", Duration::from_secs(20), || {
        let playlist = station.playlist("radio");
        let keys = playlist.segments.iter().filter(|segment| segment.key.is_some()).count();
        (keys >= count).then_some(playlist)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(address: &str) -> Output {
    // Without a key it would ask again and again.
    Command::new("timeout")
        .args([
            "20", "ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-i", address, "-t", "3", "-f", "null",
            "-",
        ])
        .output()
        .expect("ffmpeg starts (Debian: ffmpeg)")
}

#[test]
fn openssl_deciphers_every_segment_with_the_key_the_playlist_names() {
    let station = station("openssl", "[stream.encryption]\nrotate = 3");
    let playlist = with_keys(&station, 2);
    let mut uri = None;
    let mut seen = BTreeSet::new();
    for (segment, number) in playlist.segments.iter().zip(playlist.media_sequence..) {
        if let Some(key) = &segment.key {
            assert_eq!((&key.method, &key.iv), (&KeyMethod::AES128, &None));
            uri = key.uri.clone();
        }
        let uri = uri.as_deref().expect("a key before the first segment");
        assert_eq!(uri, format!("../keys/{}.key", number / 3));
        let key = station.get(&format!("/radio/keys/{}.key", number / 3));
        assert_eq!((key.status, key.body.len()), (200, 16));
        let file = station.dir().join("segment");
        fs::write(&file, station.get(&format!("/radio/audio/{}", segment.uri)).body).expect("a file");
        let clear = Command::new("openssl")
            .args([
                "enc",
                "-d",
                "-aes-128-cbc",
                "-K",
                &hex(&key.body),
                "-iv",
                &format!("{number:032x}"),
                "-in",
            ])
            .arg(&file)
            .output()
            .expect("openssl starts (Debian: openssl)");
        assert!(clear.status.success(), "{number}: {}", String::from_utf8_lossy(&clear.stderr));
        let seconds = whole(&clear.stdout);
        assert!((0.0..1.1).contains(&seconds), "{number}: {seconds} s of sound");
        seen.insert(key.body);
    }
    assert!(seen.len() >= 2, "keys change");
    // Of keys that no segment needs, there is nothing to be had.
    let last = (playlist.media_sequence + playlist.segments.len() as u64) / 3;
    for number in [0, playlist.media_sequence / 3 - 1, last + 2, u64::MAX] {
        assert_eq!(station.get(&format!("/radio/keys/{number}.key")).status, 404, "{number}");
    }
    let secret = fs::metadata(station.dir().join("secret")).expect("a secret");
    assert_eq!((secret.len(), secret.permissions().mode() & 0o777), (32, 0o600));

    let open = station.url("/radio/index.m3u8");
    assert_eq!(ear::probe(&open), "aac,LC,48000,1");
    let played = decode(&open);
    assert!(
        played.status.success() && played.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&played.stderr)
    );
}

#[test]
fn who_has_the_token_or_a_signed_address_is_let_in_and_nobody_else() {
    let mut station = station("guarded", GUARDED);
    let playlist = with_keys(&station, 2);
    let key = format!("/radio/keys/{}.key", playlist.media_sequence / 3);
    for path in [&*key, "/radio/live.ts", "/radio/audio/live.ts"] {
        let (status, body) = curl(&station, path, &[]);
        assert_eq!(status, 401, "{path}");
        assert!(String::from_utf8_lossy(&body).contains("Authorization: Bearer"), "{path}");
        let (status, _) = curl(&station, path, &["--header", "Authorization: Bearer 0123456789abcdeF"]);
        assert_eq!(status, 403, "{path}");
    }
    let (status, bytes) = with_token(&station, &key);
    assert_eq!((status, bytes.len()), (200, 16));

    // The endless stream is in the clear, and whole where segments meet.
    let (status, sound) = with_token(&station, "/radio/live.ts");
    assert_eq!(status, 200);
    // Cut off anywhere.
    let sound = &sound[..sound.len() / PACKET_LEN * PACKET_LEN];
    assert!(whole(sound) > 3.0, "{} bytes", sound.len());

    let address = signed(&station, "1h");
    assert_eq!(ear::probe(&address), "aac,LC,48000,1");
    let played = decode(&address);
    assert!(
        played.status.success() && played.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&played.stderr)
    );
    assert!(
        !decode(&station.url("/radio/index.m3u8")).status.success(),
        "without a key there is nothing to hear"
    );

    // One that has expired opens nothing, though the playlists are there.
    let short = signed(&station, "1s");
    let (_, pass) = short.split_once('?').expect("a query");
    std::thread::sleep(Duration::from_secs(2));
    let (status, why) = curl(&station, &format!("{key}?{pass}"), &[]);
    assert_eq!(
        (status, &*String::from_utf8_lossy(&why)),
        (403, "this address has expired; ask for a new one where you have it from\n")
    );
    assert_eq!(curl(&station, &format!("/radio/audio/index.m3u8?{pass}"), &[]).0, 200);
    assert!(station.metric("outpost_http_denied_total") >= 7.0);

    // Another start, the same secret; and the old address still opens.
    let secret = fs::read(station.dir().join("secret")).expect("a secret");
    station.kill();
    station.start_again();
    with_keys(&station, 1);
    assert_eq!(fs::read(station.dir().join("secret")).expect("a secret"), secret);
    let (path, host) = (address.split_once("/radio/").expect("a path").1, station.url("/radio/"));
    assert_eq!(ear::probe(&format!("{host}{path}")), "aac,LC,48000,1");
    assert!(!station.log().contains(TOKEN), "the log tells the token");
}

#[test]
fn the_line_in_the_documentation_signs_as_we_do() {
    let docs = include_str!("../../docs/access.md");
    let line = docs.lines().find(|line| line.contains("openssl dgst")).expect("a line for a shell");
    let station = station("signing", GUARDED);
    let address = signed(&station, "1h");
    let (_, expires) = address.split_once("expires=").expect("a query");
    let (expires, signature) = expires.split_once("&signature=").expect("a signature");
    let shell = Command::new("sh")
        .args(["-c", line])
        .envs([("STREAM", "radio"), ("EXPIRES", expires), ("TOKEN", TOKEN)])
        .output()
        .expect("a shell");
    assert_eq!(String::from_utf8_lossy(&shell.stdout).trim(), signature, "{shell:?}");
}

#[test]
fn without_its_secret_nothing_is_served_rather_than_in_the_clear() {
    let dir = folder("no-secret");
    fs::write(dir.join("secret"), "too short").expect("a file");
    fs::write(dir.join("outpost.toml"), stream("radio", "kind = \"synth\"", "[stream.encryption]"))
        .expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_outpost"))
        .args(["run", "--listen", "127.0.0.1:0"])
        .current_dir(&dir)
        .env("STATE_DIRECTORY", &dir)
        .output()
        .expect("outpost starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("should hold the 32 bytes") && told.contains("or delete it"), "{told}");
    let _ = fs::remove_dir_all(&dir);
}
