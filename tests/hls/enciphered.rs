//! Segments enciphered on their way from the ring to the shelf.

use std::num::NonZeroU64;
use std::time::Duration;

use aes::Aes128;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use outpost::base::{Clock, Span};
use outpost::container::ts::{Join, Mark, PACKET_LEN, Record};
use outpost::media::CutGrid;
use outpost::segment::{
    Agreement, Ledger, Numbering, Presence, Seal, Segment, SegmentConfig, Snapshot, Vault,
};

use crate::script::{BOOT_HOUR, Bench, Scratch, begin, clock, end, playlist};

/// Packets of a segment: more than are enciphered at a stretch.
const PACKETS: usize = 1000;

fn decipher(segment: &Segment) -> Vec<u8> {
    let key = segment.key.as_ref().expect("a key");
    let iv = u128::from(segment.sequence).to_be_bytes();
    let decryptor = Decryptor::<Aes128>::new(&key.secret.into(), &iv.into());
    let mut bytes = segment.body.chunks.concat();
    decryptor.decrypt_padded::<Pkcs7>(&mut bytes).expect("padded as it should be").to_vec()
}

/// A segment of two seconds, number `n`, all its packets but the first made of `byte`.
fn records(n: i64, byte: u8) -> Vec<Record> {
    let at = BOOT_HOUR.to_pts() + Span::from_millis(n * 2000);
    let mut records = vec![begin(at, Join::Continuous)];
    records.resize(PACKETS, Record { mark: Mark::Continue, packet: [byte; PACKET_LEN] });
    records.push(end(at + Span::from_millis(2000)));
    records
}

fn bytes(byte: u8) -> Vec<u8> {
    let mut bytes = vec![0x47; PACKET_LEN];
    bytes.resize(PACKETS * PACKET_LEN, byte);
    bytes
}

#[test]
fn what_is_listed_is_enciphered_and_what_is_streamed_is_not() {
    let scratch = Scratch::new("enciphered");
    let (config, clock) = (SegmentConfig::default(), clock());
    let numbering = Numbering::Aligned(CutGrid::new(config.target));
    let ledger = Ledger::open(scratch.file(), None);
    let agreement = Agreement::new(&ledger, "radio", numbering, &config, &clock.wall(), Span::ZERO, &[]);
    let bench = Bench::with(config, &clock, &agreement);
    let keys = Vault::of([7; 32]).keys("radio", NonZeroU64::new(2).expect("two"));
    let mut bench = Bench { segmenter: bench.segmenter.with_seal(Some(Seal::new(keys.clone()))), ..bench };
    let wait = Duration::from_secs(1);
    let mut batches = Vec::new();
    for n in 0..4 {
        let records = records(n, n as u8);
        // In two pieces: what is there of a segment is enciphered before it ends. Of the third the end is lost.
        let (one, two) = records.split_at(PACKETS / 2);
        batches.push((wait, one.to_vec()));
        if n != 2 {
            batches.push((wait, two.to_vec()));
        }
    }
    bench.play(batches);

    let shown = bench.shelf.last();
    let (gaps, there): (Vec<_>, Vec<_>) = shown.listed.iter().partition(|it| it.presence == Presence::Gap);
    assert_eq!(there.iter().map(|it| decipher(it)).collect::<Vec<_>>(), [0, 1, 3].map(bytes));
    // A gap has the key that stood before it, and keeps it when what it stood for has left the list.
    let kept: Vec<_> = gaps.iter().map(|gap| gap.key.as_deref()).collect();
    assert_eq!(kept, [Some(&keys.of(there[1].sequence))]);
    let alone = Snapshot { listed: shown.listed[2..].into(), ..(*shown).clone() };
    let (text, key) = (playlist(&alone), keys.of(there[1].sequence).number);
    let gap = format!("#EXT-X-KEY:METHOD=AES-128,URI=\"../keys/{key}.key\"\n");
    assert!(text.find(&gap).is_some_and(|at| at < text.find("#EXT-X-GAP").expect("a gap")), "{text}");
    for segment in there {
        assert_eq!(segment.key.as_deref(), Some(&keys.of(segment.sequence)), "{}", segment.sequence);
        let tails = bench.shelf.tails.lock().expect("nobody panicked");
        let last = tails.iter().rfind(|tail| tail.sequence == segment.sequence).expect("a tail");
        assert_eq!(last.chunks.concat(), decipher(segment), "the endless stream has all of it, in the clear");
    }
}
