//! Memory-mapped buffers, going to the driver and coming back filled.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use v4l::v4l_sys as raw;
use v4l::v4l2::vidioc;

use super::Node;

const CAPTURE: u32 = raw::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
const MMAP: u32 = raw::v4l2_memory_V4L2_MEMORY_MMAP;

/// A node that captures. Dropped, it stops, gives its buffers back and closes the node, as far as the device
/// still answers.
#[derive(Debug)]
pub struct Queue {
    // Unmapped before the node is closed.
    buffers: Vec<Buffer>,
    node: Node,
}

#[derive(Debug)]
struct Buffer {
    memory: Mapping,
    /// Names it to other devices, once it has been exported.
    shared: Option<OwnedFd>,
    holder: Holder,
}

/// Who may touch a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// It is queued.
    Driver,
    /// It was dequeued.
    Us,
}

/// A buffer the driver has filled; it is ours until it is given back.
#[derive(Debug)]
pub struct Filled {
    index: usize,
    /// Bytes that were written.
    pub used: usize,
    /// The driver says they are corrupt (V4L2_BUF_FLAG_ERROR).
    pub corrupt: bool,
    /// When, in nanoseconds of CLOCK_MONOTONIC, if the driver tells in that clock.
    pub stamp: Option<i64>,
    /// The driver's count of pictures.
    pub sequence: u32,
}

#[cfg(test)]
impl Filled {
    /// One that no driver has filled, for those who test what becomes of it.
    pub(crate) fn for_test(
        index: usize,
        used: usize,
        corrupt: bool,
        stamp: Option<i64>,
        sequence: u32,
    ) -> Self {
        Self { index, used, corrupt, stamp, sequence }
    }

    /// Which buffer it is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There is a buffer to be had, or an error.
    Yes,
    /// The driver has something to say about itself: dequeuing must tell what.
    Trouble,
    /// The time was over.
    No,
}

impl Queue {
    /// Begins to capture with as many buffers as the driver grants (VIDIOC_REQBUFS … STREAMON).
    ///
    /// # Errors
    /// EBUSY if another program captures with it; ENOMEM; ENOSPC and EIO from USB.
    pub fn start(node: Node, count: u32) -> io::Result<Self> {
        let granted = node.ask(vidioc::VIDIOC_REQBUFS, |ask: &mut raw::v4l2_requestbuffers| {
            (ask.count, ask.type_, ask.memory) = (count, CAPTURE, MMAP);
        })?;
        // From here on dropping gives back what was granted.
        let mut queue = Self { buffers: Vec::new(), node };
        for index in 0..granted.count {
            let buffer = queue.node.ask(vidioc::VIDIOC_QUERYBUF, |ask: &mut raw::v4l2_buffer| {
                (ask.index, ask.type_, ask.memory) = (index, CAPTURE, MMAP);
            })?;
            // SAFETY: for MMAP the union holds the offset; any number would be valid.
            let offset = unsafe { buffer.m.offset };
            let memory = Mapping::new(&queue.node, buffer.length as usize, offset)?;
            queue.buffers.push(Buffer { memory, shared: None, holder: Holder::Us });
        }
        for index in 0..queue.buffers.len() {
            queue.give(index)?;
        }
        queue.node.ask(vidioc::VIDIOC_STREAMON, |kind| *kind = CAPTURE as std::ffi::c_int)?;
        Ok(queue)
    }

