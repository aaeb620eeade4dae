//! What cameras there are, for `outpost devices`.

use super::controls::{range, written};
use super::identity::DeviceId;
use super::nodes::{self, VideoNode};
use super::open::{Role, role};
use super::trouble;
use crate::source::kernel::{Roots, Use};
use crate::sys::v4l2::{Capabilities, ControlKind, Interval, Intervals, Node, Range, Sizes};

/// A camera, or whatever else captures pictures.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Camera {
    /// What to write in the configuration: it means the same camera after the next boot.
    pub id: DeviceId,
    /// For a USB camera, its vendor, product and serial number: means it in any port, if it is the only one.
    pub model: Option<DeviceId>,
    /// Its node now.
    pub node: String,
    /// What it calls itself.
    pub card: String,
    /// The driver's name.
    pub driver: String,
    /// Whether it can be had.
    #[serde(rename = "use")]
    pub usage: Use,
    /// What it delivers.
    pub formats: Vec<Format>,
    /// What can be set.
    pub controls: Vec<Control>,
}

/// A layout it delivers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Format {
    /// Its short name, as v4l2-ctl writes it: `YUYV`, `MJPG`.
    pub fourcc: String,
    /// The driver's words for it.
    pub description: String,
    /// In the driver's order.
    pub sizes: Vec<FrameSize>,
}

/// A size and how fast it comes.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct FrameSize {
    /// `1280x720`, or `32x32 to 2592x1944`.
    pub size: String,
    /// Pictures per second, the fastest first; of a range, both ends. Empty if the camera does not tell.
    pub rates: Vec<f64>,
}

/// A control.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Control {
    /// As it is written in the configuration.
    pub name: String,
    /// What it takes, in words: `0 to 255`, `true or false`, `"50 Hz", "60 Hz"`.
    pub range: String,
    /// The number it takes first; of a menu, the number of an item.
    pub default: i64,
    /// The items of a menu.
    pub items: Vec<String>,
}

/// A camera that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// What means it after the next boot too.
    pub id: DeviceId,
    /// What it calls itself.
    pub card: String,
}

/// The cameras that are there, each once however many nodes it has. They are asked for nothing but what they are.
pub fn present() -> Vec<Present> {
    present_in(&Roots::default())
}

fn present_in(roots: &Roots) -> Vec<Present> {
    let mut found: Vec<(VideoNode, String)> = Vec::new();
    for node in nodes::nodes(roots) {
        let card = match Node::open(&node.path).and_then(|opened| opened.capabilities()) {
            Ok(known) if role(known.flags) == Role::Camera => known.card,
            // What may not be opened may be a codec; but in a USB socket it hardly is.
            Err(_) if nodes::is_usb(&node) => nodes::label(&node, roots).unwrap_or_default(),
            _ => continue,
        };
        if !found.iter().any(|(other, _)| nodes::same_home(other, &node)) {
            found.push((node, card));
        }
    }
    let present = found.iter().map(|(node, card)| {
        let alone = found.iter().filter(|(_, other)| other == card).count() == 1;
        let name = Some(card.as_str()).filter(|card| alone && !card.is_empty());
        Present { id: nodes::stable_id(node, true, name, roots), card: card.clone() }
    });
    present.collect()
}

/// All nodes that capture pictures, by number. Codecs, outputs and nodes for metadata are left out.
pub fn list() -> Vec<Camera> {
    list_in(&Roots::default())
}

fn list_in(roots: &Roots) -> Vec<Camera> {
    let found: Vec<_> = nodes::nodes(roots).into_iter().filter_map(|node| look(node, roots)).collect();
    let rows = found.iter().enumerate().map(|(n, seen)| {
        let (before, others) = (&found[..n], found.iter().enumerate().filter(|(other, _)| *other != n));
        let first = !before.iter().any(|other| nodes::same_home(&other.node, &seen.node));
        let alone =
            others.map(|(_, other)| &other.capabilities).all(|other| other.card != seen.capabilities.card);
        let card = Some(seen.capabilities.card.as_str()).filter(|card| alone && !card.is_empty());
        Camera {
            id: nodes::stable_id(&seen.node, first, card, roots),
            model: nodes::model_id(&seen.node, first),
            node: seen.node.path.display().to_string(),
            card: seen.capabilities.card.clone(),
            driver: seen.capabilities.driver.clone(),
            usage: seen.usage.clone(),
            formats: seen.opened.as_ref().map(formats).unwrap_or_default(),
            controls: seen.opened.as_ref().map(controls).unwrap_or_default(),
        }
    });
    rows.collect()
}

