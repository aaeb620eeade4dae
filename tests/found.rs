//! Nothing configured, or something that cannot be: what is plugged in is streamed.

#[path = "support/machine.rs"]
mod machine;
#[allow(dead_code, unreachable_pub)]
#[path = "support/outpost.rs"]
mod outpost_program;
#[allow(dead_code, unreachable_pub)]
#[path = "support/pulse.rs"]
mod pulse;
#[allow(dead_code)]
#[path = "support/tool.rs"]
mod tool;

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use machine::Machine;
use outpost_program::{Outpost, fetch};
use tool::run;

const PATIENCE: Duration = Duration::from_secs(30);

fn status(outpost: &Outpost) -> Value {
    let text = fetch(&outpost.url("/api/v1/status")).expect("a status");
    serde_json::from_str(&text).expect("JSON")
}

/// Name and signal of each stream.
fn streams(outpost: &Outpost) -> String {
    let status = status(outpost);
    let word = |stream: &Value, key: &str| stream[key].as_str().unwrap_or_default().to_owned();
    let streams = status["streams"].as_array().expect("a list").iter();
    streams.map(|it| format!("{} {}", word(it, "name"), word(it, "signal"))).collect::<Vec<_>>().join(", ")
}

fn problems(outpost: &Outpost) -> Vec<String> {
    let status = status(outpost);
    let problems = status["problems"].as_array().expect("a list").iter();
    problems.map(|it| it.as_str().expect("words").to_owned()).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_is_plugged_in_is_streamed_now_and_later_and_what_is_unplugged_stays() {
    let machine = Machine::new("found-plugged");
    let notify = machine.file("notify");
    let manager = UnixDatagram::bind(&notify).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let begun = Instant::now();
    let outpost = machine.start(&["run"], &[("NOTIFY_SOCKET", OsString::from(&notify))]);
    let mut room = [0; 4096];
    let mut hear = || {
        let len = manager.recv(&mut room).expect("something is told in time");
        String::from_utf8_lossy(&room[..len]).trim_end().to_owned()
    };
    until("there is nothing to wait for", || hear().starts_with("READY=1"));
    println!("ready {:?} after the start, with nothing there", begun.elapsed());
    until("it says so", || hear() == "STATUS=nothing found yet: plug in a sound card or a camera");
    assert_eq!((streams(&outpost), problems(&outpost)), (String::new(), vec![]));
    // A manager that reads no more would be waited for.
    std::thread::spawn(move || while manager.recv(&mut [0; 4096]).is_ok() {});

    machine.plug("1-2", 7);
    let plugged = Instant::now();
    until("it is found", || streams(&outpost) == "sound-1-2 live");
    println!("live {:?} after it was plugged in", plugged.elapsed());
    let _tone = machine.play_tone();
    until("it is heard", || {
        status(&outpost)["streams"][0]["level"]["rms_dbfs"].as_f64().is_some_and(|level| level > -20.0)
    });
    until("it can be played", || fetch(&outpost.url("/sound-1-2/index.m3u8")).is_ok());
    let probed = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
            &outpost.url("/sound-1-2/index.m3u8"),
        ],
    );
    assert_eq!(String::from_utf8_lossy(&probed).lines().next(), Some("aac"));
    let first = fetch(&outpost.url("/sound-1-2/audio/index.m3u8")).expect("a playlist");

    machine.plug("1-3.1", 8);
    until("it is found, too", || streams(&outpost) == "sound-1-2 live, sound-1-3-1 live");
    machine.unplug(8);
    // Two looks, and one more.
    std::thread::sleep(Duration::from_secs(6));
    assert!(streams(&outpost).starts_with("sound-1-2 live, sound-1-3-1 "), "{}", streams(&outpost));
    let last = fetch(&outpost.url("/sound-1-2/audio/index.m3u8")).expect("a playlist");
    let breaks = |playlist: &str| playlist.matches("#EXT-X-DISCONTINUITY\n").count();
    assert_eq!(breaks(&last), breaks(&first), "the first goes on:\n{last}");

    // What is told can be written into a file, and nothing changes by that.
    machine.configure(status(&outpost)["found"].as_str().expect("a configuration"));
    hang_up(&outpost);
    until("it is read", || machine.log().contains("holds: sound-1-2 goes on, sound-1-3-1 goes on"));
    assert_eq!(status(&outpost)["found"], Value::Null);
}

