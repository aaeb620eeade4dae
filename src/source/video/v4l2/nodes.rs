//! The video nodes the kernel has: which of them a [`DeviceId`] may mean at this moment, and by which name
//! each is found again.
//!
//! Belongs here: reading /sys/class/video4linux. Does not: opening nodes.

use std::fs;
use std::path::{Path, PathBuf};

use super::identity::DeviceId;
use crate::source::Signal;
use crate::source::kernel::{Roots, line, names};
use crate::source::trouble::Trouble;
use crate::source::usb::{Usb, UsbMark};

/// A node as it is numbered now: of a camera, or of anything else that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VideoNode {
    pub(super) path: PathBuf,
    number: u32,
    home: Home,
    /// Its place among the nodes of the same home.
    place: u32,
}

/// The device a node belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Home {
    Usb(Usb),
    /// A part of the board, by its name.
    Platform(String),
    /// A card in a slot, or nothing one could touch.
    Other,
}

impl Home {
    /// `real` is the node's directory in sysfs, below that of its device.
    fn of(real: &Path) -> Self {
        if let Some(usb) = Usb::above(real) {
            return Self::Usb(usb);
        }
        let on_board = |directory: &&Path| {
            fs::read_link(directory.join("subsystem")).is_ok_and(|bus| bus.ends_with("bus/platform"))
        };
        let name = real.ancestors().find(on_board).and_then(|found| found.file_name()?.to_str());
        name.map_or(Self::Other, |name| Self::Platform(name.to_owned()))
    }
}

/// All video nodes, by number. None where the kernel has no video at all.
pub(super) fn nodes(roots: &Roots) -> Vec<VideoNode> {
    let class = roots.sys.join("class/video4linux");
    let mut found: Vec<_> = names(&class)
        .iter()
        .filter_map(|name| {
            let number: u32 = name.strip_prefix("video")?.parse().ok()?;
            let real = fs::canonicalize(class.join(name)).ok()?;
            // The kernel counts the nodes of each interface of a device.
            let index: u32 = line(&real.join("index")).and_then(|index| index.parse().ok()).unwrap_or(0);
            let order = (real.parent().map(Path::to_owned), index, number);
            let path = roots.dev.join(name);
            Some((order, VideoNode { path, number, home: Home::of(&real), place: 0 }))
        })
        .collect();
    // By interface and index, so that a node's place does not depend on which was found first at boot.
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut nodes: Vec<VideoNode> = Vec::with_capacity(found.len());
    for (_, mut node) in found {
        let before = nodes.iter().filter(|other| other.home == node.home).count();
        node.place = u32::try_from(before).unwrap_or(u32::MAX);
        nodes.push(node);
    }
    nodes.sort_by_key(|node| node.number);
    nodes
}

/// The nodes `id` may mean, in the order in which to try them: the first that is a camera is meant.
pub(super) fn find(id: &DeviceId, roots: &Roots) -> Result<Vec<PathBuf>, Trouble> {
    let all = nodes(roots);
    let (mut meant, place): (Vec<_>, _) = match id {
        DeviceId::Path(path) => return Ok(vec![path.clone()]),
        DeviceId::Card(_) => return Ok(all.into_iter().map(|node| node.path).collect()),
        DeviceId::Usb { mark, node } => {
            let answers = |home: &Home| matches!(home, Home::Usb(usb) if usb.answers_to(mark));
            (all.iter().filter(|known| answers(&known.home)).collect(), *node)
        }
        DeviceId::Platform { name, node } => {
            let answers = |home: &Home| matches!(home, Home::Platform(known) if known == name);
            (all.iter().filter(|known| answers(&known.home)).collect(), *node)
        }
    };
    meant.sort_by_key(|node| node.place);
    let Some(first) = meant.first() else { return Err(absent(id, &all)) };
    if let Some(other) = meant.iter().find(|node| node.home != first.home) {
        return Err(ambiguous(&[&first.home, &other.home]));
    }
    let paths: Vec<_> = meant
        .iter()
        .filter(|node| place.is_none_or(|place| place == node.place))
        .map(|node| node.path.clone())
        .collect();
    if paths.is_empty() {
        return Err(Trouble::new(
            Signal::NoDevice,
            format!("it is there, but has only the nodes 0 to {}", meant.len() - 1),
            "see `outpost devices` for those that capture",
        ));
    }
    Ok(paths)
}

