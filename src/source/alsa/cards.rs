//! The sound cards the kernel knows: which of them a [`DeviceId`] means at this moment, and who holds it.
//!
//! Belongs here: reading /sys/class/sound and /proc/asound. Does not: opening anything.

use std::fs;
use std::path::Path;

use super::identity::DeviceId;
use super::trouble::Trouble;
use crate::source::Signal;
use crate::source::kernel::{Holder, Roots, line, names};
use crate::source::usb::{Usb, UsbMark};

/// One sound card as it is numbered now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) number: u32,
    /// ALSA's short name, as in `hw:CARD=…`.
    pub(super) id: String,
    pub(super) usb: Option<Usb>,
    /// Numbers of the PCM devices that can capture, ascending.
    pub(super) captures: Vec<u32>,
}

/// A capture PCM of a card, by the numbers of the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) card: u32,
    pub(super) device: u32,
}

/// What to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The name to give to ALSA.
    pub(super) pcm: String,
    /// Where it sits, if that is known to be one of a card's.
    pub(super) place: Option<Place>,
}

impl Place {
    /// ALSA's name for it now.
    pub(super) fn pcm(self) -> String {
        format!("hw:{},{}", self.card, self.device)
    }

    /// Who has this capture PCM open.
    pub(super) fn holder(self, roots: &Roots) -> Option<Holder> {
        let pcm = roots.proc.join(format!("asound/card{}/pcm{}c", self.card, self.device));
        let mut substreams = names(&pcm);
        substreams.sort();
        substreams.iter().find_map(|substream| {
            let status = fs::read_to_string(pcm.join(substream).join("status")).ok()?;
            // `closed`, or lines of `key : value` (sound/core/pcm.c, snd_pcm_substream_proc_status_read).
            let owner = status.lines().find_map(|line| line.strip_prefix("owner_pid"))?;
            let pid = owner.trim_start_matches([' ', '\t', ':']).trim().parse().ok()?;
            Some(roots.holder(pid))
        })
    }
}

impl Card {
    /// ALSA's name for one of its capture devices, with the card's short name instead of its number.
    pub(super) fn pcm(&self, device: u32) -> String {
        format!("hw:CARD={},DEV={device}", self.id)
    }

    /// What means this capture device after the next boot too: its USB port, and for a card that is
    /// soldered or screwed in, its short name.
    pub(super) fn stable_id(&self, device: u32) -> DeviceId {
        match &self.usb {
            Some(usb) => {
                DeviceId::Usb { mark: UsbMark::Port(usb.port.clone()), device: self.unless_first(device) }
            }
            None => DeviceId::Pcm(self.pcm(device)),
        }
    }

    /// What means this capture device in any USB port.
    pub(super) fn model_id(&self, device: u32) -> Option<DeviceId> {
        let id = DeviceId::Usb { mark: self.usb.as_ref()?.model(), device: self.unless_first(device) };
        // Unless its serial number is one that cannot be written down.
        (id.to_string().parse().as_ref() == Ok(&id)).then_some(id)
    }

    fn unless_first(&self, device: u32) -> Option<u32> {
        (self.captures.first() != Some(&device)).then_some(device)
    }
}

impl Roots {
    /// All cards, by number. None where the kernel has no sound at all.
    pub(super) fn cards(&self) -> Vec<Card> {
        let class = self.sys.join("class/sound");
        let mut cards: Vec<_> = names(&class)
            .iter()
            .filter_map(|name| read_card(&class.join(name), name.strip_prefix("card")?.parse().ok()?))
            .collect();
        cards.sort_by_key(|card| card.number);
        cards
    }

    /// What `id` means now.
    pub(super) fn find(&self, id: &DeviceId) -> Result<Target, Trouble> {
        let (mark, device) = match id {
            DeviceId::Pcm(name) => return Ok(Target { pcm: name.clone(), place: self.place_in_name(name) }),
            DeviceId::Usb { mark, device } => (mark, *device),
        };
        let cards = self.cards();
        let found: Vec<_> = cards
            .iter()
            .filter_map(|card| Some((card, card.usb.as_ref().filter(|usb| usb.answers_to(mark))?)))
            .collect();
        match found[..] {
            [] => Err(absent(&cards)),
            [(card, _)] => {
                let place = place_on(card, device)?;
                Ok(Target { pcm: place.pcm(), place: Some(place) })
            }
            _ => Err(ambiguous(&found)),
        }
    }

    /// `hw:1,0`, `plughw:CARD=Device,DEV=1`: the card and device such a name means.
    fn place_in_name(&self, name: &str) -> Option<Place> {
        let (_, arguments) = name.split_once(':')?;
        let mut arguments = arguments.split(',');
        let value = |argument: &'_ str| argument.rsplit('=').next().unwrap_or_default().to_owned();
        let card = value(arguments.next()?);
        let device = arguments.next().map_or(Some(0), |device| value(device).parse().ok())?;
        let number = card.parse().ok().or_else(|| {
            let cards = self.cards();
            cards.iter().find(|known| known.id == card).map(|known| known.number)
        });
        Some(Place { card: number?, device })
    }
}

fn read_card(link: &Path, number: u32) -> Option<Card> {
    let id = line(&link.join("id"))?;
    let mut captures: Vec<u32> = names(link)
        .iter()
        .filter_map(|name| name.strip_prefix(&format!("pcmC{number}D"))?.strip_suffix('c')?.parse().ok())
        .collect();
    captures.sort_unstable();
    // Where the class's link leads lies below the card's device: for USB …/1-1/1-1.2/1-1.2:1.0/sound/card1.
    let usb = Usb::above(&fs::canonicalize(link).ok()?);
    Some(Card { number, id, usb, captures })
}

fn place_on(card: &Card, device: Option<u32>) -> Result<Place, Trouble> {
    let device = match device {
        Some(wanted) => card.captures.iter().find(|known| **known == wanted),
        None => card.captures.first(),
    };
    match device {
        Some(&device) => Ok(Place { card: card.number, device }),
        None => Err(Trouble::new(
            Signal::NoDevice,
            match card.captures[..] {
                [] => format!("the card {} is there, but cannot capture", card.id),
                _ => format!("the card {} has capture devices {:?} only", card.id, card.captures),
            },
            "see `outpost devices` for those that can",
        )),
    }
}

fn absent(cards: &[Card]) -> Trouble {
    let ports: Vec<_> = cards.iter().filter_map(|card| Some(card.usb.as_ref()?.port.as_str())).collect();
    let present = match ports[..] {
        [] => "no USB sound card is plugged in".to_owned(),
        _ => format!("USB sound cards are at {} only", ports.join(", ")),
    };
    Trouble::new(
        Signal::NoDevice,
        format!("it is not plugged in ({present})"),
        "plug it in, or see `outpost devices` for what is there",
    )
}

fn ambiguous(found: &[(&Card, &Usb)]) -> Trouble {
    let ports: Vec<_> = found.iter().map(|(_, usb)| format!("usb:{}", usb.port)).collect();
    Trouble::new(
        Signal::Failed,
        format!("{} cards answer to it, at {}", found.len(), ports.join(" and ")),
        "name the one you mean by its port",
    )
}

#[cfg(test)]
#[path = "cards_tests.rs"]
pub(super) mod tests;
