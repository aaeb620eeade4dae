//! What a person reads when something is wrong.

use crate::{refused, synth};

/// Every fault in full, as the person reads it.
#[test]
fn faults_are_told_with_place_and_remedy() {
    let alsa = |line: &str| format!("[[stream]]\nname = \"radio\"\n[stream.audio]\nkind = \"alsa\"\n{line}");
    let sound = |line: &str| alsa(line).replace("alsa", "synth");
    let program = |line: &str| alsa(line).replace("alsa", "command");
    let ladder = |lines: &str| {
        format!(
            "[[stream]]\nname = \"camera\"\n[stream.video]\nkind = \"synth\"\n[[stream.rendition]]\n{lines}"
        )
    };
    let card = |lines: &str| format!("[[stream]]\nname = \"camera\"\n[stream.video]\n{lines}");
    let seen = |line: &str| format!("[[stream]]\nname = \"camera\"\nvideo = {{ kind = \"synth\" }}\n{line}");
    let table: &[(String, &str)] = &[
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
            synth("").replace("[[stream]]", "[https]\nlisten = 8080\n[[stream]]"),
            "outpost.toml:2: https.listen: HTTP is served there; take another port, such as 8443\n\
             \x20 2 | listen = 8080\n    |          ^^^^",
        ),
        (
            synth("").replace("[[stream]]", "[https]\ncertificate = \"c.pem\"\n[[stream]]"),
            "outpost.toml:2: https.certificate: its key is missing; name the file it is in, as `key`\n\
             \x20 2 | certificate = \"c.pem\"\n    |               ^^^^^^^",
        ),
        (
            synth("").replace("[[stream]]", "[https]\nkey = \"k.pem\"\n[[stream]]"),
            "outpost.toml:2: https.key: its certificate is missing; name the file it is in, as `certificate`\n\
             \x20 2 | key = \"k.pem\"\n    |       ^^^^^^^",
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
            "[[stream]]\naudio = { kind = \"synth\" }".to_owned(),
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
            "outpost.toml:1: stream: nothing to send; say where its sound comes from in [stream.audio], its \
             pictures in [stream.video], or both\n\
             \x20 1 | [[stream]]\n    | ^^^^^^^^^^",
        ),
        (
            "[[stream]]\nname = \"radio\"\n[stream.audio]".to_owned(),
            "outpost.toml:3: stream.audio.kind: missing; write \"alsa\" for a sound card, \"command\" for what a \
             program prints, \"synth\" for the embedded scanner\n\
             \x20 3 | [stream.audio]\n    | ^^^^^^^^^^^^^^",
        ),
        (
            synth("").replace("synth", "alza"),
            "outpost.toml:3: stream.audio.kind: \"alza\" is not possible here; did you mean \"alsa\"?\n\
             \x20 3 | audio = { kind = \"alza\" }\n    |                  ^^^^^^",
        ),
        (
            alsa(""),
            "outpost.toml:3: stream.audio.device: missing; `outpost devices` lists what is there\n\
             \x20 3 | [stream.audio]\n    | ^^^^^^^^^^^^^^",
        ),
        (
            alsa("devise = \"hw:1\""),
            "outpost.toml:5: stream.audio.devise: unknown key; did you mean `device`?\n\
             \x20 5 | devise = \"hw:1\"\n    | ^^^^^^",
        ),
        (
            alsa("device = \"hw:1\"\nseed = 2"),
            "outpost.toml:6: stream.audio.seed: only kind = \"synth\" has a seed; remove it\n\
             \x20 6 | seed = 2\n    |        ^",
        ),
        (
            alsa("device = \"hw:1\"\nchannels = 2"),
            "outpost.toml:6: stream.audio.channels: this must be text, in quotes\n\
             \x20 6 | channels = 2\n    |            ^",
        ),
        (
            alsa("device = \"hw:1\"\nchannels = \"both\""),
            "outpost.toml:6: stream.audio.channels: \"both\" is not possible here; what can stand here: \"mono\", \
             \"stereo\", \"left\", \"right\"\n  6 | channels = \"both\"\n    |            ^^^^^^",
        ),
        (
            synth("audio.device = \"hw:1\"").replace("audio = { kind", "audio = { device = \"hw:1\", kind"),
            "outpost.toml:4: this is not TOML: cannot extend value of type inline table with a dotted key\n\
             \x20 4 | audio.device = \"hw:1\"\n    | ^^^^^",
        ),
        (
            synth("").replace("kind", "seed = -1, kind"),
            "outpost.toml:3: stream.audio.seed: invalid value: integer `-1`, expected a whole number, 0 or more\n\
             \x20 3 | audio = { seed = -1, kind = \"synth\" }\n    |                  ^^",
        ),
        (
            synth("").replace("kind", "device = \"hw:1\", kind"),
            "outpost.toml:3: stream.audio.device: only kind = \"alsa\" has a device; remove it\n\
             \x20 3 | audio = { device = \"hw:1\", kind = \"synth\" }\n    |                    ^^^^^^",
        ),
        (
            synth("rendition = [{ bitrate = \"1M\" }]"),
            "outpost.toml:4: stream.rendition: only pictures have renditions; add [stream.video], or remove it\n\
             \x20 4 | rendition = [{ bitrate = \"1M\" }]\n    |             ^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            ladder("bitrate = \"1M\"").replace("synth", "command\"\ncommand = [\"cat\"]\noutput = \"h264"),
            "outpost.toml:7: stream.rendition: what is passed through is not decoded, so nothing else can be made of \
             it; remove it, or have raw pictures encoded\n\
             \x20 7 | [[stream.rendition]]\n    | ^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            ladder("size = \"1920x1080\"\nbitrate = \"1M\""),
            "outpost.toml:6: stream.rendition.size: 1920x1080 is larger than the pictures of [stream.video], \
             1280x720; make it smaller\n  6 | size = \"1920x1080\"\n    |        ^^^^^^^^^^^",
        ),
        (
            ladder("rate = 60\nbitrate = \"1M\""),
            "outpost.toml:6: stream.rendition.rate: 60 is more than [stream.video] has, 30; make it less\n\
             \x20 6 | rate = 60\n    |        ^^",
        ),
        (
            ladder("encoder = \"copy\"\nbitrate = \"1M\""),
            "outpost.toml:6: stream.rendition.encoder: a further rendition has to be encoded; write \"auto\", \
             \"x264\" or \"m2m\"\n  6 | encoder = \"copy\"\n    |           ^^^^^^",
        ),
        (
            ladder("size = \"640x360\""),
            "outpost.toml:5: stream.rendition.bitrate: missing; say how much it may use, less than the 2M of \
             [stream.video]\n  5 | [[stream.rendition]]\n    | ^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            ladder("bitrate = \"64k\""),
            "outpost.toml:6: stream.rendition.bitrate: 64k is out of range; pictures take from 100k to 20M\n\
             \x20 6 | bitrate = \"64k\"\n    |           ^^^^^",
        ),
        (
            ladder("name = \"ll\"\nbitrate = \"1M\""),
            "outpost.toml:6: stream.rendition.name: ll is the name of something else in the stream's address; choose \
             another\n  6 | name = \"ll\"\n    |        ^^^^",
        ),
        (
            ladder("bitrate = \"1M\"\n[[stream.rendition]]\nbitrate = \"500k\""),
            "outpost.toml:7: stream.rendition.name: another rendition is called 720p already; give one a name = \
             \"…\"\n  7 | [[stream.rendition]]\n    | ^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            sound("bitrat = \"64k\""),
            "outpost.toml:5: stream.audio.bitrat: unknown key; did you mean `bitrate`?\n\
             \x20 5 | bitrat = \"64k\"\n    | ^^^^^^",
        ),
        (
            synth("bitrate = \"64k\""),
            "outpost.toml:4: stream.bitrate: unknown key; did you mean `bitrate`, in [stream.video] or in \
             [[stream.rendition]] or in [stream.audio]?\n\
             \x20 4 | bitrate = \"64k\"\n    | ^^^^^^^",
        ),
        (
            alsa("listen = 8080"),
            "outpost.toml:5: stream.audio.listen: unknown key; did you mean `listen`, at the top of the file, before \
             the first line in brackets or in [https]?\n  5 | listen = 8080\n    | ^^^^^^",
        ),
        (
            "[server]\nlisten = 8080".to_owned(),
            "outpost.toml:1: server: unknown key; what can stand here: `listen`, `https`, `state_dir`, `allowed_origin`, \
             `connections`, `api`, `stream`\n  1 | [server]\n    |  ^^^^^^",
        ),
        (
            "[api]\nnames = [\"https://box.example.org\"]".to_owned(),
            "outpost.toml:2: api.names: \"https://box.example.org\" is no name of a machine; write it alone, as \
             \"radio.example.org\"\n\
             \x20 2 | names = [\"https://box.example.org\"]\n    |          ^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            "[api]\ntoken = \"too short\"".to_owned(),
            "outpost.toml:2: api.token: 9 characters are out of range; a token has from 16 to 512; `openssl rand -hex 16` \
             makes one\n\
             \x20 2 | token = \"*** *****\"\n    |         ^^^^^^^^^^^",
        ),
        (
            "connections = 9".to_owned(),
            "outpost.toml:1: connections: \"9\" is no number of connections from 10 to 100000\n\
             \x20 1 | connections = 9\n    |               ^",
        ),
        (
            "listen = 80.8".to_owned(),
            "outpost.toml:1: listen: \"80.8\" is no address to listen on; write 8080, 127.0.0.1:8080 or \
             \"[::]:8080\"\n  1 | listen = 80.8\n    |          ^^^^",
        ),
        (
            "allowed_origin = [\"*\"]".to_owned(),
            "outpost.toml:1: allowed_origin: invalid type: sequence, expected text, in quotes\n\
             \x20 1 | allowed_origin = [\"*\"]\n    |                  ^^^^^",
        ),
        (
            "state_dir = 3".to_owned(),
            "outpost.toml:1: state_dir: invalid type: integer `3`, expected text, in quotes\n\
             \x20 1 | state_dir = 3\n    |             ^",
        ),
        (
            sound("bitrate = 99999999999999999999"),
            "outpost.toml:5: stream.audio.bitrate: \"99999999999999999999\" is no bit rate; write \"2M\", \
             \"64k\" or 64000\n\
             \x20 5 | bitrate = 99999999999999999999\n    |           ^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            sound("quality = 3"),
            "outpost.toml:5: stream.audio.quality: unknown key; what can stand here: `kind`, `device`, \
             `channels`, `sound`, `seed`, `command`, `input`, `profile`, `bitrate`, `language`\n\
             \x20 5 | quality = 3\n    | ^^^^^^^",
        ),
        (
            sound("bitrate = \"fast\""),
            "outpost.toml:5: stream.audio.bitrate: \"fast\" is no bit rate; write \"2M\", \"64k\" or 64000\n\
             \x20 5 | bitrate = \"fast\"\n    |           ^^^^^^",
        ),
        (
            sound("bitrate = \"500k\""),
            "outpost.toml:5: stream.audio.bitrate: 500k is out of range; profile \"lc\" goes from 32k to 192k\n\
             \x20 5 | bitrate = \"500k\"\n    |           ^^^^^^",
        ),
        (
            sound("profile = \"he\"\nbitrate = 192000"),
            "outpost.toml:6: stream.audio.bitrate: 192k is out of range; profile \"he\" goes from 16k to 128k\n\
             \x20 6 | bitrate = 192000\n    |           ^^^^^^",
        ),
        (
            sound("sound = \"clapper\"\nseed = 1"),
            "outpost.toml:6: stream.audio.seed: only sound = \"scanner\" has a seed; remove it\n\
             \x20 6 | seed = 1\n    |        ^",
        ),
        (
            sound("command = [\"rtl_fm\"]"),
            "outpost.toml:5: stream.audio.command: only kind = \"command\" has a command; remove it\n\
             \x20 5 | command = [\"rtl_fm\"]\n    |           ^^^^^^^^^^",
        ),
        (
            sound("size = \"640x480\""),
            "outpost.toml:5: stream.audio.size: unknown key; did you mean `size`, in [stream.video] or in [[stream.rendition]]?\n\
             \x20 5 | size = \"640x480\"\n    | ^^^^",
        ),
        (
            alsa("device = \"hw:1\"\ninput = { rate = 48000, channels = 1 }"),
            "outpost.toml:6: stream.audio.input: only kind = \"command\" has an input; remove it\n\
             \x20 6 | input = { rate = 48000, channels = 1 }\n    |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            program(""),
            "outpost.toml:3: stream.audio.command: missing; write the program and its arguments: [\"program\", \
             \"--option\", \"value\"]\n\
             \x20 3 | [stream.audio]\n    | ^^^^^^^^^^^^^^",
        ),
        (
            program("command = [\"rtl_fm\"]"),
            "outpost.toml:3: stream.audio.input: missing; say what the program prints, 16 bits a sample: input = \
             { rate = 48000, channels = 1 }\n\
             \x20 3 | [stream.audio]\n    | ^^^^^^^^^^^^^^",
        ),
        (
            program("command = []"),
            "outpost.toml:5: stream.audio.command: empty; the first word is the program, as [\"rtl_fm\", \"-f\", \
             \"145.5M\"]\n\
             \x20 5 | command = []\n    |           ^^",
        ),
        (
            program("command = \"rtl_fm -\""),
            "outpost.toml:5: stream.audio.command: invalid type: string \"rtl_fm -\", expected a sequence\n\
             \x20 5 | command = \"rtl_fm -\"\n    |           ^^^^^^^^^^",
        ),
        (
            program("command = [\"rtl_fm\"]\ninput = { rate = 48000 }"),
            "outpost.toml:6: stream.audio.input: missing; say what the program prints, 16 bits a sample: input = \
             { rate = 48000, channels = 1 }\n\
             \x20 6 | input = { rate = 48000 }\n    |         ^^^^^^^^^^^^^^^^",
        ),
        (
            program("command = [\"rtl_fm\"]\ninput = { rate = 48, channels = 1 }"),
            "outpost.toml:6: stream.audio.input.rate: 48 is out of range; sound has from 8000 to 192000 samples \
             a second\n\
             \x20 6 | input = { rate = 48, channels = 1 }\n    |                  ^^",
        ),
        (
            program("command = [\"rtl_fm\"]\ninput = { rate = 48000, channels = 0 }"),
            "outpost.toml:6: stream.audio.input.channels: 0 is out of range; there are from 1 to 8 channels\n\
             \x20 6 | input = { rate = 48000, channels = 0 }\n    |                                    ^",
        ),
        (
            "[[stream]]\nname = \"radio\"\n[stream.source]\nkind = \"alsa\"".to_owned(),
            "outpost.toml:3: stream.source: [stream.source] is now called [stream.audio]; rename it, its keys \
             are the same\n\
             \x20 3 | [stream.source]\n    | ^^^^^^^^^^^^^^^",
        ),
        (
            synth("encoder = { bitrate = \"64k\" }"),
            "outpost.toml:4: stream.encoder: profile and bitrate now stand in [stream.audio], beside the device; \
             move them there\n\
             \x20 4 | encoder = { bitrate = \"64k\" }\n    |           ^^^^^^^^^^^^^^^^^^^",
        ),
        (
            synth("encoder = \"x264\""),
            "outpost.toml:4: stream.encoder: unknown key; did you mean `encoder`, in [stream.video] or in [[stream.rendition]]?\n\
             \x20 4 | encoder = \"x264\"\n    | ^^^^^^^",
        ),
        (
            "[[stream]]\nname = \"camera\"\n[stream.video]\nsize = \"640x480\"".to_owned(),
            "outpost.toml:3: stream.video.kind: missing; write \"v4l2\" for a camera, \"command\" for what a \
             program prints, \"synth\" for the test card\n\
             \x20 3 | [stream.video]\n    | ^^^^^^^^^^^^^^",
        ),
        (
            card("kind = \"v4l\""),
            "outpost.toml:4: stream.video.kind: \"v4l\" is not possible here; did you mean \"v4l2\"?\n\
             \x20 4 | kind = \"v4l\"\n    |        ^^^^^",
        ),
        (
            card("kind = \"v4l2\""),
            "outpost.toml:3: stream.video.device: missing; `outpost devices` lists the cameras that are there\n\
             \x20 3 | [stream.video]\n    | ^^^^^^^^^^^^^^",
        ),
        (
            card("kind = \"v4l2\"\ndevice = \"\""),
            "outpost.toml:5: stream.video.device: no camera is named; `outpost devices` lists them\n\
             \x20 5 | device = \"\"\n    |          ^^",
        ),
        (
            card("kind = \"synth\"\ncontrols = { brightness = 1 }"),
            "outpost.toml:5: stream.video.controls: only kind = \"v4l2\" has controls; remove it\n\
             \x20 5 | controls = { brightness = 1 }\n    |            ^^^^^^^^^^^^^^^^^^",
        ),
        (
            card("kind = \"v4l2\"\ndevice = \"/dev/video0\"\ncontrols = { brightness = 1.5 }"),
            "outpost.toml:6: stream.video.controls.brightness: expected a whole number, true or false, or an \
             entry of the control's menu in quotes\n\
             \x20 6 | controls = { brightness = 1.5 }\n    |                           ^^^",
        ),
        (
            card("kind = \"v4l2\"\ndevice = \"/dev/video0\"\noutput = \"h264\""),
            "outpost.toml:6: stream.video.output: only kind = \"command\" has an output; remove it\n\
             \x20 6 | output = \"h264\"\n    |          ^^^^^^",
        ),
        (
            card("kind = \"v4l2\"\ndevice = \"/dev/video0\"\nformat = \"yuy2\""),
            "outpost.toml:6: stream.video.format: \"yuy2\" is no format of cameras; write \"auto\", \"h264\", \
             \"nv12\", \"yu12\", \"yuyv\" or \"mjpeg\"\n\
             \x20 6 | format = \"yuy2\"\n    |          ^^^^^^",
        ),
        (
            card("kind = \"v4l2\"\ndevice = \"/dev/video0\"\nformat = \"h264\"\nencoder = \"x264\""),
            "outpost.toml:7: stream.video.encoder: x264 codes raw pictures, and this source gives H.264, which \
             is passed through as it is; write \"copy\", or ask the source for raw pictures\n\
             \x20 7 | encoder = \"x264\"\n    |           ^^^^^^",
        ),
        (
            card("kind = \"synth\"\nencoder = \"copy\""),
            "outpost.toml:5: stream.video.encoder: this source gives raw pictures; write \"auto\", or ask it for \
             H.264\n\
             \x20 5 | encoder = \"copy\"\n    |           ^^^^^^",
        ),
        (
            card("kind = \"synth\"\nencoder = \"h265\""),
            "outpost.toml:5: stream.video.encoder: \"h265\" is not possible here; what can stand here: \"auto\", \
             \"x264\", \"m2m\", \"copy\"\n\
             \x20 5 | encoder = \"h265\"\n    |           ^^^^^^",
        ),
        (
            card("kind = \"synth\"\npreset = \"placebo\""),
            "outpost.toml:5: stream.video.preset: \"placebo\" is not possible here; what can stand here: \
             \"ultrafast\", \"superfast\", \"veryfast\", \"faster\", \"fast\"\n\
             \x20 5 | preset = \"placebo\"\n    |          ^^^^^^^^^",
        ),
        (
            card("kind = \"synth\"\nsize = \"1280x721\""),
            "outpost.toml:5: stream.video.size: \"1280x721\" is no picture size; write width and height, both \
             even, as \"1280x720\"\n\
             \x20 5 | size = \"1280x721\"\n    |        ^^^^^^^^^^",
        ),
        (
            card("kind = \"synth\"\nsize = 720"),
            "outpost.toml:5: stream.video.size: \"720\" is no picture size; write width and height, both even, \
             as \"1280x720\"\n\
             \x20 5 | size = 720\n    |        ^^^",
        ),
        (
            card("kind = \"synth\"\nrate = 0"),
            "outpost.toml:5: stream.video.rate: \"0\" is no picture rate; write how many a second, 1 to 240, as \
             30 or \"30000/1001\"\n\
             \x20 5 | rate = 0\n    |        ^",
        ),
        (
            card("kind = \"synth\"\nrate = \"30 fps\""),
            "outpost.toml:5: stream.video.rate: \"30 fps\" is no picture rate; write how many a second, 1 to \
             240, as 30 or \"30000/1001\"\n\
             \x20 5 | rate = \"30 fps\"\n    |        ^^^^^^^^",
        ),
        (
            card("kind = \"synth\"\nbitrate = \"50M\""),
            "outpost.toml:5: stream.video.bitrate: 50M is out of range; pictures take from 100k to 20M\n\
             \x20 5 | bitrate = \"50M\"\n    |           ^^^^^",
        ),
        (
            card("kind = \"synth\"\noverload = [\"800k\", \"1200k\"]"),
            "outpost.toml:5: stream.video.overload: 1200k is no step down from 800k; put the steps in order, \
             each lower than the one before\n\
             \x20 5 | overload = [\"800k\", \"1200k\"]\n    |                     ^^^^^^^",
        ),
        (
            card("kind = \"synth\"\noverload = [\"50k\"]"),
            "outpost.toml:5: stream.video.overload: 50k is out of range; pictures take 100k or more\n\
             \x20 5 | overload = [\"50k\"]\n    |             ^^^^^",
        ),
        (
            card("kind = \"synth\"\noverload = [\"60fps\"]"),
            "outpost.toml:5: stream.video.overload: 60fps is no step down from 30fps; put the steps in order, \
             each lower than the one before\n\
             \x20 5 | overload = [\"60fps\"]\n    |             ^^^^^^^",
        ),
        (
            card("kind = \"synth\"\noverload = [\"slower\"]"),
            "outpost.toml:5: stream.video.overload: \"slower\" is no step; write a bit rate (\"800k\") or \
             pictures a second (\"15fps\")\n\
             \x20 5 | overload = [\"slower\"]\n    |             ^^^^^^^^",
        ),
        (
            card("kind = \"command\"\ncommand = [\"cat\"]"),
            "outpost.toml:3: stream.video.output: missing; say what the program prints: \"h264\", or raw \
             \"yu12\", \"nv12\" or \"yuyv\"\n\
             \x20 3 | [stream.video]\n    | ^^^^^^^^^^^^^^",
        ),
        (
            card("kind = \"command\"\ncommand = [\"cat\"]\noutput = \"h264\"\noverload = [\"800k\"]"),
            "outpost.toml:7: stream.video.overload: what is passed through cannot be made less; remove it\n\
             \x20 7 | overload = [\"800k\"]\n    |            ^^^^^^^^",
        ),
        (
            card("kind = \"synth\"\nchannels = \"mono\""),
            "outpost.toml:5: stream.video.channels: unknown key; did you mean `channels`, in [stream.audio] or \
             in [stream.audio.input]?\n\
             \x20 5 | channels = \"mono\"\n    | ^^^^^^^^",
        ),
        (
            card("kind = \"synth\"\n[stream.window]\nmemory = \"4MiB\""),
            "outpost.toml:6: stream.window.memory: 4.0 MiB is too little: six segments of 2s at 2M, as long \
             again for those who are late, and some room take 7.3 MiB; give more, or make the segments shorter\n\
             \x20 6 | memory = \"4MiB\"\n    |          ^^^^^^",
        ),
        (
            sound("language = \"german\""),
            "outpost.toml:5: stream.audio.language: \"german\" is no language; write its tag, as \"de\", \"en\" or \
             \"pt-BR\"\n\
             \x20 5 | language = \"german\"\n    |            ^^^^^^^^",
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
            "outpost.toml:6: stream.window.length: 20s is too short: players need six segments (10s each) to choose \
             from; make it 1m or more, or the segments shorter\n  6 | length = \"20s\"\n    |          ^^^^^",
        ),
        (
            synth("keep = { folder = \"radio\" }"),
            "outpost.toml:4: stream.keep.folder: radio depends on where Outpost is started; write its whole path\n\
             \x20 4 | keep = { folder = \"radio\" }\n\
             \x20   |                   ^^^^^^^",
        ),
        (
            synth("keep = { folder = \"/x\", what = \"all\" }"),
            "outpost.toml:4: stream.keep.what: \"all\" is not possible here; what can stand here: \"transmissions\", \"everything\"\n\
             \x20 4 | keep = { folder = \"/x\", what = \"all\" }\n\
             \x20   |                                ^^^^^",
        ),
        (
            synth("keep = { folder = \"/x\", bytes = \"1MiB\" }"),
            "outpost.toml:4: stream.keep.bytes: 1.0 MiB is too little: at 64k four of the longest files take 15.1 MiB; give more\n\
             \x20 4 | keep = { folder = \"/x\", bytes = \"1MiB\" }\n\
             \x20   |                                 ^^^^^^",
        ),
        (
            synth("window.memory = \"plenty\""),
            "outpost.toml:4: stream.window.memory: \"plenty\" is no amount of bytes; write it with its unit, as \
             \"64MiB\"\n  4 | window.memory = \"plenty\"\n    |                 ^^^^^^^^",
        ),
        (
            synth("window.memory = \"50KiB\""),
            "outpost.toml:4: stream.window.memory: 50.0 KiB is too little: six segments of 2s at 64k, as long again for those who are late, and some room take 240.6 KiB; \
             give more, or make the segments shorter\n  4 | window.memory = \"50KiB\"\n    |                 ^^^^^^^",
        ),
        (
            synth("encryption.rotate = 0"),
            "outpost.toml:4: stream.encryption.rotate: 0 is out of range; a key serves for 1 segment or more\n\
             \x20 4 | encryption.rotate = 0\n    |                     ^",
        ),
        (
            synth("encryption.keys = \"keys.example.org\""),
            "outpost.toml:4: stream.encryption.keys: \"keys.example.org\" is no place for keys; write the address that is \
             to stand before a key's name, with a slash at its end, as \"https://keys.example.org/radio/\"\n\
             \x20 4 | encryption.keys = \"keys.example.org\"\n    |                   ^^^^^^^^^^^^^^^^^^",
        ),
        (
            synth("access.token = \"0123456789abcdef\""),
            "outpost.toml:4: stream.access: it guards the keys, and there are none: segments are sent in the clear; add \
             [stream.encryption], or remove this\n\
             \x20 4 | access.token = \"****************\"\n    | ^^^^^^",
        ),
        (
            synth("encryption = {}\n[stream.access]"),
            "outpost.toml:5: stream.access: there is nothing to be let in by; write a token, or a token_file in which one \
             stands (`openssl rand -hex 16` makes one)\n\
             \x20 5 | [stream.access]\n    | ^^^^^^^^^^^^^^^",
        ),
        (
            synth("encryption = {}\n[stream.access]\ntoken = \"0123456789abcdef\"\ntoken_file = \"/token\""),
            "outpost.toml:7: stream.access.token_file: there is a token already; remove one of the two\n\
             \x20 7 | token_file = \"/token\"\n    |              ^^^^^^^^",
        ),
        (
            synth("encryption = {}\naccess = { token = \"too short\" }"),
            "outpost.toml:5: stream.access.token: 9 characters are out of range; a token has from 16 to 512; `openssl \
             rand -hex 16` makes one\n\
             \x20 5 | access = { token = \"*** *****\" }\n    |                    ^^^^^^^^^^^",
        ),
        (
            synth("title = \"größer\" # é\n\twindow.length\t= true"),
            "outpost.toml:5: stream.window.length: \"true\" is no length of time; write it with its unit, as \"2s\", \
             \"15min\" or \"1h 30m\"\n\
             \x20 5 |  window.length = true\n    |                  ^^^^",
        ),
        (
            synth("activity = { threshold = \"loud\" }"),
            "outpost.toml:4: stream.activity.threshold: \"loud\" is no threshold; write \"auto\", or a level in dBFS \
             from -90 to -3\n\
             \x20 4 | activity = { threshold = \"loud\" }\n    |                          ^^^^^^",
        ),
        (
            synth("activity.hang = \"1min\""),
            "outpost.toml:4: stream.activity.hang: 1m is out of range; it lasts from 100ms to 30s\n\
             \x20 4 | activity.hang = \"1min\"\n    |                 ^^^^^^",
        ),
        (
            synth("motion.attack = \"1s\""),
            "outpost.toml:4: stream.motion: there are no pictures to find motion in; add [stream.video], or remove \
             this\n\
             \x20 4 | motion.attack = \"1s\"\n    | ^^^^^^",
        ),
        (
            seen("motion.threshold = 3"),
            "outpost.toml:4: stream.motion.threshold: \"3\" is no threshold; write how much of the picture must move, \
             from \"0.1%\" to \"30%\", or \"off\"\n\
             \x20 4 | motion.threshold = 3\n    |                    ^",
        ),
        (
            seen("motion.attack = \"100ms\""),
            "outpost.toml:4: stream.motion.attack: 100ms is out of range; it lasts from 500ms to 10s\n\
             \x20 4 | motion.attack = \"100ms\"\n    |                 ^^^^^^^",
        ),
        (
            seen("motion.ignore = [\"0,0 10x10\", \"90,0 20x10\"]"),
            "outpost.toml:4: stream.motion.ignore: \"90,0 20x10\" is no part of a picture; write its place and its \
             size in percent, as \"50,0 50x30\" for the right half of the upper 30 %\n\
             \x20 4 | motion.ignore = [\"0,0 10x10\", \"90,0 20x10\"]\n    |                               ^^^^^^^^^^^^",
        ),
        (
            "[[stream]]\nname = \"camera\"\nvideo = { kind = \"command\", command = [\"cat\"], output = \"h264\" }\n\
             motion = {}"
                .to_owned(),
            "outpost.toml:4: stream.motion: what is passed through is not decoded, so no motion is found in it; remove \
             this, or have raw pictures encoded\n  4 | motion = {}\n    |          ^^",
        ),
        (
            synth("low_latency.part = \"50ms\""),
            "outpost.toml:4: stream.low_latency.part: 50ms is out of range; a part lasts from 100ms to 1s\n\
             \x20 4 | low_latency.part = \"50ms\"\n    |                    ^^^^^^",
        ),
        (
            synth("low_latency.length = \"1h\""),
            "outpost.toml:4: stream.low_latency.length: 1h is longer than the stream's own window, 15m; make it \
             shorter, or that one longer\n  4 | low_latency.length = \"1h\"\n    |                      ^^^^",
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

/// Whatever is written wrongly about who may listen, nothing of it may end up in a log.
#[test]
fn no_fault_tells_a_secret() {
    const SECRET: &str = "s3cret-0123456789";
    for line in [
        "[stream.access]\ntokn = \"S\"",
        "[stream.access]\nword = \"S\"",
        "[stream.access]\ntoken = S",
        "[stream.access]\ntoken \"S\"",
        "[stream.access]\nS",
        "[stream.access]\ntoken = \"S",
        "[stream.access]\ntoken = \"\"\"\nS\"",
        "[stream.access]\ntoken = [\"S\"]",
        "[stream.access]\ntoken = 98989898",
        "[stream.acces]\ntoken = \"S\"",
        "[stream.acess]\ntokn = \"S\"",
        "access = \"S\"",
        "access = [\"S\"]",
        "access = { tokn = \"S\" }",
        "access = { word = \"S\" }",
        "access.word = \"S\"",
        "acces = { word = \"S\" }",
        "acces.word = \"S\"",
        "access: \"S\"",
        "access = {\n word = \"S\" }",
        "token = \"S\"",
        "password = \"S\"",
        "encryption.keys = \"https://me:S@example.org/\"",
        "audio.comand = [\"ffmpeg\", \"-i\", \"rtsp://me:S@10.0.0.2/\"]",
    ] {
        let found = refused(&synth(&format!("encryption.rotate = 1\n{}", line.replace('S', SECRET))));
        let told = SECRET.split('-').chain(["98989898"]).find(|word| found.contains(word));
        assert_eq!(told, None, "{line}\n{found}");
    }
}
