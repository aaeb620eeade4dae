//! An opened device node.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use v4l::v4l_sys as raw;
use v4l::v4l2::vidioc;

use super::{Code, call, text, zeroed};

/// A device node, open for reading and writing and never blocking; closed when dropped.
#[derive(Debug)]
pub struct Node(OwnedFd);

/// What stands behind a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The driver's name.
    pub driver: String,
    /// The device's name.
    pub card: String,
    /// Of this node: `V4L2_CAP_…`.
    pub flags: u32,
}

impl Node {
    /// Opens a node.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Self(file.into()))
    }

    /// What it is (VIDIOC_QUERYCAP).
    ///
    /// # Errors
    /// ENOTTY if it is no V4L2 node.
    pub fn capabilities(&self) -> io::Result<Capabilities> {
        let mut answer = self.ask(vidioc::VIDIOC_QUERYCAP, |_: &mut raw::v4l2_capability| {})?;
        if answer.capabilities & raw::V4L2_CAP_DEVICE_CAPS == 0 {
            // Drivers that do not tell apart what the node and what the whole device can do.
            answer.device_caps = answer.capabilities;
        }
        Ok(Capabilities { driver: text(&answer.driver), card: text(&answer.card), flags: answer.device_caps })
    }

    /// One request with an argument of numbers that is all zero but for what `fill` writes; gives the answer.
    pub(super) fn ask<T: Plain>(&self, request: Code, fill: impl FnOnce(&mut T)) -> io::Result<T> {
        // SAFETY: all-zero is valid for what is `Plain`.
        let mut argument: T = unsafe { zeroed() };
        fill(&mut argument);
        // SAFETY: what is `Plain` has no pointer the kernel would follow; `call` checks the size.
        unsafe { call(self.as_fd(), request, &mut argument)? };
        Ok(argument)
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Arguments of ioctls that are numbers throughout.
///
/// # Safety
/// All-zero must be valid, and no value of any field may make the kernel follow a pointer in it with the
/// requests of this module.
pub(super) unsafe trait Plain {}

/// SAFETY: structs of numbers and of unions of numbers. `v4l2_buffer`, `v4l2_format` and `v4l2_requestbuffers`
/// are only ever filled in here for VIDEO_CAPTURE with MMAP, for which the kernel reads `m.offset` and `pix`
/// of their unions, never a pointer.
macro_rules! plain {
    ($($kind:ident)*) => {$(
        // SAFETY: see the macro.
        unsafe impl Plain for raw::$kind {}
    )*};
}

plain! {
    v4l2_capability v4l2_fmtdesc v4l2_frmsizeenum v4l2_frmivalenum v4l2_format v4l2_streamparm
    v4l2_query_ext_ctrl v4l2_querymenu v4l2_control v4l2_requestbuffers v4l2_buffer v4l2_exportbuffer
}

// SAFETY: a number.
unsafe impl Plain for std::ffi::c_int {}

/// Most entries of a list that are asked for: a driver's mistake must not make it endless.
const MOST_ENTRIES: u32 = 256;

/// All entries of a list that a driver tells one by one, up to the first it refuses.
pub(super) fn entries<T>(mut entry: impl FnMut(u32) -> io::Result<T>) -> Vec<T> {
    (0..MOST_ENTRIES).map_while(|index| entry(index).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_video_node_says_so() {
        let error = Node::open(Path::new("/dev/null")).and_then(|node| node.capabilities());
        assert_eq!(error.expect_err("no camera").raw_os_error(), Some(libc::ENOTTY));
        let error = Node::open(Path::new("/nonexistent")).expect_err("nothing there");
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }

    #[test]
    fn a_list_without_end_ends() {
        assert_eq!(entries(Ok).len(), 256);
        assert_eq!(
            entries(|n| if n < 3 { Ok(n) } else { Err(io::ErrorKind::InvalidInput.into()) }),
            [0, 1, 2]
        );
    }
}
