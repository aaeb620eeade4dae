//! A text made once and served often: as it is and compressed, each with its entity tag.

use std::hash::{DefaultHasher, Hasher};
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::HeaderValue;

use super::negotiate::Coding;

/// Both forms of a text.
#[derive(Clone, Debug)]
pub(super) struct Text {
    identity: Bytes,
    gzip: Bytes,
    identity_tag: HeaderValue,
    gzip_tag: HeaderValue,
}

impl Text {
    /// Compresses and tags it.
    pub(super) fn new(text: Bytes) -> Self {
        // A tag only has to differ where the text differs: SipHash with a fixed key does.
        let mut hasher = DefaultHasher::new();
        hasher.write(&text);
        let hash = hasher.finish();
        let tag = |text: String| {
            HeaderValue::try_from(text).expect("hexadecimal digits within quotes are a field value")
        };
        Self {
            gzip: gzip(&text),
            identity: text,
            identity_tag: tag(format!("\"{hash:016x}\"")),
            // Different bytes need a different strong tag (RFC 9110, 8.8.3.3).
            gzip_tag: tag(format!("\"{hash:016x}-gzip\"")),
        }
    }

    /// The bytes in this coding.
    pub(super) fn bytes(&self, coding: Coding) -> &Bytes {
        match coding {
            Coding::Identity => &self.identity,
            Coding::Gzip => &self.gzip,
        }
    }

    /// Their entity tag.
    pub(super) fn tag(&self, coding: Coding) -> &HeaderValue {
        match coding {
            Coding::Identity => &self.identity_tag,
            Coding::Gzip => &self.gzip_tag,
        }
    }
}

fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4 + 64), Compression::default());
    // Writing into a Vec never fails.
    let packed = encoder.write_all(text).and_then(|()| encoder.finish());
    Bytes::from(packed.unwrap_or_default())
}
