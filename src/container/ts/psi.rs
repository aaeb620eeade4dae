//! Program specific information: PAT and PMT, a section each, and their CRC (ISO/IEC 13818-1, 2.4.4).

use super::packet::{self, Adaptation, Counter, Pid, Unit};
use super::{Notes, PACKET_LEN};
use crate::media::{Program, Track};

/// The only program there is.
const PROGRAM_NUMBER: u16 = 1;
const TRANSPORT_STREAM_ID: u16 = 1;
/// table_id of a PAT (table 2-31).
pub(super) const PAT: u8 = 0x00;
/// table_id of a PMT.
pub(super) const PMT: u8 = 0x02;
/// table_id and the two bytes with section_length.
const SECTION_PREFIX: usize = 3;
/// A section's own limit (2.4.4.4, 2.4.4.9): section_length at most 1021.
const SECTION_MAX: usize = SECTION_PREFIX + 1021;
const CRC_LEN: usize = 4;

/// stream_type of ISO/IEC 13818-7 audio with ADTS (table 2-34).
const TYPE_AAC_ADTS: u8 = 0x0F;
/// stream_type of H.264 video (table 2-34).
const TYPE_H264: u8 = 0x1B;

/// stream_type of metadata in PES packets (table 2-34).
const TYPE_METADATA: u8 = 0x15;

/// In the program's loop: there is metadata in ID3, and it is in this program (metadata_pointer_descriptor, 2.6.58; Apple,
/// Timed Metadata for HTTP Live Streaming, 2.3.1). application format and format as identifiers, service 0, carried
/// in this stream, of program 1.
const ID3_POINTER: &[u8] = b"\x25\x0F\xFF\xFFID3 \xFFID3 \x00\x1F\x00\x01";
/// In the stream's loop: it is ID3 (metadata_descriptor, 2.6.60; the same, 2.3.2). The same formats and service, no
/// configuration for a decoder.
const ID3_STREAM: &[u8] = b"\x26\x0D\xFF\xFFID3 \xFFID3 \x00\x0F";

/// Where we put the PMT.
pub(super) const PMT_PID: Pid = Pid::new(0x1000);
const VIDEO_PID: Pid = Pid::new(0x100);
const AUDIO_PID: Pid = Pid::new(0x101);
/// Where we put timed metadata.
pub(super) const NOTES_PID: Pid = Pid::new(0x102);

/// Where we put a track.
pub(super) const fn pid_of(track: Track) -> Pid {
    match track {
        Track::Video => VIDEO_PID,
        Track::Audio => AUDIO_PID,
    }
}

/// CRC-32/MPEG-2 (annex A): polynomial 0x04C11DB7, all ones at first, nothing reflected or inverted. Over
/// a section with its CRC it is 0.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut crc = (index as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                crc = crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
                bit += 1;
            }
            table[index] = crc;
            index += 1;
        }
        table
    };
    bytes.iter().fold(!0, |crc, byte| crc << 8 ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)])
}

/// A table that fits one packet, kept ready; only its counter changes.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pid: Pid,
    counter: Counter,
    section: Vec<u8>,
}

impl Table {
    /// `content` is what stands between the section's header and its CRC.
    fn new(pid: Pid, table: u8, extension: u16, content: &[u8]) -> Self {
        let length = 5 + content.len() + CRC_LEN;
        // pointer_field 0: the section begins at once (2.4.4.1).
        let mut section = vec![
            0,
            table,
            0xB0 | (length >> 8) as u8, // section_syntax_indicator, '0', two reserved bits
            length as u8,
            (extension >> 8) as u8,
            extension as u8,
            0xC1, // reserved, version_number 0, current_next_indicator
            0,    // section_number
            0,    // last_section_number
        ];
        section.extend_from_slice(content);
        let crc = crc32(&section[1..]);
        section.extend_from_slice(&crc.to_be_bytes());
        // Sections are stuffed with 0xFF behind their end (2.4.4), not in the adaptation field.
        section.resize(packet::PAYLOAD_LEN, 0xFF);
        Self { pid, counter: Counter::default(), section }
    }

    pub(super) fn pat() -> Self {
        let [high, low] = PMT_PID.bits().to_be_bytes();
        let [number_high, number_low] = PROGRAM_NUMBER.to_be_bytes();
        Self::new(Pid::PAT, PAT, TRANSPORT_STREAM_ID, &[number_high, number_low, 0xE0 | high, low])
    }

