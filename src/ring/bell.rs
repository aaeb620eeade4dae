//! The bell: an eventfd beside the ring, so that a reader can sleep in poll or epoll.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::spsc;

/// The side that writes, and rings.
pub struct Producer<T> {
    ring: spsc::Producer<T>,
    bell: Arc<EventFd>,
}

/// The side that reads. Its descriptor is readable once something was published, or the producer is gone.
pub struct Consumer<T> {
    ring: spsc::Consumer<T>,
    bell: Arc<EventFd>,
}

/// A ring of at least `capacity` items (the next power of two), with its bell.
///
/// # Errors
/// If the process has no file descriptor left for the eventfd.
pub fn channel<T: Default>(capacity: usize) -> io::Result<(Producer<T>, Consumer<T>)> {
    let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
    let (producer, consumer) = spsc::channel(capacity);
    Ok((Producer { ring: producer, bell: Arc::clone(&bell) }, Consumer { ring: consumer, bell }))
}

impl<T> Producer<T> {
    /// The place for the next item, which holds whatever was in it before; `None` while the ring is full.
    /// The consumer sees nothing of it until [`Producer::publish`].
    pub fn slot(&mut self) -> Option<&mut T> {
        self.ring.slot()
    }

    /// Makes all items written so far visible at once, and rings.
    pub fn publish(&mut self) {
        self.ring.publish();
        ring(&self.bell);
    }

    /// Makes all items written so far visible at once, and lets the consumer sleep.
    pub fn publish_silently(&mut self) {
        self.ring.publish();
    }

    /// How many more items fit now.
    pub fn free(&mut self) -> usize {
        self.ring.free()
    }

    /// How many items the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Whether the consumer is gone: nobody will ever read what is written.
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }
}

impl<T> Consumer<T> {
    /// Silences the bell. First clear, then read, then wait: what is published in between rings again.
    pub fn clear(&mut self) {
        // It fails only where it was silent already (EAGAIN).
        let _ = self.bell.read();
    }

    /// The published items not yet released, oldest first, as far as they lie behind one another: empty
    /// only if there are none. Behind the ring's end there may be more after [`Consumer::release`].
    pub fn read(&mut self) -> &[T] {
        self.ring.read()
    }

    /// Gives the first `count` of the items last read back to the producer; of items never read, none.
    pub fn release(&mut self, count: usize) {
        self.ring.release(count);
    }

    /// Whether the producer is gone. What [`Consumer::read`] gives after this was true is all that is left.
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }
}

fn ring(bell: &EventFd) {
    // It fails only where the count of rings not yet heard is full (EAGAIN): the bell is ringing.
    let _ = bell.write(1);
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.ring.close();
        ring(&self.bell);
    }
}

impl<T> AsFd for Consumer<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl<T> AsRawFd for Consumer<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.bell.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn rings<T>(consumer: &Consumer<T>, timeout: impl Into<PollTimeout>) -> bool {
        let mut fds = [PollFd::new(consumer.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout.into()).expect("poll") == 1
    }

    #[test]
    fn it_rings_when_something_is_published_and_when_the_producer_goes() {
        let (mut producer, mut consumer) = channel::<u32>(4).expect("an eventfd");
        assert!(!rings(&consumer, 0u8));
        *producer.slot().expect("room") = 7;
        producer.publish_silently();
        assert!(!rings(&consumer, 0u8) && consumer.read() == [7]);
        producer.publish();
        assert!(rings(&consumer, 0u8));
        consumer.clear();
        assert!(!rings(&consumer, 0u8));
        assert_eq!(consumer.read(), [7]);
        assert!(!consumer.is_closed());
        drop(producer);
        assert!(rings(&consumer, 0u8) && consumer.is_closed());
    }

    #[test]
    fn a_sleeping_reader_misses_nothing() {
        const ITEMS: u32 = 100_000;
        let (mut producer, mut consumer) = channel::<u32>(64).expect("an eventfd");
        let writer = std::thread::spawn(move || {
            let mut next = 0;
            while next < ITEMS {
                match producer.slot() {
                    Some(slot) => {
                        *slot = next;
                        next += 1;
                        if next % 7 == 0 {
                            producer.publish();
                        }
                    }
                    None => {
                        producer.publish();
                        std::thread::yield_now();
                    }
                }
            }
            producer.publish();
        });
        let mut expected = 0;
        loop {
            assert!(rings(&consumer, 10_000u16), "nothing for ten seconds");
            consumer.clear();
            let last = consumer.is_closed();
            loop {
                let items = consumer.read();
                let count = items.len();
                if count == 0 {
                    break;
                }
                items.iter().for_each(|item| {
                    assert_eq!(*item, expected);
                    expected += 1;
                });
                consumer.release(count);
            }
            if last {
                break;
            }
        }
        assert_eq!(expected, ITEMS);
        writer.join().expect("the writer ends");
    }
}
