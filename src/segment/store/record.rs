//! How things stand in memory that outlives the process: one after the other, each a head, a description as JSON, and
//! bytes.
//!
//! Belongs here: framing, which takes whatever it finds for hostile. Does not: what is described.

use std::io;

use bytes::{Buf, Bytes};
use flate2::Crc;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys::lasting::{Lasting, Piece};

/// The last byte is the version of the layout: another one whenever any of this, or a description, is read otherwise.
const MAGIC: [u8; 8] = *b"outpost\x01";
/// `MAGIC`; the length of the description (4 bytes, little-endian as all of them) and of the bytes (8); CRC-32 of those
/// lengths and the description (4).
const HEAD_LEN: usize = 24;
/// A description of more is none of ours.
const LONGEST: usize = 4 << 20;

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// It was made by another version of the program, or by nobody.
    #[error("it is laid out otherwise")]
    Layout,
    /// It was not written to its end, or was written over.
    #[error("its description is spoilt")]
    Spoilt,
    /// The description says something else than it should.
    #[error("its description cannot be understood: {0}")]
    Description(#[from] serde_json::Error),
    /// The system does not give it out, or there is less than its head says.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Writes a description and the bytes it is of. The description is read again when all of it is there; so its checksum
/// need not go over the bytes, of which there may be a hundred mebibytes to check before anybody is served.
pub(super) fn write<'a>(
    memory: &mut Lasting,
    description: &impl Serialize,
    bytes: impl Iterator<Item = &'a [u8]> + Clone,
) -> io::Result<(Piece, Bytes)> {
    let len: usize = bytes.clone().map(<[u8]>::len).sum();
    let mut head = vec![0; HEAD_LEN];
    serde_json::to_writer(&mut head, description)?;
    let description = u32::try_from(head.len() - HEAD_LEN).map_err(io::Error::other)?;
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&description.to_le_bytes());
    head[12..20].copy_from_slice(&(len as u64).to_le_bytes());
    let sum = checksum(&head[8..20], &head[HEAD_LEN..]);
    head[20..HEAD_LEN].copy_from_slice(&sum.to_le_bytes());
    let piece = memory.write(&head, bytes)?;
    let bytes = Bytes::from_owner(piece.clone()).slice(head.len()..);
    Ok((piece, bytes))
}

/// Reads what comes next; `None` where there is no more.
pub(super) fn read<T: DeserializeOwned>(memory: &mut Lasting) -> Result<Option<(T, Piece, Bytes)>, Unread> {
    if !memory.seek()? {
        return Ok(None);
    }
    let mut head = [0; HEAD_LEN];
    memory.read(0, &mut head)?;
    let (magic, rest) = head.split_at(8);
    // A head is written last.
    if magic == [0; 8] {
        return Err(Unread::Spoilt);
    }
    if magic != MAGIC {
        return Err(Unread::Layout);
    }
    let (lens, mut sum) = rest.split_at(12);
    let mut numbers = lens;
    let len = usize::try_from(numbers.get_u32_le()).ok().filter(|it| *it <= LONGEST).ok_or(Unread::Spoilt)?;
    let mut description = vec![0; len];
    memory.read(HEAD_LEN, &mut description)?;
    if checksum(lens, &description) != sum.get_u32_le() {
        return Err(Unread::Spoilt);
    }
    let all = usize::try_from(numbers.get_u64_le()).ok().and_then(|it| it.checked_add(HEAD_LEN + len));
    let piece = memory.take(all.ok_or(Unread::Spoilt)?)?;
    let bytes = Bytes::from_owner(piece.clone()).slice(HEAD_LEN + len..);
    Ok(Some((serde_json::from_slice(&description)?, piece, bytes)))
}

fn checksum(lens: &[u8], description: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(lens);
    crc.update(description);
    crc.sum()
}
