//! The demultiplexer: bytes in, coded units and clocks out. It believes nothing it reads.

use super::adts::Adts;
use super::packet::{self, Counter, Pid, Read, Unit};
use super::pes::{self, Progress};
use super::psi::{self, Collect};
use super::{Join, PACKET_LEN};
use crate::base::Pts;
use crate::media::h264::{self, NalType};
use crate::media::{AacConfig, Entry, Packet, Track};

/// A PES packet longer than this is no access unit, but a stream that lost its way.
const MAX_PES: usize = 4 << 20;

/// What is found in a stream.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A unit: an H.264 access unit, or a raw AAC access unit without its ADTS header.
    Unit(Packet<'a>),
    /// The program clock.
    Clock {
        /// The PID it came on.
        pid: Pid,
        /// What it says.
        pcr: Pts,
        /// Where its packet begins, in bytes from the beginning of the stream.
        at: u64,
        /// `Broken`: the stream itself says that its clock does not run on (discontinuity_indicator).
        join: Join,
    },
    /// Something is wrong; reading goes on.
    Fault {
        /// What.
        fault: Fault,
        /// Where the packet begins in which it was noticed, in bytes from the beginning of the stream.
        at: u64,
    },
}

/// What can be wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No packet begins where one should. Told once, until one is found again.
    #[error("no sync byte where a packet should begin")]
    LostSync,
    /// A packet marked as damaged or scrambled, or with impossible lengths.
    #[error("a packet that is damaged or scrambled")]
    Packet,
    /// Packets are missing: what was incomplete is given up.
    #[error("PID {pid:#06x}: continuity counter {found} where {expected} should be", pid = pid.bits())]
    Continuity {
        /// Where.
        pid: Pid,
        /// The counter that should follow.
        expected: u8,
        /// The one that does.
        found: u8,
    },
    /// A table's CRC is wrong.
    #[error("a table whose CRC is wrong")]
    Crc,
    /// A table that contradicts itself.
    #[error("a table that contradicts itself")]
    Table,
    /// A PES packet that contradicts itself, or never ends.
    #[error("PID {pid:#06x}: a PES packet that contradicts itself", pid = pid.bits())]
    Pes {
        /// Where.
        pid: Pid,
    },
    /// Bytes that are no ADTS frame, or one that cannot be read.
    #[error("bytes that are no AAC frame in ADTS")]
    Adts,
}

/// The packets of one PID.
#[derive(Clone, Debug)]
struct Pipe {
    pid: Pid,
    counter: Option<Counter>,
}

/// What a packet is to the one before it on its PID.
enum Order {
    Next,
    /// Sent twice, as is allowed once (2.4.3.3).
    Repeated,
    Lost(Fault),
}

impl Pipe {
    fn new(pid: Pid) -> Self {
        Self { pid, counter: None }
    }

    fn order(&mut self, read: &Read<'_>) -> Order {
        let previous = self.counter.replace(read.counter);
        match previous {
            Some(previous) if read.join == Join::Continuous && previous != read.counter => {
                let expected = previous.following();
                if expected == read.counter {
                    return Order::Next;
                }
                let (expected, found) = (expected.bits(), read.counter.bits());
                Order::Lost(Fault::Continuity { pid: self.pid, expected, found })
            }
            Some(previous) if previous == read.counter && read.join == Join::Continuous => Order::Repeated,
            _ => Order::Next,
        }
    }
}

/// An elementary stream.
#[derive(Clone, Debug)]
struct Stream {
    pipe: Pipe,
    track: Track,
    /// The PES packet so far; empty while none has begun.
    pes: Vec<u8>,
}

/// Reads a transport stream with one program of H.264, AAC in ADTS, or both.
#[derive(Clone, Debug)]
pub struct Demux {
    /// Bytes not yet understood.
    bytes: Vec<u8>,
    /// Where `bytes` begins.
    at: u64,
    sync: Sync,
    pat: (Pipe, Collect),
    pmt: Option<(Pipe, Collect)>,
    video: Option<Stream>,
    audio: Option<Stream>,
    adts: Adts,
    /// The latest time read: what timestamps are unwrapped by.
    near: Pts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    Held,
    Lost,
}

