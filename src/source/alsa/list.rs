//! What there is to capture from, for `outpost devices`.

use std::ops::RangeInclusive;

use ::alsa::device_name::HintIter;
use ::alsa::pcm::HwParams;
use ::alsa::{Card as AlsaCard, Direction};

use super::cards::{Card, Place};
use super::identity::DeviceId;
use super::trouble::{hush, log_said};
use super::{open_pcm, params};
use crate::source::kernel::{Roots, Use};

/// A device one can capture from.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CaptureDevice {
    /// What to write in the configuration: it means the same device after the next boot.
    pub id: DeviceId,
    /// For a USB card, its vendor, product and serial number: means it in any port, if it is the only one.
    pub model: Option<DeviceId>,
    /// ALSA's name for it.
    pub pcm: String,
    /// The name of the card, or the description of the PCM.
    pub description: String,
    /// Hardware, or a name that stands for something else.
    pub kind: Kind,
    /// What it can do; unknown while another program has it, and for mere names.
    pub offers: Option<Offers>,
    /// Whether it can be had.
    #[serde(rename = "use")]
    pub usage: Use,
}

/// What stands behind a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A capture device of a sound card.
    Hardware,
    /// A PCM defined in ALSA's configuration: a sound server, a shared device, a file.
    Named,
}

/// What a device can do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Offers {
    /// Least and most channels.
    pub channels: RangeInclusive<u32>,
    /// Lowest and highest rate, in Hz.
    pub rates: RangeInclusive<u32>,
    /// Sample formats, by ALSA's names.
    pub formats: Vec<String>,
}

/// A sound card that can capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundCard {
    /// ALSA's short name, as in `hw:CARD=…`.
    pub short: String,
    /// Its name for people.
    pub description: String,
    /// What captures on it, each by a name that means it after the next boot; at least one.
    pub captures: Vec<DeviceId>,
}

/// The sound cards that can capture, as the kernel numbers them. None of them is opened for capture.
pub fn present() -> Vec<SoundCard> {
    hush();
    let cards = present_in(&Roots::default());
    log_said("all cards");
    cards
}

fn present_in(roots: &Roots) -> Vec<SoundCard> {
    let cards = roots.cards().into_iter().filter(|card| !card.captures.is_empty());
    let cards = cards.map(|card| SoundCard {
        description: description(&card),
        captures: card.captures.iter().map(|&device| card.stable_id(device)).collect(),
        short: card.id,
    });
    cards.collect()
}

/// All capture devices of all sound cards, then the PCMs that ALSA's configuration names. Empty where the
/// machine has no sound at all.
pub fn list() -> Vec<CaptureDevice> {
    hush();
    let roots = Roots::default();
    let mut devices = hardware(&roots);
    devices.extend(named());
    log_said("all devices");
    devices
}

fn hardware(roots: &Roots) -> Vec<CaptureDevice> {
    let cards = roots.cards();
    let devices = cards.iter().flat_map(|card| {
        card.captures.iter().map(move |&device| {
            let place = Place { card: card.number, device };
            let (offers, usage) = probe(place, roots);
            CaptureDevice {
                id: card.stable_id(device),
                model: card.model_id(device),
                pcm: card.pcm(device),
                description: description(card),
                kind: Kind::Hardware,
                offers,
                usage,
            }
        })
    });
    devices.collect()
}

fn description(card: &Card) -> String {
    i32::try_from(card.number)
        .ok()
        .and_then(|number| AlsaCard::new(number).get_name().ok())
        .unwrap_or_else(|| card.id.clone())
}

fn probe(place: Place, roots: &Roots) -> (Option<Offers>, Use) {
    match open_pcm(&place.pcm()).and_then(|pcm| offers(&HwParams::any(&pcm)?)) {
        Ok(offers) => (Some(offers), Use::Free),
        Err(error) if [libc::EBUSY, libc::EAGAIN].contains(&error.errno()) => {
            (None, Use::Busy(place.holder(roots)))
        }
        Err(error) => (None, Use::Failed(std::io::Error::from_raw_os_error(error.errno()).to_string())),
    }
}

