//! Which of a camera's formats to take: what costs least for what is asked.
//!
//! Belongs here: the choice and its reason, as pure functions. Does not: asking the camera.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use crate::media::{FrameRate, Size};
use crate::source::video::{Coding, Wanted};
use crate::sys::v4l2::{FourCc, four_cc};

/// A layout of pictures that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// Y, then U and V interleaved: used as it is.
    Nv12,
    /// Y, U and V apart: used as it is.
    Yu12,
    /// 4:2:2, to be repacked.
    Yuyv,
    /// Motion JPEG, to be decoded.
    Mjpeg,
    /// H.264, to be passed on.
    H264,
}

/// What the configuration says about the layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum FormatChoice {
    /// What costs least.
    #[default]
    Auto,
    /// This one.
    Only(Layout),
}

/// One way in which a camera can deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) layout: Layout,
    pub(super) size: Size,
    /// The rate nearest to the wanted one, not below it if possible; none if the camera does not tell.
    pub(super) rate: Option<FrameRate>,
}

/// What to take, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) offer: Offer,
    /// `YUYV 640x480 at 30, scaled to 1280x720: the largest it has`.
    pub(super) about: String,
}

impl Layout {
    /// All of them, the one that costs least first.
    pub(super) const ALL: [Self; 5] = [Self::Nv12, Self::Yu12, Self::Yuyv, Self::Mjpeg, Self::H264];

    /// What the configuration calls it.
    fn word(self) -> &'static str {
        match self {
            Self::Nv12 => "nv12",
            Self::Yu12 => "yu12",
            Self::Yuyv => "yuyv",
            Self::Mjpeg => "mjpeg",
            Self::H264 => "h264",
        }
    }

    pub(super) fn of(found: FourCc) -> Option<Self> {
        match found {
            four_cc::NV12 => Some(Self::Nv12),
            four_cc::YU12 => Some(Self::Yu12),
            four_cc::YUYV => Some(Self::Yuyv),
            four_cc::MJPG | four_cc::JPEG => Some(Self::Mjpeg),
            four_cc::H264 => Some(Self::H264),
            _ => None,
        }
    }

    /// What is to be done with it: layouts of one cost are equally good.
    fn cost(self) -> u32 {
        match self {
            Self::Nv12 | Self::Yu12 => 0,
            Self::Yuyv => 1,
            Self::Mjpeg => 2,
            Self::H264 => 3,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word().to_ascii_uppercase())
    }
}

impl FromStr for FormatChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let layout = Layout::ALL.into_iter().find(|layout| layout.word() == text);
        layout.map(Self::Only).ok_or_else(|| {
            format!("{text:?} is no format of cameras; write \"auto\", \"h264\", \"nv12\", \"yu12\", \"yuyv\" or \"mjpeg\"")
        })
    }
}

impl TryFrom<String> for FormatChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for FormatChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Only(layout) => f.write_str(layout.word()),
        }
    }
}

/// How well a size serves, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    /// Larger, of the same shape.
    Scaled,
    /// Larger, of another shape: there will be black bars.
    Barred,
    /// Too small on one side at least: the larger, the better.
    Small(Reverse<usize>),
}

impl Fit {
    fn of(size: Size, wanted: Size) -> Self {
        let covers = size.width() >= wanted.width() && size.height() >= wanted.height();
        if size == wanted {
            Self::Exact
        } else if !covers {
            Self::Small(Reverse(size.bytes()))
        } else if size.width() * wanted.height() == size.height() * wanted.width() {
            Self::Scaled
        } else {
            Self::Barred
        }
    }

    /// The same for H.264, which cannot be scaled: what was not asked for is better smaller than larger.
    fn of_coded(size: Size, wanted: Size) -> (u32, Reverse<usize>, usize) {
        match Self::of(size, wanted) {
            Self::Exact => (0, Reverse(0), 0),
            Self::Small(larger) if size.width() <= wanted.width() && size.height() <= wanted.height() => {
                (1, larger, 0)
            }
            _ => (2, Reverse(0), size.bytes()),
        }
    }
}