    pub(super) fn pmt(program: &Program, notes: Notes) -> Self {
        let (pointer, notes) = match notes {
            Notes::None => (&[][..], None),
            Notes::Id3 => (ID3_POINTER, Some((TYPE_METADATA, NOTES_PID, ID3_STREAM))),
        };
        let video = program.video.as_ref().map(|_| (TYPE_H264, VIDEO_PID, &[][..]));
        let audio = program.audio.as_ref().map(|_| (TYPE_AAC_ADTS, AUDIO_PID, &[][..]));
        let [clock_high, clock_low] = pid_of(clock_of(program)).bits().to_be_bytes();
        // PCR_PID; program_info_length
        let mut content = vec![0xE0 | clock_high, clock_low, 0xF0, pointer.len() as u8];
        content.extend_from_slice(pointer);
        for (kind, pid, about) in video.into_iter().chain(audio).chain(notes) {
            let [high, low] = pid.bits().to_be_bytes();
            // stream_type, elementary_PID, ES_info_length
            content.extend_from_slice(&[kind, 0xE0 | high, low, 0xF0, about.len() as u8]);
            content.extend_from_slice(about);
        }
        Self::new(PMT_PID, PMT, PROGRAM_NUMBER, &content)
    }

    pub(super) fn write(&mut self, slot: &mut [u8; PACKET_LEN]) {
        let id = (self.pid, self.counter.take());
        packet::write(slot, id, Unit::Starts, &Adaptation::NONE, &[], &self.section);
    }
}

/// Which track's packets carry the program clock: video if there is any.
pub(super) fn clock_of(program: &Program) -> Track {
    if program.video.is_some() { Track::Video } else { Track::Audio }
}

/// Why a section could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionError {
    /// Its CRC is wrong.
    Crc,
    /// Its lengths contradict each other.
    Malformed,
}

/// Collects one section out of the packets of one PID.
#[derive(Clone, Debug, Default)]
pub(super) struct Collect {
    /// The section so far, from table_id on; empty while none has begun.
    bytes: Vec<u8>,
}

impl Collect {
    /// Forgets what was begun.
    pub(super) fn reset(&mut self) {
        self.bytes.clear();
    }

    /// Takes the payload of a packet. When a section is complete, gives its content: what stands between
    /// its header and its CRC.
    pub(super) fn push(
        &mut self,
        unit: Unit,
        payload: &[u8],
        table: u8,
    ) -> Option<Result<&[u8], SectionError>> {
        let mut payload = payload;
        if unit == Unit::Starts {
            self.bytes.clear();
            let (pointer, rest) = payload.split_first()?;
            payload = rest.get(usize::from(*pointer)..)?;
        } else if self.bytes.is_empty() {
            return None;
        }
        if self.end().is_some_and(|end| self.bytes.len() >= end) {
            return None; // told already; the rest is stuffing
        }
        let room = SECTION_MAX - self.bytes.len();
        self.bytes.extend_from_slice(&payload[..payload.len().min(room)]);
        let end = self.end()?;
        if end > SECTION_MAX {
            self.bytes.clear();
            return Some(Err(SectionError::Malformed));
        }
        self.bytes.get(..end).map(|section| content(section, table))
    }

    fn end(&self) -> Option<usize> {
        let [_, high, low] = self.bytes.first_chunk::<SECTION_PREFIX>()?;
        Some(SECTION_PREFIX + (usize::from(high & 0x0F) << 8 | usize::from(*low)))
    }
}

fn content(section: &[u8], table: u8) -> Result<&[u8], SectionError> {
    if crc32(section) != 0 {
        return Err(SectionError::Crc);
    }
    let end = section.len().saturating_sub(CRC_LEN);
    match section.get(SECTION_PREFIX + 5..end) {
        Some(content) if section[0] == table => Ok(content),
        _ => Err(SectionError::Malformed),
    }
}

/// Reads a PAT's content: where the PMT of its first program is. Program 0 is the network's (2.4.4.5).
pub(super) fn read_pat(content: &[u8]) -> Option<Pid> {
    let entry = content.chunks_exact(4).find(|entry| entry[..2] != [0, 0])?;
    Some(Pid::new(u16::from(entry[2]) << 8 | u16::from(entry[3])))
}

