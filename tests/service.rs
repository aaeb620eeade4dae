//! The program as a service: what systemd is told, the sockets that it opens for us, and the units themselves, judged by
//! systemd's own programs.

#[allow(dead_code)]
#[path = "support/manager.rs"]
mod manager;
#[allow(dead_code, unreachable_pub)]
#[path = "support/outpost.rs"]
mod outpost_program;
#[allow(dead_code)]
#[path = "support/tool.rs"]
mod tool;
#[path = "service/windows.rs"]
mod windows;

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use outpost_program::{Outpost, fetch, free_address};
use tool::{Scratch, text};

const PATIENCE: Duration = Duration::from_secs(30);
/// Every sign of life but the first comes within this of the one before.
const WATCHDOG: Duration = Duration::from_secs(2);
const STREAM: &str = "[[stream]]\nname = \"radio\"\naudio = { kind = \"synth\" }\nlow_latency = {}\n\
    [stream.window]\nsegment = \"1s\"\n";

/// systemd's end of the conversation.
struct Manager(UnixDatagram);

impl Manager {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        Self(socket)
    }

    /// What it is told next.
    fn hear(&self) -> String {
        let mut room = [0; 4096];
        let len = self.0.recv(&mut room).expect("something is told in time");
        String::from_utf8_lossy(&room[..len]).trim_end().to_owned()
    }

    fn hear_until(&self, wanted: &str) -> Vec<String> {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last: &String| !last.starts_with(wanted)) {
            heard.push(self.hear());
        }
        heard
    }
}

#[test]
fn systemd_is_told_when_streams_can_be_played_that_they_go_on_and_that_it_ends() {
    let place = Scratch::new("service-told");
    let (config, socket) = (place.file("outpost.toml"), place.file("notify"));
    fs::write(&config, STREAM).expect("a configuration");
    let manager = Manager::new(&socket);
    let environment = [
        ("NOTIFY_SOCKET", OsString::from(&socket)),
        ("WATCHDOG_USEC", OsString::from(WATCHDOG.as_micros().to_string())),
    ];
    let begun = Instant::now();
    let outpost = Outpost::start(&["run", text(&config)], &environment, &place.file("state"));
    let (ready, kept) = manager
        .hear_until("READY=1")
        .split_last()
        .map(|(it, rest)| (it.clone(), rest.to_vec()))
        .expect("it is told");
    assert_eq!(ready, "READY=1");
    assert!(kept.iter().all(|it| it.starts_with("FDSTORE")), "{kept:?}");
    println!("ready {:?} after the start", begun.elapsed());
    let playlist = fetch(&outpost.url("/radio/audio/index.m3u8")).expect("it can be played");
    assert!(playlist.contains(".ts"), "{playlist}");

    let heard = manager.hear_until("STATUS=");
    assert_eq!(heard.last().map(String::as_str), Some("STATUS=radio: live"), "{heard:?}");
    for _ in 0..3 {
        let before = Instant::now();
        assert_eq!(manager.hear(), "WATCHDOG=1");
        assert!(before.elapsed() < WATCHDOG, "systemd would have taken it for hung");
    }
    // What hangs gives none, and systemd starts it anew.
    let pid = Pid::from_raw(i32::try_from(outpost.child.id()).expect("a process"));
    kill(pid, Signal::SIGSTOP).expect("it can be stopped");
    manager.0.set_read_timeout(Some(2 * WATCHDOG)).expect("a time limit");
    let left = std::iter::from_fn(|| manager.0.recv(&mut [0; 4096]).ok()).count();
    assert!(left <= 1, "{left} signs of life of one that hangs");
    kill(pid, Signal::SIGCONT).expect("it can go on");
    manager.0.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    kill(pid, Signal::SIGTERM).expect("it can be ended");
    manager.hear_until("STOPPING=1");
}

