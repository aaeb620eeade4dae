//! The ioctls of V4L2 that a memory-to-memory device needs, each a safe function over the kernel's structs
//! (`linux/videodev2.h`).
//!
//! Belongs here: what crosses the boundary to the kernel, and the unions in it. Does not: order, waiting,
//! memory.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use v4l::FourCC;
use v4l::v4l_sys as c;
use v4l::v4l2::vidioc::{self, _IOC_TYPE};

use crate::base::{Monotonic, Pts};
use crate::media::{FrameRate, Size};

/// VIDIOC_S_SELECTION, which the `v4l` crate lacks: `_IOWR('V', 95, struct v4l2_selection)`.
const VIDIOC_S_SELECTION: _IOC_TYPE =
    (3 << 30) | ((size_of::<c::v4l2_selection>() as _IOC_TYPE) << 16) | ((b'V' as _IOC_TYPE) << 8) | 95;
/// VIDEO_MAX_PLANES.
const MAX_PLANES: usize = 8;

/// Which of a device's two queues: pictures go into OUTPUT, what is coded comes out of CAPTURE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Output,
    Capture,
}

/// Which flavour of the interface a device speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planarity {
    /// One block of memory per buffer.
    Single,
    /// One or more blocks per buffer.
    Multi,
}

/// A queue as the kernel names it: `enum v4l2_buf_type`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) side: Side,
    pub(super) planarity: Planarity,
}

impl Kind {
    pub(super) const fn code(self) -> u32 {
        match (self.side, self.planarity) {
            (Side::Capture, Planarity::Single) => c::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE,
            (Side::Output, Planarity::Single) => c::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT,
            (Side::Capture, Planarity::Multi) => c::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
            (Side::Output, Planarity::Multi) => c::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
        }
    }
}

/// Whose memory the buffers of a queue are: `enum v4l2_memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// The driver's, to be mapped.
    Mapped,
    /// Of whoever shares it, named by descriptors.
    Shared,
}

impl Memory {
    const fn code(self) -> u32 {
        match self {
            Self::Mapped => c::v4l2_memory_V4L2_MEMORY_MMAP,
            Self::Shared => c::v4l2_memory_V4L2_MEMORY_DMABUF,
        }
    }
}

/// What a queue carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) fourcc: FourCC,
    pub(super) width: u32,
    pub(super) height: u32,
    /// One per block of memory.
    pub(super) blocks: Vec<Block>,
}

/// One block of memory of a format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Bytes from one row of luma (or of the block's own samples) to the next.
    pub(super) stride: u32,
    /// Bytes in all.
    pub(super) bytes: u32,
}

/// Where a block of a buffer lies, for mmap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

/// A buffer that the device has given back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) index: usize,
    /// The coded bytes within its first block.
    pub(super) begin: usize,
    pub(super) end: usize,
    pub(super) pts: Pts,
    flags: u32,
}

impl Done {
    pub(super) const fn is_spoiled(&self) -> bool {
        self.flags & c::V4L2_BUF_FLAG_ERROR != 0
    }

    pub(super) const fn is_last(&self) -> bool {
        self.flags & c::V4L2_BUF_FLAG_LAST != 0
    }
}

/// The C structs handed to ioctl below.
///
/// # Safety
/// All zeros must be a valid value.
pub(super) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($kind:ident),*) => {$(
        // SAFETY: a struct of the kernel's interface: integers, unions of such, and pointers that may be null.
        unsafe impl Plain for c::$kind {}
    )*};
}

plain! {
    v4l2_capability, v4l2_fmtdesc, v4l2_format, v4l2_streamparm, v4l2_selection, v4l2_control, v4l2_encoder_cmd,
    v4l2_requestbuffers, v4l2_buffer, v4l2_plane, v4l2_exportbuffer
}

pub(super) fn zeroed<T: Plain>() -> T {
    // SAFETY: what `Plain` promises.
    unsafe { std::mem::zeroed() }
}

