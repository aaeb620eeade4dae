//! Trees as the kernel shows them, with a card here and a card there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::source::Signal;

/// A directory with a sysfs and a procfs in it, gone when dropped.
pub(in crate::source::alsa) struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Tree {
    pub(in crate::source::alsa) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("outpost-cards-{}-{count}", std::process::id()));
        fs::create_dir_all(root.join("sys/class/sound")).expect("a temporary directory");
        Self(root)
    }

    pub(in crate::source::alsa) fn roots(&self) -> Roots {
        Roots { sys: self.0.join("sys"), proc: self.0.join("proc"), dev: self.0.join("dev") }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// A card below `parent` (a directory of /sys/devices), with these capture devices.
    pub(in crate::source::alsa) fn card(&self, parent: &str, number: u32, id: &str, captures: &[u32]) {
        let directory = format!("sys/devices/{parent}/sound/card{number}");
        self.write(&format!("{directory}/id"), &format!("{id}\n"));
        self.write(&format!("{directory}/controlC{number}/dev"), "116:0\n");
        self.write(&format!("{directory}/pcmC{number}D0p/dev"), "116:1\n");
        for device in captures {
            self.write(&format!("{directory}/pcmC{number}D{device}c/dev"), "116:2\n");
        }
        let link = self.0.join(format!("sys/class/sound/card{number}"));
        symlink(format!("../../devices/{parent}/sound/card{number}"), link).expect("a link");
    }

    pub(in crate::source::alsa) fn usb(
        &self,
        port: &str,
        number: u32,
        model: (&str, &str),
        serial: Option<&str>,
    ) {
        let device = format!("platform/soc/usb1/1-1/{port}");
        self.write("sys/devices/platform/soc/usb1/1-1/idVendor", "2109\n"); // the hub above
        self.write("sys/devices/platform/soc/usb1/1-1/idProduct", "3431\n");
        self.write(&format!("sys/devices/{device}/idVendor"), &format!("{}\n", model.0));
        self.write(&format!("sys/devices/{device}/idProduct"), &format!("{}\n", model.1));
        if let Some(serial) = serial {
            self.write(&format!("sys/devices/{device}/serial"), &format!("{serial}\n"));
        }
        let id = if number == 0 { "Device".to_owned() } else { format!("Device_{number}") };
        self.card(&format!("{device}/{port}:1.0"), number, &id, &[0]);
    }

    fn find(&self, id: &str) -> Result<Target, Trouble> {
        self.roots().find(&id.parse().expect("a device name"))
    }

    fn found(&self, id: &str) -> (u32, u32) {
        let target = self.find(id).unwrap_or_else(|trouble| panic!("{id}: {trouble:?}"));
        let place = target.place.unwrap_or_else(|| panic!("{id}: no place"));
        (place.card, place.device)
    }
}

pub(in crate::source::alsa) const CMEDIA: (&str, &str) = ("0d8c", "0014");

#[test]
fn a_card_is_found_whatever_its_number() {
    for number in [0, 1, 7, 31] {
        let tree = Tree::new();
        tree.card("platform/bcm2835_audio", 2, "Headphones", &[]);
        tree.usb("1-1.2", number, CMEDIA, Some("A7"));
        for id in ["usb:1-1.2", "usb:1-1.2,0", "usb:0d8c:0014", "usb:0D8C:0014:A7"] {
            assert_eq!(tree.found(id), (number, 0), "{id}");
            assert_eq!(tree.find(id).expect(id).pcm, format!("hw:{number},0"));
        }
    }
}

#[test]
fn two_alike_are_told_apart_by_port_or_serial_and_never_guessed() {
    let tree = Tree::new();
    tree.usb("1-1.2", 1, CMEDIA, Some("A7"));
    tree.usb("1-1.4", 2, CMEDIA, None);
    assert_eq!(tree.found("usb:1-1.4"), (2, 0));
    assert_eq!(tree.found("usb:0d8c:0014:A7"), (1, 0));
    let trouble = tree.find("usb:0d8c:0014").expect_err("two answer");
    assert_eq!(trouble.signal, Signal::Failed);
    assert_eq!(trouble.problem, "2 cards answer to it, at usb:1-1.2 and usb:1-1.4");
}

#[test]
fn what_is_not_there_says_what_is() {
    let tree = Tree::new();
    tree.usb("1-1.2", 1, CMEDIA, None);
    for id in ["usb:1-1", "usb:1-1.3", "usb:0d8c:0015", "usb:0d8c:0014:A7", "usb:2109:3431"] {
        let trouble = tree.find(id).expect_err(id);
        assert_eq!(trouble.signal, Signal::NoDevice, "{id}");
        assert!(trouble.problem.contains("at 1-1.2 only"), "{id}: {}", trouble.problem);
    }
    let nowhere =
        Roots { sys: "/nonexistent".into(), proc: "/nonexistent".into(), dev: "/nonexistent".into() };
    assert!(nowhere.cards().is_empty());
    let trouble = nowhere.find(&"usb:1-1.2".parse().expect("a port")).expect_err("no sysfs");
    assert!(trouble.problem.contains("no USB sound card"), "{}", trouble.problem);
}