#[test]
fn systemd_is_told_of_another_configuration_that_holds_and_of_one_that_does_not() {
    let place = Scratch::new("service-reload");
    let (config, socket) = (place.file("outpost.toml"), place.file("notify"));
    fs::write(&config, STREAM).expect("a configuration");
    let manager = Manager::new(&socket);
    let environment = [("NOTIFY_SOCKET", OsString::from(&socket))];
    let outpost = Outpost::start(&["run", text(&config)], &environment, &place.file("state"));
    manager.hear_until("READY=1");
    let pid = Pid::from_raw(i32::try_from(outpost.child.id()).expect("a process"));
    let reload = |stream: &str| {
        fs::write(&config, stream).expect("a configuration");
        kill(pid, Signal::SIGHUP).expect("it can be told");
        let heard = manager.hear_until("RELOADING=1");
        let (_, since) = heard.last().and_then(|it| it.split_once("\nMONOTONIC_USEC=")).expect("an instant");
        since.parse::<u64>().expect("microseconds");
        let heard = manager.hear_until("READY=1");
        let status = heard.iter().rfind(|it| it.starts_with("STATUS=")).expect("how it went").clone();
        let windows = heard.into_iter().filter(|it| it.starts_with("FDSTORE")).collect::<Vec<_>>();
        (status, windows)
    };
    let (wrong, windows) = reload(&format!("{STREAM}lenght = \"1min\"\n"));
    let expected = format!(
        "STATUS=the new configuration is not taken: {}:7: stream.window.lenght: unknown key",
        text(&config)
    );
    assert!(wrong.starts_with(&expected) && wrong.ends_with("; radio: live"), "{wrong}");
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
    assert_eq!(windows, [""; 0], "what goes on stays where it is");
    let (right, windows) =
        reload(&format!("{STREAM}[[stream]]\nname = \"other\"\naudio = {{ kind = \"synth\" }}\n"));
    assert_eq!(right, "STATUS=radio: live; other: live");
    assert_eq!(windows, ["FDSTORE=1\nFDNAME=window-other/audio"]);
    // Ready means that the new one can be played.
    fetch(&outpost.url("/other/audio/index.m3u8")).expect("it can be played");
    let (less, windows) = reload(STREAM);
    assert_eq!(less, "STATUS=radio: live");
    assert_eq!(windows, ["FDSTOREREMOVE=1\nFDNAME=window-other/audio"], "nobody goes on with it");
}

/// `systemd-socket-activate` with the program behind it; killed when dropped.
struct Activated(Child);

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_comes_before_the_program_runs_is_served_by_the_socket_it_is_handed() {
    let place = Scratch::new("service-socket");
    let config = place.file("outpost.toml");
    let (address, other) = (free_address(), free_address());
    fs::write(&config, format!("listen = \"{address}\"\n{STREAM}")).expect("a configuration");
    let log = fs::File::create(place.file("log")).expect("a log");
    let _activated = Activated(
        Command::new("systemd-socket-activate")
            // The second is not what the configuration wants: it must not be served.
            .args(["--listen", &other.to_string(), "--listen", &address.to_string()])
            .args(["--setenv", &format!("STATE_DIRECTORY={}", text(&place.file("state")))])
            .args([env!("CARGO_BIN_EXE_outpost"), "run", text(&config)])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("systemd-socket-activate starts (Debian: systemd)"),
    );
    let begun = Instant::now();
    // The program is started by the first who comes, and answers him.
    let playlist = loop {
        match fetch(&format!("http://{address}/radio/audio/index.m3u8")) {
            Ok(playlist) => break playlist,
            Err(error) if begun.elapsed() > PATIENCE => {
                panic!("{error}\n{}", fs::read_to_string(place.file("log")).unwrap_or_default())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert!(playlist.contains(".ts"), "{playlist}");
    assert!(fetch(&format!("http://{other}/healthz")).is_err(), "nobody asked for that one");
}

#[test]
fn the_units_are_what_systemd_understands_and_let_little_through() {
    let place = Scratch::new("service-units");
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    for name in ["outpost.service", "outpost.socket"] {
        let unit = fs::read_to_string(units.join(name)).expect("a unit");
        let installed = unit.replace("/usr/bin/outpost", env!("CARGO_BIN_EXE_outpost"));
        fs::write(place.file(name), installed).expect("room for a unit");
    }
    let (service, socket) = (place.file("outpost.service"), place.file("outpost.socket"));
    tool::run("systemd-analyze", &["verify", text(&service), text(&socket)]);
    // Tenths: it fails above 1.5.
    let judged = tool::run(
        "systemd-analyze",
        &["security", "--offline=yes", "--threshold=15", "--no-pager", text(&service)],
    );
    println!("{}", String::from_utf8_lossy(&judged).lines().last().unwrap_or_default());
}
