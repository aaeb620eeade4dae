//! Configurations: what is accepted, what it means, and what a person reads when something is wrong.

use std::collections::BTreeSet;
use std::path::Path;

use outpost::app::Config;
use outpost::app::config::{self, ConfigError, EXAMPLE, SourceConfig};
use outpost::encode::AacProfile;
use outpost::media::Pick;
use proptest::prelude::*;

const DOCS: &str = include_str!("../docs/configuration.md");

fn parse(text: &str) -> Config {
    Config::parse(text, "outpost.toml").unwrap_or_else(|fault| panic!("{fault}\n\nin:\n{text}"))
}

fn refused(text: &str) -> String {
    Config::parse(text, "outpost.toml").expect_err("this configuration is wrong").to_string()
}

/// A stream from the embedded scanner, and a line more.
fn synth(line: &str) -> String {
    format!("[[stream]]\nname = \"radio\"\nsource = {{ kind = \"synth\" }}\n{line}")
}

#[test]
fn ten_lines_suffice_for_a_scanner() {
    let lines = EXAMPLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert!(lines.count() <= 10);
    let config = parse(EXAMPLE);
    let [stream] = &config.streams[..] else { panic!("one stream: {config:?}") };
    assert_eq!((stream.name.as_str(), stream.title.as_str()), ("radio", "Airport tower"));
    assert_eq!(stream.source, SourceConfig::Alsa { device: "usb:1-1.2".parse().expect("a USB port") });
    assert_eq!(stream.channels, Pick::Mono);
}

#[test]
fn every_default_is_what_the_documentation_spells_out() {
    let spelled_out = DOCS.rsplit("```").nth(1).and_then(|block| block.strip_prefix("toml\n"));
    let mut spelled_out = parse(spelled_out.expect("the last block is a configuration"));
    let alsa = "[[stream]]\nname = \"radio\"\nsource = { kind = \"alsa\", device = \"usb:1-1.2\" }\n";
    let demo = "[[stream]]\nname = \"demo\"\nsource = { kind = \"synth\" }\n";
    let left_out = parse(&format!("{alsa}{demo}"));
    // Where state lies depends on who asks.
    assert_eq!(spelled_out.state_dir, Path::new("/var/lib/outpost"));
    assert_eq!(left_out.state_dir, config::default_state_dir());
    spelled_out.state_dir = left_out.state_dir.clone();
    assert_eq!(spelled_out, left_out);
}

#[test]
fn the_bit_rate_follows_profile_and_channels() {
    for (profile, channels, expected) in
        [("lc", "mono", "64k"), ("lc", "stereo", "128k"), ("he", "left", "32k"), ("he", "stereo", "64k")]
    {
        let config = parse(&format!(
            "[[stream]]\nname = \"radio\"\nsource = {{ kind = \"synth\", channels = \"{channels}\" }}\n\
             encoder = {{ profile = \"{profile}\" }}"
        ));
        let encoder = config.streams[0].encoder;
        assert_eq!(encoder.profile == AacProfile::He, profile == "he");
        assert_eq!(encoder.bitrate.to_string(), expected, "{profile} {channels}");
    }
}

#[test]
fn every_block_in_the_documentation_is_accepted() {
    let blocks: Vec<_> = DOCS.split("```").skip(1).step_by(2).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        parse(block.strip_prefix("toml\n").expect("every block is TOML"));
    }
}

#[test]
fn the_documentation_names_every_key_and_no_other() {
    let mut section = String::new();
    let mut documented = BTreeSet::new();
    for line in DOCS.lines() {
        if line.starts_with('#') {
            section = line.split('`').nth(1).map_or(String::new(), |table| {
                format!("{}.", table.trim_start_matches('[').trim_end_matches(']'))
            });
        } else if let Some(key) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) {
            documented.insert(format!("{section}{key}"));
        }
    }
    let keys: BTreeSet<_> = config::keys().into_iter().collect();
    assert!(keys.contains("stream.window.memory"), "{keys:?}");
    assert_eq!(documented, keys);

    fn walk(path: &str, table: &toml::Table, found: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match value {
                toml::Value::Table(table) => walk(&path, table, found),
                toml::Value::Array(tables) => {
                    tables.iter().filter_map(|t| t.as_table()).for_each(|t| walk(&path, t, found));
                }
                _ => continue,
            }
            found.insert(path);
        }
        found.extend(table.keys().map(|key| format!("{path}.{key}").trim_start_matches('.').to_owned()));
    }
    let everything = DOCS.rsplit("```").nth(1).and_then(|block| block.strip_prefix("toml\n"));
    let everything: toml::Table = everything.expect("a configuration").parse().expect("TOML");
    let mut shown = BTreeSet::new();
    walk("", &everything, &mut shown);
    assert_eq!(shown, keys);
}