    /// Waits for a buffer.
    ///
    /// # Errors
    /// As poll(2), but for signals.
    pub fn wait(&self, patience: Duration) -> io::Result<Ready> {
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.node.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) | Err(nix::Error::EINTR) => Ok(Ready::No),
            Ok(_) => match fds[0].revents() {
                Some(events) if events == PollFlags::POLLIN => Ok(Ready::Yes),
                _ => Ok(Ready::Trouble),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a filled buffer; none if there is none yet (VIDIOC_DQBUF).
    ///
    /// # Errors
    /// ENODEV if the device is gone; EIO and others if it is broken.
    pub fn take(&mut self) -> io::Result<Option<Filled>> {
        let answer = self.node.ask(vidioc::VIDIOC_DQBUF, |ask: &mut raw::v4l2_buffer| {
            (ask.type_, ask.memory) = (CAPTURE, MMAP);
        });
        let buffer = match answer {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let index = buffer.index as usize;
        let Some(known) = self.buffers.get_mut(index) else {
            return Err(io::Error::other("the driver returned a buffer that is none of ours"));
        };
        known.holder = Holder::Us;
        let monotonic =
            buffer.flags & raw::V4L2_BUF_FLAG_TIMESTAMP_MASK == raw::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        // Both fields are narrower on 32-bit boards.
        #[allow(clippy::useless_conversion)]
        let stamp = i64::from(buffer.timestamp.tv_sec)
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(buffer.timestamp.tv_usec).saturating_mul(1000));
        Ok(Some(Filled {
            index,
            used: (buffer.bytesused as usize).min(known.memory.length),
            corrupt: buffer.flags & raw::V4L2_BUF_FLAG_ERROR != 0,
            stamp: monotonic.then_some(stamp),
            sequence: buffer.sequence,
        }))
    }

    /// Exports the buffers, so that other devices can read them where they are (VIDIOC_EXPBUF).
    ///
    /// # Errors
    /// ENOTTY or EINVAL where the driver cannot; EMFILE.
    pub fn export(&mut self) -> io::Result<()> {
        for (index, buffer) in self.buffers.iter_mut().enumerate() {
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let answer = self.node.ask(vidioc::VIDIOC_EXPBUF, |ask: &mut raw::v4l2_exportbuffer| {
                (ask.type_, ask.index) = (CAPTURE, number);
                ask.flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u32;
            })?;
            // SAFETY: the kernel has opened this descriptor just now, and nobody else knows of it.
            buffer.shared = Some(unsafe { OwnedFd::from_raw_fd(answer.fd) });
        }
        Ok(())
    }

    /// The memory of a buffer, if it was exported; the driver has it again when it is given back.
    pub fn shared(&self, filled: &Filled) -> Option<BorrowedFd<'_>> {
        self.buffers.get(filled.index)?.shared.as_ref().map(AsFd::as_fd)
    }

    /// What was written into a buffer.
    pub fn bytes(&self, filled: &Filled) -> &[u8] {
        match self.buffers.get(filled.index) {
            // A buffer of another queue might be the driver's here.
            Some(buffer) if buffer.holder == Holder::Us => {
                buffer.memory.bytes().get(..filled.used).unwrap_or(&[])
            }
            _ => &[],
        }
    }

    /// Gives a buffer back to be filled again (VIDIOC_QBUF).
    ///
    /// # Errors
    /// ENODEV if the device is gone; EIO and others if it is broken.
    pub fn give_back(&mut self, filled: Filled) -> io::Result<()> {
        self.give(filled.index)
    }

    fn give(&mut self, index: usize) -> io::Result<()> {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let Some(buffer) = self.buffers.get_mut(index) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // Before the call: once it is queued, the driver writes into it.
        buffer.holder = Holder::Driver;
        self.node
            .ask(vidioc::VIDIOC_QBUF, |ask: &mut raw::v4l2_buffer| {
                (ask.index, ask.type_, ask.memory) = (number, CAPTURE, MMAP);
            })
            .map(drop)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // A device that is gone refuses these; closing the node then frees all the same.
        let _ = self.node.ask(vidioc::VIDIOC_STREAMOFF, |kind| *kind = CAPTURE as std::ffi::c_int);
        // Unmapped, and nobody else is given them any more.
        self.buffers.clear();
        let _ = self.node.ask(vidioc::VIDIOC_REQBUFS, |ask: &mut raw::v4l2_requestbuffers| {
            (ask.type_, ask.memory) = (CAPTURE, MMAP);
        });
    }
}

/// Memory shared with the driver.
#[derive(Debug)]
struct Mapping {
    start: NonNull<std::ffi::c_void>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only read through `&self`.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(node: &Node, length: usize, offset: u32) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // `off_t` is narrower on 32-bit boards.
        #[allow(clippy::unnecessary_fallible_conversions)]
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), length, prot, libc::MAP_SHARED, node.as_fd().as_raw_fd(), offset)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start)
            .map(|start| Self { start, length })
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// All of it. The caller sees to it that the driver does not have it.
    fn bytes(&self) -> &[u8] {
        // SAFETY: `length` bytes are mapped at `start` until `self` is dropped, which outlives the slice; the
        // kernel keeps the pages of a mapping even when the device is gone. `Queue::bytes`, the only caller,
        // makes sure that the buffer is dequeued, so that nothing writes to it while it is borrowed: to queue
        // it takes the queue exclusively.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and no slice of it is alive.
        unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}
