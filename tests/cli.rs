//! The command as a person meets it: what it prints, and with which status it ends.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A directory of this test's own, empty at first and gone afterwards.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("outpost-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.0.join(name), text).expect("a temporary file");
        self
    }

    fn outpost(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost"));
        command.args(args).current_dir(&self.0).stdin(Stdio::null());
        command.env_remove("COLUMNS").env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
        command
    }

    /// Status, standard output and standard error.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        end(self.outpost(args).output().expect("outpost starts"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn end(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked") && !err.contains("backtrace"), "{err}");
    (output.status.code().expect("it ends by itself"), out, err)
}

/// The write end of a pipe that nobody reads.
fn broken_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn help_teaches_and_version_is_short() {
    let place = Place::new("help");
    let (status, out, err) = place.run(&["--version"]);
    assert_eq!(
        (status, out.as_str(), err.as_str()),
        (0, concat!("outpost ", env!("CARGO_PKG_VERSION"), "\n"), "")
    );
    for flag in ["--help", "-h"] {
        let (status, out, _) = place.run(&[flag]);
        assert_eq!(status, 0);
        for taught in [
            "run",
            "demo",
            "devices",
            "check",
            "First steps",
            "/radio/index.m3u8",
            "/radio/live.ts",
            "/metrics",
            "./outpost.toml, else /etc/outpost/outpost.toml",
            "2 the command or the configuration is wrong",
        ] {
            assert!(out.contains(taught), "{flag} says nothing of {taught}:\n{out}");
        }
    }
    for (command, taught) in [
        ("run", "--listen"),
        ("demo", "--listen"),
        ("devices", "--json"),
        ("check", "Exit status: 0"),
        ("sign", "outpost sign radio --for 2h"),
    ] {
        let (status, out, _) = place.run(&[command, "--help"]);
        assert_eq!(status, 0);
        assert!(out.contains(taught), "{out}");
    }
}

#[test]
fn a_wrong_command_is_status_2_and_told() {
    let place = Place::new("usage");
    let table: &[(&[&str], &str)] = &[
        (&[], "Usage: outpost"),
        (&["devics"], "a similar subcommand exists: 'devices'"),
        (&["demo", "--listen", "nonsense"], "\"nonsense\" is no address to listen on; write 8080"),
        (&["demo", "--listen"], "a value is required"),
        (&["devices", "--jason"], "--json"),
        (&["run", "a.toml", "b.toml"], "unexpected argument 'b.toml'"),
    ];
    for (args, told) in table {
        let (status, out, err) = place.run(args);
        assert_eq!((status, out.as_str()), (2, ""), "{args:?}");
        assert!(err.contains(told), "{args:?}:\n{err}");
    }
}

#[test]
fn a_wrong_configuration_is_status_2_with_file_line_and_remedy() {
    let place = Place::new("config");
    place.file("outpost.toml", "[[stream]]\nname = \"radio\"\naudio = { knid = \"synth\" }\n");
    let fault = "stream.audio.knid: unknown key; did you mean `kind`?\n\
                 \x20 3 | audio = { knid = \"synth\" }\n    |           ^^^^\n";
    // The file is found, or named; run and check agree.
    for args in [&["run"][..], &["check"], &["run", "outpost.toml"], &["check", "outpost.toml"]] {
        let (status, out, err) = place.run(args);
        assert_eq!((status, out.as_str()), (2, ""), "{args:?}");
        assert_eq!(err, format!("outpost: outpost.toml:3: {fault}"), "{args:?}");
    }
    let (status, _, err) = place.run(&["run", "missing.toml"]);
    assert_eq!(status, 2);
    assert_eq!(
        err,
        "outpost: cannot read the configuration missing.toml: No such file or directory (os error 2); look at the name, \
         and at the directory you are in\n"
    );
}