/// Reads a PMT's content: PIDs of its first H.264 and its first AAC stream.
pub(super) fn read_pmt(content: &[u8]) -> (Option<Pid>, Option<Pid>) {
    let length = |high: u8, low: u8| usize::from(high & 0x0F) << 8 | usize::from(low);
    let mut found = (None, None);
    let Some([_, _, high, low]) = content.first_chunk::<4>() else { return found };
    let mut rest = content.get(4 + length(*high, *low)..).unwrap_or_default();
    while let Some([kind, pid_high, pid_low, high, low]) = rest.first_chunk::<5>() {
        let pid = Pid::new(u16::from(*pid_high) << 8 | u16::from(*pid_low));
        match *kind {
            TYPE_H264 => found.0 = found.0.or(Some(pid)),
            TYPE_AAC_ADTS => found.1 = found.1.or(Some(pid)),
            _ => {}
        }
        rest = rest.get(5 + length(*high, *low)..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::AacConfig;
    use crate::media::FrameRate;
    use crate::media::packet::VideoConfig;
    use proptest::prelude::*;

    fn program(video: bool, audio: bool) -> Program {
        Program {
            video: video.then(|| VideoConfig {
                codecs: "avc1.64001f".into(),
                size: "1280x720".parse().expect("a size"),
                rate: FrameRate::new(30, 1).expect("a rate"),
            }),
            audio: audio.then(|| AacConfig::parse(&[0x11, 0x88]).expect("valid")),
        }
    }

    #[test]
    fn the_crc_of_the_catalogue() {
        // The check value of CRC-32/MPEG-2 in Koopman's and Cook's catalogues.
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn tables_byte_by_byte() {
        // Sections as ffmpeg 5.1 writes them for the same PIDs and programs (its SDT aside).
        let table: &[(Table, &[u8])] = &[
            (
                Table::pat(),
                &[
                    0x00, 0x00, 0xB0, 0x0D, 0x00, 0x01, 0xC1, 0x00, 0x00, 0x00, 0x01, 0xF0, 0x00, 0x2A, 0xB1,
                    0x04, 0xB2,
                ],
            ),
            (
                Table::pmt(&program(true, true), Notes::None),
                &[
                    0x00, 0x02, 0xB0, 0x17, 0x00, 0x01, 0xC1, 0x00, 0x00, 0xE1, 0x00, 0xF0, 0x00, 0x1B, 0xE1,
                    0x00, 0xF0, 0x00, 0x0F, 0xE1, 0x01, 0xF0, 0x00, 0x2F, 0x44, 0xB9, 0x9B,
                ],
            ),
        ];
        for (table, expected) in table {
            let (section, stuffing) = table.section.split_at(expected.len());
            assert_eq!(section, *expected);
            assert!(stuffing.iter().all(|byte| *byte == 0xFF));
        }
    }

    #[test]
    fn tables_are_read_back() {
        let cases = [(true, true), (true, false), (false, true), (false, false)];
        for ((video, audio), notes) in
            cases.into_iter().flat_map(|case| [(case, Notes::None), (case, Notes::Id3)])
        {
            let mut collect = Collect::default();
            let table = Table::pmt(&program(video, audio), notes);
            let content = collect.push(Unit::Starts, &table.section, PMT).expect("complete").expect("sound");
            assert_eq!(read_pmt(content), (video.then_some(VIDEO_PID), audio.then_some(AUDIO_PID)));
        }
        let mut collect = Collect::default();
        let pat = Table::pat();
        let content = collect.push(Unit::Starts, &pat.section, PAT).expect("complete").expect("sound");
        assert_eq!(read_pat(content), Some(PMT_PID));
    }

    #[test]
    fn a_section_may_be_spread_over_packets() {
        let table = Table::pmt(&program(true, true), Notes::None);
        let (first, rest) = table.section.split_at(9);
        let mut collect = Collect::default();
        assert!(collect.push(Unit::GoesOn, rest, PMT).is_none());
        assert!(collect.push(Unit::Starts, first, PMT).is_none());
        let content = collect.push(Unit::GoesOn, rest, PMT).expect("complete").expect("sound");
        assert_eq!(read_pmt(content), (Some(VIDEO_PID), Some(AUDIO_PID)));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(at in 1usize..27, bit in 0u8..8) {
            let mut table = Table::pmt(&program(true, true), Notes::None);
            table.section[at] ^= 1 << bit;
            let mut collect = Collect::default();
            prop_assert!(!matches!(collect.push(Unit::Starts, &table.section, PMT), Some(Ok(_))));
        }

        #[test]
        fn no_bytes_make_it_panic(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..184), 0..8),
        ) {
            let mut collect = Collect::default();
            for (n, payload) in packets.iter().enumerate() {
                let unit = if n % 3 == 0 { Unit::Starts } else { Unit::GoesOn };
                let _ = collect.push(unit, payload, PAT);
                let _ = (read_pat(payload), read_pmt(payload));
            }
        }
    }
}
