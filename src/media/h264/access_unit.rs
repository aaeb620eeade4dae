//! From a byte stream to access units: where one picture ends and the next one begins (ITU-T H.264, 7.4.1.2.3).

use std::ops::Range;

use super::{NalType, find_start_code};

/// No access unit is longer; what is longer is not H.264 but something else.
pub const MAX_ACCESS_UNIT: usize = 4 << 20;
/// What most access units fit in.
const USUAL: usize = 256 << 10;

/// What is wrong with a byte stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub enum Fault {
    /// [`MAX_ACCESS_UNIT`] bytes came without the end of a picture, and were left out.
    TooLong,
    /// The beginning of a picture was missing, and its rest was left out.
    Headless,
    /// After a pause that was taken for the end of a picture, the rest of it came. It was left out.
    Late,
}

impl Fault {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TooLong => "4 MiB without the end of a picture",
            Self::Headless => "a picture without its beginning",
            Self::Late => "the rest of a picture came late",
        }
    }
}

/// Where in the stream the bytes at hand are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// In nothing that will be of use.
    Lost,
    /// In the rest of a picture that is left out; that has been told.
    Rest,
    /// Right behind a picture that a pause has ended.
    Paused,
    /// In an access unit that has no slice yet.
    Opened,
    /// In an access unit that has one.
    Pictured,
}

/// What a NAL unit means for the borders of access units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It stands before the first slice of its picture: delimiter, parameter set, message (7.4.1.2.3).
    Ahead,
    /// The first slice of a picture.
    First,
    /// A further slice of one.
    Further,
    /// It may stand anywhere, or behind the picture.
    Neutral,
}

/// Takes a byte stream in Annex B form in pieces of any length, and gives its access units.
///
/// A picture begins with the slice whose `first_mb_in_slice` is 0; streams with slices in arbitrary order or
/// with redundant ones (baseline profile; no camera makes them) are not told apart rightly. Of an interlaced
/// picture in two fields, each is an access unit.
///
/// After each [`AccessUnits::push`], ask [`AccessUnits::next_unit`] until it has none: then memory is bounded
/// by [`MAX_ACCESS_UNIT`] and the longest piece.
#[derive(Debug)]
pub struct AccessUnits {
    buffer: Vec<u8>,
    /// Where the access unit under way begins, or what is still to be looked at.
    start: usize,
    /// From where on a start code may lie that has not been seen.
    scanned: usize,
    stage: Stage,
    /// A pause has ended the picture under way.
    paused: bool,
    /// Bytes that went out of the buffer since an access unit was given.
    fruitless: usize,
}

impl Default for AccessUnits {
    fn default() -> Self {
        Self {
            buffer: Vec::with_capacity(USUAL),
            start: 0,
            scanned: 0,
            stage: Stage::Lost,
            paused: false,
            fruitless: 0,
        }
    }
}

impl AccessUnits {
    /// The bytes that follow.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.paused = false;
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing comes for a while: the picture under way, if there is one, is taken to be complete.
    pub fn flush(&mut self) {
        self.paused = self.has_picture();
    }

    /// Whether a picture is under way, so that [`AccessUnits::flush`] would complete it.
    pub fn has_picture(&self) -> bool {
        self.stage == Stage::Pictured
    }

    /// The next access unit, with its start codes; `None` until more bytes come.
    ///
    /// # Errors
    /// If bytes had to be left out. It can be asked again.
    pub fn next_unit(&mut self) -> Option<Result<&[u8], Fault>> {
        let found = self.find().or_else(|| self.finish())?;
        Some(found.map(|unit| &self.buffer[unit]))
    }

