//! What is streamed where no stream is configured: what is plugged in.
//!
//! Belongs here: which devices make which streams, and what these are called. Does not: looking again when something is
//! plugged in (`watch`), beginning streams (`stage`).

use std::fmt::Write as _;

use super::config::{Config, StreamConfig};
use crate::source::alsa::{self, SoundCard};
use crate::source::usb::UsbMark;
use crate::source::video::v4l2;

/// More streams than these are not begun by themselves: each takes memory for its window, and pictures an encoder.
const MOST: usize = 8;
/// Of a name, at most so much is told by what a device calls itself: room for `camera-` and a number remains.
const LONGEST: usize = 40;
/// What pictures cost that nobody has asked for: little, on a board with several cameras.
const PICTURES: &str = "size = \"640x360\", rate = 15, bitrate = \"600k\"";

/// Devices that are there, or were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    cards: Vec<SoundCard>,
    cameras: Vec<v4l2::Present>,
}

/// What one stream is made of.
struct Origin<'a> {
    name: String,
    /// Its place, to tell two of the same make apart.
    place: String,
    title: String,
    camera: Option<&'a v4l2::DeviceId>,
    sound: Option<&'a alsa::DeviceId>,
}

impl Found {
    /// What is there now. Waits for the kernel.
    pub(super) fn now() -> Self {
        Self { cards: alsa::present(), cameras: v4l2::present() }
    }

    /// Adds what is there now. What was there before stays, unless there would be too much.
    pub(super) fn add(&mut self, now: Self) {
        let cards = joined(&self.cards, &now.cards, |a, b| heard(a) == heard(b));
        let cameras = joined(&self.cameras, &now.cameras, |a, b| a.id == b.id);
        *self = if cards.len() + cameras.len() > MOST { now } else { Self { cards, cameras } };
    }

    /// The streams, and how they would be written in a configuration.
    pub(super) fn streams(&self) -> (Vec<StreamConfig>, String) {
        let (mut streams, mut text) = (Vec::new(), String::new());
        for origin in self.origins().into_iter().take(MOST) {
            let written = origin.written();
            match Config::parse(&written, "what is found") {
                Ok(config) => {
                    streams.extend(config.streams);
                    text.push_str(&written);
                }
                Err(fault) => tracing::warn!("{} is not streamed: {fault}", origin.title),
            }
        }
        (streams, text.trim_start().to_owned())
    }

    /// A camera and its microphone are one.
    fn origins(&self) -> Vec<Origin<'_>> {
        let mut sounds: Vec<_> = self.cards.iter().filter_map(|card| Some((heard(card)?, card))).collect();
        let mut origins: Vec<Origin<'_>> = Vec::new();
        for camera in &self.cameras {
            let own = sounds.iter().position(|(sound, _)| is_microphone(sound, &camera.id));
            let sound = own.map(|own| sounds.remove(own).0);
            let place = place_of_camera(&camera.id);
            let name = format!("camera-{}", slug(&place));
            let title = title(&camera.card);
            origins.push(Origin { name, place, title, camera: Some(&camera.id), sound });
        }
        for (sound, card) in sounds {
            let place = match sound {
                alsa::DeviceId::Usb { mark: UsbMark::Port(port), .. } => port.clone(),
                _ => card.short.clone(),
            };
            let name = format!("sound-{}", slug(&place));
            let title = title(&card.description);
            origins.push(Origin { name, place, title, camera: None, sound: Some(sound) });
        }
        tell_apart(&mut origins);
        origins
    }
}

impl Origin<'_> {
    /// As anyone would write it.
    fn written(&self) -> String {
        let mut text = format!("\n[[stream]]\nname = \"{}\"\ntitle = {}\n", self.name, quoted(&self.title));
        // Writing to a String cannot fail.
        if let Some(camera) = self.camera {
            let device = quoted(&camera.to_string());
            let _ = writeln!(text, "video = {{ kind = \"v4l2\", device = {device}, {PICTURES} }}");
        }
        if let Some(sound) = self.sound {
            let device = quoted(&sound.to_string());
            let _ = writeln!(text, "audio = {{ kind = \"alsa\", device = {device} }}");
        }
        text
    }
}

/// Those that were there, as they are now: another may sit in the same socket. Then those that are new.
fn joined<T: Clone>(before: &[T], now: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut all = before.to_vec();
    for it in now {
        match all.iter_mut().find(|known| same(known, it)) {
            Some(known) => known.clone_from(it),
            None => all.push(it.clone()),
        }
    }
    all
}

/// What of a card is streamed: the first that captures. Of a loopback that is the second: what programs play goes to the
/// first, and comes out of the other.
fn heard(card: &SoundCard) -> Option<&alsa::DeviceId> {
    card.captures.get(usize::from(card.short.starts_with("Loopback"))).or(card.captures.first())
}

/// Whether both sit in one USB device.
fn is_microphone(sound: &alsa::DeviceId, camera: &v4l2::DeviceId) -> bool {
    use {alsa::DeviceId as Sound, v4l2::DeviceId as Camera};
    matches!((sound, camera), (Sound::Usb { mark: a, .. }, Camera::Usb { mark: b, .. }) if a == b)
}

fn place_of_camera(id: &v4l2::DeviceId) -> String {
    use v4l2::DeviceId as Id;
    match id {
        Id::Usb { mark: UsbMark::Port(port), .. } => port.clone(),
        Id::Platform { name, .. } | Id::Card(name) => name.clone(),
        Id::Path(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Id::Usb { .. } => id.to_string(),
    }
}

/// Small letters, digits and dashes; other characters are dashes.
fn slug(text: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(word).take(LONGEST).collect()
}

/// What a device calls itself, on one line. The kernel says of many cameras `Name: Name`, cut off.
fn title(card: &str) -> String {
    let line = card.replace(char::is_control, " ");
    let line = match line.split_once(": ") {
        Some((name, again)) if name.starts_with(again.trim()) => name,
        _ => &line,
    };
    line.trim().to_owned()
}

/// Those of the same title are told with their places, and one without has that of its name. Names that are the same in
/// spite of their places (`PCH`, `pch`) are counted.
fn tell_apart(origins: &mut [Origin<'_>]) {
    let titles: Vec<_> = origins.iter().map(|it| it.title.clone()).collect();
    for at in 0..origins.len() {
        let alike = origins[..at].iter().filter(|it| it.name == origins[at].name).count();
        let origin = &mut origins[at];
        if alike > 0 {
            let _ = write!(origin.name, "-x{}", alike + 1);
        }
        if origin.title.is_empty() {
            origin.title = origin.name.clone();
        } else if titles.iter().filter(|title| **title == origin.title).count() > 1 {
            origin.title = format!("{} ({})", origin.title, origin.place);
        }
    }
}

/// As TOML writes text.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
#[path = "found_tests.rs"]
mod tests;