/// Every fault in full, as the person reads it.
#[test]
fn faults_are_told_with_place_and_remedy() {
    let alsa = |line: &str| format!("[[stream]]\nname = \"radio\"\n[stream.source]\nkind = \"alsa\"\n{line}");
    let table: &[(String, &str)] = &[
        (
            String::new(),
            "outpost.toml: stream: there is nothing to do; add a stream: [[stream]] with a name, and [stream.source]",
        ),
        (
            "listen = ".to_owned(),
            "outpost.toml:1: this is not TOML: string values must be quoted, expected literal string\n\
             \x20 1 | listen = \n\
             \x20   |          ^",
        ),
        (
            "listen = 1\nlisten = 2".to_owned(),
            "outpost.toml:2: this is not TOML: duplicate key\n  2 | listen = 2\n    | ^^^^^^",
        ),
        (
            "listem = 8080".to_owned(),
            "outpost.toml:1: listem: unknown key; did you mean `listen`?\n  1 | listem = 8080\n    | ^^^^^^",
        ),
        (
            "listen = 80800".to_owned(),
            "outpost.toml:1: listen: \"80800\" is no address to listen on; write 8080, 127.0.0.1:8080 or \
             \"[::]:8080\"\n  1 | listen = 80800\n    |          ^^^^^",
        ),
        (
            synth("").replace("[[stream]]", "state_dir = \"\"\n[[stream]]"),
            "outpost.toml:1: state_dir: empty; name a directory, or leave the key out\n\
             \x20 1 | state_dir = \"\"\n    |             ^^",
        ),
        (
            "allowed_origin = \"example.org\"".to_owned(),
            "outpost.toml:1: allowed_origin: \"example.org\" is no origin; write \"*\" or scheme and host alone, as \
             \"https://example.org\"\n  1 | allowed_origin = \"example.org\"\n    |                  ^^^^^^^^^^^^^",
        ),
        (
            "[stream]\nname = \"radio\"".to_owned(),
            "outpost.toml:1: stream: there can be several: write [[stream]], in two brackets\n\
             \x20 1 | [stream]\n    | ^^^^^^^^",
        ),
        (
            "[[stream]]\nsource = { kind = \"synth\" }".to_owned(),
            "outpost.toml:1: stream.name: missing; the stream will be found under it: name = \"radio\" makes /radio\n\
             \x20 1 | [[stream]]\n    | ^^^^^^^^^^",
        ),
        (
            "[[stream]]\nname = \"Radio 1\"".to_owned(),
            "outpost.toml:2: stream.name: \"Radio 1\" cannot be part of an address; use small letters, digits, - and \
             _ (at most 63, the first a letter or digit)\n  2 | name = \"Radio 1\"\n    |        ^^^^^^^^^",
        ),
        (
            "[[stream]]\nname = \"metrics\"".to_owned(),
            "outpost.toml:2: stream.name: /metrics is an address of Outpost's own; choose another name\n\
             \x20 2 | name = \"metrics\"\n    |        ^^^^^^^^^",
        ),
        (
            format!("{}{}", synth(""), synth("")),
            "outpost.toml:5: stream.name: another stream is called radio already\n\
             \x20 5 | name = \"radio\"\n    |        ^^^^^^^",
        ),
        (
            synth("title = \"\""),
            "outpost.toml:4: stream.title: a title cannot be empty; leave the key out to show the name\n\
             \x20 4 | title = \"\"\n    |         ^^",
        ),
        (
            "[[stream]]\nname = \"radio\"".to_owned(),
            "outpost.toml:1: stream.source: missing; say where the sound comes from: [stream.source] with a kind\n\
             \x20 1 | [[stream]]\n    | ^^^^^^^^^^",
        ),
        (
            "[[stream]]\nname = \"radio\"\n[stream.source]".to_owned(),
            "outpost.toml:3: stream.source.kind: missing; write \"alsa\" for a sound card, \"synth\" for the embedded \
             scanner\n  3 | [stream.source]\n    | ^^^^^^^^^^^^^^^",
        ),
        (
            synth("").replace("synth", "alza"),
            "outpost.toml:3: stream.source.kind: \"alza\" is not possible here; did you mean \"alsa\"?\n\
             \x20 3 | source = { kind = \"alza\" }\n    |                   ^^^^^^",
        ),
        (
            alsa(""),
            "outpost.toml:3: stream.source.device: missing; `outpost devices` lists what is there\n\
             \x20 3 | [stream.source]\n    | ^^^^^^^^^^^^^^^",
        ),
        (
            alsa("devise = \"hw:1\""),
            "outpost.toml:5: stream.source.devise: unknown key; did you mean `device`?\n\
             \x20 5 | devise = \"hw:1\"\n    | ^^^^^^",
        ),
        (
            alsa("device = \"hw:1\"\nseed = 2"),
            "outpost.toml:6: stream.source.seed: only kind = \"synth\" has a seed; remove it\n\
             \x20 6 | seed = 2\n    |        ^",
        ),
        (
            alsa("device = \"hw:1\"\nchannels = 2"),
            "outpost.toml:6: stream.source.channels: this must be text, in quotes\n\
             \x20 6 | channels = 2\n    |            ^",
        ),
        (
            alsa("device = \"hw:1\"\nchannels = \"both\""),
            "outpost.toml:6: stream.source.channels: \"both\" is not possible here; what can stand here: \"mono\", \
             \"stereo\", \"left\", \"right\"\n  6 | channels = \"both\"\n    |            ^^^^^^",
        ),
        (
            synth("source.device = \"hw:1\"")
                .replace("source = { kind", "source = { device = \"hw:1\", kind"),
            "outpost.toml:4: this is not TOML: cannot extend value of type inline table with a dotted key\n\
             \x20 4 | source.device = \"hw:1\"\n    | ^^^^^^",
        ),
        (
            synth("").replace("kind", "seed = -1, kind"),
            "outpost.toml:3: stream.source.seed: invalid value: integer `-1`, expected a whole number, 0 or more\n\
             \x20 3 | source = { seed = -1, kind = \"synth\" }\n    |                   ^^",
        ),
        (
            synth("").replace("kind", "device = \"hw:1\", kind"),
            "outpost.toml:3: stream.source.device: only kind = \"alsa\" has a device; remove it\n\
             \x20 3 | source = { device = \"hw:1\", kind = \"synth\" }\n    |                     ^^^^^^",
        ),
        (
            synth("[stream.encoder]\nbitrat = \"64k\""),
            "outpost.toml:5: stream.encoder.bitrat: unknown key; did you mean `bitrate`?\n\
             \x20 5 | bitrat = \"64k\"\n    | ^^^^^^",
        ),
        (
            synth("bitrate = \"64k\""),
            "outpost.toml:4: stream.bitrate: unknown key; did you mean `bitrate`, in [stream.encoder]?\n\
             \x20 4 | bitrate = \"64k\"\n    | ^^^^^^^",
        ),
        (
            synth("[stream.encoder]\nquality = 3"),
            "outpost.toml:5: stream.encoder.quality: unknown key; what can stand here: `profile`, `bitrate`\n\
             \x20 5 | quality = 3\n    | ^^^^^^^",
        ),
        (
            synth("encoder.bitrate = \"fast\""),
            "outpost.toml:4: stream.encoder.bitrate: \"fast\" is no bit rate; write \"64k\" or 64000\n\
             \x20 4 | encoder.bitrate = \"fast\"\n    |                   ^^^^^^",
        ),
        (
            synth("encoder.bitrate = \"500k\""),
            "outpost.toml:4: stream.encoder.bitrate: 500k is out of range; profile \"lc\" goes from 32k to 192k\n\
             \x20 4 | encoder.bitrate = \"500k\"\n    |                   ^^^^^^",
        ),
        (
            synth("encoder = { profile = \"he\", bitrate = 192000 }"),
            "outpost.toml:4: stream.encoder.bitrate: 192k is out of range; profile \"he\" goes from 16k to 128k\n\
             \x20 4 | encoder = { profile = \"he\", bitrate = 192000 }\n    |                                       ^^^^^^",
        ),
        (
            synth("window.segment = 2"),
            "outpost.toml:4: stream.window.segment: \"2\" is no length of time; write it with its unit, as \"2s\", \
             \"15min\" or \"1h 30m\"\n  4 | window.segment = 2\n    |                  ^",
        ),
        (
            synth("window.segment = \"20s\""),
            "outpost.toml:4: stream.window.segment: 20s is out of range; a segment lasts from 1s to 10s\n\
             \x20 4 | window.segment = \"20s\"\n    |                  ^^^^^",
        ),
        (
            synth("[stream.window]\nsegment = \"10s\"\nlength = \"20s\""),
            "outpost.toml:6: stream.window.length: 20s is too short: players need three segments (10s each) to choose \
             from; make it 30s or more, or the segments shorter\n  6 | length = \"20s\"\n    |          ^^^^^",
        ),
        (
            synth("window.memory = \"plenty\""),
            "outpost.toml:4: stream.window.memory: \"plenty\" is no amount of memory; write it with its unit, as \
             \"64MiB\"\n  4 | window.memory = \"plenty\"\n    |                 ^^^^^^^^",
        ),
        (
            synth("window.memory = \"50KiB\""),
            "outpost.toml:4: stream.window.memory: 50.0 KiB is too little: three segments of 2s at 64k, as long again for those who are late, and some room take 137.5 KiB; \
             give more, or make the segments shorter\n  4 | window.memory = \"50KiB\"\n    |                 ^^^^^^^",
        ),
        (
            synth("title = \"größer\" # é\n\twindow.length\t= true"),
            "outpost.toml:5: stream.window.length: invalid type: boolean `true`, expected text\n\
             \x20 5 |  window.length = true\n    |                  ^^^^",
        ),
    ];
    let mut wrong = String::new();
    for (text, expected) in table {
        let found = refused(text);
        if found != *expected {
            wrong += &format!("--- in\n{text}\n--- found\n{found}\n--- expected\n{expected}\n\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load(Path::new("/nowhere/outpost.toml")).expect_err("it is not there");
    assert_eq!(
        error.to_string(),
        "cannot read the configuration /nowhere/outpost.toml: no file of that name is there; look at its path"
    );
    // A directory, and a file that is no text.
    assert!(matches!(Config::load(Path::new("/")), Err(ConfigError::Unreadable { .. })));
    assert!(matches!(Config::load(Path::new("/proc/self/exe")), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn without_a_file_one_is_looked_for() {
    let places = ["/nowhere/outpost.toml", "docs/scanner.toml", "README.md"];
    let found = Config::find(&places).expect("the second is there");
    assert_eq!(found, Path::new("docs/scanner.toml"));
    let error = Config::find(&["/nowhere/outpost.toml"]).expect_err("it is not there");
    let text = error.to_string();
    assert!(text.starts_with("no configuration found: neither ./outpost.toml nor /etc/outpost/outpost.toml"));
    assert!(text.contains("outpost demo"));
    // What is offered to be pasted can be pasted.
    let example = text.find("\nlisten").map(|at| &text[at..]).expect("an example");
    assert_eq!(parse(example), parse(EXAMPLE));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]a-z=\"{}.,é\n\t 0-9-]{0,80}") {
        if let Err(fault) = Config::parse(&text, "f") {
            prop_assert!(fault.to_string().starts_with("f:"));
        }
    }

    #[test]
    fn a_spoilt_example_is_refused_or_read_but_never_a_panic(at in 0usize..500, with in any::<char>()) {
        let spoilt: String =
            EXAMPLE.chars().enumerate().map(|(n, c)| if n == at { with } else { c }).collect();
        let _ = Config::parse(&spoilt, "f").map_err(|fault| fault.to_string());
    }
}