/// What means `node` after the next boot too. `first` says whether it is the first of its device that
/// captures, `card` what it calls itself if nothing else is called so.
pub(super) fn stable_id(node: &VideoNode, first: bool, card: Option<&str>, roots: &Roots) -> DeviceId {
    let place = (!first).then_some(node.place);
    match &node.home {
        Home::Usb(usb) => DeviceId::Usb { mark: UsbMark::Port(usb.port.clone()), node: place },
        Home::Platform(name) => DeviceId::Platform { name: name.clone(), node: place },
        Home::Other => link(node, roots)
            .map(DeviceId::Path)
            .or_else(|| card.map(|card| DeviceId::Card(card.to_owned())))
            // Unless that name is one that cannot be written down.
            .filter(|id| id.to_string().parse().as_ref() == Ok(id))
            .unwrap_or_else(|| DeviceId::Path(node.path.clone())),
    }
}

/// What means a USB camera in any port.
pub(super) fn model_id(node: &VideoNode, first: bool) -> Option<DeviceId> {
    let Home::Usb(usb) = &node.home else { return None };
    let id = DeviceId::Usb { mark: usb.model(), node: (!first).then_some(node.place) };
    // Unless its serial number is one that cannot be written down.
    (id.to_string().parse().as_ref() == Ok(&id)).then_some(id)
}

/// What the driver calls a node.
pub(super) fn label(node: &VideoNode, roots: &Roots) -> Option<String> {
    line(&roots.sys.join(format!("class/video4linux/video{}/name", node.number)))
}

/// Whether a node is of what is plugged into a USB socket.
pub(super) fn is_usb(node: &VideoNode) -> bool {
    matches!(node.home, Home::Usb(_))
}

/// Whether two nodes are of one device.
pub(super) fn same_home(a: &VideoNode, b: &VideoNode) -> bool {
    a.home != Home::Other && a.home == b.home
}

/// The link udev keeps to a node, by the way to it or by its serial number.
fn link(node: &VideoNode, roots: &Roots) -> Option<PathBuf> {
    ["v4l/by-path", "v4l/by-id"].iter().find_map(|folder| {
        let folder = roots.dev.join(folder);
        let mut links = names(&folder);
        links.sort();
        let leads = |name: &&String| {
            let target = fs::read_link(folder.join(name)).ok();
            target.is_some_and(|target| target.file_name() == node.path.file_name())
        };
        links.iter().find(leads).map(|name| folder.join(name))
    })
}

/// How a device is called without its nodes.
fn called(home: &Home) -> Option<String> {
    match home {
        Home::Usb(usb) => Some(format!("usb:{}", usb.port)),
        Home::Platform(name) => Some(format!("platform:{name}")),
        Home::Other => None,
    }
}

fn absent(id: &DeviceId, all: &[VideoNode]) -> Trouble {
    let alike = |home: &Home| match id {
        DeviceId::Usb { .. } => matches!(home, Home::Usb(_)),
        _ => matches!(home, Home::Platform(_)),
    };
    let mut there: Vec<_> =
        all.iter().filter(|node| alike(&node.home)).filter_map(|node| called(&node.home)).collect();
    there.dedup();
    let present = match there[..] {
        [] => "nothing of its kind is there".to_owned(),
        _ => format!("there is only {}", there.join(", ")),
    };
    Trouble::new(
        Signal::NoDevice,
        format!("it is not plugged in ({present})"),
        "plug it in, or see `outpost devices` for what is there",
    )
}

fn ambiguous(homes: &[&Home]) -> Trouble {
    let places: Vec<_> = homes.iter().filter_map(|home| called(home)).collect();
    Trouble::new(
        Signal::Failed,
        format!("several cameras answer to it, at {}", places.join(" and ")),
        "name the one you mean by its port",
    )
}

#[cfg(test)]
#[path = "nodes_tests.rs"]
mod tests;
