//! MPEG-TS (ISO/IEC 13818-1): tables, counters, and when each track begins.

use std::collections::BTreeMap;

use super::Look;

const PACKET: usize = 188;
const PAT: u16 = 0;
const NULL: u16 = 0x1fff;
const AVC: u8 = 0x1b;
const AAC: [u8; 2] = [0x0f, 0x11];
/// Timestamps have 33 bits of 90 kHz (2.4.3.7).
const WRAP: f64 = (1_u64 << 33) as f64 / 90_000.0;

/// A segment of MPEG-TS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ts {
    /// Whether PAT and PMT are its first packets.
    pub(crate) tables_first: bool,
    /// The first and the last continuity counter of each PID that carries something.
    pub(crate) counters: BTreeMap<u16, (u8, u8)>,
    /// What is wrong within.
    pub(crate) faults: Vec<String>,
    /// The PIDs by stream type.
    tracks: BTreeMap<u16, u8>,
    /// The first PES packet of each PID, as far as it was collected.
    first: BTreeMap<u16, Vec<u8>>,
    units: BTreeMap<u16, u32>,
}

impl Ts {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut ts = Self::default();
        if bytes.is_empty() || !bytes.len().is_multiple_of(PACKET) {
            ts.faults.push(format!("{} bytes are no packets", bytes.len()));
        }
        let mut pmt = None;
        for (at, packet) in bytes.chunks_exact(PACKET).enumerate() {
            if packet[0] != 0x47 {
                ts.faults.push(format!("packet {at} does not begin with 0x47"));
                return ts;
            }
            let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
            let begins = packet[1] & 0x40 != 0;
            let Some(payload) = ts.payload(at, pid, packet) else { continue };
            match at {
                0 => ts.tables_first = pid == PAT,
                1 => ts.tables_first &= Some(pid) == pmt,
                _ => {}
            }
            if pid == PAT {
                pmt = section(payload).and_then(|it| Some(pid_at(it.get(10..12)?))).or(pmt);
            } else if Some(pid) == pmt {
                ts.tracks.extend(section(payload).map(streams).unwrap_or_default());
            } else if ts.tracks.contains_key(&pid) {
                let unit = ts.units.entry(pid).or_default();
                *unit += u32::from(begins);
                if *unit == 1 {
                    ts.first.entry(pid).or_default().extend(payload);
                }
            }
        }
        if !ts.tables_first {
            ts.faults.push("PAT and PMT are not its first packets".to_owned());
        }
        ts
    }

    /// What a packet carries, after a look at its counter (2.4.3.3).
    fn payload<'a>(&mut self, at: usize, pid: u16, packet: &'a [u8]) -> Option<&'a [u8]> {
        let (control, counter) = (packet[3] >> 4 & 3, packet[3] & 15);
        if control & 1 == 0 || pid == NULL {
            return None;
        }
        let (_, last) = self.counters.entry(pid).or_insert((counter, counter.wrapping_sub(1) & 15));
        if counter != (*last + 1) & 15 {
            self.faults.push(format!("packet {at}: counter {counter} of PID {pid} after {last}"));
        }
        *last = counter;
        let skipped = if control & 2 == 0 { 4 } else { 5 + usize::from(packet[4]) };
        packet.get(skipped..)
    }

    /// How its leading track begins.
    pub(crate) fn look(&self) -> Option<Look> {
        let track =
            |wanted: &[u8]| self.tracks.iter().find(|(_, kind)| wanted.contains(kind)).map(|(pid, _)| pid);
        let pictures = track(&[AVC]);
        let pes = self.first.get(pictures.or(track(&AAC))?)?;
        let independent = pictures.is_none() || begins_with_idr(pes);
        Some(Look { start: pts(pes)?, wraps: Some(WRAP), duration: None, independent })
    }
}

fn pid_at(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0] & 0x1f, bytes[1]])
}

/// The section behind the pointer, without what follows it.
fn section(payload: &[u8]) -> Option<&[u8]> {
    let section = payload.get(1 + usize::from(*payload.first()?)..)?;
    let len = usize::from(u16::from_be_bytes([section.get(1)? & 0x0f, *section.get(2)?]));
    section.get(..3 + len)
}

/// The streams of a PMT (2.4.4.8): PID and type.
fn streams(section: &[u8]) -> Vec<(u16, u8)> {
    let mut found = Vec::new();
    let descriptors =
        section.get(10..12).map_or(0, |it| usize::from(u16::from_be_bytes([it[0] & 0x0f, it[1]])));
    let mut rest = section.get(12 + descriptors..section.len().saturating_sub(4)).unwrap_or_default();
    while let [kind, high, low, length_high, length_low, more @ ..] = rest {
        found.push((pid_at(&[*high, *low]), *kind));
        let length = usize::from(u16::from_be_bytes([length_high & 0x0f, *length_low]));
        rest = more.get(length..).unwrap_or_default();
    }
    found
}

/// The PTS of a PES packet, in seconds (2.4.3.6).
fn pts(pes: &[u8]) -> Option<f64> {
    let [0, 0, 1, _, _, _, _, flags, _, a, b, c, d, e, ..] = *pes else { return None };
    if flags & 0x80 == 0 {
        return None;
    }
    let ticks = u64::from(a >> 1 & 7) << 30
        | u64::from(b) << 22
        | u64::from(c >> 1) << 15
        | u64::from(d) << 7
        | u64::from(e >> 1);
    Some(ticks as f64 / 90_000.0)
}

/// Whether the first slice is of an IDR picture (ISO/IEC 14496-10, table 7-1).
fn begins_with_idr(pes: &[u8]) -> bool {
    let codes = pes.windows(4).filter(|it| it[..3] == [0, 0, 1]).map(|it| it[3]);
    // The PES header itself begins with a start code, and a stream id that is no slice.
    let mut slices = codes.map(|byte| byte & 0x1f).skip(1).filter(|kind| (1..=5).contains(kind));
    slices.next() == Some(5)
}
