//! The reading end in a plain thread's hands: it sleeps in poll(2) until one of its bells rings.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::base::Stop;

/// Nothing in poll(2) hears a [`Stop`]: it is looked at this often.
const LOOK: Duration = Duration::from_millis(100);

/// Sleeps until one of `bells`, one or two, rings, `limit` is over or `stop` is raised, which is noticed
/// within 100 ms. Who wakes finds out why by looking; a bell rings on until
/// [`Consumer::clear`](super::Consumer::clear).
///
/// # Errors
/// If the system cannot wait: the process has no memory left for it.
pub fn wait(bells: &[BorrowedFd<'_>], limit: Duration, stop: &Stop) -> io::Result<()> {
    let (Some(first), Some(last)) = (bells.first(), bells.last()) else { return Ok(()) };
    let mut left = limit;
    while !stop.is_stopped() {
        let slice = left.min(LOOK);
        left -= slice;
        // Rounded up: waking before the time would be waking twice.
        let millis = slice.as_micros().div_ceil(1000) as u16;
        let mut fds = [listen(*first), listen(*last)];
        let rung = poll(&mut fds[..bells.len().min(2)], PollTimeout::from(millis));
        match rung {
            Ok(0) if !left.is_zero() => {}
            // A signal: nobody waits for exactly so long.
            Ok(_) | Err(Errno::EINTR) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn listen(bell: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(bell, PollFlags::POLLIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::channel;
    use std::os::fd::AsFd;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn either_bell_wakes_and_so_do_the_limit_and_stop() {
        let (mut a, mut from_a) = channel::<u8>(2).expect("an eventfd");
        let (mut b, from_b) = channel::<u8>(2).expect("an eventfd");
        let stop = Stop::new();
        for producer in [&mut a, &mut b] {
            producer.publish();
            wait(&[from_a.as_fd(), from_b.as_fd()], LONG, &stop).expect("waiting works");
            from_a.clear();
        }
        // `b` still rings; who listens to `a` alone does not hear it.
        let begin = Instant::now();
        let limit = Duration::from_millis(150);
        wait(&[from_a.as_fd()], limit, &stop).expect("waiting works");
        assert!(begin.elapsed() >= limit);
        let stopper = std::thread::spawn({
            let stop = stop.clone();
            move || stop.stop()
        });
        wait(&[from_a.as_fd()], LONG, &stop).expect("waiting works");
        stopper.join().expect("joins");
        drop(a);
        wait(&[from_a.as_fd()], LONG, &Stop::new()).expect("the end rings too");
    }
}
