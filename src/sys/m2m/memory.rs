//! Memory of a device, mapped into ours.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use super::abi::Place;

/// One block of one buffer; unmapped when dropped. The mapping keeps the device's memory alive by itself,
/// even beyond the descriptor.
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it is plain memory, owned by this value, tied to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps a block to read and write.
    pub(super) fn new(fd: BorrowedFd<'_>, place: Place) -> io::Result<Self> {
        let bytes = place.bytes as usize;
        let (access, offset) = (libc::PROT_READ | libc::PROT_WRITE, i64::from(place.offset));
        // V4L2's offsets are cookies in the first gigabytes: they fit wherever `off_t` has 32 bits, too.
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours; the kernel
        // checks descriptor, offset and length.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, fd.as_raw_fd(), offset)
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(memory) if start != libc::MAP_FAILED => Ok(Self { start: memory, bytes }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// # Safety
    /// The device must not hold the buffer: it would write meanwhile.
    pub(super) unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for as long as `self` lives, initialised by the kernel, and nobody else writes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    /// # Safety
    /// The device must not hold the buffer: it would read or write meanwhile.
    pub(super) unsafe fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes this the only slice.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; slices of it cannot outlive `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
