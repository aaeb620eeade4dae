//! Programs whose standard output is sound or picture: `rpicam-vid`, `rtl_fm`, `ffmpeg`, a script.
//!
//! Belongs here: starting them, reading them, ending them with all that they started, and telling in their own
//! words why they ended. Does not: starting them again, which is the keeper's work: each opening is a start.

mod audio;
mod coded;
mod pace;
mod process;
mod raw;
mod video;
mod words;

pub use audio::CommandAudio;
pub use video::{CommandVideo, VideoOutput};

use std::fmt;

/// A program and its arguments; no shell reads them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandLine(Vec<String>);

impl CommandLine {
    /// Program and arguments; `None` if there is no program, or a word has a zero byte in it, which no program
    /// can be given.
    pub fn new(argv: Vec<String>) -> Option<Self> {
        let has_program = argv.first().is_some_and(|program| !program.is_empty());
        (has_program && !argv.iter().any(|word| word.contains('\0'))).then_some(Self(argv))
    }

    /// The first word: a name to be looked for in PATH, or a path.
    pub fn program(&self) -> &str {
        &self.0[0]
    }

    /// The other words.
    pub fn arguments(&self) -> &[String] {
        &self.0[1..]
    }
}

/// As one would type it into a shell.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c);
        for (number, word) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(" ")?;
            }
            if !word.is_empty() && word.chars().all(plain) {
                f.write_str(word)?;
            } else {
                write!(f, "'{}'", word.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
