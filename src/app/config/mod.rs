//! What one Outpost is to do: `docs/configuration.md` describes every key.
//!
//! Belongs here: the settings as types, their defaults and limits, and reading them from TOML. Does not:
//! acting on them.

mod audio;
pub(in crate::app) mod fault;
pub(in crate::app) mod keys;
mod protection;
mod read;
mod redact;
mod text;
mod values;
mod video;

use std::io;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;

pub use audio::{AudioSettings, SoundSource};
pub use fault::Fault;
pub use protection::{AccessSettings, EncryptionSettings, KeyPrefix, TokenError};
pub(in crate::app) use text::decoded;
pub(in crate::app) use values::written;
pub use values::{BitRate, Connections, HostName, Language, Length, Listen, Name, Origin, Step};
pub use video::{Encoder, PictureSource, Rung, VideoSettings};

use crate::base::Span;
use crate::detect::motion;
use crate::keep;
use crate::segment::SegmentConfig;
use crate::serve::Token;

/// Where `outpost run` looks when it is told no file, in this order.
pub const PLACES: [&str; 2] = ["outpost.toml", "/etc/outpost/outpost.toml"];

/// A configuration that suffices for a scanner on a sound card.
pub const EXAMPLE: &str = include_str!("../../../docs/scanner.toml");

/// A whole configuration, checked: every value has been found possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to serve.
    pub listen: Listen,
    /// Where to serve over TLS, too.
    pub https: Option<HttpsSettings>,
    /// Where what must survive a restart is kept.
    pub state_dir: PathBuf,
    /// Which web pages may play the streams (CORS).
    pub allowed_origin: Origin,
    /// How many connections may be open at the same time.
    pub connections: Connections,
    /// Who may write by the API.
    pub api: ApiSettings,
    /// Each with a name of its own.
    pub streams: Vec<StreamConfig>,
    /// What becomes of sound cards and cameras where no stream is named.
    pub plugged: Plugged,
}

/// What becomes of what is plugged in and not configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plugged {
    /// It is streamed.
    #[default]
    Streamed,
    /// It is let be.
    LetBe,
}

/// Writing by the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiSettings {
    /// What those know who may; where there is none, programs on this machine may.
    pub token: Option<Token>,
    /// What the machine is called, beside the names it gives itself.
    pub names: Vec<HostName>,
}

/// HTTPS beside HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsSettings {
    /// Where to serve.
    pub listen: Listen,
    /// What is shown to clients.
    pub certificate: Certificate,
}

/// Where the certificate for HTTPS comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It is made, and kept in the state directory.
    Own,
    /// From files, PEM.
    Files {
        /// The certificate, and those that lead from it to an authority.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// One stream: pictures, sound, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Its part of the address: `/{name}/index.m3u8`.
    pub name: Name,
    /// What people read.
    pub title: String,
    /// Its pictures; without them it has sound.
    pub video: Option<VideoSettings>,
    /// Further renditions of them, in the order they are offered.
    pub ladder: Vec<Rung>,
    /// Its sound; without it there are pictures.
    pub audio: Option<AudioSettings>,
    /// What counts as motion in its pictures, if it is looked for.
    pub motion: Option<motion::Settings>,
    /// What of it can be fetched.
    pub window: WindowConfig,
    /// How it is offered with low latency, too; not unless asked for.
    pub low_latency: Option<LowLatencySettings>,
    /// How its segments are enciphered, if they are.
    pub encryption: Option<EncryptionSettings>,
    /// Who may have what is in the clear of it, if they are.
    pub access: AccessSettings,
    /// What of it is kept on a disk, if anything is.
    pub keep: Option<keep::Settings>,
}

/// What is offered with low latency, in parts of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowLatencySettings {
    /// About how long a part is, 100 ms to 1 s.
    pub part: Length,
    /// How far back a listener can go there; at least six segments are listed.
    pub length: Length,
}

impl Default for LowLatencySettings {
    fn default() -> Self {
        Self { part: Length(Span::from_millis(200)), length: Length(Span::from_millis(30_000)) }
    }
}

impl LowLatencySettings {
    /// How much memory it takes at this bit rate, in segments like those of `window`.
    pub fn memory(&self, window: &WindowConfig, bitrate: BitRate) -> ByteSize {
        let listed = self.length.0.max(Span::from_ticks(6 * window.segment.0.ticks()));
        ByteSize(2 * bytes(Length(listed), bitrate))
    }
}

/// What can be fetched: bounded by time and by memory, whichever is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// The distance between two cuts, 1 to 10 s.
    pub segment: Length,
    /// How far back a listener can go; at least six segments.
    pub length: Length,
    /// How much memory its segments may take; at least that of eight.
    pub memory: ByteSize,
}

impl StreamConfig {
    /// The pictures of each rendition that has some, the first one's first.
    pub fn pictures(&self) -> impl Iterator<Item = (&str, &VideoSettings)> {
        let first = self.video.iter().map(|video| ("video", video));
        first.chain(self.ladder.iter().map(|rung| (rung.name.as_str(), &rung.video)))
    }

    /// Every rendition with its bit rate, in the order they are offered: those with pictures carry the sound too, and
    /// sound has one of its own.
    pub fn renditions(&self) -> impl Iterator<Item = (&str, BitRate)> {
        let sound = self.audio.as_ref().map_or(0, |audio| audio.bitrate.0);
        let pictures =
            self.pictures().map(move |(name, video)| (name, BitRate(video.bitrate.0.saturating_add(sound))));
        pictures.chain(self.audio.iter().map(|audio| ("audio", audio.bitrate)))
    }

