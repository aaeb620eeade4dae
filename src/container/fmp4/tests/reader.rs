//! A reader of boxes by the letter of ISO/IEC 14496-12, which shares nothing with the writer.

/// The boxes of `bytes`, one after the other: letters, and what is in each.
pub(in crate::container) fn boxes(bytes: &[u8]) -> Vec<(String, &[u8])> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while !rest.is_empty() {
        let size = u32::from_be_bytes(*rest.first_chunk().expect("a size")) as usize;
        assert!((8..=rest.len()).contains(&size), "a box of {size} bytes in {}", rest.len());
        let (one, behind) = rest.split_at(size);
        found.push((String::from_utf8(one[4..8].to_vec()).expect("letters"), &one[8..]));
        rest = behind;
    }
    found
}

/// What is in the only box at `path`.
pub(in crate::container) fn find<'a>(bytes: &'a [u8], path: &[&str]) -> &'a [u8] {
    let [first, rest @ ..] = path else { return bytes };
    let found: Vec<_> = boxes(bytes).into_iter().filter(|(kind, _)| kind == first).collect();
    assert_eq!(found.len(), 1, "{first}");
    find(found[0].1, rest)
}

/// All boxes that hold boxes, written as a tree.
pub(in crate::container) fn tree(bytes: &[u8]) -> String {
    let write = |(kind, content): (String, &[u8])| match kind.as_str() {
        "moov" | "trak" | "edts" | "mdia" | "minf" | "dinf" | "stbl" | "mvex" | "moof" | "traf" => {
            format!("{kind}({})", tree(content))
        }
        // A version and flags, and how many follow.
        "dref" | "stsd" => format!("{kind}({})", tree(&content[8..])),
        "avc1" => format!("{kind}({})", tree(&content[78..])),
        "mp4a" => format!("{kind}({})", tree(&content[28..])),
        _ => kind,
    };
    boxes(bytes).into_iter().map(write).collect::<Vec<_>>().join(" ")
}

/// Big-endian numbers, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u32(&mut self) -> u32 {
        let (number, rest) = self.0.split_first_chunk().expect("a field");
        self.0 = rest;
        u32::from_be_bytes(*number)
    }
}

/// A sample as a player finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) duration: i64,
    pub(super) sync: bool,
    pub(super) data: Vec<u8>,
}

/// A chunk as a player finds it.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) sequence: u32,
    /// baseMediaDecodeTime
    pub(super) decode: i64,
    pub(super) samples: Vec<Sample>,
}

impl Chunk {
    /// Where the next one begins on the timeline of decoding.
    pub(super) fn end(&self) -> i64 {
        self.decode + self.samples.iter().map(|sample| sample.duration).sum::<i64>()
    }
}

/// Reads moof and mdat, again and again.
pub(super) fn chunks(bytes: &[u8]) -> Vec<Chunk> {
    let (mut chunks, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let kinds: Vec<_> = boxes(rest).iter().map(|(kind, _)| kind.clone()).take(2).collect();
        assert_eq!(kinds, ["moof", "mdat"]);
        let size = |at: usize| u32::from_be_bytes(*rest[at..].first_chunk().expect("a size")) as usize;
        let end = size(0) + size(size(0));
        let (chunk, behind) = rest.split_at(end);
        chunks.push(read(chunk, size(0)));
        rest = behind;
    }
    chunks
}

fn read(chunk: &[u8], moof: usize) -> Chunk {
    let sequence = Fields(&find(chunk, &["moof", "mfhd"])[4..]).u32();
    let mut tfhd = Fields(find(chunk, &["moof", "traf", "tfhd"]));
    let flags = tfhd.u32();
    assert_eq!(flags & !0x02_0038, 0, "fields of a tfhd nobody here writes");
    assert_eq!((flags & 0x02_0000, tfhd.u32()), (0x02_0000, 1), "default-base-is-moof, track 1");
    let mut default = |bit: u32| (flags & bit != 0).then(|| tfhd.u32());
    let (duration, size, default_flags) = (default(0x08), default(0x10), default(0x20));
    let mut tfdt = Fields(find(chunk, &["moof", "traf", "tfdt"]));
    assert_eq!(tfdt.u32(), 0x0100_0000);
    let decode = i64::from(tfdt.u32()) << 32 | i64::from(tfdt.u32());
    let mut trun = Fields(find(chunk, &["moof", "traf", "trun"]));
    let flags = trun.u32();
    assert_eq!(flags & 0x01, 0x01, "data_offset");
    assert_eq!((flags >> 24, flags & 0xFF_F0FE), (1, 0), "version 1, no first_sample_flags");
    let (count, mut at) = (trun.u32(), trun.u32() as usize);
    assert_eq!(at, moof + 8, "the first byte of the mdat");
    let (mut samples, mut dts) = (Vec::new(), decode);
    for _ in 0..count {
        let mut field = |bit: u32| (flags & bit != 0).then(|| trun.u32());
        let duration = i64::from(field(0x100).or(duration).expect("a duration"));
        let size = field(0x200).or(size).expect("a size") as usize;
        let sample_flags = field(0x400).or(default_flags).expect("flags");
        let composition = field(0x800).unwrap_or(0) as i32;
        let data = chunk[at..at + size].to_vec();
        let sync = match sample_flags {
            0x0200_0000 => true,
            0x0101_0000 => false,
            other => panic!("sample_flags {other:08x}"),
        };
        samples.push(Sample { dts, pts: dts + i64::from(composition), duration, sync, data });
        at += size;
        dts += duration;
    }
    assert!(trun.0.is_empty() && at == chunk.len(), "nothing is left over");
    Chunk { sequence, decode, samples }
}
