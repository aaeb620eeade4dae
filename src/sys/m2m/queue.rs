//! One of a device's two queues, and who holds each of its buffers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::abi::{self, Block, Done, Granted, Kind, Memory};
use super::coder::Loan;
use super::memory::Mapping;
use super::share::{self, Turn};
use crate::base::Pts;
use crate::media::Dmabuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Us,
    Device,
}

struct Buffer {
    blocks: Vec<Mapping>,
    /// The same blocks, exported, if the queue works with shared memory.
    shared: Vec<OwnedFd>,
    holder: Holder,
}

/// A place in a queue of shared memory for what is not ours.
struct Guest {
    holder: Holder,
    /// The descriptor of the last one. The next camera's may have the same number; that costs one copy.
    last: Option<RawFd>,
}

/// A queue with its buffers, all of them mapped.
pub(super) struct Queue {
    kind: Kind,
    memory: Memory,
    buffers: Vec<Buffer>,
    /// Behind the buffers.
    guest: Option<Guest>,
}

impl Queue {
    /// Has `count` buffers allocated, or as many as the driver thinks right, and maps them.
    pub(super) fn new(fd: BorrowedFd<'_>, kind: Kind, count: u32) -> io::Result<Self> {
        Self::mapped(fd, kind, count).map(|(queue, _)| queue)
    }

    /// As [`Queue::new`], with a place for memory of other devices besides, where the driver has such.
    ///
    /// A queue knows one kind of memory at a time. So it is one of shared memory, and the buffers are lent to
    /// it as well: first allocated and exported by it, and then orphaned (VIDIOC_REQBUFS,
    /// V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS).
    pub(super) fn hospitable(fd: BorrowedFd<'_>, kind: Kind, count: u32, used: &[Block]) -> io::Result<Self> {
        let (queue, granted) = Self::mapped(fd, kind, count)?;
        if !granted.can_be_lent() {
            return Ok(queue);
        }
        queue.share(fd, used).or_else(|reason| {
            tracing::debug!(%reason, "the encoder takes no shared memory");
            Self::new(fd, kind, count)
        })
    }

    fn mapped(fd: BorrowedFd<'_>, kind: Kind, count: u32) -> io::Result<(Self, Granted)> {
        let granted = abi::request_buffers(fd, kind, Memory::Mapped, count)?;
        let buffer = |index| {
            let places = abi::query_buffer(fd, kind, index)?;
            let blocks = places.into_iter().map(|place| Mapping::new(fd, place)).collect::<Result<_, _>>()?;
            Ok(Buffer { blocks, shared: Vec::new(), holder: Holder::Us })
        };
        let buffers = (0..granted.count).map(buffer).collect::<io::Result<_>>()?;
        Ok((Self { kind, memory: Memory::Mapped, buffers, guest: None }, granted))
    }