/// What was found at a node.
struct Seen {
    node: VideoNode,
    capabilities: Capabilities,
    opened: Option<Node>,
    usage: Use,
}

/// Looks at a node; none if it is no camera.
fn look(node: VideoNode, roots: &Roots) -> Option<Seen> {
    match Node::open(&node.path) {
        Ok(opened) => {
            let capabilities = opened.capabilities().ok()?;
            if role(capabilities.flags) != Role::Camera {
                return None;
            }
            let usage = match opened.set_same_format() {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    Use::Busy(roots.holder_of(&node.path))
                }
                _ => Use::Free,
            };
            Some(Seen { node, capabilities, opened: Some(opened), usage })
        }
        // It may be a camera; whoever looks should learn why nothing is known of it.
        Err(error) => {
            let usage = Use::Failed(trouble::opening(&error, &node.path, roots).problem);
            let card = nodes::label(&node, roots).unwrap_or_default();
            let capabilities = Capabilities { driver: String::new(), card, flags: 0 };
            Some(Seen { node, capabilities, opened: None, usage })
        }
    }
}

fn formats(node: &Node) -> Vec<Format> {
    let formats = node.formats().into_iter().map(|format| Format {
        sizes: node
            .sizes(format.four_cc)
            .iter()
            .map(|sizes| frame_size(sizes, format.four_cc, node))
            .collect(),
        fourcc: format.four_cc.to_string(),
        description: format.description,
    });
    formats.collect()
}

fn frame_size(sizes: &Sizes, four_cc: crate::sys::v4l2::FourCc, node: &Node) -> FrameSize {
    // A larger picture is not faster: the rates of the largest are those one can count on.
    let intervals = node.intervals(four_cc, sizes.width.most, sizes.height.most);
    FrameSize { size: size(sizes), rates: rates(&intervals) }
}

fn size(Sizes { width, height }: &Sizes) -> String {
    let one = |range: &Range| range.least == range.most;
    if one(width) && one(height) {
        return format!("{}x{}", width.most, height.most);
    }
    format!("{}x{} to {}x{}", width.least, height.least, width.most, height.most)
}

fn rates(intervals: &[Intervals]) -> Vec<f64> {
    let hertz = |interval: &Interval| {
        let exact = f64::from(interval.denominator) / f64::from(interval.numerator);
        exact.is_finite().then(|| (exact * 100.0).round() / 100.0)
    };
    let mut rates: Vec<f64> = intervals
        .iter()
        .flat_map(|intervals| match intervals {
            Intervals::One(interval) => vec![hertz(interval)],
            Intervals::Between(shortest, longest) => vec![hertz(shortest), hertz(longest)],
        })
        .flatten()
        .collect();
    rates.sort_by(|a, b| b.total_cmp(a));
    rates.dedup();
    rates
}

fn controls(node: &Node) -> Vec<Control> {
    let usable = node.controls().into_iter().filter(|control| control.kind != ControlKind::Other);
    let controls = usable.map(|control| Control {
        name: written(&control.name),
        range: range(&control),
        default: control.default,
        items: match control.kind {
            ControlKind::Menu(items) => items.into_iter().map(|(_, words)| words).collect(),
            _ => vec![],
        },
    });
    controls.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_rates_as_people_read_them() {
        let range = |least, most| Range { least, most, step: 2 };
        assert_eq!(size(&Sizes { width: Range::only(640), height: Range::only(480) }), "640x480");
        assert_eq!(size(&Sizes { width: range(32, 2592), height: range(32, 1944) }), "32x32 to 2592x1944");
        let one = |numerator, denominator| Intervals::One(Interval { numerator, denominator });
        assert_eq!(rates(&[one(1, 15), one(1001, 30_000), one(1, 15), one(0, 0), one(0, 1)]), [29.97, 15.0]);
        let (fast, slow) =
            (Interval { numerator: 1, denominator: 90 }, Interval { numerator: 2, denominator: 1 });
        assert_eq!(rates(&[Intervals::Between(fast, slow)]), [90.0, 0.5]);
    }
}