#[test]
fn nobody_is_there_to_mend_a_configuration_and_it_serves_all_the_same() {
    let machine = Machine::new("found-unattended");
    machine.plug("1-2", 7);
    let notice = "network.toml:3: wifi.password: too short; it has from 8 to 63 characters";
    fs::write(machine.file("run/outpost-network.problem"), format!("{notice}\n\n")).expect("a file");
    machine.configure("[[stream]]\nname = \"radio\"\naudio = { knid = \"synth\" }\n");
    let filter = [("RUST_LOG", "outpost=loud".into())];
    let outpost = machine.start(&["run", "--unattended", "outpost.toml"], &filter);
    let wrong = "outpost.toml:3: stream.audio.knid: unknown key; did you mean `kind`?";
    assert_eq!(problems(&outpost), [wrong, notice]);
    until("what is there is streamed", || streams(&outpost) == "sound-1-2 live");
    let log = machine.log();
    let (first, rest) = log.split_once('\n').expect("lines");
    assert!(first.starts_with("outpost: RUST_LOG=\"outpost=loud\" is no log filter: "), "{log}");
    assert!(rest.contains(" ERROR the configuration is not taken: "), "{log}");

    // Written, and wrong in another way: told, and nothing else.
    machine.configure("[[stream]]\nname = \"radio\"\naudio = { kind = \"synth\" }\naccess = { token_file = \"/nowhere\" }\nencryption = {}\n");
    until("it is read when it is written", || {
        problems(&outpost)[0].starts_with("stream radio: cannot read the token in /nowhere")
    });
    assert_eq!(streams(&outpost), "sound-1-2 live");

    machine.configure("[[stream]]\nname = \"radio\"\naudio = { kind = \"synth\" }\n");
    hang_up(&outpost);
    until("it is taken", || streams(&outpost) == "radio live");
    assert_eq!(problems(&outpost), [notice]);
    fs::remove_file(machine.file("run/outpost-network.problem")).expect("it was there");
    until("the network is well", || problems(&outpost).is_empty());
    let told = machine.log().matches(wrong).count();
    assert_eq!(told, 1, "{}", machine.log());
}

#[test]
fn whatever_cannot_be_begun_with_is_told_where_nobody_is_there() {
    /// What is streamed instead; nothing, where the file says that not everybody may hear it.
    const OPEN: &str = "sound-1-2";
    let radio = "[[stream]]\nname = \"radio\"\naudio = { kind = \"synth\" }\n";
    let table = [
        (None, "cannot read the configuration outpost.toml: No such file or directory", OPEN),
        (Some("listen = ".to_owned()), "outpost.toml:1: this is not TOML", OPEN),
        (
            Some(format!("https = {{ certificate = \"/nowhere\", key = \"/nowhere\" }}\n{radio}")),
            "no HTTPS: ",
            OPEN,
        ),
        (
            Some(format!("{radio}encryption = {{}}\naccess = {{ token_file = \"/nowhere\" }}\n")),
            "stream radio: cannot read the token in /nowhere",
            "",
        ),
    ];
    for (written, told, expected) in table {
        let machine = Machine::new("found-wrong");
        machine.plug("1-2", 7);
        written.iter().for_each(|text| machine.configure(text));
        let outpost = machine.start(&["run", "--unattended", "outpost.toml"], &[]);
        until(told, || problems(&outpost).iter().any(|it| it.starts_with(told)));
        let found = streams(&outpost);
        assert_eq!(found.split(' ').next(), Some(expected), "{told}: {found}");
    }
}

fn hang_up(outpost: &Outpost) {
    let pid = Pid::from_raw(i32::try_from(outpost.child.id()).expect("a process"));
    kill(pid, Signal::SIGHUP).expect("it can be told");
}
