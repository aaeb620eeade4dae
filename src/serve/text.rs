//! A text made once and served often: as it is and compressed, each with its entity tag; the form in which it was not
//! given is made once somebody wants it so.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use hyper::header::HeaderValue;

use super::negotiate::Coding;

/// The window of deflate, as large as it gets: 2^15 bytes (RFC 1951, 2).
const MAX_WINDOW_BITS: u8 = 15;

/// Both forms of a text: the one it was given in, and the other, made of it.
#[derive(Debug)]
pub(super) struct Text {
    given: Bytes,
    /// The form of `given`.
    coding: Coding,
    other: OnceLock<Bytes>,
    identity_tag: HeaderValue,
    gzip_tag: HeaderValue,
}

impl Text {
    /// Tags it by its bytes.
    pub(super) fn new(text: Bytes) -> Self {
        let hash = hash(&text[..]);
        Self::tagged(text, hash)
    }

    /// The same where another number differs whenever the bytes do.
    pub(super) fn tagged(text: Bytes, hash: u64) -> Self {
        Self::of(text, Coding::Identity, hash)
    }

    /// The same for what is compressed already: by ourselves, so that it can be unpacked.
    pub(super) fn packed(given: Bytes) -> Self {
        let hash = hash(&given[..]);
        Self::of(given, Coding::Gzip, hash)
    }

    fn of(given: Bytes, coding: Coding, hash: u64) -> Self {
        let tag = |text: String| {
            HeaderValue::try_from(text).expect("hexadecimal digits within quotes are a field value")
        };
        Self {
            given,
            coding,
            other: OnceLock::new(),
            identity_tag: tag(format!("\"{hash:016x}\"")),
            // Different bytes need a different strong tag (RFC 9110, 8.8.3.3).
            gzip_tag: tag(format!("\"{hash:016x}-gzip\"")),
        }
    }

    /// The bytes in this coding.
    pub(super) fn bytes(&self, coding: Coding) -> &Bytes {
        if coding == self.coding {
            return &self.given;
        }
        self.other.get_or_init(|| match coding {
            Coding::Identity => plain(&self.given),
            Coding::Gzip => gzip(&self.given),
        })
    }

    /// Whether these bytes are made.
    pub(super) fn has(&self, coding: Coding) -> bool {
        coding == self.coding || self.other.get().is_some()
    }

    /// Bytes it takes.
    pub(super) fn len(&self) -> usize {
        self.given.len() + self.other.get().map_or(0, Bytes::len)
    }

    /// Their entity tag.
    pub(super) fn tag(&self, coding: Coding) -> &HeaderValue {
        match coding {
            Coding::Identity => &self.identity_tag,
            Coding::Gzip => &self.gzip_tag,
        }
    }
}

/// What an entity tag is made of. It only has to differ where what is hashed differs: SipHash with a fixed key does.
pub(super) fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

thread_local! {
    /// One compressor for all texts of a thread: its 270 KB of state, allocated and freed again for each
    /// text between allocations that stay, would leave the heap full of holes.
    static COMPRESSOR: RefCell<Compress> =
        RefCell::new(Compress::new_gzip(Compression::default(), MAX_WINDOW_BITS));
}

fn gzip(text: &[u8]) -> Bytes {
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        let mut packed = Vec::with_capacity(text.len() / 4 + 64);
        loop {
            let rest = &text[compressor.total_in() as usize..];
            match compressor.compress_vec(rest, &mut packed, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return Bytes::from(packed),
                Ok(Status::Ok | Status::BufError) => packed.reserve(packed.capacity()),
                // The state was reset and is used in order: it has nothing to complain of.
                Err(_) => return Bytes::new(),
            }
        }
    })
}

fn plain(packed: &[u8]) -> Bytes {
    let mut text = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut text).expect("we compressed it ourselves");
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_compressed_comes_out_again(texts in proptest::collection::vec("[a-c]{0,3000}", 1..4)) {
            for text in texts {
                let packed = Text::new(Bytes::from(text.clone().into_bytes()));
                let mut unpacked = String::new();
                GzDecoder::new(&packed.bytes(Coding::Gzip)[..]).read_to_string(&mut unpacked)?;
                prop_assert_eq!(&unpacked, &text);
                let given_packed = Text::packed(packed.bytes(Coding::Gzip).clone());
                prop_assert_eq!(given_packed.bytes(Coding::Identity), &text);
            }
        }
    }
}
