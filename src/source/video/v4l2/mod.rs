//! V4L2 cameras.
//!
//! Belongs here: finding a camera again after it was renumbered, choosing what it should deliver, its
//! controls, taking its pictures with honest timestamps, and naming what is wrong with it.
//! Does not: waiting for a camera to come back, what is shown meanwhile, believing timestamps.

mod choose;
mod controls;
mod convert;
mod identity;
mod input;
mod list;
mod nodes;
mod offers;
mod open;
mod trouble;

use std::io;
use std::time::Duration;

pub use choose::{FormatChoice, Layout};
pub use controls::{ControlValue, Controls};
pub use identity::{DeviceId, DeviceIdError};
pub use list::{Camera, Control, Format, FrameSize, Present, list, present};

use super::{BACKLOG, Coding, VideoDevice, VideoFormat, VideoInput, Wanted};
use crate::media::Size;
use crate::source::kernel::Roots;
use crate::source::{Signal, SourceError};
use crate::sys::v4l2::{Control as KernelControl, Interval, Node, Queue, control_id};
use choose::{Plan, choose};
use convert::Conversion;
use input::V4l2Input;
use open::Opened;
use trouble::Trouble;

/// Buffers: one that is looked at and the one before it, those that may wait, and two for the driver to fill.
const BUFFERS: u32 = 4 + BACKLOG as u32;

/// What a camera should deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Samples.
    Raw,
    /// H.264, to be passed on.
    H264 {
        /// How long from one key frame to the next, if the camera lets itself be told.
        key_frames: Duration,
        /// Bits per second, if the camera lets itself be told.
        bitrate: Option<u32>,
    },
}

/// Which camera, and what is wanted of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which.
    pub id: DeviceId,
    /// Size and rate.
    pub wanted: Wanted,
    /// Samples or H.264.
    pub delivery: Delivery,
    /// The layout, if it is to be a certain one.
    pub format: FormatChoice,
    /// What to set before capturing.
    pub controls: Controls,
}

/// A camera by its name or marks, which are looked up anew each time it is opened.
pub struct V4l2Device {
    name: String,
    settings: Settings,
    roots: Roots,
}

impl Delivery {
    fn coding(self) -> Coding {
        match self {
            Self::Raw => Coding::Raw,
            Self::H264 { .. } => Coding::H264,
        }
    }
}

impl V4l2Device {
    /// The camera `settings` mean; it need not be there yet.
    pub fn new(settings: Settings) -> Self {
        Self { name: settings.id.to_string(), settings, roots: Roots::default() }
    }

    fn try_open(&self) -> Result<V4l2Input<Queue>, Trouble> {
        let Settings { id, wanted, delivery, format, controls } = &self.settings;
        let Opened { node, path } = open::open(id, &self.roots)?;
        let path = path.canonicalize().unwrap_or(path);
        let opening = |error: io::Error| trouble::opening(&error, &path, &self.roots);
        let plan = plan(&node, *wanted, delivery.coding(), *format)?;
        let taken = plan.take(&node, *wanted).map_err(opening)??;
        controls::apply(&node, controls, &self.name)?;
        if let Delivery::H264 { key_frames, bitrate } = delivery {
            let pictures = key_frames.as_secs_f64() * taken.format.rate.hertz();
            direct(&node, &node.controls(), pictures.round() as u32, *bitrate, &self.name);
        }
        let mut buffers = Queue::start(node, BUFFERS).map_err(opening)?;
        if taken.conversion.is_none()
            && let Err(error) = buffers.export()
        {
            tracing::debug!(device = self.name, %error, "its memory cannot be shared with an encoder");
        }
        Ok(V4l2Input::new(self.name.clone(), taken.format, buffers, taken.conversion))
    }
}

impl VideoDevice for V4l2Device {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        match self.try_open() {
            Ok(input) => Ok(Box::new(input)),
            Err(trouble) => Err(trouble.with(&self.name)),
        }
    }
}

/// What the camera would deliver as H.264, in words, if it codes pictures of the size and at the rate wanted
/// by itself; none if it does not. The camera is opened for the asking, and closed.
///
/// # Errors
/// If it is not there, or cannot be asked.
pub fn codes_h264(id: &DeviceId, wanted: Wanted) -> Result<Option<String>, SourceError> {
    let asked = open::open(id, &Roots::default()).map(|opened| {
        let offers = offers::offers(&opened.node, wanted);
        let plan = choose(&offers, wanted, Coding::H264, FormatChoice::Auto)?;
        plan.serves(wanted).then_some(plan.about)
    });
    asked.map_err(|trouble| trouble.with(&id.to_string()))
}

fn plan(node: &Node, wanted: Wanted, coding: Coding, format: FormatChoice) -> Result<Plan, Trouble> {
    let offers = offers::offers(node, wanted);
    choose(&offers, wanted, coding, format).ok_or_else(|| {
        let mut all: Vec<_> = node.formats().iter().map(|format| format.four_cc.to_string()).collect();
        all.dedup();
        lacking(&all, coding, format)
    })
}

