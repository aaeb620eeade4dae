//! The ring's reading end as tokio sees it.

use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::driver::{Records, Supply};
use crate::container::ts::Record;
use crate::ring::Consumer;

/// Records out of a ring.
pub struct RingRecords(AsyncFd<Consumer<Record>>);

impl RingRecords {
    /// The records of `ring`. To be called within a tokio runtime.
    ///
    /// # Errors
    /// If the runtime cannot watch the ring's bell.
    pub fn new(ring: Consumer<Record>) -> io::Result<Self> {
        AsyncFd::register_with_interest(ring, Interest::READABLE).map(Self)
    }
}

impl Records for RingRecords {
    async fn ready(&mut self) -> io::Result<Supply> {
        loop {
            let ring = self.0.get_mut();
            // In this order: what a producer wrote before it went is read before its going is believed.
            let closed = ring.is_closed();
            if !ring.read().is_empty() {
                return Ok(Supply::Open);
            }
            if closed {
                return Ok(Supply::Closed);
            }
            // The bell is silenced before the ring is looked at again: what comes in between rings anew.
            let mut bell = self.0.readable_mut().await?;
            bell.get_inner_mut().clear();
            bell.clear_ready();
        }
    }

    fn read(&mut self) -> &[Record] {
        self.0.get_mut().read()
    }

    fn release(&mut self, count: usize) {
        self.0.get_mut().release(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring;
    use std::time::Duration;

    #[tokio::test]
    async fn records_are_waited_for_until_the_producer_goes() {
        let (mut producer, consumer) = ring::channel::<Record>(8).expect("an eventfd");
        let mut records = RingRecords::new(consumer).expect("a runtime");
        let writer = std::thread::spawn(move || {
            for n in 0..1000u32 {
                while producer.slot().map(|record| record.packet[0] = n as u8).is_none() {
                    std::thread::yield_now();
                }
                producer.publish();
            }
        });
        let mut next = 0u32;
        let reading = async {
            while records.ready().await.expect("the bell") == Supply::Open {
                let batch = records.read();
                let count = batch.len();
                for record in batch {
                    assert_eq!(record.packet[0], next as u8);
                    next += 1;
                }
                records.release(count);
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reading).await.expect("it ends with the producer");
        assert_eq!(next, 1000);
        writer.join().expect("the writer ends");
    }
}
