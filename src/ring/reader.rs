//! The reading end in tokio's hands: its bell wakes a task instead of a thread.

use std::io;

use tokio::io::unix::AsyncFd;

use super::Consumer;

/// Whether items can still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// There are some, or there will be.
    Open,
    /// All have been read, and whoever wrote them is gone.
    Closed,
}

/// Reads a ring within a task.
pub struct Reader<T> {
    ring: AsyncFd<Consumer<T>>,
}

impl<T> Reader<T> {
    /// Must be called within a tokio runtime that drives I/O.
    ///
    /// # Errors
    /// If the runtime cannot watch the bell.
    pub fn new(ring: Consumer<T>) -> io::Result<Self> {
        // SAFETY: the descriptor is that of the eventfd in the consumer, which neither replaces nor closes
        // it as long as it lives, and it lives within the AsyncFd.
        let ring = unsafe { AsyncFd::register(ring) }?;
        Ok(Self { ring })
    }

    /// Waits until there is something to read, or never will be. Nothing is lost if the wait is given up.
    ///
    /// # Errors
    /// If waiting itself fails.
    pub async fn ready(&mut self) -> io::Result<Supply> {
        loop {
            // Asked before reading: what is read after the producer has gone is all there will be.
            let closed = self.ring.get_ref().is_closed();
            if !self.ring.get_mut().read().is_empty() {
                return Ok(Supply::Open);
            }
            if closed {
                return Ok(Supply::Closed);
            }
            let mut rung = self.ring.readable_mut().await?;
            rung.get_inner_mut().clear();
            rung.clear_ready();
        }
    }

    /// The oldest items not yet released, as [`Consumer::read`] gives them.
    pub fn read(&mut self) -> &[T] {
        self.ring.get_mut().read()
    }

    /// Gives the places of the oldest `count` items back.
    pub fn release(&mut self, count: usize) {
        self.ring.get_mut().release(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_reads_everything_in_order_and_sees_the_end() {
        const COUNT: u32 = 20_000;
        let (mut producer, consumer) = crate::ring::channel::<u32>(64).expect("an eventfd");
        let writer = std::thread::spawn(move || {
            for n in 0..COUNT {
                loop {
                    if let Some(slot) = producer.slot() {
                        *slot = n;
                        break;
                    }
                    std::thread::yield_now();
                }
                producer.publish();
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let mut next = 0;
        runtime.block_on(async {
            let mut reader = Reader::new(consumer).expect("the bell can be watched");
            while reader.ready().await.expect("waiting works") == Supply::Open {
                let items = reader.read();
                let count = items.len();
                for item in items {
                    assert_eq!(*item, next);
                    next += 1;
                }
                reader.release(count);
            }
        });
        assert_eq!(next, COUNT);
        writer.join().expect("the writer ends");
    }
}
