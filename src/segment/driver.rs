//! From the ring to the shelf: reads records, tells whoever serves them.
//!
//! Belongs here: reading, and the segments of a transport stream. Does not: a decision of its own about them
//! (`collector`), or what is kept and told (`keeper`).

use std::io;
use std::sync::Arc;

use super::collector::{Collector, Event, Finished};
use super::crypt::Seal;
use super::keeper::{Keeper, WindowStats};
use super::{Segment, Tail};
use crate::container::ts::Record;
use crate::ring::{Reader, Supply};

/// How many records are enciphered before others on this thread get their turn: 2 ms on a board without instructions
/// for AES.
const STRETCH: usize = 174;

/// Where records come from, in order: the reading end of a ring.
pub trait Records<T = Record>: Send {
    /// Waits until there is something to read, or never will be. Nothing is lost if the wait is given up.
    ///
    /// # Errors
    /// If waiting itself fails.
    fn ready(&mut self) -> impl Future<Output = io::Result<Supply>> + Send;

    /// The oldest records not yet released, as many as lie in one piece; may be none.
    fn read(&mut self) -> &[T];

    /// Gives the places of the oldest `count` records back.
    fn release(&mut self, count: usize);
}

impl<T: Send> Records<T> for Reader<T> {
    fn ready(&mut self) -> impl Future<Output = io::Result<Supply>> + Send {
        Reader::ready(self)
    }

    fn read(&mut self) -> &[T] {
        Reader::read(self)
    }

    fn release(&mut self, count: usize) {
        Reader::release(self, count);
    }
}

/// What takes records.
pub(super) trait Taker<T> {
    /// Takes what one reading of the ring gave.
    fn take(&mut self, batch: &[T]);

    /// How many it takes before others on this thread get their turn.
    fn stretch(&self) -> usize {
        usize::MAX
    }

    /// What comes next, if anything does, does not follow.
    fn interrupt(&mut self);

    /// What is kept of them.
    fn keeper(&mut self) -> &mut Keeper;
}

/// Reads records until there are no more, within a tokio runtime.
pub(super) async fn drive<T>(taker: &mut impl Taker<T>, records: &mut impl Records<T>) -> io::Result<()> {
    let outcome = loop {
        match records.ready().await {
            Ok(Supply::Open) => {}
            Ok(Supply::Closed) => break Ok(()),
            Err(error) => break Err(error),
        }
        let batch = records.read();
        let count = batch.len().min(taker.stretch());
        let rest = batch.len() - count;
        taker.take(&batch[..count]);
        records.release(count);
        if rest > 0 {
            tokio::task::yield_now().await;
        }
        if let Some(reservation) = taker.keeper().sequence.restock() {
            // An SD card can take seconds to write; the stream goes on meanwhile.
            tokio::task::spawn_blocking(|| reservation.write());
        }
    };
    taker.interrupt();
    outcome
}

/// Makes segments of one rendition's records and keeps its window.
pub struct Segmenter {
    collector: Collector,
    keeper: Keeper,
    /// What enciphers, if anything is to be.
    seal: Option<Seal>,
}

impl Segmenter {
    /// A segmenter whose segments `keeper` keeps. What that goes on with is shown at once.
    pub fn new(mut keeper: Keeper) -> Self {
        if keeper.last().is_some() {
            keeper.show(None);
        }
        Self { collector: Collector::new(&keeper.config), keeper, seal: None }
    }

    /// The same, which enciphers what it lists. The endless stream stays in the clear.
    pub fn with_seal(self, seal: Option<Seal>) -> Self {
        Self { seal, ..self }
    }

    /// Its figures.
    pub fn stats(&self) -> Arc<WindowStats> {
        Arc::clone(&self.keeper.stats)
    }

    /// Reads records until there are no more, within a tokio runtime. Can be called again with another
    /// source of records, which then goes on in the same playlist after a discontinuity.
    ///
    /// # Errors
    /// If waiting for records fails.
    pub async fn drive(&mut self, records: &mut impl Records) -> io::Result<()> {
        drive(self, records).await
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Finished(Finished { start, duration, join, body }) => {
                let Some((sequence, join)) = self.keeper.place(start, join, self.keeper.end()) else {
                    return;
                };
                let mut segment = Segment::plain(sequence, start, duration, join, body);
                if let Some(seal) = &mut self.seal {
                    // Whoever reads the endless stream has it in the clear, to its end.
                    self.keeper.shelf.extend(Tail { sequence, chunks: Arc::clone(&segment.body.chunks) });
                    let (key, body) = seal.close(sequence, &segment.body);
                    (segment.key, segment.body) = (Some(key), body);
                }
                self.keeper.list(segment, None);
            }
            Event::Lost(reason) => self.keeper.give_up(&reason),
        }
    }
}

impl Taker<Record> for Segmenter {
    fn take(&mut self, batch: &[Record]) {
        self.keeper.look_at_the_clock(|| None);
        for record in batch {
            if let Some(event) = self.collector.push(record) {
                self.handle(event);
            }
        }
        if let Some((start, chunks)) = self.collector.tail()
            && let Some(sequence) = self.keeper.sequence.number_of(start)
        {
            if let Some(seal) = &mut self.seal {
                seal.advance(sequence, &chunks);
            }
            self.keeper.shelf.extend(Tail { sequence, chunks });
        }
    }

    fn stretch(&self) -> usize {
        if self.seal.is_some() { STRETCH } else { usize::MAX }
    }

    fn interrupt(&mut self) {
        if let Some(event) = self.collector.interrupt() {
            self.handle(event);
        }
    }

    fn keeper(&mut self) -> &mut Keeper {
        &mut self.keeper
    }
}
