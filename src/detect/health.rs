//! What ails a receiver, as far as it can be heard.
//!
//! Belongs here: naming it, from what is heard and what was found. Does not: signs that need no ear (a device that is
//! gone: `source` tells).

use super::{Detector, Happening, STEP, Step};
use crate::base::Span;

/// Nothing has moved for so long: no input hears that.
const DEAD: Span = Span::from_millis(10_000);
/// Samples that differ by less are the same: an eighth of the last of 16 bits.
const SAME: f32 = 4e-6;
/// Hum for so long without a transmission: nothing is connected at the other end.
const HUMMING: Span = Span::from_millis(30_000);
/// Fainter hum, in dBFS, is nothing to mention.
const HUM_DBFS: f32 = -55.0;
/// A lead that is pulled out makes an input quieter by so much, in dB, for so long.
const FALL_DB: f32 = 12.0;
const FALLEN: Span = Span::from_millis(15_000);
/// The usual floor is known after so long, and followed as fast as that.
const USUAL: Span = Span::from_millis(60_000);
/// A floor whose treble is louder hisses: what is heard without a carrier if no squelch is closed, for so long.
const HISS_DBFS: f32 = -45.0;
const HISSING: Span = Span::from_millis(60_000);
/// Clipped samples among those of a transmission: one of so many is heard.
const CLIPPED_OF: u64 = 500;
/// So many transmissions in a row, each fainter than that in dBFS, are no accident.
const FAINT_IN_A_ROW: u32 = 3;
const FAINT_DBFS: f32 = -45.0;

/// How a receiver is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Health {
    /// Nothing to complain of; it may well be quiet.
    #[default]
    Well,
    /// The input delivers the same sample again and again: muted, switched off, or a program that sends nothing.
    Dead,
    /// Hum and no radio: the lead hangs in the air at the radio's end.
    Hum,
    /// It became much quieter than it uses to be when nobody speaks: the lead is out.
    Unplugged,
    /// Noise without end: the squelch is open.
    OpenSquelch,
    /// Transmissions are louder than the input can take.
    Clipping,
    /// Transmissions hardly stand out: turned down too far.
    Faint,
}

impl Health {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Well, Self::Dead, Self::Hum, Self::Unplugged, Self::OpenSquelch, Self::Clipping, Self::Faint];

    /// Its name, as programs are told it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Dead => "dead",
            Self::Hum => "hum",
            Self::Unplugged => "unplugged",
            Self::OpenSquelch => "open-squelch",
            Self::Clipping => "clipping",
            Self::Faint => "faint",
        }
    }

    /// What is to be done about it; nothing if it is well.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Well => "",
            Self::Dead => {
                "the input is silent to the last bit: is it muted, or the radio or program behind it off?"
            }
            Self::Hum => "only hum is heard: is the lead plugged in at the radio?",
            Self::Unplugged => "it is much quieter than it uses to be: is the lead plugged in at the box?",
            Self::OpenSquelch => "noise without end: close the radio's squelch",
            Self::Clipping => "it is too loud for the input: turn the radio down",
            Self::Faint => "transmissions hardly stand out: turn the radio up",
        }
    }
}

/// Watches over a receiver.
#[derive(Debug, Default)]
pub struct Monitor {
    health: Health,
    still: Span,
    humming: Span,
    hissing: Span,
    fallen: Span,
    /// The floor there usually is in dBFS, and for how long it has been followed.
    usual: (f32, Span),
    /// Samples of the transmission going on, and those that were clipped.
    clipped: (u64, u64),
    clips: bool,
    faint: u32,
}

impl Monitor {
    /// Hears what `detector` has just heard and found. Tells how the receiver is if that has changed.
    pub fn hear(&mut self, step: &Step, detector: &Detector, found: Option<&Happening>) -> Option<Health> {
        self.count(step, detector);
        match found {
            Some(Happening::Began { .. }) => {
                // Somebody is heard: the lead is in, and what hums or hisses does so beside it.
                (self.humming, self.hissing, self.fallen) = (Span::ZERO, Span::ZERO, Span::ZERO);
                self.usual.1 = if self.health == Health::Unplugged { Span::ZERO } else { self.usual.1 };
                self.clipped = (0, 0);
            }
            Some(Happening::Ended(it)) => {
                let (samples, clipped) = self.clipped;
                self.clips = clipped * CLIPPED_OF > samples;
                self.faint = if it.level < FAINT_DBFS { self.faint + 1 } else { 0 };
            }
            None => {}
        }
        let health = self.judge();
        (std::mem::replace(&mut self.health, health) != health).then_some(health)
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.health
    }

    fn count(&mut self, step: &Step, detector: &Detector) {
        let longer = |span: &mut Span, goes_on: bool| *span = if goes_on { *span + STEP } else { Span::ZERO };
        longer(&mut self.still, step.swing < SAME);
        if detector.is_open() {
            self.clipped.0 += u64::from(Step::SAMPLES);
            self.clipped.1 += u64::from(step.clipped);
            return;
        }
        longer(&mut self.humming, detector.hums(HUM_DBFS));
        let Some((floor, treble)) = detector.floor() else { return };
        longer(&mut self.hissing, treble > HISS_DBFS);
        let (usual, known) = &mut self.usual;
        // A receiver that hissed, and does no longer, has got its squelch closed.
        let falls = *known >= USUAL && *usual < HISS_DBFS && floor < *usual - FALL_DB;
        longer(&mut self.fallen, falls);
        if !falls {
            let time = (*known).clamp(STEP, USUAL);
            *usual += (floor - *usual) * STEP.ticks() as f32 / time.ticks() as f32;
            *known = (*known + STEP).min(USUAL);
        }
    }

    fn judge(&self) -> Health {
        match () {
            () if self.still >= DEAD => Health::Dead,
            () if self.fallen >= FALLEN => Health::Unplugged,
            () if self.humming >= HUMMING => Health::Hum,
            () if self.hissing >= HISSING => Health::OpenSquelch,
            () if self.clips => Health::Clipping,
            () if self.faint >= FAINT_IN_A_ROW => Health::Faint,
            () => Health::Well,
        }
    }
}
