//! SIGTERM ends the program and all it started.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::outpost_program::Outpost;
use crate::station::{folder, until};

/// Processes that have `word` among their arguments.
fn processes(word: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    let line = |entry: fs::DirEntry| {
        let bytes = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        line.contains(word).then_some(line)
    };
    entries.filter_map(line).collect()
}

#[test]
fn sigterm_ends_everything_within_five_seconds_and_leaves_nobody_behind() {
    let dir = folder("ending");
    // Every process of it is known by this word.
    let word = format!("outpost-ending-{}", std::process::id());
    let stubborn = |more: &str| format!("trap '' TERM INT HUP; : {word}; {more}");
    let frames = "while :; do head -c 115200 /dev/zero; sleep 0.03; done";
    let silent = "sh -c \": $0; sleep 1000; :\" WORD & sleep 1000 & while :; do sleep 1; done";
    let videos = [
        ("frames", stubborn(frames), "yu12"),
        ("silent", stubborn(&silent.replace("WORD", &word)), "h264"),
        // It ends at once and is being opened again and again.
        ("brief", format!(": {word}; exit 1"), "yu12"),
    ];
    let mut streams: String = videos
        .iter()
        .map(|(name, command, output)| {
            format!(
                "[[stream]]\nname = \"{name}\"\n[stream.video]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \
                 {command:?}]\noutput = \"{output}\"\nsize = \"320x240\"\n"
            )
        })
        .collect();
    let sound = stubborn("while :; do head -c 9600 /dev/zero; sleep 0.1; done");
    streams += &format!(
        "[[stream]]\nname = \"both\"\n[stream.video]\nkind = \"synth\"\nsize = \"320x240\"\n[stream.audio]\n\
         kind = \"command\"\ncommand = [\"sh\", \"-c\", {sound:?}]\ninput = {{ rate = 48000, channels = 1 }}\n"
    );
    let config = dir.join("outpost.toml");
    fs::write(&config, streams).expect("a configuration");
    let mut outpost = Outpost::start(&["run", config.to_str().expect("a name in UTF-8")], &[], &dir);
    until("all of them to run", Duration::from_secs(20), || (processes(&word).len() >= 4).then_some(()));

    let asked = Instant::now();
    kill(Pid::from_raw(outpost.child.id() as i32), Signal::SIGTERM).expect("it runs");
    let status = until("its end", Duration::from_secs(5), || outpost.child.try_wait().expect("a child"));
    let log = fs::read_to_string(dir.join("outpost.log")).expect("a log");
    assert!(status.success(), "{status}\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    let left = processes(&word);
    assert!(left.is_empty(), "left behind after {:?}: {left:#?}\n{log}", asked.elapsed());
    drop(outpost);
    let _ = fs::remove_dir_all(dir);
}
