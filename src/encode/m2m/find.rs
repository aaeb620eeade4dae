//! Which of a board's video devices is its H.264 encoder.

use std::path::PathBuf;

use v4l::FourCC;

use super::fault::unopened;
use crate::encode::VideoError;
use crate::sys::m2m::{Device, nodes};

const H264: [u8; 4] = *b"H264";

/// What it is called when it cannot be named.
const ENCODER: &str = "hardware H.264 encoder (V4L2)";
/// Drivers known as encoders of H.264, the best known first; others come after them.
const KNOWN: [&str; 3] = ["bcm2835-codec", "rkvenc", "hantro"];

/// The code of what we ask encoders for.
pub(super) fn h264() -> FourCC {
    FourCC::new(&H264)
}

/// The encoders of this machine: the one to try first, and the others.
///
/// # Errors
/// If there is none; the words say what stands in the way.
pub(super) fn encoders() -> Result<(Device, Vec<Device>), VideoError> {
    among(nodes().map_err(|fault| none(&format!("/dev cannot be read: {fault}")))?)
}

fn among(nodes: Vec<PathBuf>) -> Result<(Device, Vec<Device>), VideoError> {
    let mut unopened = Vec::new();
    let mut found = open(nodes, &mut unopened);
    found.sort_by_key(|device| rank(device.driver()));
    let mut found = found.into_iter();
    match (found.next(), unopened.as_slice()) {
        (Some(best), _) => Ok((best, found.collect())),
        (None, []) => Err(VideoError::Absent { encoder: ENCODER.to_owned() }),
        (None, reasons) => Err(none(&format!("none can be used: {}", reasons.join("; ")))),
    }
}

fn open(nodes: Vec<PathBuf>, failed: &mut Vec<String>) -> Vec<Device> {
    let open = |path: PathBuf| {
        let device = Device::open(&path).unwrap_or_else(|trouble| {
            failed.push(unopened(&path, &trouble));
            None
        });
        device.filter(|device| device.codes(h264()))
    };
    nodes.into_iter().filter_map(open).collect()
}

fn none(reason: &str) -> VideoError {
    VideoError::Encoder { encoder: ENCODER.to_owned(), reason: reason.to_owned() }
}

/// Lower is better; among equals the order of the nodes stands.
fn rank(driver: &str) -> usize {
    KNOWN.iter().position(|known| driver.contains(known)).unwrap_or(KNOWN.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_encoder_is_passed_by() {
        let none = |nodes: &[&str]| {
            let nodes = nodes.iter().map(PathBuf::from).collect();
            among(nodes).map(|_| ()).expect_err("no encoder among them").to_string()
        };
        assert_eq!(none(&[]), "hardware H.264 encoder (V4L2): this board has none");
        assert_eq!(none(&["/dev/null", "/dev/zero"]), none(&[]));
        let missing = none(&["/dev/null", "/nowhere/video11"]);
        assert!(
            missing.contains("none can be used: /nowhere/video11: opening it: No such file"),
            "{missing}"
        );
    }

    #[test]
    fn known_drivers_come_first_and_the_order_of_nodes_stands() {
        let mut drivers = ["coda", "hantro-vpu", "wave5-enc", "bcm2835-codec", "rkvenc"];
        drivers.sort_by_key(|driver| rank(driver));
        assert_eq!(drivers, ["bcm2835-codec", "rkvenc", "hantro-vpu", "coda", "wave5-enc"]);
    }
}
