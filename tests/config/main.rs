//! Configurations: what is accepted, what it means, and what a person reads when something is wrong.

mod faults;

use std::collections::BTreeSet;
use std::path::Path;

use outpost::app::Config;
use outpost::app::config::{self, EXAMPLE, Encoder, PictureSource, SoundSource, Step, VideoSettings};
use outpost::detect::motion::{self, Share};
use outpost::encode::AacProfile;
use outpost::media::Pick;
use outpost::source::command::VideoOutput;
use outpost::source::video::v4l2::{ControlValue, FormatChoice, Layout};
use proptest::prelude::*;

const DOCS: &str = include_str!("../../docs/configuration.md");

fn parse(text: &str) -> Config {
    Config::parse(text, "outpost.toml").unwrap_or_else(|fault| panic!("{fault}\n\nin:\n{text}"))
}

fn refused(text: &str) -> String {
    Config::parse(text, "outpost.toml").expect_err("this configuration is wrong").to_string()
}

/// A stream from the embedded scanner, and a line more.
fn synth(line: &str) -> String {
    format!("[[stream]]\nname = \"radio\"\naudio = {{ kind = \"synth\" }}\n{line}")
}

#[test]
fn ten_lines_suffice_for_a_scanner() {
    let lines = EXAMPLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert!(lines.count() <= 10);
    let config = parse(EXAMPLE);
    let [stream] = &config.streams[..] else { panic!("one stream: {config:?}") };
    assert_eq!((stream.name.as_str(), stream.title.as_str()), ("radio", "Airport tower"));
    let audio = stream.audio.as_ref().expect("sound");
    assert_eq!(audio.source, SoundSource::Alsa { device: "usb:1-1.2".parse().expect("a USB port") });
    assert_eq!((audio.channels, stream.video.is_none()), (Pick::Mono, true));
}

#[test]
fn a_file_without_a_stream_is_one() {
    for text in ["", "\n", "# listen = 80\n", "listen = 80\nstream = []\n"] {
        assert_eq!(parse(text).streams, [], "{text:?}");
    }
    assert_eq!(parse(""), Config::nothing());
}

#[test]
fn a_camera_needs_hardly_more() {
    let config = parse(include_str!("../../docs/camera.toml"));
    let [stream] = &config.streams[..] else { panic!("one stream: {config:?}") };
    let shown = DOCS.split("```toml\n").nth(2).and_then(|rest| rest.split("```").next());
    assert_eq!(*stream, parse(shown.expect("a block")).streams[0], "the documentation shows the same file");
    assert!(stream.audio.is_some() && stream.video.is_some());
    // Both weigh on the window.
    assert_eq!(stream.bitrate().to_string(), "2064k");
    let window = stream.window;
    assert!(window.full(stream.bitrate()) < window.memory, "{window:?}");
}

#[test]
fn the_packages_configuration_is_one_and_so_is_what_it_proposes() {
    let file = include_str!("../../cross/deb/outpost.toml");
    assert_eq!(parse(file).listen.0.port(), 8080, "the port of outpost.socket");
    // The card's table in place of the synth's.
    let begins = file.find("[stream.audio]").expect("what is served as installed");
    let card = file.find("# [stream.audio]").expect("what to write in its place");
    let proposed = [&file[..begins], &file[card..].replace("\n# ", "\n")[2..]].concat();
    let audio = parse(&proposed).streams.remove(0).audio.expect("sound");
    assert_eq!(audio.source, SoundSource::Alsa { device: "usb:1-1.2".parse().expect("a USB port") });
}

