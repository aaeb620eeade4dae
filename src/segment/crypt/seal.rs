//! Enciphering a segment while it is written, and deciphering a whole one.

use std::sync::Arc;

use aes::Aes128;
use bytes::{BufMut, Bytes, BytesMut};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::inout::InOutBuf;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};

use super::Keyring;
use crate::segment::{Body, Key, Segment};

/// AES works on blocks of so many bytes (FIPS 197).
const BLOCK_LEN: usize = 16;
/// Enciphered bytes are gathered in slabs, for the same reason as those that come out of the ring; whole blocks of
/// them, so that each is enciphered where it lies.
const SLAB_LEN: usize = 32 * 1024;

/// Enciphers the segments of one rendition, each once for all who fetch it.
///
/// A board without instructions for AES takes tens of milliseconds for a segment of pictures. So it is done as the
/// bytes come, and when the segment ends little is left to do.
pub struct Seal {
    keys: Keyring,
    /// The segment being written, as far as it is enciphered.
    open: Option<Open>,
    /// Where enciphered bytes are written; what is in it belongs to `open`.
    slab: BytesMut,
}

struct Open {
    sequence: u64,
    /// The first chunk of the clear segment, by which it is known again.
    first: Option<Bytes>,
    encryptor: Encryptor<Aes128>,
    /// How many chunks of the clear segment are done.
    done: usize,
    /// Bytes of the block that is not complete.
    rest: [u8; BLOCK_LEN],
    /// How many.
    rest_len: usize,
    chunks: Vec<Bytes>,
    /// Bytes enciphered, those in the slab included.
    len: usize,
}

impl Seal {
    /// With these keys.
    pub fn new(keys: Keyring) -> Self {
        Self { keys, open: None, slab: BytesMut::new() }
    }

    /// Enciphers ahead what is there of the segment being written, which will probably have this number.
    pub fn advance(&mut self, sequence: u64, clear: &[Bytes]) {
        let Self { keys, open, slab } = self;
        let first = clear.first();
        // What was begun may have been given up since.
        if !open.as_ref().is_some_and(|open| open.sequence == sequence && open.begins_with(first)) {
            slab.clear();
            *open = None;
        }
        let open = open.get_or_insert_with(|| Open::new(&keys.of(sequence), sequence, first.cloned()));
        for chunk in clear.iter().skip(open.done) {
            open.encipher(chunk, slab);
        }
        open.done = clear.len();
    }

    /// The whole segment enciphered, and with which key. If it has another number than was thought, all of it is
    /// done now.
    pub fn close(&mut self, sequence: u64, clear: &Body) -> (Arc<Key>, Body) {
        self.advance(sequence, &clear.chunks);
        let body = match self.open.take() {
            Some(open) => open.finish(&mut self.slab),
            None => Body::default(),
        };
        (Arc::new(self.keys.of(sequence)), body)
    }
}

/// All of a segment of this number, enciphered at once.
pub(in crate::segment) fn enciphered(key: &Key, sequence: u64, clear: &[u8]) -> Body {
    let (mut open, mut slab) = (Open::new(key, sequence, None), BytesMut::new());
    open.encipher(clear, &mut slab);
    open.finish(&mut slab)
}

/// The bytes of a segment in the clear: where it is not enciphered, those it has. `None` if its key does not fit.
pub fn clear(segment: &Segment) -> Option<Arc<[Bytes]>> {
    let Body { chunks, .. } = &segment.body;
    let Some(key) = &segment.key else { return Some(chunks.clone()) };
    let mut bytes = chunks.concat();
    let decryptor = Decryptor::<Aes128>::new(&key.secret.into(), &iv(segment.sequence).into());
    let len = decryptor.decrypt_padded::<Pkcs7>(&mut bytes).ok()?.len();
    bytes.truncate(len);
    Some(Arc::from([Bytes::from(bytes)]))
}