impl Demux {
    /// A demultiplexer whose first timestamp is the one nearest to `near` of those it can mean.
    pub fn new(near: Pts) -> Self {
        Self {
            bytes: Vec::new(),
            at: 0,
            sync: Sync::Held,
            pat: (Pipe::new(Pid::PAT), Collect::default()),
            pmt: None,
            video: None,
            audio: None,
            adts: Adts::default(),
            near,
        }
    }

    /// What the first ADTS header said of the sound, once there was one.
    pub fn audio(&self) -> Option<&AacConfig> {
        self.adts.config()
    }

    /// Reads on. Packets may be spread over calls in any way.
    pub fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(Event<'_>)) {
        self.bytes.extend_from_slice(bytes);
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut from = 0;
        // Sync, once lost, is found where two packets begin at the right distance.
        while let Some(packet) = bytes[from..].first_chunk::<PACKET_LEN>() {
            let next = bytes.get(from + PACKET_LEN).copied();
            if self.sync == Sync::Lost && next.is_none() {
                break;
            }
            if packet::is_sync(packet[0]) && (self.sync == Sync::Held || next.is_some_and(packet::is_sync)) {
                self.sync = Sync::Held;
                self.packet(packet, &mut tell);
                from += PACKET_LEN;
                self.at += PACKET_LEN as u64;
            } else {
                if self.sync == Sync::Held {
                    tell(Event::Fault { fault: Fault::LostSync, at: self.at });
                }
                self.sync = Sync::Lost;
                let skip = 1 + bytes[from + 1..].iter().take_while(|byte| !packet::is_sync(**byte)).count();
                from += skip;
                self.at += skip as u64;
            }
        }
        bytes.drain(..from);
        self.bytes = bytes;
    }

    /// The stream has ended: gives what was still waiting for its end.
    pub fn finish(&mut self, mut tell: impl FnMut(Event<'_>)) {
        for stream in self.video.iter_mut().chain(&mut self.audio) {
            let mut out = Out { near: &mut self.near, adts: &mut self.adts, at: self.at, tell: &mut tell };
            stream.complete(&mut out);
        }
    }

    fn packet(&mut self, packet: &[u8; PACKET_LEN], tell: &mut impl FnMut(Event<'_>)) {
        let at = self.at;
        let Some(read) = packet::read(packet) else {
            return tell(Event::Fault { fault: Fault::Packet, at });
        };
        if let Some(wire) = read.pcr {
            self.near = Pts::unwrap(wire, self.near);
            tell(Event::Clock { pid: read.pid, pcr: self.near, at, join: read.join });
        }
        let Some(payload) = read.payload else { return };
        let mut fault = |fault| tell(Event::Fault { fault, at });
        if read.pid == Pid::PAT {
            let content = section(&mut self.pat, &read, payload, psi::PAT, &mut fault);
            if let Some(pid) = content.and_then(psi::read_pat)
                && self.pmt.as_ref().is_none_or(|(pipe, _)| pipe.pid != pid)
            {
                self.pmt = Some((Pipe::new(pid), Collect::default()));
            }
        } else if let Some(pmt) = self.pmt.as_mut().filter(|(pipe, _)| pipe.pid == read.pid) {
            if let Some(content) = section(pmt, &read, payload, psi::PMT, &mut fault) {
                let (video, audio) = psi::read_pmt(content);
                assign(&mut self.video, video, Track::Video);
                assign(&mut self.audio, audio, Track::Audio);
            }
        } else if let Some(stream) =
            self.video.iter_mut().chain(&mut self.audio).find(|stream| stream.pipe.pid == read.pid)
        {
            let mut out = Out { near: &mut self.near, adts: &mut self.adts, at, tell };
            stream.push(&read, payload, &mut out);
        }
    }
}

/// A stream keeps its state as long as its PID stays.
fn assign(stream: &mut Option<Stream>, pid: Option<Pid>, track: Track) {
    if stream.as_ref().map(|stream| stream.pipe.pid) != pid {
        *stream = pid.map(|pid| Stream { pipe: Pipe::new(pid), track, pes: Vec::new() });
    }
}

fn section<'a>(
    (pipe, collect): &'a mut (Pipe, Collect),
    read: &Read<'_>,
    payload: &[u8],
    table: u8,
    fault: &mut impl FnMut(Fault),
) -> Option<&'a [u8]> {
    match pipe.order(read) {
        Order::Next => {}
        Order::Repeated => return None,
        Order::Lost(lost) => {
            collect.reset();
            fault(lost);
        }
    }
    match collect.push(read.unit, payload, table)? {
        Ok(content) => return Some(content),
        Err(psi::SectionError::Crc) => fault(Fault::Crc),
        Err(psi::SectionError::Malformed) => fault(Fault::Table),
    }
    None
}

