//! One stream's encoder: fed with pictures of its size, replaced when it fails.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Backoff, Chain, Monotonic};
use crate::encode::choose::Choice;
use crate::encode::{Ask, Tuning, VideoError};
use crate::media::{Packet, VideoFrame};

use super::sizes::Sizes;
use super::stats::{Sent, VideoStats};

/// Where encoders come from: the one to begin with for `None`, another in place of one that failed so.
pub type Encoders = Box<dyn FnMut(Option<&VideoError>) -> Result<Choice, VideoError> + Send>;

/// Waits before another encoder is sought, where the last one did not hold or there was none.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What became of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was encoded.
    Encoded,
    /// It was not, but there is an encoder now that will; what it makes does not follow what was made before.
    Opened,
    /// It is lost.
    Lost,
}

enum State {
    Open(Choice),
    /// Why there is none any more, and when to seek another.
    Closed {
        cause: Option<VideoError>,
        retry: Monotonic,
    },
}

/// An encoder that is there, or sought again.
pub(super) struct Coder {
    stream: String,
    state: State,
    encoders: Encoders,
    /// When the encoder was taken in place of another.
    replaced: Option<Monotonic>,
    backoff: Backoff,
    /// What the encoder may use, if not what it was made for.
    tuning: Option<Tuning>,
    stats: Arc<VideoStats>,
}

impl Coder {
    /// Begins with `choice`; without one, the first picture opens an encoder.
    pub(super) fn new(
        stream: &str,
        choice: Option<Choice>,
        encoders: Encoders,
        stats: Arc<VideoStats>,
    ) -> Self {
        Self {
            stream: stream.to_owned(),
            state: choice.map_or(State::UNOPENED, State::Open),
            encoders,
            replaced: None,
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
            tuning: None,
            stats,
        }
    }

    /// Gives the encoder up until there is a picture again.
    pub(super) fn close(&mut self) {
        self.state = State::UNOPENED;
    }

    /// What it makes; `None` without an encoder.
    pub(super) fn sent(&self) -> Option<Sent> {
        let State::Open(Choice { encoder, why }) = &self.state else { return None };
        let encoder_name = encoder.name().to_owned();
        Some(Sent { config: encoder.config().clone(), encoder: encoder_name, why: why.clone() })
    }

    /// Encodes a picture, scaled if the encoder wants another size.
    pub(super) fn encode(
        &mut self,
        frame: &VideoFrame<'_>,
        sizes: &mut Sizes,
        ask: Ask,
        unit: &mut dyn FnMut(&Packet<'_>),
    ) -> Outcome {
        let now = frame.pts.to_monotonic();
        let encoder = match &mut self.state {
            State::Open(choice) => &mut choice.encoder,
            State::Closed { retry, .. } if now < *retry => return Outcome::Lost,
            State::Closed { cause, .. } => {
                let cause = cause.take();
                return self.open(cause, now);
            }
        };
        let wanted = encoder.config().size;
        let frame = if wanted == frame.size {
            *frame
        } else {
            let Ok(picture) = sizes.scaled(frame, wanted) else {
                return Outcome::Lost; // its planes are shorter than they should be
            };
            VideoFrame { pts: frame.pts, size: wanted, planes: picture.planes(), memory: None }
        };
        match encoder.encode(&frame, ask, unit) {
            Ok(()) => Outcome::Encoded,
            Err(error) => self.give_up(error, now),
        }
    }

    /// Changes what the encoder may use, and those that may come after it.
    pub(super) fn tune(&mut self, tuning: Tuning) {
        self.tuning = Some(tuning);
        if let State::Open(Choice { encoder, .. }) = &mut self.state
            && let Err(error) = encoder.tune(tuning)
        {
            let error = Chain(&error);
            tracing::warn!(stream = self.stream, %error, "the encoder cannot be told what it may use now");
        }
    }

    /// The encoder failed. One that has held is replaced at once, one that has not after a while.
    fn give_up(&mut self, error: VideoError, now: Monotonic) -> Outcome {
        self.stats.errors.increment();
        if self.replaced.is_none_or(|replaced| now.since(replaced) >= LAST_RETRY) {
            self.backoff.reset();
            return self.open(Some(error), now);
        }
        tracing::error!(stream = self.stream, error = %Chain(&error), "pictures are lost in encoding");
        self.state = State::Closed { cause: Some(error), retry: now + self.backoff.wait() };
        Outcome::Lost
    }

    fn open(&mut self, failed: Option<VideoError>, now: Monotonic) -> Outcome {
        // Two encoders at once may be more than the board can carry.
        let had = matches!(std::mem::replace(&mut self.state, State::UNOPENED), State::Open(_));
        match (self.encoders)(failed.as_ref()) {
            Ok(choice) => {
                if let Some(failed) = &failed {
                    let (name, size) = (choice.encoder.name(), choice.encoder.config().size);
                    tracing::warn!(
                        stream = self.stream,
                        failed = %Chain(failed),
                        "another encoder goes on: {name} at {size}, {}",
                        choice.why
                    );
                    self.replaced = Some(now);
                }
                self.state = State::Open(choice);
                if let Some(tuning) = self.tuning {
                    self.tune(tuning);
                }
                Outcome::Opened
            }
            Err(none) => {
                if had || failed.is_none() {
                    let failed = failed.as_ref().map(|failed| tracing::field::display(Chain(failed)));
                    tracing::error!(stream = self.stream, failed, error = %Chain(&none), "no encoder, so no pictures");
                }
                let retry = now + self.backoff.wait();
                self.state = State::Closed { cause: Some(failed.unwrap_or(none)), retry };
                Outcome::Lost
            }
        }
    }
}

impl State {
    const UNOPENED: Self = Self::Closed { cause: None, retry: Monotonic::from_nanos(i64::MIN) };
}