/// RFC 8216, 5.2: without an IV attribute it is the media sequence number, big-endian, in 16 bytes.
fn iv(sequence: u64) -> [u8; BLOCK_LEN] {
    u128::from(sequence).to_be_bytes()
}

impl Open {
    fn new(key: &Key, sequence: u64, first: Option<Bytes>) -> Self {
        Self {
            sequence,
            first,
            encryptor: Encryptor::new(&key.secret.into(), &iv(sequence).into()),
            done: 0,
            rest: [0; BLOCK_LEN],
            rest_len: 0,
            chunks: Vec::new(),
            len: 0,
        }
    }

    /// Whether this is the memory its first chunk lies in; held, it is no other's meanwhile.
    fn begins_with(&self, first: Option<&Bytes>) -> bool {
        self.first.as_ref().map(|it| it.as_ptr()) == first.map(|it| it.as_ptr())
    }

    fn encipher(&mut self, mut clear: &[u8], slab: &mut BytesMut) {
        while !clear.is_empty() {
            if self.rest_len > 0 || clear.len() < BLOCK_LEN {
                let count = clear.len().min(BLOCK_LEN - self.rest_len);
                let (taken, left) = clear.split_at(count);
                self.rest[self.rest_len..][..count].copy_from_slice(taken);
                self.rest_len += count;
                clear = left;
                if self.rest_len == BLOCK_LEN {
                    let block = self.rest;
                    self.write(&block, slab);
                    self.rest_len = 0;
                }
            } else {
                let room = self.room(slab);
                let count = (clear.len() / BLOCK_LEN * BLOCK_LEN).min(room);
                let (blocks, left) = clear.split_at(count);
                self.write(blocks, slab);
                clear = left;
            }
        }
    }

    /// Bytes that fit into the slab, at least a block; makes a new one if it is full.
    fn room(&mut self, slab: &mut BytesMut) -> usize {
        let room = slab.capacity() - slab.len();
        if room >= BLOCK_LEN {
            return room / BLOCK_LEN * BLOCK_LEN;
        }
        self.take_from(slab);
        *slab = BytesMut::with_capacity(SLAB_LEN);
        SLAB_LEN
    }

    /// Enciphers whole blocks, no more than there is room for.
    fn write(&mut self, blocks: &[u8], slab: &mut BytesMut) {
        self.room(slab);
        let begin = slab.len();
        slab.put_slice(blocks);
        let (blocks, _) = InOutBuf::from(&mut slab[begin..]).into_chunks();
        self.encryptor.encrypt_blocks_inout(blocks);
        self.len += slab.len() - begin;
    }

    /// PKCS #7 (RFC 5652, 6.3): as many bytes as are missing to a whole block, a whole one if none is, each their
    /// number.
    fn finish(mut self, slab: &mut BytesMut) -> Body {
        let missing = BLOCK_LEN - self.rest_len;
        let padding = [missing as u8; BLOCK_LEN];
        self.encipher(&padding[..missing], slab);
        self.take_from(slab);
        Body { chunks: self.chunks.into(), len: self.len }
    }

