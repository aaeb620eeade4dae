//! From a name to an opened node that is a camera.
//!
//! Belongs here: telling cameras from other things that have video nodes. Does not: formats.

use std::io;
use std::path::PathBuf;

use v4l::v4l_sys as raw;

use super::identity::DeviceId;
use super::nodes;
use super::trouble::{self, Trouble};
use crate::source::Signal;
use crate::source::kernel::Roots;
use crate::sys::v4l2::{Capabilities, Node};

/// A camera, opened and as yet asked nothing.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) node: Node,
    pub(super) path: PathBuf,
}

/// What a node is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It gives pictures.
    Camera,
    /// It takes pictures and gives others: a codec or a scaler.
    Codec,
    /// It gives pictures whose planes lie in memory of their own.
    MultiPlanar,
    /// It takes pictures only.
    Output,
    /// It has to do with something else: metadata, teletext, touch.
    Other,
}

/// The role that capability flags tell.
pub(super) fn role(flags: u32) -> Role {
    let has = |any: u32| flags & any != 0;
    if has(raw::V4L2_CAP_VIDEO_M2M | raw::V4L2_CAP_VIDEO_M2M_MPLANE) {
        Role::Codec
    } else if has(raw::V4L2_CAP_TOUCH) {
        Role::Other
    } else if has(raw::V4L2_CAP_VIDEO_CAPTURE) && has(raw::V4L2_CAP_STREAMING) {
        Role::Camera
    } else if has(raw::V4L2_CAP_VIDEO_CAPTURE_MPLANE) {
        Role::MultiPlanar
    } else if has(raw::V4L2_CAP_VIDEO_OUTPUT | raw::V4L2_CAP_VIDEO_OUTPUT_MPLANE) {
        Role::Output
    } else {
        Role::Other
    }
}

/// Opens what `id` means now: of several nodes the first that is a camera.
pub(super) fn open(id: &DeviceId, roots: &Roots) -> Result<Opened, Trouble> {
    match id {
        DeviceId::Card(card) => open_card(card, roots),
        _ => open_first(nodes::find(id, roots)?, roots),
    }
}

fn open_first(paths: Vec<PathBuf>, roots: &Roots) -> Result<Opened, Trouble> {
    let mut first_trouble = None;
    for path in paths {
        match look(path, roots) {
            Ok((Role::Camera, _, opened)) => return Ok(opened),
            Ok((role, _, _)) => first_trouble.get_or_insert(no_camera(role)),
            Err(trouble) => first_trouble.get_or_insert(trouble),
        };
    }
    Err(first_trouble.unwrap_or_else(|| no_camera(Role::Other)))
}

fn open_card(card: &str, roots: &Roots) -> Result<Opened, Trouble> {
    // A node one may not open is another's affair, unless its label says that it is the one.
    let answers: Vec<_> = nodes::nodes(roots)
        .into_iter()
        .filter_map(|node| match look(node.path.clone(), roots) {
            Ok((role, capabilities, opened)) => (capabilities.card == card).then_some(Ok((role, opened))),
            Err(trouble) => (nodes::label(&node, roots).as_deref() == Some(card)).then_some(Err(trouble)),
        })
        .collect();
    let mut cameras = Vec::new();
    let mut first_trouble = None;
    for answer in answers {
        match answer {
            Ok((Role::Camera, opened)) => cameras.push(opened),
            Ok((role, _)) => drop(first_trouble.get_or_insert(no_camera(role))),
            Err(trouble) => drop(first_trouble.get_or_insert(trouble)),
        }
    }
    if cameras.len() > 1 {
        let paths: Vec<_> = cameras.iter().map(|opened| opened.path.display().to_string()).collect();
        return Err(Trouble::new(
            Signal::Failed,
            format!("{} cameras call themselves so, at {}", paths.len(), paths.join(" and ")),
            "name the one you mean by its place; `outpost devices` lists them",
        ));
    }
    let absent = || {
        Trouble::new(
            Signal::NoDevice,
            "nothing that is there calls itself so",
            "plug it in, or see `outpost devices` for what is there",
        )
    };
    cameras.pop().ok_or_else(|| first_trouble.unwrap_or_else(absent))
}

