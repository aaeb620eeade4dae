//! The ring itself: one producer, one consumer, no locks, no waiting.
//!
//! `tail` counts the items ever published, `head` those ever released; both run on and wrap with `usize`,
//! and the slot of item n is n modulo the capacity, a power of two. Each index is written by one side
//! only, and each side keeps the last value it saw of the other's, so that a shared cache line moves only
//! when the ring looks full or empty.
//!
//! This file stands alone: `tests/ring` compiles it with loom's atomics and tries all interleavings.

use std::cell::UnsafeCell;

#[cfg(loom)]
use loom::sync::{Arc, atomic::AtomicBool, atomic::AtomicUsize, atomic::Ordering};
#[cfg(not(loom))]
use std::sync::{Arc, atomic::AtomicBool, atomic::AtomicUsize, atomic::Ordering};

/// Keeps its content on cache lines of its own (two of 64 bytes: processors fetch pairs).
#[repr(align(128))]
struct Padded<T>(T);

struct Shared<T> {
    slots: Box<[UnsafeCell<T>]>,
    trace: Trace,
    /// Written by the consumer.
    head: Padded<AtomicUsize>,
    /// Written by the producer.
    tail: Padded<AtomicUsize>,
    producer_gone: AtomicBool,
    consumer_gone: AtomicBool,
}

// SAFETY: a slot is touched by one side at a time: by the producer from the moment it sees the slot
// released (`head`, Acquire) until it publishes it (`tail`, Release), by the consumer from the moment it
// sees it published until it releases it. Items cross from thread to thread, hence `T: Send`.
unsafe impl<T: Send> Sync for Shared<T> {}

/// The side that writes.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// Items handed out, published or not.
    next: usize,
    /// Items published: our own `tail`.
    tail: usize,
    /// `head` when last looked at.
    head: usize,
}

/// The side that reads.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// Items released: our own `head`.
    head: usize,
    /// `tail` when last looked at.
    tail: usize,
    /// Items last read and not yet released.
    read: usize,
}

/// A ring of at least `capacity` items: the next power of two. All are made now and written over again and
/// again: what memory an item owns it keeps, and it is dropped with the ring.
pub fn channel<T: Default>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let capacity = capacity.max(1).next_power_of_two();
    let shared = Arc::new(Shared {
        slots: (0..capacity).map(|_| UnsafeCell::new(T::default())).collect(),
        trace: Trace::new(capacity),
        head: Padded(AtomicUsize::new(0)),
        tail: Padded(AtomicUsize::new(0)),
        producer_gone: AtomicBool::new(false),
        consumer_gone: AtomicBool::new(false),
    });
    let producer = Producer { shared: Arc::clone(&shared), next: 0, tail: 0, head: 0 };
    (producer, Consumer { shared, head: 0, tail: 0, read: 0 })
}

impl<T> Shared<T> {
    fn index(&self, item: usize) -> usize {
        item & (self.slots.len() - 1)
    }
}

impl<T> Producer<T> {
    /// The place for the next item, which holds whatever was in it before; `None` while the ring is full.
    /// The consumer sees nothing of it until [`Producer::publish`].
    pub fn slot(&mut self) -> Option<&mut T> {
        if self.next.wrapping_sub(self.head) == self.capacity() {
            self.head = self.shared.head.0.load(Ordering::Acquire);
            if self.next.wrapping_sub(self.head) == self.capacity() {
                return None;
            }
        }
        let index = self.shared.index(self.next);
        self.shared.trace.write(index);
        self.next = self.next.wrapping_add(1);
        // SAFETY: fewer than `capacity` items lie between `head` and `next`, so the consumer has released
        // this slot and cannot read it before it is published; the `&mut self` the reference borrows
        // keeps us from publishing while it lives, and no slot is handed out twice.
        Some(unsafe { &mut *self.shared.slots[index].get() })
    }

    /// Makes all items written so far visible at once.
    pub fn publish(&mut self) {
        for item in 0..self.next.wrapping_sub(self.tail) {
            self.shared.trace.write(self.shared.index(self.tail.wrapping_add(item)));
        }
        self.tail = self.next;
        self.shared.tail.0.store(self.tail, Ordering::Release);
    }

    /// How many more items fit now.
    pub fn free(&mut self) -> usize {
        self.head = self.shared.head.0.load(Ordering::Acquire);
        self.capacity() - self.next.wrapping_sub(self.head)
    }

    /// How many items the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// Whether the consumer is gone: nobody will ever read what is written.
    pub fn is_closed(&self) -> bool {
        self.shared.consumer_gone.load(Ordering::Acquire)
    }

    /// Tells the consumer that no more will come; dropping does the same.
    pub fn close(&mut self) {
        self.shared.producer_gone.store(true, Ordering::Release);
    }
}

impl<T> Consumer<T> {
    /// The published items not yet released, oldest first, as far as they lie behind one another: empty
    /// only if there are none. Behind the ring's end there may be more after [`Consumer::release`].
    pub fn read(&mut self) -> &[T] {
        // What lies behind the ring's end cannot be part of this answer: no need to look for more.
        if self.tail == self.head || self.shared.index(self.tail) != 0 {
            self.tail = self.shared.tail.0.load(Ordering::Acquire);
        }
        let from = self.shared.index(self.head);
        let len = self.tail.wrapping_sub(self.head).min(self.shared.slots.len() - from);
        (from..from + len).for_each(|index| self.shared.trace.read(index));
        self.read = len;
        let slots = &self.shared.slots[from..from + len];
        // SAFETY: these slots are published and not released, so the producer does not touch them until
        // `release`, which needs `&mut self` and so ends this borrow. UnsafeCell<T> has the layout of T.
        unsafe { std::slice::from_raw_parts(slots.as_ptr().cast::<T>(), len) }
    }

    /// Gives the first `count` of the items last read back to the producer; of items never read, none.
    pub fn release(&mut self, count: usize) {
        let count = count.min(self.read);
        if count == 0 {
            return; // the producer's cache line stays where it is
        }
        self.read -= count;
        for item in 0..count {
            self.shared.trace.read(self.shared.index(self.head.wrapping_add(item)));
        }
        self.head = self.head.wrapping_add(count);
        self.shared.head.0.store(self.head, Ordering::Release);
    }

    /// Whether the producer is gone. What [`Consumer::read`] gives after this was true is all that is left.
    pub fn is_closed(&self) -> bool {
        self.shared.producer_gone.load(Ordering::Acquire)
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.consumer_gone.store(true, Ordering::Release);
    }
}

/// Tells loom when a slot is in whose hands; nothing otherwise.
#[cfg(not(loom))]
struct Trace;

#[cfg(not(loom))]
impl Trace {
    fn new(_: usize) -> Self {
        Self
    }

    #[inline]
    fn read(&self, _: usize) {}

    #[inline]
    fn write(&self, _: usize) {}
}

/// A cell of loom's beside each slot: it fails when two sides could touch the slot at once.
#[cfg(loom)]
struct Trace(Box<[loom::cell::UnsafeCell<()>]>);

#[cfg(loom)]
impl Trace {
    fn new(len: usize) -> Self {
        Self((0..len).map(|_| loom::cell::UnsafeCell::new(())).collect())
    }

    fn read(&self, index: usize) {
        self.0[index].with(|_| ());
    }

    fn write(&self, index: usize) {
        self.0[index].with_mut(|_| ());
    }
}
