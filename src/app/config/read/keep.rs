//! `[stream.keep]`, as it is written and as it is checked.

use std::path::PathBuf;

use bytesize::ByteSize;
use serde::Deserialize;

use super::super::fault::Wrong;
use super::super::values::Memory;
use super::super::{BitRate, Length, StreamConfig, bytes};
use super::Check;
use crate::keep::{Settings, What};

/// Days of scanner traffic, and little of a card.
const BYTES: ByteSize = ByteSize::gb(4);
/// In milliseconds: an hour, which is a file of everything, and ten years.
const AGES: (i64, i64) = (3_600_000, 3650 * 24 * 3_600_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keep {
    folder: Option<PathBuf>,
    what: Option<What>,
    bytes: Option<Memory>,
    age: Option<Length>,
}

impl Check<'_, '_> {
    pub(super) fn keep(&self, keep: Keep, stream: &StreamConfig) -> Result<Settings, Wrong> {
        let Some(folder) = keep.folder else {
            let what = "missing; say where its files go: folder = \"/media/stick/radio\"";
            return Err(self.wrong("keep.folder", what));
        };
        if !folder.is_absolute() {
            let what =
                format!("{} depends on where Outpost is started; write its whole path", folder.display());
            return Err(self.wrong("keep.folder", what));
        }
        let what = keep.what.unwrap_or(What::Transmissions);
        if what == What::Transmissions && stream.audio.is_none() {
            let what = "there is no sound to find transmissions in; write what = \"everything\", or add [stream.audio]";
            return Err(self.wrong("keep.what", what));
        }
        let size = keep.bytes.map_or(BYTES, |bytes| bytes.0);
        let least = least(stream.window.length, stream.bitrate());
        if size < least {
            let what = format!(
                "{size} is too little: at {} four of the longest files take {least}; give more",
                stream.bitrate()
            );
            return Err(self.wrong("keep.bytes", what));
        }
        // There is no usual one.
        let age = keep.age.map(|age| self.length("keep.age", Some(age), age.0, AGES)).transpose()?;
        Ok(Settings { folder, what, bytes: size, age })
    }
}

/// What four of the longest files take: bounds must not hang on one.
fn least(window: Length, bitrate: BitRate) -> ByteSize {
    ByteSize(4 * bytes(Length(Settings::piece(window.0)), bitrate)).max(ByteSize::mib(4))
}
