//! The program as `cross/build.sh` builds it for a 64-bit ARM board, run here by QEMU, and judged by ffmpeg.

#[allow(dead_code)]
#[path = "support/outpost.rs"]
mod outpost_program;
#[allow(dead_code)]
#[path = "support/tool.rs"]
mod tool;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use outpost_program::{Outpost, fetch, free_address};
use tool::{Scratch, text};

const BOARD: &str = "aarch64-unknown-linux-gnu";
/// What it may have at most, in bytes, with everything in it.
const ROOM: u64 = 8_000_000;

/// What a script of `cross/` says at the end; what it has to tell meanwhile goes to the terminal.
fn script(name: &str) -> String {
    // Where it is built for use: what is there already is not built twice.
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("cross").join(name));
    // What cargo tells a test of its package would have others' build scripts do their work anew.
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("CARGO_PKG_")) {
        command.env_remove(variable);
    }
    let output = command
        .arg(BOARD)
        .env_remove("CARGO_MANIFEST_DIR")
        .env("CARGO_TARGET_DIR", built)
        .env("DEBEMAIL", "tests@outpost.example")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("a script of the repository");
    assert!(output.status.success(), "cross/{name} failed: see above");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn a_boards_program_is_built_on_a_pc_and_its_demo_can_be_played() {
    let said = script("deb/build");
    println!("{said}");
    let package = said.lines().last().expect("where the package is");
    tool::run("lintian", &["--fail-on", "error,warning", "--allow-root", package]);

    let place = Scratch::new("cross");
    let unpacked = place.file("unpacked");
    tool::run("dpkg-deb", &["--extract", package, text(&unpacked)]);
    // What tells the network of the page.
    for file in ["etc/avahi/services/outpost.service", "usr/lib/systemd/dnssd/outpost.dnssd"] {
        let said = std::fs::read_to_string(unpacked.join(file)).expect(file);
        assert!(said.contains("_http._tcp") && said.contains("8080"), "{file}: {said}");
    }
    // The program that is in it, not the one it was made of.
    let program = unpacked.join("usr/bin/outpost");
    let size = std::fs::metadata(&program).expect("the program").len();
    assert!(size <= ROOM, "{size} bytes, {ROOM} is all the room it has: see docs/cross.md, \"Size\"");
    let root = script("root");
    let mut emulated = Command::new("qemu-aarch64-static");
    emulated.args(["-L", &root, text(&program)]);
    let nothing: [(&str, OsString); 0] = [];
    let outpost = Outpost::start_by(emulated, free_address(), &["demo"], &nothing, &place.file("state"));
    fetch(&outpost.url("/radio/index.m3u8")).expect("it can be played");

    // Whatever is wrong in a stream, ffmpeg says so on standard error, and then it fails here.
    for (path, codecs) in [("/radio/index.m3u8", "aac"), ("/camera/video/index.m3u8", "aac h264")] {
        let url = outpost.url(path);
        let show = ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", &url];
        let shown = String::from_utf8(tool::run("ffprobe", &show)).expect("text");
        for codec in codecs.split(' ') {
            assert!(shown.lines().any(|line| line == codec), "{path}: {shown}");
        }
        tool::run("ffmpeg", &["-v", "error", "-xerror", "-i", &url, "-t", "3", "-f", "null", "-"]);
    }
}
