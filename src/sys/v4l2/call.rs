//! One ioctl.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use v4l::v4l2::{self, vidioc};

/// A request code, as the kernel's headers make it of direction, size and number.
pub(super) type Code = vidioc::_IOC_TYPE;

/// Calls the driver, again if a signal came in between.
///
/// # Safety
/// `request` must be one whose argument is a `T`, and every pointer in `argument` that the request makes the
/// kernel follow must lead to memory that may be used so.
pub(super) unsafe fn call<T>(fd: BorrowedFd<'_>, request: Code, argument: &mut T) -> io::Result<()> {
    debug_assert_eq!((request >> 16 & 0x3fff) as usize, size_of::<T>(), "the code tells its argument's size");
    loop {
        // SAFETY: the caller vouches for the argument, which lives across the call.
        match unsafe { v4l2::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(argument).cast()) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A struct of the kernel's interface with all its fields zero, as reserved ones have to be.
///
/// # Safety
/// For `T`, all-zero must be valid.
pub(super) unsafe fn zeroed<T>() -> T {
    // SAFETY: the caller vouches for it.
    unsafe { std::mem::zeroed() }
}

/// The text in a field of fixed length, up to its first NUL; what is not UTF-8 is replaced.
pub(super) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_unterminated_or_rubbish() {
        let table: [(&[u8], &str); 4] =
            [(b"vivid\0\0x", "vivid"), (b"full", "full"), (b" a b \0", "a b"), (b"a\xffb\0", "a\u{fffd}b")];
        for (field, expected) in table {
            assert_eq!(text(field), expected);
        }
    }
}