#[test]
fn pictures_from_every_source() {
    let video = |line: &str| {
        let config = parse(&format!("[[stream]]\nname = \"camera\"\nvideo = {{ {line} }}"));
        config.streams[0].video.clone().expect("pictures")
    };
    let VideoSettings { source, size, rate, encoder, overload, .. } = video(
        r#"kind = "v4l2", device = "/dev/video0", format = "mjpeg", size = "640x480", rate = 12.5, encoder = "m2m",
           controls = { brightness = -20, white_balance_automatic = false, power_line_frequency = "50 Hz" }"#,
    );
    let control = |name: &str, control| (name.to_owned(), control);
    let controls = [
        control("brightness", ControlValue::Number(-20)),
        control("power_line_frequency", ControlValue::Item("50 Hz".to_owned())),
        control("white_balance_automatic", ControlValue::Switch(false)),
    ];
    let device = "/dev/video0".parse().expect("a node");
    assert_eq!(
        source,
        PictureSource::V4l2 { device, format: FormatChoice::Only(Layout::Mjpeg), controls: controls.into() }
    );
    assert_eq!((size.to_string(), rate.hertz(), encoder), ("640x480".to_owned(), 12.5, Encoder::M2m));
    let steps = |steps: &[Step]| steps.iter().map(Step::to_string).collect::<Vec<_>>();
    assert_eq!(steps(&overload), ["1200k", "800k", "6.25fps"]);
    let PictureSource::Command { command, output } =
        video(r#"kind = "command", command = ["cat", "a film.yuv"], output = "nv12""#).source
    else {
        panic!("a command")
    };
    assert_eq!(output, VideoOutput::Nv12);
    assert!(command.to_string().starts_with("cat "), "{command}");
    assert_eq!(steps(&video("kind = \"synth\", overload = []").overload), [""; 0]);
    let few = video("kind = \"synth\", bitrate = \"200k\", rate = \"30000/1001\"");
    assert_eq!(steps(&few.overload), ["120k", "14.99fps"], "nothing below what can be seen");
}

#[test]
fn a_ladder_has_names_and_shares_the_memory() {
    let config = parse(
        "[[stream]]\nname = \"camera\"\nvideo = { kind = \"synth\" }\naudio = { kind = \"synth\" }\n\
         rendition = [{ size = \"640x360\", bitrate = \"600k\" },\n\
         { name = \"small\", size = \"640x360\", rate = 12.5, bitrate = \"200k\", encoder = \"x264\" }]",
    );
    let stream = &config.streams[0];
    let renditions: Vec<_> = stream.renditions().map(|(name, rate)| format!("{name} {rate}")).collect();
    assert_eq!(renditions, ["video 2064k", "360p 664k", "small 264k", "audio 64k"]);
    assert_eq!((stream.bitrate().to_string(), stream.total().to_string()), ("2064k".into(), "3056k".into()));
    let pictures: Vec<_> =
        stream.pictures().map(|(_, it)| format!("{} {} {}", it.size, it.rate, it.encoder)).collect();
    assert_eq!(pictures, ["1280x720 30 auto", "640x360 30 auto", "640x360 12.5 x264"]);
}

#[test]
fn a_camera_is_shared_by_streams_that_want_the_same_of_it() {
    let two = |first: &str, second: &str| {
        format!(
            "[[stream]]\nname = \"one\"\nvideo = {{ kind = \"v4l2\", device = \"/dev/video0\"{first} }}\n\
             [[stream]]\nname = \"two\"\nvideo = {{ kind = \"v4l2\", device = \"/dev/video0\"{second} }}\n"
        )
    };
    for (first, second) in
        [("", ""), ("", ", bitrate = \"800k\""), (", encoder = \"x264\"", ", encoder = \"auto\"")]
    {
        parse(&two(first, second));
    }
    let synth = "[[stream]]\nname = \"one\"\nvideo.kind = \"synth\"\n";
    parse(&format!(
        "{synth}{}",
        synth.replace("one", "two").replace("synth\"", "synth\"\nvideo.size = \"64x64\"")
    ));
    let refused = [
        (
            two("", ", size = \"640x480\""),
            "video.size: stream one shows camera /dev/video0 too, with 1280x720;",
        ),
        (two("", ", rate = 25"), "video.rate: stream one shows camera /dev/video0 too, with 30;"),
        (
            two("", ", format = \"yuyv\""),
            "video: stream one shows camera /dev/video0 too, with other settings;",
        ),
        (
            two(", encoder = \"copy\"", ", encoder = \"x264\""),
            "video.encoder: stream one shows camera /dev/video0 too, with \"copy\";",
        ),
    ];
    for (text, expected) in refused {
        let found = self::refused(&text);
        assert!(found.starts_with(&format!("outpost.toml:6: stream.{expected}")), "{found}");
    }
}

#[test]
fn motion_is_looked_for_where_there_are_pictures_unless_it_is_not_wanted() {
    let motion =
        |lines: &str| parse(&format!("[[stream]]\nname = \"camera\"\n{lines}")).streams[0].motion.clone();
    let usual = motion::Settings::default();
    assert_eq!(motion("audio = { kind = \"synth\" }"), None);
    for lines in ["", "motion = {}", "motion.threshold = \"0.5%\""] {
        assert_eq!(
            motion(&format!("video = {{ kind = \"synth\" }}\n{lines}")),
            Some(usual.clone()),
            "{lines}"
        );
    }
    assert_eq!(motion("video = { kind = \"synth\" }\nmotion.threshold = \"off\""), None);
    let some =
        motion("video = { kind = \"synth\" }\nmotion = { threshold = \"3 %\", ignore = [\"0,0 10x10\"] }");
    let ignore = vec!["0,0 10x10".parse().expect("a region")];
    assert_eq!(some, Some(motion::Settings { threshold: Share::thousandths(30), ignore, ..usual }));
}

#[test]
fn every_default_is_what_the_documentation_spells_out() {
    let spelled_out = DOCS.rsplit("```").nth(1).and_then(|block| block.strip_prefix("toml\n"));
    let mut spelled_out = parse(spelled_out.expect("the last block is a configuration"));
    let left_out = parse(
        r#"
        [https]
        certificate = "/etc/outpost/fullchain.pem"
        key = "/etc/outpost/privkey.pem"
        [api]
        token = "0123456789abcdef"
        names = ["radio.example.org"]
        [[stream]]
        name = "radio"
        audio = { kind = "alsa", device = "usb:1-1.2" }
        low_latency = {}
        keep = { folder = "/media/stick/radio", age = "30d" }
        [[stream]]
        name = "camera"
        video = { kind = "v4l2", device = "usb:1-1.3" }
        rendition = [{ size = "640x360", bitrate = "600k" }]
        audio = { kind = "alsa", device = "usb:1-1.3" }
        [[stream]]
        name = "demo"
        video = { kind = "synth" }
        audio = { kind = "synth" }
        encryption = {}
        access.token = "0123456789abcdef"
        [[stream]]
        name = "programs"
        video = { kind = "command", command = ["rpicam-vid", "-t", "0", "--inline", "-o", "-"], output = "h264" }
        [stream.audio]
        kind = "command"
        command = ["rtl_fm", "-f", "145.5M", "-s", "48k", "-"]
        input = { rate = 48000, channels = 1 }
        language = "en"
        [stream.encryption]
        keys = "https://keys.example.org/programs/"
        [stream.access]
        token_file = "/etc/outpost/programs.token"
        "#,
    );
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
            "[[stream]]\nname = \"radio\"\naudio = {{ kind = \"synth\", channels = \"{channels}\", \
             profile = \"{profile}\" }}"
        ));
        let audio = config.streams[0].audio.as_ref().expect("sound");
        assert_eq!(audio.profile == AacProfile::He, profile == "he");
        assert_eq!(audio.bitrate.to_string(), expected, "{profile} {channels}");
    }
}

#[test]
fn every_block_in_the_documentation_is_accepted() {
    let blocks: Vec<_> = DOCS.split("```").skip(1).step_by(2).collect();
    assert_eq!(blocks.len(), 5);
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
                // The names of its controls are the camera's own.
                toml::Value::Table(_) if key == "controls" => {}
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

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load(Path::new("/nowhere/outpost.toml")).expect_err("it is not there");
    assert_eq!(
        error.to_string(),
        "cannot read the configuration /nowhere/outpost.toml: No such file or directory (os error 2); look at the name, \
         and at the directory you are in"
    );
    let unreadable = |path: &str| Config::load(Path::new(path)).expect_err("no configuration").to_string();
    assert!(unreadable("/").ends_with("Is a directory (os error 21); name the file in it"));
    assert!(unreadable("/proc/self/exe").ends_with(": it is not text in UTF-8; save it as such"));
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
