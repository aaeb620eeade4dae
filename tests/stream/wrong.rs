//! What cannot be done is said, with the thing's name and a remedy, and the status is not 0.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::station::{Station, folder, stream, until};

/// Runs the program in `dir` until it ends by itself: its status, and what it said on standard error.
fn run(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_outpost"))
        .args(arguments)
        .current_dir(dir)
        .env("STATE_DIRECTORY", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.join("said")).expect("a file"))
        .spawn()
        .expect("the program starts");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        if std::time::Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{arguments:?} goes on although it cannot");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let said = fs::read_to_string(dir.join("said")).expect("what it said");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
    (status.code().expect("it ends by itself"), said)
}

#[test]
fn what_cannot_be_is_refused_with_its_name() {
    let dir = folder("wrong");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("a file");
    write("good.toml", &stream("radio", "kind = \"synth\"", ""));
    write("device.toml", &stream("radio", "kind = \"alsa\", device = \"no_such_device\"", ""));
    write("syntax.toml", "[[stream]\nname = \"radio\"\n");
    write("value.toml", &stream("radio", "kind = \"synth\"", "length = \"forever\""));
    fs::write(dir.join("binary.toml"), [0xff, 0xfe, 0]).expect("a file");
    let taken_remedy = [taken.as_str(), "--listen"];
    let table: [(&[&str], i32, &[&str]); 8] = [
        (&["demo", "--listen", &taken], 1, &taken_remedy),
        (&["run", "good.toml", "--listen", &taken], 1, &taken_remedy),
        (&["check", "device.toml"], 1, &[]), // told on standard output, see tests/cli.rs
        (&["run", "syntax.toml"], 2, &["syntax.toml:1"]),
        (&["run", "value.toml"], 2, &["value.toml:6", "forever"]),
        (&["run", "binary.toml"], 2, &["binary.toml"]),
        (&["run", "."], 2, &["cannot read the configuration ."]),
        // Without a configuration `run` streams what is plugged in, but there is nothing to check.
        (&["check"], 2, &["outpost.toml", "/etc/outpost/outpost.toml"]),
    ];
    for (arguments, status, told) in table {
        let (ended, said) = run(&dir, arguments);
        assert_eq!(ended, status, "{arguments:?}: {said}");
        assert!(told.iter().all(|it| said.contains(it)), "{arguments:?}: {told:?} is not in\n{said}");
    }
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn a_state_directory_that_is_a_file_is_told_once_and_the_stream_is_served() {
    let file = folder("state").join("file");
    fs::write(&file, "").expect("a file");
    let config = format!("state_dir = {file:?}\n{}", stream("radio", "kind = \"synth\"", ""));
    let station = Station::start("state-file", &config, &[]);
    until("a segment", Duration::from_secs(10), || {
        (!station.playlist("radio").segments.is_empty()).then_some(())
    });
    let log = station.log();
    let told = log.lines().filter(|line| line.contains("WARN")).collect::<Vec<_>>();
    assert!(!told.is_empty() && told.iter().all(|line| line.contains("sequence.json")), "{log}");
    let _ = fs::remove_dir_all(file.parent().expect("its folder"));
}
