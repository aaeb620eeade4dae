//! From TOML to a checked [`Config`].
//!
//! The structs here mirror the file key by key; what has no default is optional in them all the same, so
//! that we, and not the parser, say what is missing and why.

mod activity;
mod api;
mod audio;
mod keep;
mod ladder;
mod low_latency;
mod motion;
mod protection;
mod video;

use std::path::PathBuf;

use bytesize::ByteSize;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use self::activity::Activity;
use self::api::Api;
use self::audio::Audio;
use self::keep::Keep;
use self::ladder::Rendition;
use self::low_latency::LowLatency;
use self::motion::Motion;
use self::protection::{Access, Encryption};
use self::video::Video;
use super::fault::Wrong;
use super::keys;
use super::values::{Memory, written};
use super::{
    BitRate, Certificate, Config, Connections, HttpsSettings, Length, Listen, Name, Origin, Plugged,
    StreamConfig, WindowConfig, default_state_dir,
};
use crate::base::Span;
use crate::serve::ServeConfig;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "File::listen")]
    listen: Listen,
    https: Option<Https>,
    #[serde(default = "default_state_dir")]
    state_dir: PathBuf,
    #[serde(default = "Origin::any")]
    allowed_origin: Origin,
    #[serde(default = "File::connections")]
    connections: Connections,
    #[serde(default)]
    api: Api,
    #[serde(default)]
    stream: Vec<Stream>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Https {
    #[serde(default = "Https::listen")]
    listen: Listen,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    name: Option<Name>,
    title: Option<Title>,
    video: Option<Video>,
    #[serde(default)]
    rendition: Vec<Rendition>,
    audio: Option<Audio>,
    activity: Option<Activity>,
    motion: Option<Motion>,
    #[serde(default)]
    window: Window,
    low_latency: Option<LowLatency>,
    encryption: Option<Encryption>,
    access: Option<Access>,
    keep: Option<Keep>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Window {
    segment: Option<Length>,
    length: Option<Length>,
    memory: Option<Memory>,
}

impl File {
    fn listen() -> Listen {
        Listen::everywhere(8080)
    }

    fn connections() -> Connections {
        Connections(ServeConfig::default().max_connections)
    }
}

impl Https {
    fn listen() -> Listen {
        Listen::everywhere(8443)
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

/// `a device`, `an input`, and `controls`, of which there are several.
fn with_article(key: &str) -> String {
    match key {
        "controls" => key.to_owned(),
        key if key.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {key}"),
        key => format!("a {key}"),
    }
}

/// Every key there is, as a path through the tables.
pub(super) fn all_keys() -> Vec<String> {
    let tables = [
        ("", keys::of::<File>()),
        ("https.", keys::of::<Https>()),
        ("api.", keys::of::<Api>()),
        ("stream.", keys::of::<Stream>()),
        ("stream.video.", keys::of::<Video>()),
        ("stream.rendition.", keys::of::<Rendition>()),
        ("stream.audio.", keys::of::<Audio>()),
        ("stream.audio.input.", keys::of::<audio::Input>()),
        ("stream.activity.", keys::of::<Activity>()),
        ("stream.motion.", keys::of::<Motion>()),
        ("stream.window.", keys::of::<Window>()),
        ("stream.low_latency.", keys::of::<LowLatency>()),
        ("stream.encryption.", keys::of::<Encryption>()),
        ("stream.access.", keys::of::<Access>()),
        ("stream.keep.", keys::of::<Keep>()),
    ];
    tables.iter().flat_map(|(path, keys)| keys.iter().map(move |key| format!("{path}{key}"))).collect()
}

/// Reads and checks a whole configuration.
pub(super) fn read(text: &str) -> Result<Config, Wrong> {
    let root = DeTable::parse(text).map_err(|error| Wrong::syntax(&error))?;
    refuse_old_tables(&root)?;
    let file = File::deserialize(toml::Deserializer::from(root.clone()))
        .map_err(|error| Wrong::value(&error, &all_keys()))?;
    if file.state_dir.as_os_str().is_empty() {
        let what = "empty; name a directory, or leave the key out";
        return Err(Wrong::at("state_dir", what.to_owned(), &root));
    }
    let https = file.https.map(|https| check_https(https, file.listen, &root)).transpose()?;
    let mut streams: Vec<StreamConfig> = Vec::with_capacity(file.stream.len());
    for (index, stream) in file.stream.into_iter().enumerate() {
        let check = Check { root: &root, index };
        let stream = check.stream(stream)?;
        if streams.iter().any(|earlier| earlier.name == stream.name) {
            return Err(check.wrong("name", format!("another stream is called {} already", stream.name)));
        }
        check.agrees_with(&streams, &stream)?;
        streams.push(stream);
    }
    Ok(Config {
        listen: file.listen,
        https,
        state_dir: file.state_dir,
        allowed_origin: file.allowed_origin,
        connections: file.connections,
        api: file.api.into(),
        streams,
        plugged: Plugged::default(),
    })
}

fn check_https(https: Https, listen: Listen, root: &Spanned<DeTable<'_>>) -> Result<HttpsSettings, Wrong> {
    let wrong = |key: &str, what: &str| Err(Wrong::at(&format!("https.{key}"), what.to_owned(), root));
    if https.listen == listen && listen.0.port() != 0 {
        return wrong("listen", "HTTP is served there; take another port, such as 8443");
    }
    let certificate = match (https.certificate, https.key) {
        (None, None) => Certificate::Own,
        (Some(certificate), Some(key)) => Certificate::Files { certificate, key },
        (Some(_), None) => {
            return wrong("certificate", "its key is missing; name the file it is in, as `key`");
        }
        (None, Some(_)) => {
            return wrong("key", "its certificate is missing; name the file it is in, as `certificate`");
        }
    };
    Ok(HttpsSettings { listen: https.listen, certificate })
}

/// What used to be called otherwise: whoever wrote it is told the new words, not that the old ones are unknown.
fn refuse_old_tables(root: &Spanned<DeTable<'_>>) -> Result<(), Wrong> {
    let streams = root.get_ref().get("stream").and_then(|streams| streams.get_ref().as_array());
    for (index, stream) in streams.into_iter().flatten().enumerate() {
        let Some(stream) = stream.get_ref().as_table() else { continue };
        let is_table = |key: &str| stream.get(key).is_some_and(|value| value.get_ref().is_table());
        let old = [
            ("source", "[stream.source] is now called [stream.audio]; rename it, its keys are the same"),
            (
                "encoder",
                "profile and bitrate now stand in [stream.audio], beside the device; move them there",
            ),
        ];
        if let Some((key, what)) = old.into_iter().find(|(key, _)| is_table(key)) {
            return Err(Wrong::at(&format!("stream.{index}.{key}"), what.to_owned(), root));
        }
    }
    Ok(())
}

impl Check<'_, '_> {
    fn wrong(&self, key: &str, what: impl Into<String>) -> Wrong {
        Wrong::at(&format!("stream.{}.{key}", self.index), what.into(), self.root)
    }

    fn stream(&self, stream: Stream) -> Result<StreamConfig, Wrong> {
        let name = stream.name.ok_or_else(|| {
            self.wrong("name", "missing; the stream will be found under it: name = \"radio\" makes /radio")
        })?;
        let (video, audio) = (stream.video.as_ref(), stream.audio.as_ref());
        let video = video.map(|video| self.video(video)).transpose()?;
        let mut audio = audio.map(|audio| self.audio(audio)).transpose()?;
        if video.is_none() && audio.is_none() {
            let what = "nothing to send; say where its sound comes from in [stream.audio], its pictures in \
                        [stream.video], or both";
            return Err(Wrong::at(&format!("stream.{}", self.index), what.to_owned(), self.root));
        }
        match (stream.activity, &mut audio) {
            (Some(activity), Some(audio)) => audio.activity = self.activity(activity)?,
            (Some(_), None) => {
                let what = "there is no sound to find transmissions in; add [stream.audio], or remove this";
                return Err(self.wrong("activity", what));
            }
            (None, _) => {}
        }
        let motion = self.motion(stream.motion, video.as_ref())?;
        let ladder = self.ladder(&stream.rendition, video.as_ref())?;
        let usual = if video.is_some() { WindowConfig::with_pictures() } else { WindowConfig::default() };
        let title = stream.title.map_or_else(|| name.to_string(), |title| title.0.0);
        let encryption = stream.encryption.map(|it| self.encryption(it)).transpose()?;
        let access = self.access(stream.access, encryption.as_ref())?;
        let (window, low_latency) = (usual, None);
        let mut config = StreamConfig {
            name,
            title,
            video,
            ladder,
            audio,
            motion,
            window,
            low_latency,
            encryption,
            access,
            keep: None,
        };
        config.window = self.window(stream.window, usual, config.total())?;
        let low_latency = stream.low_latency.map(|it| self.low_latency(it, &config));
        config.low_latency = low_latency.transpose()?;
        config.keep = stream.keep.map(|it| self.keep(it, &config)).transpose()?;
        Ok(config)
    }

    /// Refuses keys that another kind of source would have; those that are there are marked.
    fn only_for(&self, table: &str, kind: &str, keys: &[(&str, bool)]) -> Result<(), Wrong> {
        match keys.iter().find(|(_, there)| *there) {
            Some((key, _)) => {
                let what = format!("only kind = \"{kind}\" has {}; remove it", with_article(key));
                Err(self.wrong(&format!("{table}.{key}"), what))
            }
            None => Ok(()),
        }
    }

    /// A length of time between two others, in milliseconds.
    fn length(
        &self,
        key: &str,
        written: Option<Length>,
        usual: Span,
        (low, high): (i64, i64),
    ) -> Result<Span, Wrong> {
        let (low, high) = (Length(Span::from_millis(low)), Length(Span::from_millis(high)));
        let length = written.unwrap_or(Length(usual));
        if (low..=high).contains(&length) {
            return Ok(length.0);
        }
        Err(self.wrong(key, format!("{length} is out of range; it lasts from {low} to {high}")))
    }

    fn window(&self, window: Window, usual: WindowConfig, bitrate: BitRate) -> Result<WindowConfig, Wrong> {
        let segment = window.segment.unwrap_or(usual.segment);
        let length = window.length.unwrap_or(usual.length);
        let memory = window.memory.map_or(usual.memory, |memory| memory.0);
        let window = WindowConfig { segment, length, memory };
        let (low, high) = (Length(Span::from_millis(1_000)), Length(Span::from_millis(10_000)));
        if !(low..=high).contains(&segment) {
            let what = format!("{segment} is out of range; a segment lasts from {low} to {high}");
            return Err(self.wrong("window.segment", what));
        }
        // Apple's authoring specification, 8.11; RFC 8216, 6.2.2 forbids fewer than three target durations.
        let least = Length(Span::from_ticks(6 * segment.0.ticks()));
        if length < least {
            let what = format!(
                "{length} is too short: players need six segments ({segment} each) to choose from; \
                 make it {least} or more, or the segments shorter"
            );
            return Err(self.wrong("window.length", what));
        }
        // Six are listed, six more stay for those who read of them, and the bit rate has its peaks.
        let least = ByteSize(14 * window.segment_bytes(bitrate));
        if memory < least {
            let what = format!(
                "{memory} is too little: six segments of {segment} at {bitrate}, as long again for those who are \
                 late, and some room take {least}; \
                 give more, or make the segments shorter"
            );
            return Err(self.wrong("window.memory", what));
        }
        Ok(window)
    }
}
