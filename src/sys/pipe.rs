//! What waits in a pipe. Here because FIONREAD has no safe binding among our libraries.

use std::os::fd::{AsRawFd, BorrowedFd};

/// How many bytes can be read from a pipe at once; 0 if that is not to be known.
pub fn waiting(pipe: BorrowedFd<'_>) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int (pipe(7)), to a place that lives across the call.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    if result == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn bytes_are_counted_until_they_are_read() {
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        assert_eq!(waiting(reader.as_fd()), 0);
        writer.write_all(&[1; 3000]).expect("room");
        assert_eq!(waiting(reader.as_fd()), 3000);
        reader.read_exact(&mut [0; 1000]).expect("bytes");
        assert_eq!(waiting(reader.as_fd()), 2000);
    }
}