/// Thousandths of a picture per second that one sees of it: no more than are wanted; all of them if unknown.
fn rate_of(offer: &Offer, wanted: Wanted) -> u32 {
    let thousandths = |rate: FrameRate| (rate.hertz() * 1000.0).round() as u32;
    let most = thousandths(wanted.rate);
    offer.rate.map_or(most, |rate| thousandths(rate).min(most))
}

impl Plan {
    /// Whether it is all that is wanted.
    pub(super) fn serves(&self, wanted: Wanted) -> bool {
        self.offer.size == wanted.size
            && rate_of(&self.offer, wanted) == rate_of(&Offer { rate: None, ..self.offer }, wanted)
    }
}

/// The best of `offers` for what is wanted, delivered as `coding`; none if there is none of that coding and
/// format.
///
/// The size comes first, because there is no making up for pixels that are missing; then the rate; then what
/// the layout costs.
pub(super) fn choose(offers: &[Offer], wanted: Wanted, coding: Coding, format: FormatChoice) -> Option<Plan> {
    let usable = |offer: &&Offer| match format {
        FormatChoice::Auto => (offer.layout == Layout::H264) == (coding == Coding::H264),
        FormatChoice::Only(layout) => offer.layout == layout,
    };
    let usable: Vec<Offer> = offers.iter().filter(usable).copied().collect();
    let offer = match coding {
        Coding::H264 => usable
            .iter()
            .min_by_key(|offer| (Fit::of_coded(offer.size, wanted.size), Reverse(rate_of(offer, wanted)))),
        Coding::Raw => usable.iter().min_by_key(|offer| {
            let rate = Reverse(rate_of(offer, wanted));
            (Fit::of(offer.size, wanted.size), rate, offer.layout.cost(), offer.size.bytes(), offer.layout)
        }),
    };
    let offer = *offer?;
    Some(Plan { about: about(offer, &usable, wanted, format), offer })
}

/// What is to be taken, in words, and why.
fn about(offer: Offer, usable: &[Offer], wanted: Wanted, format: FormatChoice) -> String {
    let mut text = format!("{} {}", offer.layout, offer.size);
    if let Some(rate) = offer.rate {
        text += &format!(" at {rate}");
    }
    let mut reasons = Vec::new();
    if offer.layout == Layout::H264 {
        if offer.size != wanted.size {
            reasons.push(format!("the nearest to {} it codes itself", wanted.size));
        } else {
            reasons.push("the camera codes it itself".to_owned());
        }
    } else {
        match Fit::of(offer.size, wanted.size) {
            Fit::Exact => {}
            Fit::Scaled | Fit::Barred => reasons.push("no smaller size serves".to_owned()),
            Fit::Small(_) => reasons.push("the largest it has".to_owned()),
        }
        if offer.size != wanted.size {
            text += &format!(", scaled to {}", wanted.size);
        }
        reasons.push(cost_reason(offer, usable, wanted, format));
    }
    if rate_of(&offer, wanted) < rate_of(&Offer { rate: None, ..offer }, wanted) {
        reasons.push(format!("no format reaches {} pictures a second at this size", wanted.rate));
    }
    format!("{text}: {}", reasons.join("; "))
}

/// Why this layout and not one that costs less.
fn cost_reason(offer: Offer, usable: &[Offer], wanted: Wanted, format: FormatChoice) -> String {
    if let FormatChoice::Only(layout) = format {
        return format!("{layout} is what the configuration asks for");
    }
    let cheaper = usable.iter().filter(|other| other.layout.cost() < offer.layout.cost());
    // The most persuasive of them: the one that comes nearest.
    let rival = cheaper.min_by_key(|other| {
        (Fit::of(other.size, wanted.size), Reverse(rate_of(other, wanted)), other.layout.cost())
    });
    match rival {
        None if offer.layout.cost() == 0 => "it needs no conversion".to_owned(),
        None => "it offers nothing that costs less".to_owned(),
        Some(rival) if rival.size != offer.size => {
            format!("{} comes only in {}", rival.layout, rival.size)
        }
        Some(Offer { layout, rate: Some(rate), .. }) => format!("{layout} reaches only {rate} at this size"),
        Some(Offer { layout, rate: None, .. }) => format!("{layout} is slower"),
    }
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
