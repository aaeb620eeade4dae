//! One of a device's two queues, and who holds each of its buffers.

use std::io;
use std::os::fd::BorrowedFd;

use super::abi::{self, Block, Done, Kind};
use super::memory::Mapping;
use crate::base::Pts;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Us,
    Device,
}

struct Buffer {
    blocks: Vec<Mapping>,
    holder: Holder,
}

/// A queue with its buffers, all of them mapped.
pub(super) struct Queue {
    kind: Kind,
    buffers: Vec<Buffer>,
}

impl Queue {
    /// Has `count` buffers allocated, or as many as the driver thinks right, and maps them.
    pub(super) fn new(fd: BorrowedFd<'_>, kind: Kind, count: u32) -> io::Result<Self> {
        let count = abi::request_buffers(fd, kind, count)?;
        let buffer = |index| {
            let places = abi::query_buffer(fd, kind, index)?;
            let blocks = places.into_iter().map(|place| Mapping::new(fd, place)).collect::<Result<_, _>>()?;
            Ok(Buffer { blocks, holder: Holder::Us })
        };
        Ok(Self { kind, buffers: (0..count).map(buffer).collect::<io::Result<_>>()? })
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
        abi::enqueue(fd, self.kind, index, used, pts)?;
        self.hold(index, Holder::Device);
        Ok(())
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
        let done = abi::dequeue(fd, self.kind)?;
        if let Some(done) = done {
            self.hold(done.index, Holder::Us);
        }
        Ok(done)
    }

    fn hold(&mut self, index: usize, holder: Holder) {
        if let Some(buffer) = self.buffers.get_mut(index) {
            buffer.holder = holder;
        }
    }
}
