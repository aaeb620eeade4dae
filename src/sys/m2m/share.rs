//! Memory that devices share with each other (Linux DMA-BUF).
//!
//! Belongs here: naming memory to other devices, and what caches need when we write to it. Does not: queues.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use v4l::v4l_sys as c;
use v4l::v4l2::vidioc::{self, _IOC_TYPE};

use super::abi::{self, Kind};

/// DMA_BUF_IOCTL_SYNC (`linux/dma-buf.h`): `_IOW('b', 0, struct dma_buf_sync)`, which is 64 bits of flags.
const DMA_BUF_IOCTL_SYNC: _IOC_TYPE = (1 << 30) | (8 << 16) | ((b'b' as _IOC_TYPE) << 8);
const DMA_BUF_SYNC_WRITE: u64 = 2;
const DMA_BUF_SYNC_END: u64 = 4;

/// Whose turn it is with shared memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// We write.
    Ours,
    /// We have written; devices read.
    Devices,
}

/// Exports a block of a mapped buffer. It lives for as long as the descriptor or the mapping.
pub(super) fn export(fd: BorrowedFd<'_>, kind: Kind, index: usize, block: usize) -> io::Result<OwnedFd> {
    let mut export: c::v4l2_exportbuffer = abi::zeroed();
    (export.type_, export.index, export.plane) = (kind.code(), index as u32, block as u32);
    export.flags = (libc::O_RDWR | libc::O_CLOEXEC) as u32;
    // SAFETY: VIDIOC_EXPBUF takes this struct, which has no pointers.
    unsafe { abi::call(fd, vidioc::VIDIOC_EXPBUF, &mut export) }?;
    // SAFETY: the kernel has opened this descriptor just now, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(export.fd) })
}

/// Makes what devices see of shared memory and what we see the same, where caches stand between.
pub(super) fn sync(shared: BorrowedFd<'_>, turn: Turn) -> io::Result<()> {
    let mut flags = match turn {
        Turn::Ours => DMA_BUF_SYNC_WRITE,
        Turn::Devices => DMA_BUF_SYNC_WRITE | DMA_BUF_SYNC_END,
    };
    // SAFETY: DMA_BUF_IOCTL_SYNC takes 64 bits of flags.
    unsafe { abi::call(shared, DMA_BUF_IOCTL_SYNC, &mut flags) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_ioctl_is_the_kernels() {
        // From the kernel's own headers on 64-bit machines; the struct has no pointers, so on all.
        assert_eq!(DMA_BUF_IOCTL_SYNC, 0x4008_6200);
    }
}
