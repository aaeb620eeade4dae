//! `[stream.audio]`, as it is written and as it is checked.

use serde::Deserialize;

use super::super::fault::Wrong;
use super::super::{AudioSettings, BitRate, Language, SoundSource};
use super::Check;
use crate::detect;
use crate::encode::AacProfile;
use crate::media::Pick;
use crate::source::InputFormat;
use crate::source::alsa::DeviceId;
use crate::source::command::CommandLine;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audio {
    kind: Option<Kind>,
    device: Option<DeviceId>,
    #[serde(default)]
    channels: Pick,
    sound: Option<Sound>,
    seed: Option<u64>,
    command: Option<Vec<String>>,
    input: Option<Input>,
    #[serde(default)]
    profile: AacProfile,
    bitrate: Option<BitRate>,
    language: Option<Language>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Alsa,
    Synth,
    Command,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sound {
    #[default]
    Scanner,
    Clapper,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    rate: Option<u32>,
    channels: Option<usize>,
}

impl Check<'_, '_> {
    pub(super) fn audio(&self, audio: &Audio) -> Result<AudioSettings, Wrong> {
        let source = self.sound(audio)?;
        let Audio { channels, profile, .. } = *audio;
        let usual = profile.usual_bitrate() * channels.channels().count() as u32;
        let bitrate = audio.bitrate.unwrap_or(BitRate(usual));
        let offered = profile.bitrates();
        if !offered.contains(&bitrate.0) {
            let (low, high) = (BitRate(*offered.start()), BitRate(*offered.end()));
            let what = format!("{bitrate} is out of range; profile \"{profile}\" goes from {low} to {high}");
            return Err(self.wrong("audio.bitrate", what));
        }
        let (language, activity) = (audio.language.clone(), detect::Settings::default());
        Ok(AudioSettings { source, channels, profile, bitrate, language, activity })
    }

    fn sound(&self, audio: &Audio) -> Result<SoundSource, Wrong> {
        let kind = audio.kind.ok_or_else(|| {
            self.wrong(
                "audio.kind",
                "missing; write \"alsa\" for a sound card, \"command\" for what a program prints, \"synth\" for the \
                 embedded scanner",
            )
        })?;
        let of_alsa = [("device", audio.device.is_some())];
        let of_synth = [("sound", audio.sound.is_some()), ("seed", audio.seed.is_some())];
        let of_command = [("command", audio.command.is_some()), ("input", audio.input.is_some())];
        let foreign = |kind, keys: &[(&str, bool)]| self.only_for("audio", kind, keys);
        match kind {
            Kind::Alsa => {
                foreign("synth", &of_synth).and_then(|()| foreign("command", &of_command))?;
                let missing = "missing; `outpost devices` lists what is there";
                let device = audio.device.clone().ok_or_else(|| self.wrong("audio.device", missing))?;
                Ok(SoundSource::Alsa { device })
            }
            Kind::Synth => {
                foreign("alsa", &of_alsa).and_then(|()| foreign("command", &of_command))?;
                match (audio.sound.unwrap_or_default(), audio.seed) {
                    (Sound::Scanner, seed) => Ok(SoundSource::Scanner { seed: seed.unwrap_or(1) }),
                    (Sound::Clapper, None) => Ok(SoundSource::Clapper),
                    (Sound::Clapper, Some(_)) => {
                        Err(self.wrong("audio.seed", "only sound = \"scanner\" has a seed; remove it"))
                    }
                }
            }
            Kind::Command => {
                foreign("alsa", &of_alsa).and_then(|()| foreign("synth", &of_synth))?;
                let command = self.command("audio.command", audio.command.as_deref())?;
                Ok(SoundSource::Command { command, input: self.input(audio.input.as_ref())? })
            }
        }
    }

    /// What a program prints has no header: it must be told.
    fn input(&self, input: Option<&Input>) -> Result<InputFormat, Wrong> {
        let format = input.and_then(|input| Some((input.rate?, input.channels?)));
        let (rate, channels) = format.ok_or_else(|| {
            self.wrong(
                "audio.input",
                "missing; say what the program prints, 16 bits a sample: input = { rate = 48000, channels = 1 }",
            )
        })?;
        if !(8_000..=192_000).contains(&rate) {
            let what = format!("{rate} is out of range; sound has from 8000 to 192000 samples a second");
            return Err(self.wrong("audio.input.rate", what));
        }
        if !(1..=8).contains(&channels) {
            let what = format!("{channels} is out of range; there are from 1 to 8 channels");
            return Err(self.wrong("audio.input.channels", what));
        }
        Ok(InputFormat { rate, channels })
    }

    /// A program with its arguments.
    pub(super) fn command(&self, key: &str, argv: Option<&[String]>) -> Result<CommandLine, Wrong> {
        let argv = argv.ok_or_else(|| {
            self.wrong(
                key,
                "missing; write the program and its arguments: [\"program\", \"--option\", \"value\"]",
            )
        })?;
        CommandLine::new(argv.to_vec()).ok_or_else(|| {
            self.wrong(key, "empty; the first word is the program, as [\"rtl_fm\", \"-f\", \"145.5M\"]")
        })
    }
}