fn look(path: PathBuf, roots: &Roots) -> Result<(Role, Capabilities, Opened), Trouble> {
    let asked = Node::open(&path).and_then(|node| Ok((node.capabilities()?, node)));
    match asked {
        Ok((capabilities, node)) => {
            let role = if waits_for_a_writer(&capabilities, &node) {
                Role::Output
            } else {
                role(capabilities.flags)
            };
            Ok((role, capabilities, Opened { node, path }))
        }
        Err(error) => Err(opening(error, path, roots)),
    }
}

/// Whether it is a loopback that says it gives pictures and has none: it takes any format as yet. If we set one or
/// asked for buffers, a program that comes at that moment to feed it would be refused its own.
fn waits_for_a_writer(capabilities: &Capabilities, node: &Node) -> bool {
    let takes = capabilities.flags & raw::V4L2_CAP_VIDEO_OUTPUT != 0;
    takes && role(capabilities.flags) == Role::Camera && node.formats().len() > 1
}

fn opening(error: io::Error, path: PathBuf, roots: &Roots) -> Trouble {
    // What links lead to is what processes are said to hold.
    trouble::opening(&error, &path.canonicalize().unwrap_or(path), roots)
}

fn no_camera(role: Role) -> Trouble {
    let failed = |problem| Trouble::new(Signal::Failed, problem, "see `outpost devices` for the cameras");
    match role {
        Role::Codec => failed("it is a codec, which needs to be given pictures, and no camera"),
        Role::MultiPlanar => Trouble::new(
            Signal::Failed,
            "it delivers its planes apart, as bare sensors do, which is not supported",
            "let a program that drives it deliver the pictures: kind = \"command\", rpicam-vid",
        ),
        // What a loopback is while no program feeds it.
        Role::Output => Trouble::new(
            Signal::NoDevice,
            "it takes pictures and gives none (a loopback that no program feeds?)",
            "start the program that feeds it",
        ),
        Role::Camera | Role::Other => failed("it is no camera"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_are_told_from_what_else_has_a_video_node() {
        let table = [
            ("uvcvideo", 0x0420_0001, Role::Camera),
            ("uvcvideo's metadata", 0x04a0_0000, Role::Other),
            ("vivid's capture", 0x0523_0001, Role::Camera),
            ("vivid's output", 0x0520_0002, Role::Output),
            ("v4l2loopback, both at once", 0x0520_0003, Role::Camera),
            ("v4l2loopback, exclusive, without a writer", 0x0520_0002, Role::Output),
            ("bcm2835-codec", 0x0420_4000, Role::Codec),
            ("vicodec", 0x0420_8000, Role::Codec),
            ("rkisp", 0x0420_1000, Role::MultiPlanar),
            ("a touch screen", 0x1420_0001, Role::Other),
            ("read only by read(2)", 0x0100_0001, Role::Other),
            ("a radio", 0x0011_0000, Role::Other),
        ];
        for (what, flags, expected) in table {
            assert_eq!(role(flags), expected, "{what}");
        }
    }

    #[test]
    fn what_is_no_camera_says_so_and_what_helps() {
        let roots = Roots { sys: "/nonexistent".into(), proc: "/proc".into(), dev: "/dev".into() };
        let table = [
            ("/dev/null", Signal::Failed, "no camera", "outpost devices"),
            ("/dev/video-that-is-not-there", Signal::NoDevice, "not there", "plug it in"),
            ("/", Signal::Failed, "does not answer", "kernel log"), // EISDIR
            ("card:Pole", Signal::NoDevice, "calls itself so", "plug it in"),
            ("usb:1-1.3", Signal::NoDevice, "not plugged in", "plug it in"),
        ];
        for (id, signal, problem, remedy) in table {
            let trouble = open(&id.parse().expect("a name"), &roots).expect_err(id);
            assert_eq!(trouble.signal, signal, "{id}: {trouble:?}");
            assert!(
                trouble.problem.contains(problem) && trouble.remedy.contains(remedy),
                "{id}: {trouble:?}"
            );
        }
    }
}