    /// Looks for the end of the access unit under way.
    fn find(&mut self) -> Option<Result<Range<usize>, Fault>> {
        while let Some(found) = find_start_code(&self.buffer[self.scanned..]) {
            let at = self.scanned + found;
            let Some(role) = role(&self.buffer[at + 3..]) else {
                self.scanned = at;
                return None;
            };
            self.scanned = at + 3;
            // The zero_byte before a start code belongs to it (B.1.1).
            let begin = at - usize::from(at > self.start && self.buffer[at - 1] == 0);
            let mut told = None;
            if self.stage == Stage::Paused {
                let late = role == Role::Further || self.has_stray(begin);
                told = late.then_some(Err(Fault::Late));
                self.stage = if late { Stage::Rest } else { Stage::Lost };
            }
            match (self.stage, role) {
                (Stage::Lost | Stage::Rest, Role::Ahead) => self.open(begin, Stage::Opened),
                (Stage::Lost | Stage::Rest, Role::First) => self.open(begin, Stage::Pictured),
                (Stage::Lost | Stage::Opened, Role::Further) => {
                    self.stage = Stage::Rest;
                    told = Some(Err(Fault::Headless));
                }
                (Stage::Opened, Role::First) => self.stage = Stage::Pictured,
                (Stage::Pictured, Role::Ahead | Role::First) => {
                    told = Some(Ok(self.start..begin));
                    let stage = if role == Role::First { Stage::Pictured } else { Stage::Opened };
                    self.open(begin, stage);
                    self.fruitless = 0;
                }
                (Stage::Rest | Stage::Pictured, Role::Further)
                | (Stage::Opened, Role::Ahead)
                | (_, Role::Neutral)
                | (Stage::Paused, _) => {}
            }
            if told.is_some() {
                return told;
            }
        }
        self.scanned = self.scanned.max(self.buffer.len().saturating_sub(2));
        None
    }

    fn open(&mut self, begin: usize, stage: Stage) {
        self.leave_out(begin);
        self.stage = stage;
    }

    fn leave_out(&mut self, end: usize) {
        self.fruitless += end - self.start;
        self.start = end;
    }

    /// Whether anything but zeros lies before `end`.
    fn has_stray(&self, end: usize) -> bool {
        self.buffer[self.start..end].iter().any(|byte| *byte != 0)
    }

    /// What is to be done with bytes in which no access unit ends.
    fn finish(&mut self) -> Option<Result<Range<usize>, Fault>> {
        if self.paused {
            self.paused = false;
            // Zeros may be the beginning of a start code.
            let zeros = self.buffer.iter().rev().take_while(|byte| **byte == 0).count();
            let unit = self.start..self.buffer.len() - zeros;
            (self.start, self.scanned, self.stage) = (unit.end, unit.end, Stage::Paused);
            self.fruitless = 0;
            return Some(Ok(unit));
        }
        if self.stage == Stage::Paused && self.has_stray(self.scanned) {
            self.stage = Stage::Rest;
            return Some(Err(Fault::Late));
        }
        if matches!(self.stage, Stage::Lost | Stage::Rest | Stage::Paused) {
            // The zero_byte of the next start code may have come.
            self.leave_out(self.scanned.saturating_sub(1).max(self.start));
        }
        if self.fruitless + self.buffer.len() - self.start > MAX_ACCESS_UNIT {
            (self.start, self.scanned) = (self.buffer.len(), self.buffer.len());
            (self.stage, self.fruitless) = (Stage::Rest, 0);
            return Some(Err(Fault::TooLong));
        }
        None
    }
}

