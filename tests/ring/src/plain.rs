//! The same ring with real threads, short enough for Miri.

use super::spsc;

#[test]
fn it_holds_what_fits_and_no_more() {
    for capacity in [1, 2, 3, 8] {
        let (mut producer, mut consumer) = spsc::channel::<usize>(capacity);
        let room = producer.capacity();
        assert!(room >= capacity && room.is_power_of_two());
        for round in 0..5 {
            assert_eq!(producer.free(), room);
            for n in 0..room {
                *producer.slot().expect("room") = round + n;
            }
            assert!(producer.slot().is_none() && consumer.read().is_empty());
            producer.publish();
            let mut seen = Vec::new();
            while !consumer.read().is_empty() {
                seen.push(consumer.read()[0]);
                consumer.release(1);
            }
            assert_eq!(seen, (round..round + room).collect::<Vec<_>>());
        }
    }
}

#[test]
fn each_side_sees_the_other_go() {
    let (producer, consumer) = spsc::channel::<u8>(2);
    assert!(!producer.is_closed() && !consumer.is_closed());
    drop(consumer);
    assert!(producer.is_closed());
    let (producer, consumer) = spsc::channel::<u8>(2);
    drop(producer);
    assert!(consumer.is_closed());
}

#[test]
fn releasing_more_than_was_read_releases_what_was_read() {
    let (mut producer, mut consumer) = spsc::channel::<u8>(4);
    *producer.slot().expect("room") = 1;
    producer.publish();
    consumer.release(9);
    assert_eq!(producer.free(), 3, "not read yet");
    assert_eq!(consumer.read(), [1]);
    consumer.release(9);
    assert_eq!(producer.free(), 4);
}

#[test]
fn items_keep_the_memory_they_own() {
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    let (mut producer, mut consumer) = spsc::channel::<Vec<u8>>(4);
    for _ in 0..producer.capacity() {
        producer.slot().expect("room").reserve_exact(64);
    }
    producer.publish();
    let count = consumer.read().len();
    consumer.release(count);
    let writer = std::thread::spawn(move || {
        let mut next = 0;
        while next < rounds {
            match producer.slot() {
                Some(slot) => {
                    assert_eq!(slot.capacity(), 64, "it was taken or replaced");
                    slot.clear();
                    slot.extend((0..next % 64).map(|byte| byte as u8));
                    next += 1;
                    producer.publish();
                }
                None => std::thread::yield_now(),
            }
        }
    });
    let mut expected = 0;
    while expected < rounds {
        match consumer.read().first() {
            Some(item) => {
                assert!(item.iter().copied().eq((0..expected % 64).map(|byte| byte as u8)));
                expected += 1;
                consumer.release(1);
            }
            None => std::thread::yield_now(),
        }
    }
    writer.join().expect("the writer ends");
}

#[test]
fn two_threads_in_a_hurry() {
    let items: u64 = if cfg!(miri) { 300 } else { 1_000_000 };
    let (mut producer, mut consumer) = spsc::channel::<[u64; 3]>(8);
    let writer = std::thread::spawn(move || {
        let mut next = 0;
        while next < items {
            match producer.slot() {
                Some(slot) => {
                    *slot = [next; 3];
                    next += 1;
                    if next % 3 == 0 {
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
    while expected < items {
        let read = consumer.read();
        let count = read.len();
        for item in read {
            assert_eq!(*item, [expected; 3]);
            expected += 1;
        }
        if count == 0 {
            std::thread::yield_now();
        }
        consumer.release(count);
    }
    writer.join().expect("the writer ends");
}
