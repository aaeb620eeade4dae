//! Our ring beside rtrb's, in the same run: items through two threads, one at a time and in the batches of
//! a PES packet.

use std::hint::{black_box, spin_loop};
use std::thread;
use std::time::Instant;

use outpost::container::ts::Record;
use outpost::ring::spsc;

const CAPACITY: usize = 1024;
/// Transport packets in a PES packet of a radio.
const BATCH: usize = 16;

/// Seconds until `items` are through our ring, `batch` to a publishing.
fn ours<T: Copy + Default + Send + 'static>(items: usize, batch: usize) -> f64 {
    let (mut producer, mut consumer) = spsc::channel::<T>(CAPACITY);
    let start = Instant::now();
    let writer = thread::spawn(move || {
        for n in 1..=items {
            loop {
                if let Some(slot) = producer.slot() {
                    *slot = black_box(T::default());
                    break;
                }
                spin_loop();
            }
            if n % batch == 0 {
                producer.publish();
            }
        }
    });
    let mut left = items;
    while left > 0 {
        let read = consumer.read();
        let count = read.len();
        black_box(read);
        if count == 0 {
            spin_loop();
        }
        consumer.release(count);
        left -= count;
    }
    writer.join().expect("the writer ends");
    start.elapsed().as_secs_f64()
}

/// The same through rtrb's chunks.
fn rtrbs<T: Copy + Default + Send + 'static>(items: usize, batch: usize) -> f64 {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<T>::new(CAPACITY);
    let start = Instant::now();
    let writer = thread::spawn(move || {
        for _ in 0..items / batch {
            loop {
                if let Ok(mut chunk) = producer.write_chunk(batch) {
                    let (first, second) = chunk.as_mut_slices();
                    for slot in first.iter_mut().chain(second) {
                        *slot = black_box(T::default());
                    }
                    chunk.commit_all();
                    break;
                }
                spin_loop();
            }
        }
    });
    let mut left = items;
    while left > 0 {
        let count = consumer.slots();
        if count == 0 {
            spin_loop();
            continue;
        }
        let chunk = consumer.read_chunk(count).expect("as many as there are");
        black_box(chunk.as_slices());
        chunk.commit_all();
        left -= count;
    }
    writer.join().expect("the writer ends");
    start.elapsed().as_secs_f64()
}

fn compare<T: Copy + Default + Send + 'static>(name: &str, items: usize, batch: usize) {
    // In turns, and the best of five of each: the machine may be busy with other things.
    let best = |run: &dyn Fn() -> f64, so_far: f64| run().min(so_far);
    let (mut ring, mut rtrb) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        ring = best(&|| ours::<T>(items, batch), ring);
        rtrb = best(&|| rtrbs::<T>(items, batch), rtrb);
    }
    let millions = |secs: f64| items as f64 / secs / 1e6;
    println!("ring, {name}: {:.1} million items per second (rtrb: {:.1})", millions(ring), millions(rtrb));
}

fn main() {
    compare::<u64>("numbers one by one", 10_000_000, 1);
    compare::<u64>("numbers in batches of 16", 16_000_000, BATCH);
    compare::<Record>("TS packets in batches of 16", 3_200_000, BATCH);
}
