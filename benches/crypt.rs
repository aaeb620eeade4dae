//! What enciphering costs: one line per figure.
//!
//! Without instructions for AES (`RUSTFLAGS='--cfg aes_backend="soft"'` shows it on a machine that has them) it is some
//! twenty times slower: hence it is done as bytes come, and not when a segment ends.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use bytes::Bytes;
use outpost::segment::{Body, Seal, Vault};

/// Two seconds at 2 Mbit/s, in the pieces in which they come out of the ring.
const SEGMENT: usize = 500_000;
const PIECE: usize = 174 * 188;
const TIMES: u64 = 200;

fn main() {
    let chunks: Vec<Bytes> = vec![7; SEGMENT].chunks(PIECE).map(Bytes::copy_from_slice).collect();
    let clear = Body { chunks: chunks.into(), len: SEGMENT };
    let keys = Vault::of([7; 32]).keys("radio", NonZeroU64::MIN);
    let mut seal = Seal::new(keys);
    let (mut ahead, mut last) = (Duration::ZERO, Duration::ZERO);
    for sequence in 0..TIMES {
        let begun = Instant::now();
        for count in 1..clear.chunks.len() {
            seal.advance(sequence, &clear.chunks[..count]);
        }
        let closing = Instant::now();
        black_box(seal.close(sequence, &clear));
        ahead += closing - begun;
        last += closing.elapsed();
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / TIMES as f64;
    let rate = SEGMENT as f64 / micros(ahead + last);
    println!("a segment of 500 KB enciphered           {:8.0} µs, {rate:.0} MB/s", micros(ahead + last));
    println!("of that, when it ends                    {:8.0} µs", micros(last));
}