    fn share(mut self, fd: BorrowedFd<'_>, used: &[Block]) -> io::Result<Self> {
        for (index, buffer) in self.buffers.iter_mut().enumerate() {
            let blocks = 0..buffer.blocks.len();
            buffer.shared =
                blocks.map(|block| share::export(fd, self.kind, index, block)).collect::<Result<_, _>>()?;
        }
        let own = self.buffers.len();
        let granted = abi::request_buffers(fd, self.kind, Memory::Shared, own as u32 + 1)?;
        if granted.count as usize <= own {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        (self.memory, self.guest) = (Memory::Shared, Some(Guest { holder: Holder::Us, last: None }));
        // Whether it takes back what is its own shows now, while nothing depends on it.
        for index in 0..own {
            self.enqueue(fd, index, used, Pts::default())?;
        }
        self.stop(fd)?;
        Ok(self)
    }

    pub(super) fn start(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        abi::stream_on(fd, self.kind)
    }

    /// Takes all buffers back, whatever the device does with them.
    pub(super) fn stop(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        abi::stream_off(fd, self.kind)?;
        for buffer in &mut self.buffers {
            buffer.holder = Holder::Us;
        }
        if let Some(guest) = &mut self.guest {
            guest.holder = Holder::Us;
        }
        Ok(())
    }

    /// A buffer that the device does not hold.
    pub(super) fn free(&self) -> Option<usize> {
        self.buffers.iter().position(|buffer| buffer.holder == Holder::Us)
    }

    /// Bytes in each block of the buffers, by the smallest.
    pub(super) fn capacity(&self, block: usize) -> usize {
        let length = |buffer: &Buffer| buffer.blocks.get(block).map_or(0, Mapping::len);
        self.buffers.iter().map(length).min().unwrap_or(0)
    }

    /// The blocks of a buffer, to be written; none if the device holds it.
    pub(super) fn blocks_mut(&mut self, index: usize) -> impl Iterator<Item = &mut [u8]> {
        let ours = self.buffers.get_mut(index).filter(|buffer| buffer.holder == Holder::Us);
        // SAFETY: we hold the buffer, and nobody can queue it while this borrow lasts.
        ours.into_iter().flat_map(|buffer| &mut buffer.blocks).map(|block| unsafe { block.bytes_mut() })
    }

    /// Says whose turn it is with a buffer, which caches must know where its memory is shared.
    pub(super) fn turn(&self, index: usize, turn: Turn) -> io::Result<()> {
        let shared = self.buffers.get(index).map_or(&[][..], |buffer| &buffer.shared);
        shared.iter().try_for_each(|block| share::sync(block.as_fd(), turn))
    }

    /// The bytes the device has written into a buffer it has given back; empty if it gave none.
    pub(super) fn coded(&self, done: &Done) -> &[u8] {
        let ours = self.buffers.get(done.index).filter(|buffer| buffer.holder == Holder::Us);
        let Some(block) = ours.and_then(|buffer| buffer.blocks.first()) else { return &[] };
        // SAFETY: we hold the buffer, and nobody can queue it while this borrow lasts.
        unsafe { block.bytes() }.get(done.begin..done.end).unwrap_or(&[])
    }

    /// Hands a buffer to the device, with so many bytes used in each block.
    pub(super) fn enqueue(
        &mut self,
        fd: BorrowedFd<'_>,
        index: usize,
        used: &[Block],
        pts: Pts,
    ) -> io::Result<()> {
        let shared = self.buffers.get(index).map_or(&[][..], |buffer| &buffer.shared);
        abi::enqueue(fd, self.kind, index, used, shared, pts)?;
        self.hold(index, Holder::Device);
        Ok(())
    }

    /// Hands the memory of another device to this one.
    ///
    /// # Errors
    /// If this one cannot use it.
    pub(super) fn welcome(
        &mut self,
        fd: BorrowedFd<'_>,
        memory: Dmabuf<'_>,
        used: &[Block],
        pts: Pts,
    ) -> io::Result<Loan> {
        let Some(guest) = &mut self.guest else { return Err(io::ErrorKind::Unsupported.into()) };
        // What came last stays attached to its place in the kernel, and only when memory is attached are
        // caches emptied into it, which matters where the processor writes a camera's pictures (USB).
        let name = Some(memory.fd.as_raw_fd());
        if guest.last == name {
            return Ok(Loan::Declined);
        }
        guest.last = name;
        abi::enqueue(fd, self.kind, self.buffers.len(), used, &[memory.fd], pts)?;
        guest.holder = Holder::Device;
        Ok(Loan::Taken)
    }

    /// Whether the device holds memory of another one.
    pub(super) fn has_guest(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.holder == Holder::Device)
    }

    /// Hands all buffers to the device that it does not hold yet.
    pub(super) fn enqueue_all(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        while let Some(index) = self.free() {
            self.enqueue(fd, index, &[], Pts::default())?;
        }
        Ok(())
    }

    /// Takes a buffer back, if the device is done with one.
    pub(super) fn dequeue(&mut self, fd: BorrowedFd<'_>) -> io::Result<Option<Done>> {
        let done = abi::dequeue(fd, self.kind, self.memory)?;
        if let Some(done) = done {
            self.hold(done.index, Holder::Us);
        }
        Ok(done)
    }

    fn hold(&mut self, index: usize, holder: Holder) {
        match self.buffers.get_mut(index) {
            Some(buffer) => buffer.holder = holder,
            None => self.guest.iter_mut().for_each(|guest| guest.holder = holder),
        }
    }
}
