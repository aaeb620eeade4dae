//! Passthrough: H.264 as a camera coded it, made such that a viewer can begin at each of its IDR pictures.
//!
//! Belongs here: what must be added to the access units, and what must be left out of them. Does not: when a
//! segment begins, or what is sent while the camera gives nothing.

mod hurdle;

use crate::base::{Pts, Span};
use crate::media::h264::{self, NalType, SliceHead, SliceKind, Sps, SpsError};
use crate::media::{Entry, FrameRate, Packet, Track, VideoConfig};

pub use hurdle::Hurdle;

/// Without an IDR picture for so long what comes is no stream any more: nobody has been able to begin.
const PATIENCE: Span = Span::from_millis(60_000);
/// No parameter set is longer: a picture's with all its scaling lists takes some 700 bytes.
const MAX_SET: usize = 1024;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// What became of an access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyNews {
    /// It was handed out.
    Passed,
    /// It was left out: there is no picture in it, or no IDR picture came yet.
    Waiting,
    /// It is an IDR picture with other parameters than those before it, or the first one: [`Copy::config`] is
    /// new. It was not handed out yet; give it once more when the stream is ready for it.
    Changed,
}

/// What is wrong with an access unit. Whoever logs it does so once per change: it may be the same for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyFault {
    /// No IDR picture for longer than a segment may last. A stream that had one before goes on for a minute
    /// nevertheless.
    #[error(
        "no IDR picture for {} s, so no segment can begin and nobody can begin to watch; ask the camera for one every \
         1 to 2 s (rpicam-vid: --intra 60 --inline; ffmpeg: -g 60), not for intra refresh, or make `segment` longer",
        .0.as_secs_f64()
    )]
    NoIdr(Span),
    /// An IDR picture refers to a parameter set that has not come. It was left out.
    #[error(
        "IDR picture refers to {set} {id}, which has not come; ask the camera to send it (rpicam-vid: --inline)"
    )]
    NoSet {
        /// Which kind of parameter set.
        set: &'static str,
        /// Its number.
        id: u32,
    },
    /// An IDR picture's parameter set is of no use. It was left out.
    #[error("the camera's sequence parameter set is of no use: {0}")]
    Sps(#[from] SpsError),
    /// A picture that comes before one it needs. It was left out.
    #[error(
        "B pictures are left out, for they would come too late; ask the camera for none (ffmpeg: -bf 0, x264: \
         --bframes 0)"
    )]
    Reordered,
}

/// Parameter sets of one kind, as they came last.
#[derive(Debug, Default)]
struct Sets(Vec<Set>);

#[derive(Debug)]
struct Set {
    id: u32,
    /// The sequence parameter set that a picture's refers to.
    sps: u32,
    nal: Vec<u8>,
}

impl Sets {
    /// Keeps a set; says whether it is another one than before.
    fn keep(&mut self, id: u32, sps: u32, nal: &[u8]) -> bool {
        let kept = self.0.iter_mut().find(|set| set.id == id);
        match kept {
            _ if nal.len() > MAX_SET => return false,
            Some(set) if set.nal == nal => return false,
            Some(set) => {
                set.sps = sps;
                set.nal.clear();
                set.nal.extend_from_slice(nal);
            }
            // Their numbers are 0 to 31 and 0 to 255: there are never more.
            None => self.0.push(Set { id, sps, nal: nal.to_vec() }),
        }
        true
    }

    fn find(&self, set: &'static str, id: u32) -> Result<&Set, CopyFault> {
        self.0.iter().find(|set| set.id == id).ok_or(CopyFault::NoSet { set, id })
    }
}

/// What there is in an access unit.
#[derive(Clone, Copy, Debug, Default)]
struct Contents<'a> {
    /// Its first slice.
    slice: Option<&'a [u8]>,
    has_sps: bool,
    has_pps: bool,
}

