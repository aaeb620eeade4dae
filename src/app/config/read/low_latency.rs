//! `[stream.low_latency]`, as it is written and as it is checked.

use serde::Deserialize;

use super::super::fault::Wrong;
use super::super::{Length, LowLatencySettings, StreamConfig};
use super::Check;
use crate::base::Span;

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LowLatency {
    part: Option<Length>,
    length: Option<Length>,
}

impl Check<'_, '_> {
    pub(super) fn low_latency(
        &self,
        written: LowLatency,
        stream: &StreamConfig,
    ) -> Result<LowLatencySettings, Wrong> {
        if stream.encryption.is_some() {
            let what = "parts are sent in the clear, and this stream is enciphered; remove [stream.low_latency] or \
                        [stream.encryption]";
            return Err(self.wrong("low_latency", what));
        }
        let usual = LowLatencySettings::default();
        let window = &stream.window;
        let part = written.part.unwrap_or(usual.part);
        let length = written.length.unwrap_or(usual.length.min(window.length));
        let (low, high) = (Length(Span::from_millis(100)), Length(Span::from_millis(1_000)));
        if !(low..=high).contains(&part) {
            let what = format!("{part} is out of range; a part lasts from {low} to {high}");
            return Err(self.wrong("low_latency.part", what));
        }
        if length > window.length {
            let what = format!(
                "{length} is longer than the stream's own window, {}; make it shorter, or that one longer",
                window.length
            );
            return Err(self.wrong("low_latency.length", what));
        }
        Ok(LowLatencySettings { part, length })
    }
}
