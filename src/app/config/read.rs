//! From TOML to a checked [`Config`].
//!
//! The structs here mirror the file key by key; what has no default is optional in them all the same, so
//! that we, and not the parser, say what is missing and why.

use std::path::PathBuf;

use bytesize::ByteSize;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::fault::Wrong;
use super::keys;
use super::values::{Memory, written};
use super::{
    BitRate, Config, EncoderConfig, Length, Listen, Name, Origin, SourceConfig, StreamConfig, WindowConfig,
    default_state_dir,
};
use crate::base::Span;
use crate::encode::AacProfile;
use crate::media::{Channels, Pick};
use crate::source::alsa::DeviceId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "File::listen")]
    listen: Listen,
    #[serde(default = "default_state_dir")]
    state_dir: PathBuf,
    #[serde(default = "Origin::any")]
    allowed_origin: Origin,
    #[serde(default)]
    stream: Vec<Stream>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    name: Option<Name>,
    title: Option<Title>,
    source: Option<Source>,
    #[serde(default)]
    encoder: Encoder,
    #[serde(default)]
    window: Window,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    kind: Option<Kind>,
    device: Option<DeviceId>,
    #[serde(default)]
    channels: Pick,
    seed: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Alsa,
    Synth,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoder {
    #[serde(default)]
    profile: AacProfile,
    bitrate: Option<BitRate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Window {
    segment: Length,
    length: Length,
    memory: Memory,
}

impl File {
    fn listen() -> Listen {
        Listen::everywhere(8080)
    }
}

impl Default for Window {
    fn default() -> Self {
        let WindowConfig { segment, length, memory } = WindowConfig::default();
        Self { segment, length, memory: Memory(memory) }
    }
}

/// What people read: one line with something in it.
#[derive(Deserialize)]
struct Title(#[serde(deserialize_with = "written")] OneLine);

struct OneLine(String);

impl std::str::FromStr for OneLine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("a title cannot be empty; leave the key out to show the name".to_owned()),
            line if line.chars().any(char::is_control) => Err("a title is one line of text".to_owned()),
            line => Ok(Self(line.to_owned())),
        }
    }
}

/// A stream being checked: what is wrong with it is said with its place in the file.
struct Check<'a, 'i> {
    root: &'a Spanned<DeTable<'i>>,
    index: usize,
}

/// Every key there is, as a path through the tables.
pub(super) fn all_keys() -> Vec<String> {
    let tables = [
        ("", keys::of::<File>()),
        ("stream.", keys::of::<Stream>()),
        ("stream.source.", keys::of::<Source>()),
        ("stream.encoder.", keys::of::<Encoder>()),
        ("stream.window.", keys::of::<Window>()),
    ];
    tables.iter().flat_map(|(path, keys)| keys.iter().map(move |key| format!("{path}{key}"))).collect()
}

/// Reads and checks a whole configuration.
pub(super) fn read(text: &str) -> Result<Config, Wrong> {
    let root = DeTable::parse(text).map_err(|error| Wrong::syntax(&error))?;
    let file: File = serde_path_to_error::deserialize(toml::Deserializer::from(root.clone()))
        .map_err(|error| Wrong::value(&error))?;
    if file.stream.is_empty() {
        let what = "there is nothing to do; add a stream: [[stream]] with a name, and [stream.source]";
        return Err(Wrong::at("stream", what.to_owned(), &root));
    }
    if file.state_dir.as_os_str().is_empty() {
        let what = "empty; name a directory, or leave the key out";
        return Err(Wrong::at("state_dir", what.to_owned(), &root));
    }
    let mut streams: Vec<StreamConfig> = Vec::with_capacity(file.stream.len());
    for (index, stream) in file.stream.into_iter().enumerate() {
        let check = Check { root: &root, index };
        let stream = check.stream(stream)?;
        if streams.iter().any(|earlier| earlier.name == stream.name) {
            return Err(check.wrong("name", format!("another stream is called {} already", stream.name)));
        }
        streams.push(stream);
    }
    Ok(Config {
        listen: file.listen,
        state_dir: file.state_dir,
        allowed_origin: file.allowed_origin,
        streams,
    })
}

