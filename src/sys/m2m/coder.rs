//! A stateful encoder at work (kernel documentation, "Memory-to-Memory Stateful Video Encoder Interface").

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use v4l::FourCC;

use super::abi::{self, Block, Format, Side};
use super::control::Control;
use super::layout::{Canvas, Layout, Raw};
use super::queue::Queue;
use super::share::Turn;
use super::{Device, Trouble};
use crate::base::Pts;
use crate::media::{FrameRate, Size, VideoFrame};

/// Buffers for what is coded: one being filled, one on its way to us, and one for parameter sets that a driver
/// hands out by themselves.
const CAPTURE_BUFFERS: u32 = 3;

/// A device whose formats are settled. Controls are set now, before memory is taken.
#[derive(Debug)]
pub struct Prepared {
    device: Device,
    layout: Layout,
}

impl Prepared {
    /// Settles on pictures of `size` and on the code `coded`, in the order the interface demands: CAPTURE is
    /// the master.
    ///
    /// # Errors
    /// If the device takes no such pictures.
    pub fn new(device: Device, coded: FourCC, size: Size) -> Result<Self, Trouble> {
        let (width, height) = (size.width() as u32, size.height() as u32);
        let of = |fourcc, blocks| Format { fourcc, width, height, blocks };
        // Half of the raw picture is several times what any sensible one takes coded.
        let bytes = (size.bytes() / 2).max(1 << 18) as u32;
        let capture = of(coded, vec![Block { stride: 0, bytes }]);
        let settled = abi::set_format(device.fd(), device.kind(Side::Capture), &capture)
            .map_err(Trouble::at("setting the coded format"))?;
        if settled.fourcc != coded {
            return Err(Trouble::Coded(settled.fourcc));
        }
        let offered: Vec<FourCC> = device.formats(Side::Output).collect();
        let raw = Raw::ALL.into_iter().find(|raw| offered.contains(&raw.fourcc()));
        let Some(raw) = raw else { return Err(Trouble::Raw(offered)) };
        let output = of(raw.fourcc(), vec![Block::default(); raw.blocks()]);
        let settled = abi::set_format(device.fd(), device.kind(Side::Output), &output)
            .map_err(Trouble::at("setting the picture format"))?;
        if settled.width < width || settled.height < height {
            return Err(Trouble::Size { width: settled.width, height: settled.height });
        }
        let layout = Layout::new(raw, &settled, size).ok_or(Trouble::Layout)?;
        if (settled.width, settled.height) != (width, height) {
            crop(&device, size)?;
        }
        Ok(Self { device, layout })
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Tells how many pictures a second will come; what comes back is what the driver counts with.
    ///
    /// # Errors
    /// If it does not listen.
    pub fn set_rate(&self, rate: FrameRate) -> Result<FrameRate, Trouble> {
        set_rate(&self.device, rate)
    }

    /// Takes the memory and starts both queues.
    ///
    /// # Errors
    /// If the kernel or the device's firmware lacks memory, or the device is in use.
    pub fn start(self) -> Result<Coder, Trouble> {
        let Self { device, layout } = self;
        // One more than the device wants to see before it gives anything.
        let pictures = device.get(Control::MIN_BUFFERS_FOR_OUTPUT).unwrap_or(1).clamp(1, 16) as u32 + 1;
        let (output, capture) = (device.kind(Side::Output), device.kind(Side::Capture));
        let output = Queue::hospitable(device.fd(), output, pictures, layout.blocks());
        let output = output.map_err(Trouble::Memory)?;
        let capture = Queue::new(device.fd(), capture, CAPTURE_BUFFERS).map_err(Trouble::Memory)?;
        let enough = (0..layout.blocks().len()).all(|block| output.capacity(block) >= layout.needed(block));
        if !enough || output.free().is_none() || capture.free().is_none() {
            return Err(Trouble::Layout);
        }
        let mut coder = Coder { output, capture, device, layout };
        coder.capture.enqueue_all(coder.device.fd()).map_err(Trouble::at("queueing buffers"))?;
        for queue in [&coder.output, &coder.capture] {
            queue.start(coder.device.fd()).map_err(Trouble::at("starting it"))?;
        }
        Ok(coder)
    }
}

/// Only so much of a padded picture counts. A driver that cannot be told may still do right (it knows the
/// size that was asked for): what is coded in the end tells.
fn crop(device: &Device, size: Size) -> Result<(), Trouble> {
    match abi::set_crop(device.fd(), size) {
        Ok(settled) if settled == (size.width(), size.height()) => Ok(()),
        Ok((width, height)) => Err(Trouble::Size { width: width as u32, height: height as u32 }),
        Err(_) => Ok(()),
    }
}

/// What came out of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    /// Of the picture it was made of.
    pub pts: Pts,
    /// Whether anything can come after it.
    pub place: Place,
}

/// Where a unit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// More may come.
    Amidst,
    /// The last one of a drain.
    Last,
}

/// What became of a picture that was to be lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loan {
    /// The device has it: nobody may write there before [`Coder::take_back`].
    Taken,
    /// This one must be copied.
    Declined,
    /// All of them must be copied: the words say why.
    Impossible(String),
}

/// An encoder at work.
pub struct Coder {
    // Buffers are unmapped before the device is closed.
    output: Queue,
    capture: Queue,
    device: Device,
    layout: Layout,
}

impl Coder {
    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Tells how many pictures a second will come; what comes back is what the driver counts with.
    ///
    /// # Errors
    /// If it does not listen, or not while at work.
    pub fn set_rate(&self, rate: FrameRate) -> Result<FrameRate, Trouble> {
        set_rate(&self.device, rate)
    }