#[test]
fn an_address_is_signed_or_it_is_told_why_not() {
    let place = Place::new("sign");
    let stream = "[[stream]]\nname = \"radio\"\naudio.kind = \"synth\"\nencryption = {}\n";
    place.file("outpost.toml", &format!("{stream}access.token_file = \"token\"\n"));
    let sign = ["sign", "radio", "--for", "2h", "--base", "https://radio.example.org"];
    let (status, _, err) = place.run(&sign);
    assert_eq!(
        (status, err.contains("cannot read the token in token; let this user read it")),
        (2, true),
        "{err}"
    );
    place.file("token", "0123456789abcdef\n");
    let (status, out, err) = place.run(&sign);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(
        out.starts_with("https://radio.example.org/radio/index.m3u8?expires=") && out.contains("&signature=")
    );
    let (status, _, err) = place.run(&["sign", "tower", "--for", "2h"]);
    assert_eq!(
        (status, err.as_str()),
        (2, "outpost: there is no stream tower in the configuration; there is radio\n")
    );
    let (status, _, err) = place.run(&["sign", "radio"]);
    assert!(status == 2 && err.contains("--for <TIME>"), "{err}");
}

#[test]
fn a_log_filter_that_is_none_is_told() {
    let place = Place::new("filter");
    let output = place.outpost(&["devices"]).env("RUST_LOG", "outpost=loud").output().expect("it starts");
    let (status, _, err) = end(output);
    assert_eq!(status, 2);
    assert!(err.starts_with("outpost: RUST_LOG=\"outpost=loud\" is no log filter: "), "{err}");
}

#[test]
fn devices_are_listed_for_people_and_for_programs() {
    let place = Place::new("devices");
    let (status, out, _) = place.run(&["devices"]);
    assert_eq!(status, 0);
    assert!(out.contains("`device`") || out.contains("audio $USER"), "a table or what to check:\n{out}");
    let (status, out, _) = place.run(&["devices", "--json"]);
    assert_eq!(status, 0);
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert!(value["sound"].is_array() && value["cameras"].is_array(), "{out}");
}

#[test]
fn a_source_that_is_not_there_is_status_1() {
    let place = Place::new("check");
    let device = "hw:CARD=NoSuchCard,DEV=0";
    place.file(
        "outpost.toml",
        &format!("[[stream]]\nname = \"radio\"\naudio = {{ kind = \"alsa\", device = \"{device}\" }}\n"),
    );
    let (status, out, _) = place.run(&["check"]);
    assert_eq!(status, 1, "{out}");
    assert!(out.starts_with("outpost.toml is in order.\n"), "{out}");
    assert!(out.contains("/radio/index.m3u8"), "{out}");
    let verdict = out.lines().last().unwrap_or_default();
    assert!(verdict.starts_with("radio: ") && verdict.contains(device), "{out}");
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let place = Place::new("pipe");
    for args in [&["devices"][..], &["devices", "--json"], &["--help"], &["--version"]] {
        let output = place.outpost(args).stdout(broken_pipe()).output().expect("outpost starts");
        let (status, _, err) = end(output);
        assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
    }
    // Nobody to tell what is wrong: the status still says it.
    let status = place.outpost(&["run", "missing.toml"]).stderr(broken_pipe()).status();
    assert_eq!(status.expect("outpost starts").code(), Some(2));
}

#[test]
fn a_check_finds_what_keeps_an_enciphered_stream_from_being_served() {
    let place = Place::new("check-access");
    let stream = |name: &str| {
        format!(
            "[[stream]]\nname = \"{name}\"\naudio.kind = \"synth\"\nencryption = {{}}\naccess.token_file = \"{name}\"\n"
        )
    };
    let streams: String = ["missing", "empty", "short", "good"].map(stream).concat();
    place.file("outpost.toml", &format!("state_dir = \".\"\nlisten = \"127.0.0.1:0\"\n{streams}"));
    place
        .file("empty", "")
        .file("short", "s3cret\n")
        .file("good", "0123456789abcdef\n")
        .file("secret", "half");
    let (status, out, _) = place.run(&["check"]);
    assert_eq!(status, 1, "{out}");
    for told in [
        "./secret should hold the 32 bytes that the keys of enciphered streams are made from, and holds 4; restore it",
        "cannot read the token in missing; let this user read it, or correct token_file: No such file",
        "token_file empty holds no token: 0 characters are out of range",
        "token_file short holds no token: 6 characters are out of range; a token has from 16 to 512; `openssl rand",
        "who knows the token, or has a signed address",
    ] {
        assert_eq!(out.matches(told).count(), 1, "{told}:\n{out}");
    }
    assert!(!out.contains("s3cret"), "{out}");
    // And so does a run.
    let (status, _, err) = place.run(&["run"]);
    assert!(status == 1 && err.contains("./secret should hold the 32 bytes"), "{status} {err}");
}
