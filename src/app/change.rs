//! What another configuration changes: which streams go on, which begin, anew or at all, and which end.

use std::fmt;

use super::config::{Config, Name, StreamConfig};
use super::streams::{Keys, keys};

/// What becomes of a stream of the new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on untouched.
    GoesOn,
    /// It goes on; its title, who may have it, or what is kept of it is another.
    Renewed,
    /// It ends, and begins anew at the same address.
    Anew,
    /// There was none of this name.
    Begins,
}

/// The way from one configuration to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Of each stream of the new one, in its order.
    pub(super) fates: Vec<(Name, Fate)>,
    /// The streams that are no more.
    pub(super) ended: Vec<Name>,
    /// The keys that only a restart changes.
    pub(super) later: Vec<&'static str>,
}

impl Fate {
    /// Whether the stream runs on.
    pub(super) fn runs(self) -> bool {
        matches!(self, Self::GoesOn | Self::Renewed)
    }

    fn of(old: &[(&StreamConfig, Keys)], new: &StreamConfig, keys: &Keys) -> Self {
        let Some((old, sources)) = old.iter().find(|(it, _)| it.name == new.name) else {
            return Self::Begins;
        };
        let StreamConfig { title, access, keep, .. } = new.clone();
        let renewed = StreamConfig { title, access, keep, ..(*old).clone() };
        match renewed == *new && sources == keys {
            false => Self::Anew,
            true if *old == new => Self::GoesOn,
            true => Self::Renewed,
        }
    }
}

impl Change {
    /// Whether the stream of this name runs before and after.
    pub(super) fn runs(&self, stream: &str) -> bool {
        self.fates.iter().any(|(name, fate)| name.as_str() == stream && fate.runs())
    }
}

/// What is to be done to get from `old` to `new`. A stream goes on if it makes what it made before from the same sources,
/// opened in the same way.
pub(super) fn between(old: &Config, new: &Config) -> Change {
    let before: Vec<_> = old.streams.iter().zip(keys(&old.streams)).collect();
    let fate =
        |(stream, keys): (&StreamConfig, Keys)| (stream.name.clone(), Fate::of(&before, stream, &keys));
    let fates = new.streams.iter().zip(keys(&new.streams)).map(fate).collect();
    let is_left = |name: &Name| new.streams.iter().any(|stream| stream.name == *name);
    let ended = old.streams.iter().map(|stream| stream.name.clone()).filter(|name| !is_left(name));
    let later = [
        ("listen", old.listen != new.listen),
        ("https", old.https != new.https),
        ("state_dir", old.state_dir != new.state_dir),
    ];
    let later = later.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key);
    Change { fates, ended: ended.collect(), later: later.collect() }
}

/// As it is said in the log.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fates = self.fates.iter().map(|(name, fate)| match fate {
            Fate::GoesOn => format!("{name} goes on"),
            Fate::Renewed => format!("{name} goes on with other settings"),
            Fate::Anew => format!("{name} begins anew"),
            Fate::Begins => format!("{name} is new"),
        });
        let ended = self.ended.iter().map(|name| format!("{name} has ended"));
        f.write_str(&fates.chain(ended).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two scanners on one card, a camera, and a tone that a program makes.
    const OLD: &str = r#"
[[stream]]
name = "north"
title = "North"
[stream.audio]
kind = "alsa"
device = "hw:1"
channels = "left"

[[stream]]
name = "south"
[stream.audio]
kind = "alsa"
device = "hw:1"
channels = "right"

[[stream]]
name = "camera"
[stream.video]
kind = "v4l2"
device = "/dev/video0"
encoder = "x264"

[[stream]]
name = "tone"
encryption = {}
access = { token = "0123456789abcdef" }
audio = { kind = "command", command = ["tone"], input = { rate = 48000, channels = 1 } }
"#;

    fn between(old: &str, new: &str) -> Change {
        let read = |text: &str| Config::parse(text, "outpost.toml").unwrap_or_else(|fault| panic!("{fault}"));
        super::between(&read(old), &read(new))
    }

    #[test]
    fn what_a_change_of_the_text_means() {
        let all = "north goes on, south goes on, camera goes on, tone goes on";
        let other =
            |name: &str, fate: &str| all.replace(&format!("{name} goes on"), &format!("{name} {fate}"));
        let renewed = "goes on with other settings";
        let north = "name = \"north\"\n";
        let table = [
            ("", "", all.to_owned()),
            ("North", "The north", other("north", renewed)),
            ("0123456789abcdef", "fedcba9876543210", other("tone", renewed)),
            (north, "name = \"north\"\nkeep = { folder = \"/keep\" }\n", other("north", renewed)),
            // Of two that hear one card, the other goes on.
            (north, "name = \"north\"\nwindow.segment = \"1s\"\n", other("north", "begins anew")),
            ("channels = \"left\"", "channels = \"stereo\"", other("north", "begins anew")),
            ("encryption = {}", "encryption.rotate = 7", other("tone", "begins anew")),
            ("encoder = \"x264\"", "encoder = \"x264\"\nsize = \"640x360\"", other("camera", "begins anew")),
            ("\"tone\"]", "\"hum\"]", other("tone", "begins anew")),
            ("\"right\"", "\"mono\"", other("south", "begins anew")),
            ("\"camera\"", "\"eye\"", all.replace("camera goes on", "eye is new") + ", camera has ended"),
        ];
        for (from, to, expected) in table {
            let change = between(OLD, &OLD.replacen(from, to, 1));
            assert_eq!((change.to_string(), change.later), (expected, vec![]), "{from:?} {to:?}");
        }
    }

    #[test]
    fn who_shares_a_source_begins_anew_only_if_it_has_to_be_opened_otherwise() {
        let mono = OLD.replace("\"left\"", "\"mono\"").replace("\"right\"", "\"mono\"");
        let change = between(&mono, &mono.replacen("\"mono\"", "\"left\"", 1));
        assert_eq!(
            change.to_string(),
            "north begins anew, south begins anew, camera goes on, tone goes on",
            "two channels of the card are wanted, where one was"
        );
        let alone = OLD.replace("name = \"south\"", "name = \"west\"");
        assert!(between(OLD, &alone).to_string().starts_with("north goes on, west is new"));
    }

    #[test]
    fn what_belongs_to_the_process_waits_for_a_restart() {
        let process = format!("listen = 8000\nstate_dir = \"/state\"\n[https]\n{OLD}");
        let change = between(OLD, &process);
        assert_eq!(change.later, ["listen", "https", "state_dir"]);
        assert!(change.fates.iter().all(|(_, fate)| *fate == Fate::GoesOn));
        assert_eq!(between(OLD, &format!("connections = 70\n{OLD}")).later, [""; 0]);
    }

    #[test]
    fn at_the_start_all_are_new() {
        let new = Config::parse(OLD, "outpost.toml").expect("a configuration");
        let none = Config { streams: Vec::new(), ..new.clone() };
        let change = super::between(&none, &new);
        assert!(change.fates.iter().all(|(_, fate)| *fate == Fate::Begins), "{change}");
    }
}