/// The role of a NAL unit that begins with these bytes, if there are enough of them to tell.
fn role(nal: &[u8]) -> Option<Role> {
    let header = *nal.first()?;
    Some(match NalType::of(header) {
        // first_mb_in_slice is ue(v): a bit of 1 is 0.
        NalType::Slice | NalType::Idr if nal.get(1)? & 0x80 != 0 => Role::First,
        NalType::Slice | NalType::Idr => Role::Further,
        NalType::Aud | NalType::Sps | NalType::Pps => Role::Ahead,
        // Supplemental enhancement information; prefixes, subset parameter sets, reserved.
        NalType::Other(6 | 14..=18) => Role::Ahead,
        NalType::Other(_) => Role::Neutral,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::h264::{begins_with_delimiter, nal_units};
    use proptest::prelude::*;

    /// All that comes of `pieces`.
    fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Vec<Fault>) {
        let mut parser = AccessUnits::default();
        let (mut units, mut faults) = (Vec::new(), Vec::new());
        for piece in pieces {
            parser.push(piece);
            drain(&mut parser, &mut units, &mut faults);
        }
        parser.flush();
        drain(&mut parser, &mut units, &mut faults);
        (units, faults)
    }

    fn drain(parser: &mut AccessUnits, units: &mut Vec<Vec<u8>>, faults: &mut Vec<Fault>) {
        while let Some(found) = parser.next_unit() {
            match found {
                Ok(unit) => units.push(unit.to_vec()),
                Err(fault) => faults.push(fault),
            }
        }
    }

    const FILM: &[u8] = include_bytes!("../../../tests/data/ts/pictures.h264");

    #[test]
    fn a_film_is_split_into_its_pictures() {
        let (units, faults) = split([FILM]);
        assert_eq!((units.len(), faults), (100, vec![]));
        assert_eq!(units.concat(), FILM);
        assert!(units.iter().all(|unit| begins_with_delimiter(unit)));
    }

    /// The film without its delimiters, each slice header left to speak for itself.
    fn without_delimiters() -> Vec<u8> {
        let nals = nal_units(FILM).filter(|nal| NalType::of(nal[0]) != NalType::Aud);
        nals.flat_map(|nal| [&[0, 0, 1][..], nal].concat()).collect()
    }

    #[test]
    fn pictures_are_told_apart_without_delimiters() {
        let film = without_delimiters();
        let (units, faults) = split(film.chunks(1000));
        assert_eq!((units.len(), faults, units.concat()), (100, vec![], film));
    }

    const AUD: [u8; 5] = [0, 0, 1, 9, 0xF0];
    const FIRST: [u8; 6] = [0, 0, 1, 0x41, 0x9A, 7];
    const FURTHER: [u8; 6] = [0, 0, 1, 0x41, 0x4A, 7];
    const TAIL: [u8; 3] = [7, 7, 7];

    #[test]
    fn tables_of_borders() {
        let sps = [0, 0, 0, 1, 0x67, 1, 2];
        // Bytes, how many units come of them, faults.
        let table: [(Vec<u8>, usize, Vec<Fault>); 7] = [
            ([&FIRST[..], &FURTHER, &FURTHER, &FIRST].concat(), 2, vec![]),
            ([&sps[..], &FIRST, &sps, &AUD, &FIRST, &AUD].concat(), 2, vec![]),
            ([&AUD[..], &FURTHER, &FURTHER, &AUD, &FIRST].concat(), 1, vec![Fault::Headless]),
            ([&FURTHER[..], &FURTHER, &FIRST].concat(), 1, vec![Fault::Headless]),
            ([&TAIL[..], &FIRST].concat(), 1, vec![]),
            // An end of sequence (10) belongs to the picture before it.
            ([&FIRST[..], &[0, 0, 1, 10], &FIRST].concat(), 2, vec![]),
            ([&AUD[..], &sps, &AUD].concat(), 0, vec![]),
        ];
        for (bytes, count, expected) in table {
            let (units, faults) = split([&bytes[..]]);
            assert_eq!((units.len(), faults), (count, expected), "{bytes:02x?}");
        }
    }

    /// What comes of `before`, a pause, and `after`.
    fn paused(before: &[u8], after: &[u8]) -> (Vec<Vec<u8>>, Vec<Fault>) {
        let (mut parser, mut units, mut faults) = (AccessUnits::default(), Vec::new(), Vec::new());
        for piece in [before, after] {
            parser.push(piece);
            drain(&mut parser, &mut units, &mut faults);
            parser.flush();
            drain(&mut parser, &mut units, &mut faults);
        }
        (units, faults)
    }

    #[test]
    fn a_pause_ends_a_picture() {
        let units = vec![FIRST.to_vec(), FIRST.to_vec()];
        assert_eq!(paused(&FIRST, &FIRST), (units.clone(), vec![]));
        // In the midst of a start code.
        assert_eq!(paused(&[&FIRST[..], &[0, 0]].concat(), &FIRST[2..]), (units.clone(), vec![]));
        // Parameter sets alone are no picture.
        assert_eq!(paused(&AUD, &FIRST), (vec![[&AUD[..], &FIRST].concat()], vec![]));
        // It was none: the rest comes.
        let late = (units, vec![Fault::Late]);
        assert_eq!(paused(&FIRST, &[&TAIL[..], &FIRST].concat()), late);
        assert_eq!(paused(&FIRST, &[&FURTHER[..], &FURTHER, &FIRST].concat()), late);
        assert_eq!(paused(&FIRST, &TAIL).1, [Fault::Late]);
    }

    #[test]
    fn what_never_ends_is_given_up_and_forgotten() {
        let (long, zeros) = ([&FIRST[..], &[9; 100_000]].concat(), vec![0; 100_000]);
        // How it begins, and what comes then, again and again.
        let table =
            [(&TAIL[..], &TAIL[..]), (&long, &long[6..]), (&AUD, &AUD), (&FIRST, &FURTHER), (&FIRST, &zeros)];
        for (begin, endless) in table {
            let (mut parser, mut faults) = (AccessUnits::default(), Vec::new());
            parser.push(begin);
            let piece = endless.repeat(100_000 / endless.len());
            for _ in 0..100 {
                parser.push(&piece);
                drain(&mut parser, &mut Vec::new(), &mut faults);
                assert!(parser.buffer.capacity() <= 2 * (MAX_ACCESS_UNIT + 100_000));
            }
            assert_eq!(faults, [Fault::TooLong, Fault::TooLong], "{:?}", &endless[..1]);
            parser.push(&[&FIRST[..], &FIRST].concat());
            assert!(
                matches!(parser.next_unit(), Some(Ok(unit)) if unit.ends_with(&FIRST)),
                "and then it goes on"
            );
        }
    }

    fn cut(bytes: &[u8], at: &[usize]) -> Vec<Vec<u8>> {
        let mut pieces = vec![bytes.to_vec()];
        for at in at {
            let last = pieces.pop().expect("one at least");
            let (head, tail) = last.split_at(at % (last.len() + 1));
            pieces.extend([head.to_vec(), tail.to_vec()]);
        }
        pieces
    }

    /// Bytes in which there is much to be found.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(AUD.to_vec()),
            Just(FIRST.to_vec()),
            Just(FURTHER.to_vec()),
            proptest::collection::vec(0u8..4, 0..6),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn how_it_is_cut_into_pieces_changes_nothing(bytes in stream(), at in proptest::collection::vec(0usize..200, 0..12)) {
            let pieces = cut(&bytes, &at);
            prop_assert_eq!(split(pieces.iter().map(Vec::as_slice)), split([&bytes[..]]));
        }

        #[test]
        fn units_follow_each_other_in_the_stream(bytes in stream()) {
            let mut rest = &bytes[..];
            for unit in split([&bytes[..]]).0 {
                let at = rest.windows(unit.len()).position(|window| window == unit);
                prop_assert!(at.is_some(), "made up");
                rest = &rest[at.unwrap_or(0) + unit.len()..];
            }
        }

        #[test]
        fn pauses_anywhere_are_survived(bytes in stream(), at in proptest::collection::vec(0usize..200, 0..12)) {
            let (mut parser, mut units, mut faults) = (AccessUnits::default(), Vec::new(), Vec::new());
            for piece in cut(&bytes, &at) {
                parser.push(&piece);
                drain(&mut parser, &mut units, &mut faults);
                parser.flush();
                drain(&mut parser, &mut units, &mut faults);
            }
            prop_assert!(units.concat().len() <= bytes.len());
        }
    }
}
