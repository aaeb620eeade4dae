//! `[stream.activity]`, as it is written and as it is checked.

use std::str::FromStr;

use serde::Deserialize;

use super::super::Length;
use super::super::fault::Wrong;
use super::super::values::written;
use super::Check;
use crate::detect::{self, Threshold};

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Activity {
    threshold: Option<Level>,
    attack: Option<Length>,
    hang: Option<Length>,
    shortest: Option<Length>,
}

/// `auto`, or whole dB below full scale.
#[derive(Clone, Copy, Deserialize)]
struct Level(#[serde(deserialize_with = "written")] WrittenThreshold);

#[derive(Clone, Copy)]
struct WrittenThreshold(Threshold);

impl FromStr for WrittenThreshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self(Threshold::Auto)),
            (_, Ok(level @ -90..=-3)) => Ok(Self(Threshold::At(level))),
            _ => Err(format!("{text:?} is no threshold; write \"auto\", or a level in dBFS from -90 to -3")),
        }
    }
}

impl Check<'_, '_> {
    pub(super) fn activity(&self, written: Activity) -> Result<detect::Settings, Wrong> {
        let usual = detect::Settings::default();
        Ok(detect::Settings {
            threshold: written.threshold.map_or(usual.threshold, |level| level.0.0),
            attack: self.length("activity.attack", written.attack, usual.attack, (20, 2_000))?,
            hang: self.length("activity.hang", written.hang, usual.hang, (100, 30_000))?,
            shortest: self.length("activity.shortest", written.shortest, usual.shortest, (50, 60_000))?,
        })
    }
}