    /// Hands a picture to the device: `fill` writes it into the device's memory.
    ///
    /// # Errors
    /// If the device takes none until `deadline`.
    pub fn submit(
        &mut self,
        pts: Pts,
        deadline: Instant,
        fill: impl FnOnce(Canvas<'_>),
    ) -> Result<(), Trouble> {
        let index = self.free_picture(deadline)?;
        let turn = |output: &Queue, turn| output.turn(index, turn).map_err(Trouble::at("sharing a picture"));
        turn(&self.output, Turn::Ours)?;
        fill(self.layout.canvas(self.output.blocks_mut(index)).ok_or(Trouble::Layout)?);
        turn(&self.output, Turn::Devices)?;
        self.output
            .enqueue(self.device.fd(), index, self.layout.blocks(), pts)
            .map_err(Trouble::at("queueing a picture"))
    }

    /// Hands a picture to the device where it lies, in memory that another device shares.
    pub fn lend(&mut self, frame: &VideoFrame<'_>) -> Loan {
        let Some(memory) = frame.memory else { return Loan::Declined };
        if !self.layout.is_that_of(frame) {
            return Loan::Impossible("the encoder wants pictures to lie differently in memory".to_owned());
        }
        let welcome = self.output.welcome(self.device.fd(), memory, self.layout.blocks(), frame.pts);
        welcome.unwrap_or_else(|fault| Loan::Impossible(format!("the encoder refuses the memory: {fault}")))
    }

    /// Waits until the device has given back what was lent.
    ///
    /// # Errors
    /// If it does not until `deadline`.
    pub fn take_back(&mut self, deadline: Instant) -> Result<(), Trouble> {
        while self.output.has_guest() {
            wait(self.device.fd(), PollFlags::POLLOUT, deadline)?;
            self.dequeue_pictures()?;
        }
        Ok(())
    }

    /// Takes all pictures away from the device, whatever it does with them: for one that has failed.
    pub fn halt(&mut self) {
        // One that is gone has none.
        let _ = self.output.stop(self.device.fd());
    }

    /// Waits for the next coded unit and appends its bytes to `into`.
    ///
    /// # Errors
    /// If nothing comes until `deadline`, the unit is spoiled, or the device is gone.
    pub fn fetch(&mut self, deadline: Instant, into: &mut Vec<u8>) -> Result<Coded, Trouble> {
        let done = loop {
            if let Some(done) =
                self.capture.dequeue(self.device.fd()).map_err(Trouble::at("taking what is coded"))?
            {
                break done;
            }
            wait(self.device.fd(), PollFlags::POLLIN, deadline)?;
        };
        // Out of the device's memory at once and in one go: it is not cached on most boards.
        let bytes = self.capture.coded(&done);
        into.extend_from_slice(bytes);
        let full = bytes.len() >= self.capture.capacity(0);
        if done.is_last() {
            return Ok(Coded { pts: done.pts, place: Place::Last });
        }
        self.capture
            .enqueue(self.device.fd(), done.index, &[], Pts::default())
            .map_err(Trouble::at("queueing buffers"))?;
        match done.is_spoiled() {
            true => Err(Trouble::Spoiled),
            // Some cut what is too large in pieces, without a word.
            false if full => Err(Trouble::Full),
            false => Ok(Coded { pts: done.pts, place: Place::Amidst }),
        }
    }

    /// Has everything coded that was submitted, until a unit comes with [`Place::Last`]; that one may be
    /// empty. Nothing can be submitted afterwards.
    ///
    /// # Errors
    /// If the device cannot.
    pub fn drain(&mut self) -> Result<(), Trouble> {
        abi::stop_encoder(self.device.fd()).map_err(Trouble::at("draining it"))
    }

    fn free_picture(&mut self, deadline: Instant) -> Result<usize, Trouble> {
        loop {
            self.dequeue_pictures()?;
            if let Some(index) = self.output.free() {
                return Ok(index);
            }
            wait(self.device.fd(), PollFlags::POLLOUT, deadline)?;
        }
    }

    fn dequeue_pictures(&mut self) -> Result<(), Trouble> {
        let mut dequeue =
            || self.output.dequeue(self.device.fd()).map_err(Trouble::at("taking a picture back"));
        while dequeue()?.is_some() {}
        Ok(())
    }
}

impl Drop for Coder {
    fn drop(&mut self) {
        // Closing would stop it, too; but the mappings go first, and a device at work must not lose its memory.
        for queue in [&mut self.output, &mut self.capture] {
            let _ = queue.stop(self.device.fd());
        }
    }
}

fn set_rate(device: &Device, rate: FrameRate) -> Result<FrameRate, Trouble> {
    let settled = abi::set_rate(device.fd(), device.kind(Side::Output), rate);
    Ok(settled.map_err(Trouble::at("setting the rate"))?.unwrap_or(rate))
}

/// Waits until the device has something for us, or is gone.
fn wait(fd: BorrowedFd<'_>, what: PollFlags, deadline: Instant) -> Result<(), Trouble> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Trouble::Silent);
    }
    // Rounded up: poll counts in milliseconds, and must not spin through the last one.
    let millis = left.as_millis() as u64 + 1;
    let timeout = PollTimeout::try_from(Duration::from_millis(millis)).unwrap_or(PollTimeout::MAX);
    let mut polled = [PollFd::new(fd, what)];
    match poll(&mut polled, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(fault) => return Err(Trouble::at("waiting for it")(fault.into())),
    }
    let events = polled[0].revents().unwrap_or(PollFlags::empty());
    match events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL) {
        true if !events.intersects(what) => Err(Trouble::Gone),
        _ => Ok(()),
    }
}