impl Check<'_, '_> {
    fn wrong(&self, key: &str, what: impl Into<String>) -> Wrong {
        Wrong::at(&format!("stream.{}.{key}", self.index), what.into(), self.root)
    }

    fn stream(&self, stream: Stream) -> Result<StreamConfig, Wrong> {
        let name = stream.name.ok_or_else(|| {
            self.wrong("name", "missing; the stream will be found under it: name = \"radio\" makes /radio")
        })?;
        let source = stream.source.ok_or_else(|| {
            self.wrong("source", "missing; say where the sound comes from: [stream.source] with a kind")
        })?;
        let channels = source.channels;
        let source = self.source(source)?;
        let encoder = self.encoder(&stream.encoder, channels.channels())?;
        let window = self.window(&stream.window, encoder.bitrate)?;
        let title = stream.title.map_or_else(|| name.to_string(), |title| title.0.0);
        Ok(StreamConfig { name, title, source, channels, encoder, window })
    }

    fn source(&self, source: Source) -> Result<SourceConfig, Wrong> {
        let Source { kind, device, seed, .. } = source;
        match (kind, device, seed) {
            (None, ..) => Err(self.wrong(
                "source.kind",
                "missing; write \"alsa\" for a sound card, \"synth\" for the embedded scanner",
            )),
            (Some(Kind::Alsa), _, Some(_)) => {
                Err(self.wrong("source.seed", "only kind = \"synth\" has a seed; remove it"))
            }
            (Some(Kind::Synth), Some(_), _) => {
                Err(self.wrong("source.device", "only kind = \"alsa\" has a device; remove it"))
            }
            (Some(Kind::Alsa), Some(device), _) => Ok(SourceConfig::Alsa { device }),
            (Some(Kind::Alsa), None, _) => {
                Err(self.wrong("source.device", "missing; `outpost devices` lists what is there"))
            }
            (Some(Kind::Synth), _, seed) => Ok(SourceConfig::Synth { seed: seed.unwrap_or(1) }),
        }
    }

    fn encoder(&self, encoder: &Encoder, channels: Channels) -> Result<EncoderConfig, Wrong> {
        let profile = encoder.profile;
        let usual = profile.usual_bitrate() * channels.count() as u32;
        let bitrate = encoder.bitrate.unwrap_or(BitRate(usual));
        let offered = profile.bitrates();
        if !offered.contains(&bitrate.0) {
            let (low, high) = (BitRate(*offered.start()), BitRate(*offered.end()));
            let what = format!("{bitrate} is out of range; profile \"{profile}\" goes from {low} to {high}");
            return Err(self.wrong("encoder.bitrate", what));
        }
        Ok(EncoderConfig { profile, bitrate })
    }

    fn window(&self, window: &Window, bitrate: BitRate) -> Result<WindowConfig, Wrong> {
        let Window { segment, length, memory: Memory(memory) } = *window;
        let window = WindowConfig { segment, length, memory };
        let (low, high) = (Length(Span::from_millis(1_000)), Length(Span::from_millis(10_000)));
        if !(low..=high).contains(&segment) {
            let what = format!("{segment} is out of range; a segment lasts from {low} to {high}");
            return Err(self.wrong("window.segment", what));
        }
        // RFC 8216, 6.2.2 forbids a live playlist shorter than three target durations.
        let least = Length(Span::from_ticks(3 * segment.0.ticks()));
        if length < least {
            let what = format!(
                "{length} is too short: players need three segments ({segment} each) to choose from; \
                 make it {least} or more, or the segments shorter"
            );
            return Err(self.wrong("window.length", what));
        }
        // Three are listed, three more stay for those who read of them, and the bit rate has its peaks.
        let least = ByteSize(8 * window.segment_bytes(bitrate));
        if memory < least {
            let what = format!(
                "{memory} is too little: three segments of {segment} at {bitrate}, as long again for those who are \
                 late, and some room take {least}; \
                 give more, or make the segments shorter"
            );
            return Err(self.wrong("window.memory", what));
        }
        Ok(window)
    }
}