/// Passes a camera's access units on.
///
/// Each IDR picture that goes out has its parameter sets before it. A unit is handed out as it came wherever
/// that is so already; the multiplexer adds what delimiters are missing. In its steady state it takes no
/// memory.
#[derive(Debug)]
pub struct Copy {
    /// What to say if the stream does not say itself.
    rate: FrameRate,
    /// How long a segment may be.
    longest: Span,
    sps: Sets,
    pps: Sets,
    /// Whether a set changed since `config` was made.
    fresh: bool,
    config: Option<VideoConfig>,
    hurdle: Option<Hurdle>,
    /// Whether an IDR picture went out.
    flowing: bool,
    /// When the last IDR picture went out; before that, when the first picture came.
    since: Option<Pts>,
    /// An IDR picture with what was added to it.
    unit: Vec<u8>,
}

impl Copy {
    /// Waits for the first IDR picture of a camera that claims to give `rate` pictures per second, and should give
    /// an IDR picture each `longest`.
    pub fn new(rate: FrameRate, longest: Span) -> Self {
        Self {
            rate,
            longest,
            sps: Sets::default(),
            pps: Sets::default(),
            fresh: false,
            config: None,
            hurdle: None,
            flowing: false,
            since: None,
            unit: Vec::new(),
        }
    }

    /// What is known of the pictures handed out; `None` before the first.
    pub fn config(&self) -> Option<&VideoConfig> {
        self.config.as_ref()
    }

    /// What keeps many players from showing them.
    pub fn hurdle(&self) -> Option<Hurdle> {
        self.hurdle
    }

    /// Whether what was handed out goes on: an IDR picture came, and what follows is good for something.
    pub fn is_flowing(&self) -> bool {
        self.flowing
    }

    /// The camera was opened again: what it said before is forgotten, and its first IDR picture waited for.
    pub fn restart(&mut self) {
        *self = Self { unit: std::mem::take(&mut self.unit), ..Self::new(self.rate, self.longest) };
    }

