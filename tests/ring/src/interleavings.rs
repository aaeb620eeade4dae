//! Every way in which two threads can meet in a small ring. Loom fails if a slot could be in both hands.

use super::spsc::{self, Consumer, Producer};
use loom::thread;

/// Writes `items` in batches; gives up an item for which there is no room, and tells how many went in.
fn write(mut producer: Producer<u32>, items: u32, batch: u32) -> u32 {
    let mut next = 0;
    for n in 1..=items {
        if let Some(slot) = producer.slot() {
            *slot = next;
            next += 1;
        }
        if n % batch == 0 {
            producer.publish();
        }
    }
    producer.publish();
    next
}

/// Reads what is there, releasing `step` at a time; the items must count up.
fn drain(consumer: &mut Consumer<u32>, expected: &mut u32, step: usize) {
    loop {
        let items = consumer.read();
        let count = items.len().min(step);
        for item in &items[..count] {
            assert_eq!(*item, *expected);
            *expected += 1;
        }
        if count == 0 {
            return;
        }
        consumer.release(count);
    }
}

fn every_way(capacity: usize, items: u32, batch: u32, step: usize) {
    loom::model(move || {
        let (producer, mut consumer) = spsc::channel(capacity);
        let writer = thread::spawn(move || write(producer, items, batch));
        let mut seen = 0;
        drain(&mut consumer, &mut seen, step);
        drain(&mut consumer, &mut seen, step);
        let written = writer.join().expect("the writer ends");
        assert!(consumer.is_closed());
        drain(&mut consumer, &mut seen, step);
        assert_eq!(seen, written);
    });
}

#[test]
fn one_by_one() {
    every_way(1, 3, 1, 1);
}

#[test]
fn round_the_end() {
    every_way(2, 4, 1, 2);
}

#[test]
fn in_batches_released_singly() {
    every_way(2, 4, 2, 1);
}

#[test]
fn what_was_published_before_the_end_is_read() {
    loom::model(|| {
        let (producer, mut consumer) = spsc::channel(2);
        let writer = thread::spawn(move || write(producer, 2, 1));
        let mut seen = 0;
        // Asked before reading: then nothing can be missed.
        if consumer.is_closed() {
            drain(&mut consumer, &mut seen, 2);
            assert_eq!(seen, 2);
        }
        writer.join().expect("the writer ends");
    });
}

#[test]
fn a_producer_survives_its_consumer() {
    loom::model(|| {
        let (mut producer, mut consumer) = spsc::channel(1);
        let reader = thread::spawn(move || {
            let count = consumer.read().len();
            consumer.release(count);
        });
        for n in 0..2 {
            if let Some(slot) = producer.slot() {
                *slot = n;
                producer.publish();
            }
        }
        reader.join().expect("the reader ends");
        assert!(producer.is_closed());
        // One of two is in the ring at most, the other was read or had no room.
        assert!(producer.free() <= 1);
    });
}

#[test]
fn what_was_not_published_is_never_seen() {
    loom::model(|| {
        let (mut producer, mut consumer) = spsc::channel(2);
        let writer = thread::spawn(move || {
            *producer.slot().expect("room") = 1;
            producer.publish();
            *producer.slot().expect("room") = 2;
        });
        assert!(consumer.read().iter().all(|item| *item == 1));
        writer.join().expect("the writer ends");
        assert_eq!(consumer.read(), [1]);
    });
}