/// Where the units of a stream go, and what they share.
struct Out<'a, F> {
    near: &'a mut Pts,
    adts: &'a mut Adts,
    at: u64,
    tell: &'a mut F,
}

impl<F: FnMut(Event<'_>)> Out<'_, F> {
    fn fault(&mut self, fault: Fault) {
        (self.tell)(Event::Fault { fault, at: self.at });
    }
}

impl Stream {
    fn push(&mut self, read: &Read<'_>, payload: &[u8], out: &mut Out<'_, impl FnMut(Event<'_>)>) {
        match self.pipe.order(read) {
            Order::Next => {}
            Order::Repeated => return,
            Order::Lost(fault) => {
                self.pes.clear();
                out.adts.reset();
                out.fault(fault);
            }
        }
        if read.unit == Unit::Starts {
            self.complete(out);
        } else if self.pes.is_empty() {
            return;
        }
        if self.pes.len() + payload.len() > MAX_PES {
            self.pes.clear();
            return out.fault(Fault::Pes { pid: self.pipe.pid });
        }
        self.pes.extend_from_slice(payload);
        // Where the length is written, there is no need to wait for the next beginning.
        if let Progress::Header(pes::Read { end: Some(end), .. }) = pes::read(&self.pes, self.track)
            && self.pes.len() >= end
        {
            self.complete(out);
        }
    }

    /// Gives the units of the PES packet.
    fn complete(&mut self, out: &mut Out<'_, impl FnMut(Event<'_>)>) {
        if self.pes.is_empty() {
            return;
        }
        match pes::read(&self.pes, self.track) {
            Progress::Header(header) => {
                let end = header.end.unwrap_or(self.pes.len()).min(self.pes.len());
                let payload = self.pes.get(header.payload..end).unwrap_or_default();
                let stamps = header.stamps.map(|(pts, dts)| {
                    let dts = Pts::unwrap(dts, *out.near);
                    *out.near = dts;
                    (Pts::unwrap(pts, dts), dts)
                });
                match self.track {
                    Track::Video => video(payload, stamps, out),
                    Track::Audio => audio(payload, stamps, out),
                }
            }
            Progress::Short | Progress::Malformed => out.fault(Fault::Pes { pid: self.pipe.pid }),
        }
        self.pes.clear();
    }
}

fn video(data: &[u8], stamps: Option<(Pts, Pts)>, out: &mut Out<'_, impl FnMut(Event<'_>)>) {
    // Without a time a picture is of no use to anyone behind us.
    let Some((pts, dts)) = stamps else { return };
    let is_key = h264::nal_units(data).any(|nal| NalType::of(nal[0]) == NalType::Idr);
    let entry = if is_key { Entry::Key } else { Entry::Dependent };
    (out.tell)(Event::Unit(Packet { track: Track::Video, pts, dts, entry, data }));
}

fn audio(data: &[u8], stamps: Option<(Pts, Pts)>, out: &mut Out<'_, impl FnMut(Event<'_>)>) {
    let (at, tell) = (out.at, &mut *out.tell);
    out.adts.push(data, stamps.map(|(pts, _)| pts), |frame| {
        tell(match frame {
            Ok((pts, data)) => {
                Event::Unit(Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data })
            }
            Err(fault) => Event::Fault { fault, at },
        });
    });
}
