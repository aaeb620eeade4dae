//! The transport packet: header, adaptation field, stuffing (ISO/IEC 13818-1, 2.4.3.2 to 2.4.3.5).

use super::{Join, PACKET_LEN};
use crate::base::Pts;
use crate::media::Entry;

/// What is left of a packet behind its four bytes of header.
pub(super) const PAYLOAD_LEN: usize = PACKET_LEN - HEADER_LEN;
/// Bytes of an adaptation field that holds a PCR: length, flags, and the PCR's 48 bits.
pub(super) const PCR_FIELD_LEN: usize = 8;

const HEADER_LEN: usize = 4;
const SYNC_BYTE: u8 = 0x47;
const STUFFING: u8 = 0xFF;

// adaptation_field_control (table 2-5)
const HAS_FIELD: u8 = 0x20;
const HAS_PAYLOAD: u8 = 0x10;

// Flags of the adaptation field (table 2-6)
const DISCONTINUITY: u8 = 0x80;
const RANDOM_ACCESS: u8 = 0x40;
const HAS_PCR: u8 = 0x10;

/// A packet that carries nothing (2.4.3.3; table 2-3: PID 0x1FFF).
pub const NULL_PACKET: [u8; PACKET_LEN] = {
    let mut packet = [STUFFING; PACKET_LEN];
    packet[0] = SYNC_BYTE;
    packet[1] = 0x1F;
    packet[3] = HAS_PAYLOAD;
    packet
};

/// A packet identifier, 13 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pid(u16);

impl Pid {
    /// Where the PAT is (table 2-3).
    pub const PAT: Self = Self(0);

    /// From the low 13 bits of `bits`.
    pub const fn new(bits: u16) -> Self {
        Self(bits & 0x1FFF)
    }

    /// The 13 bits.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

/// A continuity counter (2.4.3.3): four bits, one more for each packet with payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter(u8);

impl Counter {
    pub(super) const fn new(bits: u8) -> Self {
        Self(bits & 0x0F)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn following(self) -> Self {
        Self::new(self.0 + 1)
    }

    /// The value of the packet before.
    pub(super) const fn previous(self) -> Self {
        Self::new(self.0.wrapping_sub(1))
    }

    /// The value for the next packet.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, self.following())
    }
}

/// Whether a PES packet or a section begins in a packet (payload_unit_start_indicator).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Starts,
    GoesOn,
}

/// What the adaptation field of a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Adaptation {
    /// `Broken`: discontinuity_indicator.
    pub(super) join: Join,
    /// `Key`: random_access_indicator.
    pub(super) entry: Entry,
    /// The program clock when this packet arrives.
    pub(super) pcr: Option<Pts>,
}

impl Adaptation {
    pub(super) const NONE: Self = Self { join: Join::Continuous, entry: Entry::Dependent, pcr: None };

    fn flags(&self) -> u8 {
        let join = if self.join == Join::Continuous { 0 } else { DISCONTINUITY };
        let entry = if self.entry == Entry::Key { RANDOM_ACCESS } else { 0 };
        let pcr = if self.pcr.is_some() { HAS_PCR } else { 0 };
        join | entry | pcr
    }

    /// Bytes it takes at least, its length byte included.
    pub(super) fn len(&self) -> usize {
        match (self.flags(), self.pcr) {
            (_, Some(_)) => PCR_FIELD_LEN,
            (0, None) => 0,
            (_, None) => 2,
        }
    }

    /// Fills `field`, which is at least `len()` bytes and not empty, stuffing included.
    fn write(&self, field: &mut [u8]) {
        // adaptation_field_length may be 0: then the length byte alone is the stuffing.
        field[0] = (field.len() - 1) as u8;
        if field.len() == 1 {
            return;
        }
        field[1] = self.flags();
        let mut used = 2;
        if let Some(pcr) = self.pcr {
            field[2..PCR_FIELD_LEN].copy_from_slice(&pcr_bytes(pcr));
            used = PCR_FIELD_LEN;
        }
        field[used..].fill(STUFFING);
    }
}

/// PCR (2.4.3.5): 33 bits of base in 90 kHz, 6 reserved bits, 9 bits of extension, which stays 0 as all
/// our instants are whole ticks.
fn pcr_bytes(pcr: Pts) -> [u8; 6] {
    let bits = pcr.wire() << 15 | 0x3F << 9;
    let [_, _, bytes @ ..] = bits.to_be_bytes();
    bytes
}

/// Writes a packet that carries `head` (which must fit) and as much of `body` as there is room for; what
/// remains of the packet is stuffed. Gives the number of bytes of `body` used.
#[inline]
pub(super) fn write(
    slot: &mut [u8; PACKET_LEN],
    (pid, counter): (Pid, Counter),
    unit: Unit,
    adaptation: &Adaptation,
    head: &[u8],
    body: &[u8],
) -> usize {
    let used = body.len().min(PAYLOAD_LEN - adaptation.len() - head.len());
    let field = PAYLOAD_LEN - head.len() - used;
    let start = if unit == Unit::Starts { 0x40 } else { 0 };
    let has_field = if field > 0 { HAS_FIELD } else { 0 };
    slot[0] = SYNC_BYTE;
    slot[1] = start | (pid.0 >> 8) as u8;
    slot[2] = pid.0 as u8;
    slot[3] = has_field | HAS_PAYLOAD | counter.bits();
    if field > 0 {
        adaptation.write(&mut slot[HEADER_LEN..HEADER_LEN + field]);
    }
    let (head_place, body_place) = slot[HEADER_LEN + field..].split_at_mut(head.len());
    head_place.copy_from_slice(head);
    body_place.copy_from_slice(&body[..used]);
    used
}