#[test]
fn a_card_with_several_capture_devices_gives_its_first_or_the_named_one() {
    let tree = Tree::new();
    tree.usb("1-1.2", 3, CMEDIA, None);
    tree.write("sys/class/sound/card3/pcmC3D4c/dev", "116:9\n");
    fs::remove_dir_all(tree.0.join("sys/class/sound/card3/pcmC3D0c")).expect("it was there");
    tree.write("sys/class/sound/card3/pcmC3D2c/dev", "116:8\n");
    assert_eq!(tree.found("usb:1-1.2"), (3, 2));
    assert_eq!(tree.found("usb:1-1.2,4"), (3, 4));
    let trouble = tree.find("usb:1-1.2,0").expect_err("playback only");
    assert!(trouble.problem.contains("[2, 4] only"), "{}", trouble.problem);
}

#[test]
fn a_card_that_only_plays_is_no_capture_device() {
    let tree = Tree::new();
    tree.usb("1-1.2", 0, CMEDIA, None);
    fs::remove_dir_all(tree.0.join("sys/class/sound/card0/pcmC0D0c")).expect("it was there");
    let trouble = tree.find("usb:1-1.2").expect_err("no capture");
    assert_eq!(trouble.problem, "the card Device is there, but cannot capture");
}

#[test]
fn cards_on_other_buses_have_no_usb_marks() {
    let tree = Tree::new();
    tree.card("pci0000:00/0000:00:1f.3", 0, "PCH", &[0, 2]);
    let cards = tree.roots().cards();
    assert_eq!(cards, [Card { number: 0, id: "PCH".to_owned(), usb: None, captures: vec![0, 2] }]);
}

#[test]
fn the_stable_id_of_a_card_finds_it_again() {
    let tree = Tree::new();
    tree.card("pci0000:00/0000:00:1f.3", 0, "PCH", &[0, 2]);
    tree.usb("1-1.2", 1, CMEDIA, Some("A7"));
    tree.usb("1-1.3", 2, CMEDIA, Some("A,1"));
    tree.write("sys/class/sound/card1/pcmC1D3c/dev", "116:9\n");
    let cards = tree.roots().cards();
    let ids: Vec<_> = cards
        .iter()
        .flat_map(|card| card.captures.iter().map(move |&device| (card, device)))
        .map(|(card, device)| {
            let model = card.model_id(device).map(String::from).unwrap_or_default();
            (card.stable_id(device).to_string(), model, (card.number, device))
        })
        .collect();
    let table = [
        ("hw:CARD=PCH,DEV=0", "", (0, 0)),
        ("hw:CARD=PCH,DEV=2", "", (0, 2)),
        ("usb:1-1.2", "usb:0d8c:0014:A7", (1, 0)),
        ("usb:1-1.2,3", "usb:0d8c:0014:A7,3", (1, 3)),
        ("usb:1-1.3", "", (2, 0)), // a serial number that would read as a device number
    ];
    assert_eq!(ids.len(), table.len());
    for ((id, model, place), expected) in ids.iter().zip(table) {
        assert_eq!((id.as_str(), model.as_str(), *place), expected);
        assert_eq!(tree.found(id), *place);
        assert!(model.is_empty() || tree.found(model) == *place, "{model}");
    }
}

#[test]
fn the_place_of_a_pcm_name_is_where_the_name_says() {
    let tree = Tree::new();
    tree.card("pci0000:00/0000:00:1f.3", 4, "PCH", &[0, 2]);
    let table = [
        ("hw:4", Some((4, 0))),
        ("plughw:1,3", Some((1, 3))),
        ("hw:CARD=PCH,DEV=2", Some((4, 2))),
        ("plughw:PCH,2", Some((4, 2))),
        ("hw:CARD=Gone,DEV=0", None),
        ("hw:4,x", None),
        ("scanner", None),
        ("default", None),
    ];
    for (name, place) in table {
        let place = place.map(|(card, device)| Place { card, device });
        assert_eq!(tree.find(name).expect(name), Target { pcm: name.to_owned(), place }, "{name}");
    }
}

#[test]
fn a_busy_device_names_the_program_that_has_it() {
    let tree = Tree::new();
    let place = Place { card: 1, device: 0 };
    let busy =
        || Trouble::opening(::alsa::Error::new("snd_pcm_open", libc::EBUSY), Some(place), &tree.roots());
    assert_eq!(busy().problem, "another program has it");
    tree.write("proc/asound/card1/pcm0c/info", "card: 1\n");
    tree.write("proc/asound/card1/pcm0c/sub0/status", "closed\n");
    assert_eq!(place.holder(&tree.roots()), None);
    let running =
        "state: RUNNING\nowner_pid   : 4711\ntrigger_time: 1.5\ntstamp      : 2.5\navail       : 0\n";
    tree.write("proc/asound/card1/pcm0c/sub1/status", running);
    assert_eq!(busy().problem, "process 4711 has it");
    tree.write("proc/4711/comm", "arecord\n");
    let busy = busy().with("usb:1-1.2");
    assert_eq!(busy.signal, Signal::Busy);
    assert_eq!(
        busy.to_string(),
        "usb:1-1.2: arecord (process 4711) has it; stop that program, or choose another device"
    );
}