fn offers(hardware: &HwParams<'_>) -> ::alsa::Result<Offers> {
    Ok(Offers {
        channels: hardware.get_channels_min()?..=hardware.get_channels_max()?,
        rates: hardware.get_rate_min()?..=hardware.get_rate_max()?,
        formats: params::formats(hardware),
    })
}

/// Names are not opened: that could start a sound server, or wait for one.
fn named() -> Vec<CaptureDevice> {
    let Ok(hints) = HintIter::new(None, c"pcm") else { return vec![] };
    let devices = hints.filter_map(|hint| {
        let name = hint.name.filter(|name| name != "null" && !name.contains("CARD="))?;
        // No direction means both.
        if hint.direction == Some(Direction::Playback) {
            return None;
        }
        Some(CaptureDevice {
            id: DeviceId::Pcm(name.clone()),
            model: None,
            pcm: name,
            description: hint.desc.unwrap_or_default().replace('\n', ", "),
            kind: Kind::Named,
            offers: None,
            usage: Use::Unknown,
        })
    });
    devices.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::alsa::cards::tests::{CMEDIA, Tree};

    #[test]
    fn each_capture_device_is_a_row_even_if_it_cannot_be_opened() {
        let tree = Tree::new();
        // Numbers that no machine this runs on has.
        tree.card("pci0000:00/0000:00:1f.3", 30, "PCH30", &[0, 2]);
        tree.card("platform/bcm2835_audio", 29, "Headphones29", &[]);
        tree.usb("1-1.2", 31, CMEDIA, None);
        hush();
        let devices = hardware(&tree.roots());
        let rows: Vec<_> = devices
            .iter()
            .map(|device| {
                let model = device.model.clone().map(String::from).unwrap_or_default();
                (device.id.to_string(), model, device.pcm.as_str(), device.description.as_str())
            })
            .collect();
        let row = |id: &str, model: &str, pcm, description| (id.into(), model.into(), pcm, description);
        assert_eq!(
            rows,
            [
                row("hw:CARD=PCH30,DEV=0", "", "hw:CARD=PCH30,DEV=0", "PCH30"),
                row("hw:CARD=PCH30,DEV=2", "", "hw:CARD=PCH30,DEV=2", "PCH30"),
                row("usb:1-1.2", "usb:0d8c:0014", "hw:CARD=Device_31,DEV=0", "Device_31"),
            ]
        );
        for device in &devices {
            assert_eq!((device.kind, &device.offers), (Kind::Hardware, &None));
            assert!(matches!(&device.usage, Use::Failed(reason) if !reason.is_empty()), "{device:?}");
        }
    }

    #[test]
    fn cards_that_cannot_capture_are_left_out() {
        let tree = Tree::new();
        tree.card("pci0000:00/0000:00:1f.3", 30, "PCH30", &[0, 2]);
        tree.card("platform/bcm2835_audio", 29, "Headphones29", &[]);
        tree.usb("1-1.2", 31, CMEDIA, None);
        hush();
        let card = |name: &str, captures: &[&str]| SoundCard {
            short: name.to_owned(),
            description: name.to_owned(),
            captures: captures.iter().map(|id| id.parse().expect("a device")).collect(),
        };
        let expected = [
            card("PCH30", &["hw:CARD=PCH30,DEV=0", "hw:CARD=PCH30,DEV=2"]),
            card("Device_31", &["usb:1-1.2"]),
        ];
        assert_eq!(present_in(&tree.roots()), expected);
        let before = tree.roots().plugged();
        tree.usb("1-1.4", 32, CMEDIA, None);
        assert_ne!(tree.roots().plugged(), before);
    }

    #[test]
    fn what_can_do_anything_offers_all_our_formats() {
        hush();
        let pcm = open_pcm("null").expect("ALSA's configuration has it");
        let offers = HwParams::any(&pcm).and_then(|hardware| offers(&hardware)).expect("null tells");
        for format in ["S16_LE", "S24_LE", "S24_3LE", "S32_LE", "FLOAT_LE"] {
            assert!(offers.formats.iter().any(|offered| offered == format), "{format}: {offers:?}");
        }
        assert!(offers.channels.contains(&2) && offers.rates.contains(&48_000), "{offers:?}");
    }
}