/// Writes a packet without payload, which tells the time; its counter is that of the packet before it on
/// the same PID (2.4.3.3).
pub(super) fn write_clock(slot: &mut [u8; PACKET_LEN], pid: Pid, previous: Counter, about: &Adaptation) {
    slot[..HEADER_LEN].copy_from_slice(&[
        SYNC_BYTE,
        (pid.0 >> 8) as u8,
        pid.0 as u8,
        HAS_FIELD | previous.bits(),
    ]);
    about.write(&mut slot[HEADER_LEN..]);
}

/// A packet as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read<'a> {
    pub(super) pid: Pid,
    pub(super) counter: Counter,
    pub(super) unit: Unit,
    pub(super) join: Join,
    pub(super) entry: Entry,
    /// The 33 bits of the PCR's base.
    pub(super) pcr: Option<u64>,
    /// `None` where the packet has no payload, and so does not count.
    pub(super) payload: Option<&'a [u8]>,
}

/// Whether a packet may begin with this byte.
pub(super) const fn is_sync(byte: u8) -> bool {
    byte == SYNC_BYTE
}

/// Reads a packet; `None` if it is marked as damaged, is scrambled, or contradicts itself.
pub(super) fn read(packet: &[u8; PACKET_LEN]) -> Option<Read<'_>> {
    let [sync, b1, b2, b3, rest @ ..] = packet;
    // transport_error_indicator, transport_scrambling_control
    if !is_sync(*sync) || b1 & 0x80 != 0 || b3 & 0xC0 != 0 {
        return None;
    }
    let mut read = Read {
        pid: Pid::new(u16::from(*b1) << 8 | u16::from(*b2)),
        counter: Counter::new(*b3),
        unit: if b1 & 0x40 != 0 { Unit::Starts } else { Unit::GoesOn },
        join: Join::Continuous,
        entry: Entry::Dependent,
        pcr: None,
        payload: None,
    };
    let mut payload = &rest[..];
    if b3 & HAS_FIELD != 0 {
        let (len, behind) = rest.split_first()?;
        let (field, behind) = behind.split_at_checked(usize::from(*len))?;
        payload = behind;
        if let [flags, values @ ..] = field {
            if flags & DISCONTINUITY != 0 {
                read.join = Join::Broken;
            }
            if flags & RANDOM_ACCESS != 0 {
                read.entry = Entry::Key;
            }
            if flags & HAS_PCR != 0 {
                let bytes = values.first_chunk::<5>()?;
                let bits = bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                read.pcr = Some(bits >> 7);
            }
        }
    }
    if b3 & HAS_PAYLOAD != 0 {
        read.payload = Some(payload);
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pcr_bit_by_bit() {
        // ticks, bytes: base 33 bits, reserved 111111, extension 0
        let table = [
            (0, [0x00, 0x00, 0x00, 0x00, 0x7E, 0x00]),
            (1, [0x00, 0x00, 0x00, 0x00, 0xFE, 0x00]),
            (90_000, [0x00, 0x00, 0xAF, 0xC8, 0x7E, 0x00]),
            ((1 << 33) - 1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0x00]),
            (1 << 33, [0x00, 0x00, 0x00, 0x00, 0x7E, 0x00]),
        ];
        for (ticks, bytes) in table {
            assert_eq!(pcr_bytes(Pts::from_ticks(ticks)), bytes, "{ticks}");
        }
    }

    #[test]
    fn stuffing_of_every_length_is_an_adaptation_field() {
        let body = [0xAB; PAYLOAD_LEN];
        for len in 0..=PAYLOAD_LEN {
            let mut slot = [0; PACKET_LEN];
            let id = (Pid::new(0x101), Counter::new(7));
            let used = write(&mut slot, id, Unit::GoesOn, &Adaptation::NONE, &[], &body[..len]);
            assert_eq!(used, len);
            let read = read(&slot).expect("a sound packet");
            assert_eq!(read.payload, Some(&body[..len]));
            assert_eq!((read.pid, read.counter), id);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            pid in 0u16..0x2000, counter in 0u8..16, head in 0usize..30, body in 0usize..400,
            broken: bool, key: bool, starts: bool, ticks in proptest::option::of(0i64..1 << 33),
        ) {
            let adaptation = Adaptation {
                join: if broken { Join::Broken } else { Join::Continuous },
                entry: if key { Entry::Key } else { Entry::Dependent },
                pcr: ticks.map(Pts::from_ticks),
            };
            let unit = if starts { Unit::Starts } else { Unit::GoesOn };
            let id = (Pid::new(pid), Counter::new(counter));
            let (head, body) = (vec![1; head], vec![2; body]);
            let mut slot = [0; PACKET_LEN];
            let used = write(&mut slot, id, unit, &adaptation, &head, &body);
            let read = read(&slot).expect("a sound packet");
            prop_assert_eq!((read.pid, read.counter, read.unit), (id.0, id.1, unit));
            prop_assert_eq!((read.join, read.entry), (adaptation.join, adaptation.entry));
            prop_assert_eq!(read.pcr, ticks.map(|ticks| ticks as u64));
            prop_assert_eq!(read.payload, Some(&[&head[..], &body[..used]].concat()[..]));
            // Nothing of the body is left out while there is room.
            prop_assert!(used == body.len() || adaptation.len() + head.len() + used == PAYLOAD_LEN);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), PACKET_LEN - 1)) {
            let mut packet = [SYNC_BYTE; PACKET_LEN];
            packet[1..].copy_from_slice(&bytes);
            let _ = read(&packet);
        }
    }
}