    fn take_from(&mut self, slab: &mut BytesMut) {
        if !slab.is_empty() {
            self.chunks.push(slab.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Pts, Span};
    use crate::container::ts::{Join, PACKET_LEN};
    use crate::segment::Vault;
    use proptest::prelude::*;
    use std::num::NonZeroU64;

    fn seal() -> Seal {
        Seal::new(Vault::of([7; 32]).keys("radio", NonZeroU64::MIN))
    }

    fn decipher(key: &Key, sequence: u64, body: &Body) -> Vec<u8> {
        assert_eq!(body.chunks.iter().map(Bytes::len).sum::<usize>(), body.len);
        let (start, duration) = (Pts::default(), Span::ZERO);
        let plain = Segment::plain(sequence, start, duration, Join::Continuous, body.clone());
        let segment = Segment { key: Some(Arc::new(key.clone())), ..plain };
        clear(&segment).expect("padded as it should be").concat()
    }

    fn body(chunks: &[Vec<u8>]) -> Body {
        let chunks: Arc<[Bytes]> = chunks.iter().cloned().map(Bytes::from).collect();
        Body { len: chunks.iter().map(Bytes::len).sum(), chunks }
    }

    #[test]
    fn a_block_enciphered_as_the_standard_has_it() {
        // NIST SP 800-38A, F.2.1, first block: key, IV ^ plaintext as our plaintext with an IV of zero.
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let clear = (0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128
            ^ 0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a_u128)
            .to_be_bytes();
        let mut open = Open::new(&seal().keys.of(0), 0, None);
        open.encryptor = Encryptor::new(&key.into(), &[0; 16].into());
        let mut slab = BytesMut::new();
        open.encipher(&clear, &mut slab);
        let enciphered = open.finish(&mut slab);
        assert_eq!(enciphered.len, 32, "a whole block of padding");
        assert_eq!(
            enciphered.chunks.concat()[..16],
            0x7649_abac_8119_b246_cee9_8e9b_12e9_197d_u128.to_be_bytes()
        );
    }

    #[test]
    fn a_segment_given_up_or_numbered_otherwise_leaves_nothing_behind() {
        let mut seal = seal();
        seal.advance(7, &[Bytes::from_static(b"what is given up, and long enough for two blocks")]);
        let first = body(&[vec![1; 188]]);
        seal.advance(7, &first.chunks);
        let (key, enciphered) = seal.close(7, &first);
        assert_eq!(decipher(&key, 7, &enciphered), first.chunks.concat());

        let second = body(&[vec![2; 188], vec![3; 70_000]]);
        seal.advance(8, &second.chunks[..1]);
        let (key, enciphered) = seal.close(9, &second);
        assert_eq!((key.number, decipher(&key, 9, &enciphered)), (9, second.chunks.concat()));
        assert_eq!(decipher(&key, 9, &seal.close(9, &second).1), second.chunks.concat(), "and again");
    }

    #[test]
    fn a_gap_that_is_fetched_is_null_packets_under_its_key() {
        let gap = Segment::gap(7, Pts::default(), Span::from_millis(2000), Join::Continuous);
        let clear = gap.filled().expect("a gap").body;
        let packets = clear.chunks.concat();
        assert!(packets.len() == clear.len && packets.chunks(PACKET_LEN).count() > 50);
        assert!(
            packets.chunks(PACKET_LEN).all(|it| it[..3] == [0x47, 0x1F, 0xFF]),
            "ISO/IEC 13818-1, table 2-3"
        );
        let key = seal().keys.of(6);
        let closed = Segment { key: Some(Arc::new(key.clone())), ..gap.clone() }.filled().expect("a gap");
        assert_eq!(decipher(&key, 7, &closed.body), packets);
        let there = Segment::plain(7, gap.start, gap.duration, gap.join, clear);
        assert!(there.filled().is_none());
    }

    proptest! {
        #[test]
        fn what_is_enciphered_in_whatever_pieces_comes_out_again(
            sequence: u64,
            chunks in proptest::collection::vec((any::<u8>(), 0usize..40_000), 0..6),
            // How far it is told to have come, each time before the end.
            told in proptest::collection::vec(0usize..6, 0..6),
        ) {
            let clear: Vec<Vec<u8>> = chunks.iter().map(|(byte, len)| vec![*byte; *len]).collect();
            let clear = body(&clear);
            let mut seal = seal();
            let mut so_far = 0;
            for count in told {
                so_far = (so_far + count).min(clear.chunks.len());
                seal.advance(sequence, &clear.chunks[..so_far]);
            }
            let (key, enciphered) = seal.close(sequence, &clear);
            prop_assert_eq!(enciphered.len, clear.len / 16 * 16 + 16);
            prop_assert_eq!(decipher(&key, sequence, &enciphered), clear.chunks.concat());
        }
    }
}