/// A camera that delivers `all`, and nothing that was asked for.
fn lacking(all: &[String], coding: Coding, format: FormatChoice) -> Trouble {
    let all = if all.is_empty() { "nothing yet".to_owned() } else { all.join(", ") };
    let other_format = "set `format` to one it has, or choose another camera";
    let (problem, remedy) = match (format, coding) {
        (FormatChoice::Only(layout), _) => (format!("it does not deliver {layout}, but {all}"), other_format),
        (FormatChoice::Auto, Coding::Raw) => {
            (format!("it delivers none of NV12, YU12, YUYV and MJPEG, but {all}"), other_format)
        }
        (FormatChoice::Auto, Coding::H264) => (
            format!("it does not code H.264 itself, but delivers {all}"),
            "set encoder = \"auto\" and start Outpost again, or choose a camera that codes H.264",
        ),
    };
    Trouble::new(Signal::Failed, problem, remedy)
}

/// A format the driver has agreed to.
struct Taken {
    format: VideoFormat,
    conversion: Conversion,
}

impl Plan {
    /// Has the driver agree. What it agrees to is what counts: it may be another size.
    fn take(self, node: &Node, wanted: Wanted) -> io::Result<Result<Taken, Trouble>> {
        let Plan { offer, mut about } = self;
        let refused = |problem: String| {
            Ok(Err(Trouble::new(Signal::Failed, problem, "set `format` or `size` to what it does deliver")))
        };
        // Both names of motion JPEG: whichever the camera has.
        let four_cc =
            node.formats().into_iter().find(|found| Layout::of(found.four_cc) == Some(offer.layout));
        let Some(four_cc) = four_cc.map(|found| found.four_cc) else {
            return refused(format!("it does not deliver {} any more", offer.layout));
        };
        let (width, height) = offers::sides(offer.size);
        let accepted = node.set_format(four_cc, width, height)?;
        if Layout::of(accepted.four_cc) != Some(offer.layout) {
            return refused(format!("asked for {four_cc}, it delivers {}", accepted.four_cc));
        }
        let Some(size) = Size::new(accepted.width, accepted.height) else {
            return refused(format!("its pictures are of {}x{}", accepted.width, accepted.height));
        };
        if size != offer.size {
            about += &format!("; the driver makes it {size}");
        }
        let (numerator, denominator) = offer.rate.unwrap_or(wanted.rate).fraction();
        let interval = Interval { numerator: denominator, denominator: numerator };
        // Many cannot be told, and those that can need not obey.
        let rate =
            node.set_interval(interval).ok().and_then(offers::rate).or(offer.rate).unwrap_or(wanted.rate);
        let coding = if offer.layout == Layout::H264 { Coding::H264 } else { Coding::Raw };
        let format = VideoFormat { coding, rate, about };
        Ok(match Conversion::new(offer.layout, size, &accepted, wanted.size) {
            Ok(conversion) => Ok(Taken { format, conversion }),
            Err(error) => {
                Err(Trouble::new(Signal::Failed, error.to_string(), "look for what uses up its memory"))
            }
        })
    }
}

/// Tells a camera that codes by itself how to. Each is set if it is there; most USB cameras have none.
fn direct(node: &Node, controls: &[KernelControl], pictures: u32, bitrate: Option<u32>, device: &str) {
    let wish = |id, value| controls::wish(node, controls, id, value, device);
    wish(control_id::GOP_SIZE, pictures);
    wish(control_id::H264_I_PERIOD, pictures);
    wish(control_id::REPEAT_SEQ_HEADER, 1);
    if let Some(bitrate) = bitrate {
        wish(control_id::BITRATE, bitrate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::FrameRate;

    #[test]
    fn what_it_lacks_is_told_with_the_key_that_asks_for_it() {
        let all = ["YUYV".to_owned(), "MJPG".to_owned()];
        let table = [
            (
                FormatChoice::Auto,
                Coding::H264,
                "not code H.264 itself, but delivers YUYV, MJPG",
                "encoder = \"auto\"",
            ),
            (
                FormatChoice::Auto,
                Coding::Raw,
                "none of NV12, YU12, YUYV and MJPEG, but YUYV, MJPG",
                "`format`",
            ),
            (FormatChoice::Only(Layout::Nv12), Coding::Raw, "not deliver NV12, but YUYV, MJPG", "`format`"),
            (FormatChoice::Only(Layout::H264), Coding::H264, "not deliver H264, but YUYV, MJPG", "`format`"),
        ];
        for (format, coding, problem, remedy) in table {
            let trouble = lacking(&all, coding, format);
            assert!(trouble.problem.contains(problem) && trouble.remedy.contains(remedy), "{trouble:?}");
        }
        assert!(lacking(&[], Coding::Raw, FormatChoice::Auto).problem.ends_with("but nothing yet"));
    }

    #[test]
    fn a_refusal_names_the_device_the_cause_and_the_remedy() {
        let wanted = Wanted {
            size: "1280x720".parse().expect("a size"),
            rate: FrameRate::new(30, 1).expect("a rate"),
        };
        let table = [
            ("usb:255-9", Signal::NoDevice, "not plugged in"),
            ("/dev/null", Signal::Failed, "no camera"),
            ("card:nothing of that name", Signal::NoDevice, "calls itself so"),
        ];
        for (id, signal, cause) in table {
            let id: DeviceId = id.parse().expect("a name");
            let mut device = V4l2Device::new(Settings {
                id: id.clone(),
                wanted,
                delivery: Delivery::Raw,
                format: FormatChoice::Auto,
                controls: Controls::new(),
            });
            let error = device.open().err().expect("it is not there");
            assert_eq!((error.signal, error.device.as_str()), (signal, device.name()), "{error}");
            assert!(error.problem.contains(cause) && error.remedy.contains("outpost devices"), "{error}");
            assert_eq!(codes_h264(&id, wanted).expect_err("nor can it be asked").signal, signal);
        }
    }
}
