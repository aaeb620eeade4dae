//! Fragmented MP4 (ISO/IEC 14496-12): which track, its clock, and how fragments follow each other.

use super::Look;

/// What an init segment tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Init {
    /// Whether its brands promise what RFC 8216 asks: `iso6` or later, or CMAF.
    pub(crate) brand: bool,
    pub(crate) pictures: bool,
    /// Ticks a second.
    pub(crate) timescale: u32,
    /// From `trex`, for fragments that do not say themselves.
    duration: u32,
    flags: u32,
}

/// A movie fragment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fragment {
    /// Ticks.
    pub(crate) decode: u64,
    pub(crate) duration: u64,
    pub(crate) sync: bool,
    /// Whether its samples are addressed from its own beginning (RFC 8216, 3.3).
    pub(crate) moof_relative: bool,
}

/// The boxes next to each other in `bytes`: type and content.
fn boxes(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while let Some((head, _)) = bytes.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let small = u32::from_be_bytes([a, b, c, d]) as usize;
        let (len, begin) = match small {
            0 => (bytes.len(), 8),
            1 => {
                let Some(large) = bytes.get(8..16).and_then(|it| it.try_into().ok()) else { break };
                (usize::try_from(u64::from_be_bytes(large)).unwrap_or(usize::MAX), 16)
            }
            small => (small, 8),
        };
        let Some(content) = bytes.get(begin..len) else { break };
        found.push((kind, content));
        bytes = &bytes[len..];
    }
    found
}

fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |inside, kind| Some(boxes(inside).into_iter().find(|(it, _)| it == *kind)?.1))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl Init {
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let brands = find(bytes, &[b"ftyp"])?;
        let known = ["iso6", "iso7", "iso8", "iso9", "cmfc", "cmf2", "cmfs"];
        let brand = brands.chunks(4).any(|brand| known.iter().any(|it| it.as_bytes() == brand));
        let mdia = find(bytes, &[b"moov", b"trak", b"mdia"])?;
        let header = find(mdia, &[b"mdhd"])?;
        let timescale = word(header, if *header.first()? == 1 { 20 } else { 12 })?;
        let pictures = find(mdia, &[b"hdlr"])?.get(8..12)? == b"vide";
        let trex = find(bytes, &[b"moov", b"mvex", b"trex"])?;
        Some(Self { brand, pictures, timescale, duration: word(trex, 12)?, flags: word(trex, 20)? })
    }

    /// The fragments in `bytes`; `None` if a box is not whole, or lacks what is needed.
    pub(crate) fn fragments(&self, bytes: &[u8]) -> Option<Vec<Fragment>> {
        let all = boxes(bytes);
        let len: usize = all.iter().map(|(_, content)| content.len() + 8).sum();
        if len != bytes.len() {
            return None;
        }
        let moofs = all.iter().filter(|(kind, _)| kind == b"moof");
        moofs.map(|(_, moof)| self.fragment(find(moof, &[b"traf"])?)).collect()
    }

    fn fragment(&self, traf: &[u8]) -> Option<Fragment> {
        let tfhd = find(traf, &[b"tfhd"])?;
        let set = word(tfhd, 0)?;
        let mut at = 8 + if set & 1 != 0 { 8 } else { 0 } + if set & 2 != 0 { 4 } else { 0 };
        let mut optional = |flag: u32, otherwise: u32| {
            if set & flag == 0 {
                return Some(otherwise);
            }
            at += 4;
            word(tfhd, at - 4)
        };
        let length = optional(0x08, self.duration)?;
        let _size = optional(0x10, 0)?;
        let flags = optional(0x20, self.flags)?;
        let tfdt = find(traf, &[b"tfdt"])?;
        let decode = match tfdt.first()? {
            0 => u64::from(word(tfdt, 4)?),
            _ => u64::from(word(tfdt, 4)?) << 32 | u64::from(word(tfdt, 8)?),
        };
        let (mut duration, mut first) = (0, None);
        for (_, run) in boxes(traf).iter().filter(|(kind, _)| kind == b"trun") {
            let set = word(run, 0)?;
            let count = word(run, 4)?;
            let mut at = 8 + if set & 1 != 0 { 4 } else { 0 };
            let mut next = |flag: u32, otherwise: u32| {
                if set & flag == 0 {
                    return Some(otherwise);
                }
                at += 4;
                word(run, at - 4)
            };
            let first_flags = next(0x04, flags)?;
            for sample in 0..count {
                duration += u64::from(next(0x100, length)?);
                let _size = next(0x200, 0)?;
                let own = next(0x400, if sample == 0 { first_flags } else { flags })?;
                let _composition = next(0x800, 0)?;
                first.get_or_insert(own);
            }
        }
        // sample_is_non_sync_sample (8.8.3.1)
        let sync = first? & 0x1_0000 == 0;
        Some(Fragment { decode, duration, sync, moof_relative: set & 0x2_0000 != 0 })
    }

    pub(crate) fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / f64::from(self.timescale)
    }

    /// How the track begins in `bytes`, and how long it lasts.
    pub(crate) fn look(&self, bytes: &[u8]) -> Option<Look> {
        let fragments = self.fragments(bytes)?;
        let first = fragments.first()?;
        let duration = fragments.iter().map(|it| it.duration).sum();
        Some(Look {
            start: self.seconds(first.decode),
            wraps: None,
            duration: Some(self.seconds(duration)),
            independent: first.sync || !self.pictures,
        })
    }
}