    /// Takes an access unit in Annex B form, or parameter sets that come alone, and hands out what is to be sent.
    /// Timestamps increase.
    ///
    /// # Errors
    /// If it makes no stream; the next one is taken.
    pub fn unit(
        &mut self,
        pts: Pts,
        access_unit: &[u8],
        out: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<CopyNews, CopyFault> {
        let contents = self.read(access_unit);
        let Some(nal) = contents.slice else { return Ok(CopyNews::Waiting) };
        let slice = SliceHead::parse(nal);
        let entry = if h264::nal_type(nal) == Some(NalType::Idr) { Entry::Key } else { Entry::Dependent };
        let since = *self.since.get_or_insert(pts);
        let drought = entry == Entry::Dependent && pts - since > self.longest;
        if slice.is_some_and(|slice| slice.kind == SliceKind::Bidirectional) {
            return Err(CopyFault::Reordered);
        }
        if drought && pts - since > PATIENCE {
            self.stop();
        }
        if entry == Entry::Key {
            if self.config.is_none() || self.fresh {
                // Without it the pictures behind it are of no use either.
                let sps = self.describe(slice).inspect_err(|_| self.stop())?;
                let rate = sps.rate.unwrap_or(self.rate);
                self.config = Some(VideoConfig { codecs: sps.codecs(), size: sps.size, rate });
                self.hurdle = Hurdle::of(&sps);
                self.fresh = false;
                return Ok(CopyNews::Changed);
            }
            self.flowing = true;
            self.since = Some(pts);
        }
        if self.flowing {
            let bare = entry == Entry::Key && !(contents.has_sps && contents.has_pps);
            let data = if bare { self.complete(access_unit) } else { access_unit };
            out(&Packet { track: Track::Video, pts, dts: pts, entry, data });
        }
        match (drought, self.flowing) {
            (true, _) => Err(CopyFault::NoIdr(self.longest)),
            (false, true) => Ok(CopyNews::Passed),
            (false, false) => Ok(CopyNews::Waiting),
        }
    }

    /// What was handed out does not go on: the next IDR picture is a new beginning.
    fn stop(&mut self) {
        self.flowing = false;
        self.config = None;
    }

    /// Looks through a unit, and keeps its parameter sets.
    fn read<'a>(&mut self, access_unit: &'a [u8]) -> Contents<'a> {
        let mut contents = Contents::default();
        let mut head = h264::head(access_unit);
        for nal in head.by_ref() {
            match h264::nal_type(nal) {
                // A set that makes no sense is kept as well, for the IDR picture that needs it to say so.
                Some(NalType::Sps) => {
                    contents.has_sps = true;
                    let id = Sps::parse(nal).map_or(0, |sps| sps.id);
                    self.fresh |= self.sps.keep(id, id, nal);
                }
                Some(NalType::Pps) => {
                    contents.has_pps = true;
                    if let Some((id, sps)) = h264::pps_ids(nal) {
                        self.fresh |= self.pps.keep(id, sps, nal);
                    }
                }
                _ => {}
            }
        }
        contents.slice = head.slice();
        contents
    }

    /// What a decoder must know of the pictures from this one on.
    fn describe(&self, slice: Option<SliceHead>) -> Result<Sps, CopyFault> {
        let pps = self.pps.find("picture parameter set", slice.map_or(0, |slice| slice.pps))?;
        Ok(Sps::parse(&self.sps.find("sequence parameter set", pps.sps)?.nal)?)
    }

    /// The unit with its delimiter first and all parameter sets next.
    fn complete(&mut self, access_unit: &[u8]) -> &[u8] {
        self.unit.clear();
        self.unit.extend_from_slice(&h264::ACCESS_UNIT_DELIMITER);
        for set in self.sps.0.iter().chain(&self.pps.0) {
            self.unit.extend_from_slice(&START_CODE);
            self.unit.extend_from_slice(&set.nal);
        }
        self.unit.extend_from_slice(h264::after_delimiter(access_unit));
        &self.unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::h264::AccessUnits;
    use proptest::prelude::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    const LONGEST: Span = Span::from_millis(10_000);

    fn rate(hertz: u32) -> FrameRate {
        FrameRate::new(hertz, 1).expect("a rate")
    }

    fn fresh() -> Copy {
        Copy::new(rate(30), LONGEST)
    }

    /// Access units of a film made by ffmpeg with these words: an IDR picture every 10, 25 a second.
    fn film(size: &str, words: &[&str]) -> Vec<Vec<u8>> {
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", &format!("testsrc2=s={size}:r=25:d=2")])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0"])
            .args(words)
            .args(["-f", "h264", "-"])
            .output()
            .expect("this test needs ffmpeg (apt-get install ffmpeg)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut parser = AccessUnits::default();
        let mut units = Vec::new();
        parser.push(&output.stdout);
        for _ in 0..2 {
            while let Some(unit) = parser.next_unit() {
                units.push(unit.expect("ffmpeg writes no rubbish").to_vec());
            }
            parser.flush();
        }
        assert_eq!(units.len(), 50);
        units
    }

    /// Without the NAL units of these types.
    fn without(unit: &[u8], kinds: &[NalType]) -> Vec<u8> {
        let nals = h264::nal_units(unit).filter(|nal| !kinds.contains(&NalType::of(nal[0])));
        nals.flat_map(|nal| [&START_CODE[..], nal].concat()).collect()
    }

    /// What became of each unit, and what was handed out: whether a viewer can begin there, and the bytes.
    type Outcome = (Vec<Result<CopyNews, CopyFault>>, Vec<(Entry, Vec<u8>)>);

    /// Gives `units` to `copy`, 25 a second, as the pump does.
    fn pass(copy: &mut Copy, first: i64, units: &[Vec<u8>]) -> Outcome {
        let (mut news, mut handed) = (Vec::new(), Vec::new());
        for (number, unit) in units.iter().enumerate() {
            let pts = Pts::from_ticks((first + number as i64) * 3600);
            let mut out = |packet: &Packet<'_>| {
                assert_eq!((packet.pts, packet.dts), (pts, pts));
                handed.push((packet.entry, packet.data.to_vec()));
            };
            let told = copy.unit(pts, unit, &mut out);
            news.push(told.clone());
            if told == Ok(CopyNews::Changed) {
                assert_eq!(copy.unit(pts, unit, &mut out), Ok(CopyNews::Passed));
            }
        }
        (news, handed)
    }

    fn kinds(unit: &[u8]) -> Vec<NalType> {
        h264::nal_units(unit)
            .map(|nal| NalType::of(nal[0]))
            .filter(|kind| *kind != NalType::Other(6))
            .collect()
    }

    /// How many pictures ffmpeg decodes.
    fn decoded(film: &[u8]) -> usize {
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-xerror", "-f", "h264", "-i", "-", "-f", "framemd5", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs ffmpeg (apt-get install ffmpeg)");
        let mut input = child.stdin.take().expect("piped");
        let film = film.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&film));
        let output = child.wait_with_output().expect("ffmpeg ends");
        writer.join().expect("joins").expect("ffmpeg reads all");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.starts_with('#')).count()
    }

    #[test]
    fn one_can_begin_at_every_idr_though_the_sets_came_once() {
        let whole = film("320x180", &[]);
        let sets = [NalType::Sps, NalType::Pps, NalType::Aud];
        let bare: Vec<_> = whole
            .iter()
            .enumerate()
            .map(|(number, unit)| if number == 0 { unit.clone() } else { without(unit, &sets) })
            .collect();
        let (news, handed) = pass(&mut fresh(), 0, &bare);
        assert_eq!(news[0], Ok(CopyNews::Changed));
        assert!(news[1..].iter().all(|news| *news == Ok(CopyNews::Passed)));
        for (number, (entry, unit)) in handed.iter().enumerate() {
            if number % 10 == 0 {
                let tail: Vec<u8> = handed[number..].iter().flat_map(|(_, unit)| unit.clone()).collect();
                assert_eq!((*entry, decoded(&tail)), (Entry::Key, 50 - number));
            } else {
                assert_eq!((*entry, unit), (Entry::Dependent, &bare[number]));
            }
        }
        let expected = [NalType::Aud, NalType::Sps, NalType::Pps, NalType::Idr];
        assert_eq!(kinds(&handed[10].1), expected);
        // With a delimiter of its own there is still one.
        let marked: Vec<_> = film("320x180", &["-x264-params", "aud=1"])
            .iter()
            .enumerate()
            .map(|(number, unit)| if number == 0 { unit.clone() } else { without(unit, &sets[..2]) })
            .collect();
        assert_eq!(kinds(&marked[10]), [NalType::Aud, NalType::Idr]);
        let (_, handed) = pass(&mut fresh(), 0, &marked);
        assert_eq!(kinds(&handed[10].1), expected);
    }

    #[test]
    fn it_waits_for_the_first_idr_and_for_sets() {
        let whole = film("320x180", &[]);
        let mut copy = fresh();
        let (news, handed) = pass(&mut copy, 0, &whole[3..12]);
        let waited =
            [&[const { Ok(CopyNews::Waiting) }; 7][..], &[Ok(CopyNews::Changed), Ok(CopyNews::Passed)]];
        assert_eq!((news, handed.len()), (waited.concat(), 2));
        let config = copy.config().expect("known");
        assert_eq!(
            (&*config.codecs, config.size.to_string(), config.rate),
            ("avc1.42c00c", "320x180".into(), rate(25))
        );

        // Sets that come alone, as some drivers give them.
        let mut copy = fresh();
        let sets = without(&whole[0], &[NalType::Idr, NalType::Aud, NalType::Other(6)]);
        let bare = without(&whole[0], &[NalType::Sps, NalType::Pps]);
        let absent = CopyFault::NoSet { set: "picture parameter set", id: 0 };
        let (news, handed) = pass(&mut copy, 0, &[bare.clone(), sets, bare]);
        assert_eq!(news, [Err(absent), Ok(CopyNews::Waiting), Ok(CopyNews::Changed)]);
        assert_eq!(handed.len(), 1);

        copy.restart();
        assert_eq!(copy.config(), None);
        assert_eq!(pass(&mut copy, 9, &whole[1..2]).0, [Ok(CopyNews::Waiting)]);
    }

    #[test]
    fn other_parameters_are_told_before_they_are_sent() {
        let mut copy = fresh();
        pass(&mut copy, 0, &film("320x180", &[]));
        let (news, _) = pass(&mut copy, 50, &film("640x360", &[]));
        assert_eq!((&news[0], &news[10]), (&Ok(CopyNews::Changed), &Ok(CopyNews::Passed)));
        assert_eq!(copy.config().map(|config| config.size.to_string()), Some("640x360".into()));
    }

    #[test]
    fn what_makes_no_stream_is_named() {
        // B pictures: the others go on.
        let units = film("320x180", &["-bf", "2", "-x264-params", "b-pyramid=none:b-adapt=0"]);
        let (news, handed) = pass(&mut fresh(), 0, &units);
        let left = news.iter().filter(|news| **news == Err(CopyFault::Reordered)).count();
        assert!((20..40).contains(&left) && handed.len() == 50 - left, "{left}");
        let stream: Vec<u8> = handed.iter().flat_map(|(_, unit)| unit.clone()).collect();
        assert_eq!(decoded(&stream), handed.len());

        // Recovery points in place of IDR pictures.
        let never = film("320x180", &["-g", "1000", "-x264-params", "intra-refresh=1"]);
        let mut copy = fresh();
        let news = pass(&mut copy, 0, &never[1..]).0;
        assert!(news.iter().all(|news| *news == Ok(CopyNews::Waiting)));
        assert_eq!(pass(&mut copy, 300, &never[1..2]), (vec![Err(CopyFault::NoIdr(LONGEST))], vec![]));
        // Begun, it goes on.
        assert_eq!(pass(&mut copy, 301, &never[..1]).0, [Ok(CopyNews::Changed)]);
        let (news, handed) = pass(&mut copy, 600, &never[1..2]);
        assert_eq!((news, handed.len()), (vec![Err(CopyFault::NoIdr(LONGEST))], 1));

        // A minute is too long.
        let (news, handed) = pass(&mut copy, 2000, &never[1..3]);
        assert_eq!((news, handed.len()), (vec![Err(CopyFault::NoIdr(LONGEST)); 2], 0));
        assert!(!copy.is_flowing());
        let (news, handed) = pass(&mut copy, 2002, &never[..2]);
        assert_eq!((news, handed.len()), (vec![Ok(CopyNews::Changed), Ok(CopyNews::Passed)], 2));

        // A sequence parameter set that is cut short.
        let idr = film("320x180", &[])[0].clone();
        let short: Vec<u8> = h264::nal_units(&idr)
            .map(|nal| if nal[0] & 31 == 7 { &nal[..6] } else { nal })
            .flat_map(|nal| [&START_CODE[..], nal].concat())
            .collect();
        let (news, handed) = pass(&mut fresh(), 0, std::slice::from_ref(&short));
        assert_eq!((news, handed.len()), (vec![Err(CopyFault::Sps(SpsError::Short))], 0));
        // In the midst of a stream, what refers to its IDR picture is left out with it.
        let mut copy = fresh();
        let whole = film("320x180", &[]);
        pass(&mut copy, 0, &whole[..10]);
        let (news, handed) = pass(&mut copy, 10, &[short, whole[11].clone(), whole[20].clone()]);
        let expected = [Err(CopyFault::Sps(SpsError::Short)), Ok(CopyNews::Waiting), Ok(CopyNews::Changed)];
        assert_eq!((&news[..], handed.len()), (&expected[..], 1));
    }

    proptest! {
        #[test]
        fn whatever_comes_no_stream_begins_but_with_an_idr(
            units in proptest::collection::vec(
                (0usize..4, proptest::collection::vec(any::<u8>(), 0..40)), 0..30),
        ) {
            let mut copy = fresh();
            let heads = [&[0, 0, 1, 0x67, 66, 0, 30][..], &[0, 0, 1, 0x68, 0xCE, 0, 0, 1, 0x65], &[0, 0, 1, 0x41], &[]];
            let mut first = None;
            for (number, (head, tail)) in units.iter().enumerate() {
                let unit = [heads[*head], tail].concat();
                let pts = Pts::from_ticks(number as i64 * 3000);
                for _ in 0..2 {
                    let told = copy.unit(pts, &unit, &mut |packet| { first.get_or_insert(packet.entry); });
                    if told != Ok(CopyNews::Changed) {
                        break;
                    }
                }
            }
            prop_assert_ne!(first, Some(Entry::Dependent));
        }
    }
}