/// # Safety
/// `request` must take a `T`, and pointers within `argument` must be good for what the request does with them.
pub(super) unsafe fn call<T>(fd: BorrowedFd<'_>, request: _IOC_TYPE, argument: &mut T) -> io::Result<()> {
    loop {
        // SAFETY: the descriptor is open, `argument` lives across the call; the rest the caller promises.
        let done = unsafe { v4l::v4l2::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(argument).cast()) };
        match done {
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Text of a fixed field, up to its zero.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// Driver, card, and what this node can do.
pub(super) fn capability(fd: BorrowedFd<'_>) -> io::Result<(String, String, u32)> {
    let mut found: c::v4l2_capability = zeroed();
    // SAFETY: VIDIOC_QUERYCAP takes this struct, which has no pointers.
    unsafe { call(fd, vidioc::VIDIOC_QUERYCAP, &mut found) }?;
    // `capabilities` speaks of the whole device, `device_caps` of this node, where there is such a field.
    let own = found.capabilities & c::V4L2_CAP_DEVICE_CAPS != 0;
    let caps = if own { found.device_caps } else { found.capabilities };
    Ok((text(&found.driver), text(&found.card), caps))
}

/// The `index`th format of a queue.
pub(super) fn format_at(fd: BorrowedFd<'_>, kind: Kind, index: u32) -> io::Result<FourCC> {
    let mut found: c::v4l2_fmtdesc = zeroed();
    (found.index, found.type_) = (index, kind.code());
    // SAFETY: VIDIOC_ENUM_FMT takes this struct, which has no pointers.
    unsafe { call(fd, vidioc::VIDIOC_ENUM_FMT, &mut found) }?;
    Ok(FourCC::from(found.pixelformat))
}

/// Asks for a format; what comes back is what the driver made of it.
pub(super) fn set_format(fd: BorrowedFd<'_>, kind: Kind, wanted: &Format) -> io::Result<Format> {
    let mut format: c::v4l2_format = zeroed();
    format.type_ = kind.code();
    // SMPTE 170M is BT.601 with limited range, which is what all pictures here are.
    let colour = c::v4l2_colorspace_V4L2_COLORSPACE_SMPTE170M;
    let first = wanted.blocks.first().copied().unwrap_or_default();
    match kind.planarity {
        Planarity::Single => {
            let mut pix: c::v4l2_pix_format = {
                // SAFETY: every member of the union is plain data, and all of it is zero.
                unsafe { format.fmt.pix }
            };
            (pix.width, pix.height) = (wanted.width, wanted.height);
            pix.pixelformat = wanted.fourcc.into();
            (pix.bytesperline, pix.sizeimage) = (first.stride, first.bytes);
            (pix.field, pix.colorspace) = (c::v4l2_field_V4L2_FIELD_NONE, colour);
            format.fmt.pix = pix;
        }
        Planarity::Multi => {
            let mut pix: c::v4l2_pix_format_mplane = {
                // SAFETY: as above.
                unsafe { format.fmt.pix_mp }
            };
            (pix.width, pix.height) = (wanted.width, wanted.height);
            pix.pixelformat = wanted.fourcc.into();
            pix.num_planes = wanted.blocks.len().min(MAX_PLANES) as u8;
            let mut planes = pix.plane_fmt;
            for (plane, block) in planes.iter_mut().zip(&wanted.blocks) {
                (plane.bytesperline, plane.sizeimage) = (block.stride, block.bytes);
            }
            pix.plane_fmt = planes;
            (pix.field, pix.colorspace) = (c::v4l2_field_V4L2_FIELD_NONE, colour);
            format.fmt.pix_mp = pix;
        }
    }
    // SAFETY: VIDIOC_S_FMT takes this struct; the members used here have no pointers.
    unsafe { call(fd, vidioc::VIDIOC_S_FMT, &mut format) }?;
    Ok(match kind.planarity {
        Planarity::Single => {
            // SAFETY: the kernel has filled in this member, by the type; any bytes are valid integers.
            let pix = unsafe { format.fmt.pix };
            Format {
                fourcc: FourCC::from(pix.pixelformat),
                width: pix.width,
                height: pix.height,
                blocks: vec![Block { stride: pix.bytesperline, bytes: pix.sizeimage }],
            }
        }
        Planarity::Multi => {
            // SAFETY: as above.
            let pix = unsafe { format.fmt.pix_mp };
            let planes = pix.plane_fmt;
            let blocks = planes.iter().take(usize::from(pix.num_planes));
            Format {
                fourcc: FourCC::from(pix.pixelformat),
                width: pix.width,
                height: pix.height,
                blocks: blocks.map(|p| Block { stride: p.bytesperline, bytes: p.sizeimage }).collect(),
            }
        }
    })
}

/// Tells the pictures per second; what comes back is what the driver made of it, if it says.
pub(super) fn set_rate(fd: BorrowedFd<'_>, kind: Kind, rate: FrameRate) -> io::Result<Option<FrameRate>> {
    let mut parameters: c::v4l2_streamparm = zeroed();
    parameters.type_ = kind.code();
    let (numerator, denominator) = rate.fraction();
    // SAFETY: every member of the union is plain data, and all of it is zero.
    let mut output = unsafe { parameters.parm.output };
    output.timeperframe = c::v4l2_fract { numerator: denominator, denominator: numerator };
    parameters.parm.output = output;
    // SAFETY: VIDIOC_S_PARM takes this struct, which has no pointers.
    unsafe { call(fd, vidioc::VIDIOC_S_PARM, &mut parameters) }?;
    // SAFETY: the kernel has filled in this member, by the type; any bytes are valid integers.
    let interval = unsafe { parameters.parm.output }.timeperframe;
    Ok(FrameRate::new(interval.denominator, interval.numerator))
}

/// Tells which part of the OUTPUT pictures counts; what comes back is what the driver made of it.
pub(super) fn set_crop(fd: BorrowedFd<'_>, size: Size) -> io::Result<(usize, usize)> {
    let mut selection: c::v4l2_selection = zeroed();
    // Selections name the single-planar types, whatever the device speaks (VIDIOC_G_SELECTION).
    selection.type_ = c::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;
    selection.target = c::V4L2_SEL_TGT_CROP;
    selection.r = c::v4l2_rect { left: 0, top: 0, width: size.width() as u32, height: size.height() as u32 };
    // SAFETY: VIDIOC_S_SELECTION takes this struct, which has no pointers.
    unsafe { call(fd, VIDIOC_S_SELECTION, &mut selection) }?;
    Ok((selection.r.width as usize, selection.r.height as usize))
}

/// Sets a control; what comes back is its value now.
pub(super) fn set_control(fd: BorrowedFd<'_>, id: u32, value: i32) -> io::Result<i32> {
    let mut control = c::v4l2_control { id, value };
    // SAFETY: VIDIOC_S_CTRL takes this struct, which has no pointers.
    unsafe { call(fd, vidioc::VIDIOC_S_CTRL, &mut control) }?;
    Ok(control.value)
}

/// Reads a control.
pub(super) fn control(fd: BorrowedFd<'_>, id: u32) -> io::Result<i32> {
    let mut control = c::v4l2_control { id, value: 0 };
    // SAFETY: VIDIOC_G_CTRL takes this struct, which has no pointers.
    unsafe { call(fd, vidioc::VIDIOC_G_CTRL, &mut control) }?;
    Ok(control.value)
}

/// The buffers a queue has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted {
    pub(super) count: u32,
    capabilities: u32,
}

impl Granted {
    /// Whether buffers that have been exported live on when the queue is given others, and those others may
    /// be shared memory.
    pub(super) const fn can_be_lent(&self) -> bool {
        let needed = c::V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS | c::V4L2_BUF_CAP_SUPPORTS_DMABUF;
        self.capabilities & needed == needed
    }
}

/// Gives a queue new buffers, in place of those it had.
pub(super) fn request_buffers(
    fd: BorrowedFd<'_>,
    kind: Kind,
    memory: Memory,
    count: u32,
) -> io::Result<Granted> {
    let mut request: c::v4l2_requestbuffers = zeroed();
    (request.count, request.type_, request.memory) = (count, kind.code(), memory.code());
    // SAFETY: VIDIOC_REQBUFS takes this struct, which has no pointers.
    unsafe { call(fd, vidioc::VIDIOC_REQBUFS, &mut request) }?;
    Ok(Granted { count: request.count, capabilities: request.capabilities })
}

/// A buffer, and the blocks it points to if the queue is multi-planar.
fn with_buffer<T>(
    kind: Kind,
    memory: Memory,
    act: impl FnOnce(&mut c::v4l2_buffer, &mut [c::v4l2_plane; MAX_PLANES]) -> io::Result<T>,
) -> io::Result<T> {
    let mut planes = [zeroed::<c::v4l2_plane>(); MAX_PLANES];
    let mut buffer: c::v4l2_buffer = zeroed();
    (buffer.type_, buffer.memory) = (kind.code(), memory.code());
    act(&mut buffer, &mut planes)
}

/// # Safety
/// `request` must be one of QUERYBUF, QBUF and DQBUF.
unsafe fn call_buffer(
    fd: BorrowedFd<'_>,
    kind: Kind,
    request: _IOC_TYPE,
    buffer: &mut c::v4l2_buffer,
    planes: &mut [c::v4l2_plane; MAX_PLANES],
) -> io::Result<()> {
    if kind.planarity == Planarity::Multi {
        (buffer.m.planes, buffer.length) = (planes.as_mut_ptr(), MAX_PLANES as u32);
    }
    // SAFETY: the request takes a v4l2_buffer; its only pointer is set to `planes`, which outlives the call
    // and has as many elements as `length` says.
    unsafe { call(fd, request, buffer) }
}

/// Where the blocks of a buffer lie.
pub(super) fn query_buffer(fd: BorrowedFd<'_>, kind: Kind, index: u32) -> io::Result<Vec<Place>> {
    with_buffer(kind, Memory::Mapped, |buffer, planes| {
        buffer.index = index;
        // SAFETY: QUERYBUF is one of the three.
        unsafe { call_buffer(fd, kind, vidioc::VIDIOC_QUERYBUF, buffer, planes) }?;
        Ok(match kind.planarity {
            Planarity::Single => {
                // SAFETY: for mapped memory the kernel has filled in this member; it is an integer.
                vec![Place { offset: unsafe { buffer.m.offset }, bytes: buffer.length }]
            }
            Planarity::Multi => planes[..MAX_PLANES.min(buffer.length as usize)]
                .iter()
                // SAFETY: as above.
                .map(|plane| Place { offset: unsafe { plane.m.mem_offset }, bytes: plane.length })
                .collect(),
        })
    })
}

/// Hands a buffer to the device, with so many bytes used in each block; none for one to be filled. `shared`
/// are the blocks if they are shared memory, else there are none.
pub(super) fn enqueue(
    fd: BorrowedFd<'_>,
    kind: Kind,
    index: usize,
    used: &[Block],
    shared: &[impl AsFd],
    pts: Pts,
) -> io::Result<()> {
    let memory = if shared.is_empty() { Memory::Mapped } else { Memory::Shared };
    with_buffer(kind, memory, |buffer, planes| {
        buffer.index = index as u32;
        buffer.field = c::v4l2_field_V4L2_FIELD_NONE;
        buffer.timestamp = timeval(pts);
        buffer.bytesused = used.first().map_or(0, |block| block.bytes);
        for (plane, block) in planes.iter_mut().zip(used) {
            plane.bytesused = block.bytes;
        }
        // So much of the memory may be used; the kernel checks that it has as much.
        for ((plane, block), fd) in planes.iter_mut().zip(used).zip(shared) {
            plane.length = block.bytes;
            plane.m.fd = fd.as_fd().as_raw_fd();
        }
        if let (Planarity::Single, Some(fd)) = (kind.planarity, shared.first()) {
            buffer.length = buffer.bytesused;
            buffer.m.fd = fd.as_fd().as_raw_fd();
        }
        // SAFETY: QBUF is one of the three.
        unsafe { call_buffer(fd, kind, vidioc::VIDIOC_QBUF, buffer, planes) }
    })
}

/// Takes a buffer back from the device, if one is done.
pub(super) fn dequeue(fd: BorrowedFd<'_>, kind: Kind, memory: Memory) -> io::Result<Option<Done>> {
    with_buffer(kind, memory, |buffer, planes| {
        // SAFETY: DQBUF is one of the three.
        match unsafe { call_buffer(fd, kind, vidioc::VIDIOC_DQBUF, buffer, planes) } {
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            done => done?,
        }
        let (begin, end) = match kind.planarity {
            Planarity::Single => (0, buffer.bytesused),
            // `bytesused` counts from the beginning of the block, `data_offset` included.
            Planarity::Multi => (planes[0].data_offset, planes[0].bytesused),
        };
        Ok(Some(Done {
            index: buffer.index as usize,
            begin: begin as usize,
            end: end as usize,
            pts: pts(buffer.timestamp),
            flags: buffer.flags,
        }))
    })
}

/// Starts a queue.
pub(super) fn stream_on(fd: BorrowedFd<'_>, kind: Kind) -> io::Result<()> {
    let mut code = kind.code();
    // SAFETY: VIDIOC_STREAMON takes an int.
    unsafe { call(fd, vidioc::VIDIOC_STREAMON, &mut code) }
}

/// Stops a queue: the device gives up all its buffers.
pub(super) fn stream_off(fd: BorrowedFd<'_>, kind: Kind) -> io::Result<()> {
    let mut code = kind.code();
    // SAFETY: VIDIOC_STREAMOFF takes an int.
    unsafe { call(fd, vidioc::VIDIOC_STREAMOFF, &mut code) }
}

/// Begins to drain: what has been queued is coded, the last buffer is marked.
pub(super) fn stop_encoder(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut command: c::v4l2_encoder_cmd = zeroed();
    command.cmd = c::V4L2_ENC_CMD_STOP;
    // SAFETY: VIDIOC_ENCODER_CMD takes this struct, which has no pointers.
    unsafe { call(fd, vidioc::VIDIOC_ENCODER_CMD, &mut command) }
}

const NANOS_PER_MICRO: i64 = 1_000;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// A timestamp as buffers carry it: whole microseconds, of which a tick has eleven.
fn timeval(pts: Pts) -> c::timeval {
    let micros = (pts.to_monotonic().as_nanos() + NANOS_PER_MICRO / 2).div_euclid(NANOS_PER_MICRO);
    c::timeval {
        tv_sec: micros.div_euclid(MICROS_PER_SECOND) as _,
        tv_usec: micros.rem_euclid(MICROS_PER_SECOND) as _,
    }
}

#[allow(clippy::useless_conversion, reason = "32 bits wide on some boards")]
fn pts(time: c::timeval) -> Pts {
    let micros =
        i64::from(time.tv_sec).saturating_mul(MICROS_PER_SECOND).saturating_add(i64::from(time.tv_usec));
    Monotonic::from_nanos(micros.saturating_mul(NANOS_PER_MICRO)).to_pts()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_number_of_the_ioctl_is_the_kernels() {
        // From the kernel's own headers on 64-bit machines; the struct has no pointers, so on all.
        assert_eq!(VIDIOC_S_SELECTION, 0xC040_565F);
    }

    #[test]
    fn a_time_that_cannot_be_is_no_reason_to_panic() {
        for number in [i64::MAX, i64::MIN] {
            let _ = pts(c::timeval { tv_sec: number as _, tv_usec: number as _ });
        }
    }

    proptest! {
        #[test]
        fn timestamps_survive_the_way_through_the_device(ticks in 0i64..(1 << 46)) {
            let stamp = Pts::from_ticks(ticks);
            prop_assert_eq!(pts(timeval(stamp)), stamp);
        }
    }
}