    /// Of the first rendition.
    pub fn bitrate(&self) -> BitRate {
        self.renditions().next().map_or(BitRate(0), |(_, bitrate)| bitrate)
    }

    /// Of all renditions together.
    pub fn total(&self) -> BitRate {
        BitRate(self.renditions().fold(0, |sum, (_, bitrate)| sum.saturating_add(bitrate.0)))
    }
}

impl Default for WindowConfig {
    fn default() -> Self {
        let SegmentConfig { target, length, bytes } = SegmentConfig::default();
        Self { segment: Length(target), length: Length(length), memory: ByteSize(bytes as u64) }
    }
}

impl WindowConfig {
    /// What suits a stream with pictures. They weigh thirty times what sound does: fifteen minutes at 2 Mbit/s would
    /// take 500 MB of a board that has 512; two minutes take 70.
    pub fn with_pictures() -> Self {
        let length = Length(Span::from_millis(2 * 60_000));
        Self { length, memory: ByteSize::mib(128), ..Self::default() }
    }

    /// How much memory one segment takes at this bit rate, in bytes.
    pub fn segment_bytes(&self, bitrate: BitRate) -> u64 {
        bytes(self.segment, bitrate)
    }

    /// How much memory the whole window takes at this bit rate, if it may: twice what is listed, because a
    /// segment stays as long again for those who read of it last (RFC 8216, 6.2.2).
    pub fn full(&self, bitrate: BitRate) -> ByteSize {
        ByteSize(2 * bytes(self.length, bitrate))
    }
}

/// Transport stream of this length, in bytes: a tenth on top of what is coded is ample for its headers.
fn bytes(length: Length, bitrate: BitRate) -> u64 {
    (length.0.as_secs_f64() * f64::from(bitrate.0) / 8.0 * 1.1) as u64
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, or not for us.
    #[error("cannot read the configuration {}: {}", path.display(), why_unreadable(error))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file says something that cannot be.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// No file was named and none lies where we look.
    #[error(
        "no configuration found: neither ./{} nor {} is there.\n\n\
         To hear Outpost without one: outpost run streams what is plugged in, outpost demo a scanner that isn't \
         there.\n\
         To have your own, put this into ./{0} and change what `outpost devices` tells you:\n\n{example}",
        PLACES[0], PLACES[1], example = EXAMPLE.trim_end()
    )]
    Nowhere,
}

/// What the system says, and what helps.
fn why_unreadable(error: &io::Error) -> String {
    let remedy = match error.kind() {
        // The system's own words for it speak of a stream, which here is another thing.
        io::ErrorKind::InvalidData => return "it is not text in UTF-8; save it as such".to_owned(),
        io::ErrorKind::NotFound => "look at the name, and at the directory you are in",
        io::ErrorKind::PermissionDenied => "let this user read it and enter its directory, or be another",
        io::ErrorKind::IsADirectory => "name the file in it",
        _ => return error.to_string(),
    };
    format!("{error}; {remedy}")
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, or says something that cannot be.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
        let text = decoded(&std::fs::read(path).map_err(unreadable)?);
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(unreadable(io::ErrorKind::InvalidData.into()));
        }
        Ok(Self::parse(&text, &path.display().to_string())?)
    }

    /// Reads `text`; faults are told as faults of the file `file`.
    ///
    /// # Errors
    /// The first thing in it that cannot be.
    pub fn parse(text: &str, file: &str) -> Result<Self, Fault> {
        read::read(text).map_err(|wrong| wrong.in_file(file, text))
    }

    /// That of a file in which nothing stands.
    pub fn nothing() -> Self {
        Self::parse("", "nothing").expect("every key has a default")
    }

    /// The first of `places` where a file lies.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(places: &[impl AsRef<Path>]) -> Result<PathBuf, ConfigError> {
        let found = places.iter().map(AsRef::as_ref).find(|path| path.exists());
        found.map(Path::to_owned).ok_or(ConfigError::Nowhere)
    }
}

/// Every key a configuration can have, as a path through the tables: `stream.audio.bitrate`.
pub fn keys() -> Vec<String> {
    read::all_keys()
}

/// Where state is kept unless the configuration says otherwise: what systemd gave us, else the XDG state
/// home, else (a bare system without a home) `/var/lib/outpost`.
pub fn default_state_dir() -> PathBuf {
    state_dir_from(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn state_dir_from(environment: impl Fn(&str) -> Option<String>) -> PathBuf {
    // systemd.exec(5): several directories are separated by colons.
    let given = environment("STATE_DIRECTORY");
    let given = given.as_deref().and_then(|list| list.split(':').next()).map(PathBuf::from);
    let xdg = || environment("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || environment("HOME").map(|home| Path::new(&home).join(".local/state"));
    given
        .or_else(|| xdg().or_else(home).map(|state| state.join("outpost")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/outpost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_lies_where_the_environment_says() {
        let table: &[(&[(&str, &str)], &str)] = &[
            (
                &[("STATE_DIRECTORY", "/var/lib/private/outpost:/b"), ("HOME", "/root")],
                "/var/lib/private/outpost",
            ),
            (&[("XDG_STATE_HOME", "/home/a/state"), ("HOME", "/home/a")], "/home/a/state/outpost"),
            (&[("XDG_STATE_HOME", "not/absolute"), ("HOME", "/home/a")], "/home/a/.local/state/outpost"),
            (&[], "/var/lib/outpost"),
        ];
        for (environment, expected) in table {
            let get = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            assert_eq!(state_dir_from(get), Path::new(expected), "{environment:?}");
        }
    }
}
