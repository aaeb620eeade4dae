//! The H.264 encoder libx264: opened, fed and closed safely.
//!
//! Belongs here: what is needed so that no call can touch memory it should not. Does not: which settings
//! are wise (`encode::x264`).

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use x264_sys as ffi;

use crate::media::{FrameRate, Plane, Planes, Size, VideoFrame};

/// What an encoder is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// x264's own name of a preset.
    pub preset: &'a CStr,
    /// Of every picture.
    pub size: Size,
    /// The rate that bits are shared out by.
    pub rate: FrameRate,
    /// Target, and ceiling over a second, in kbit/s.
    pub kilobits: u32,
    /// Slices coded at the same time; 1 to the number of macroblock rows.
    pub threads: u32,
}

/// What a picture is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureType {
    /// As x264 likes.
    Auto,
    /// An IDR picture.
    Idr,
}

/// One coded picture; valid until the next is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Coded<'a> {
    /// Annex B, delimiter first; parameter sets before an IDR picture.
    pub data: &'a [u8],
    /// What it became.
    pub kind: PictureType,
}

/// Why a call did nothing. x264 says more on its own terminal only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such preset.
    #[error("it has no such preset")]
    Preset,
    /// The settings do not go together, or there is no memory for them.
    #[error("it cannot be opened with these settings")]
    Open,
    /// The parameter sets could not be written.
    #[error("it does not write its parameter sets")]
    Headers,
    /// A picture whose planes are smaller than its size says, or of another size.
    #[error("the picture does not have the size the encoder was opened with")]
    Misfit,
    /// A picture failed.
    #[error("it failed to encode a picture")]
    Encode,
    /// A picture was kept back: nothing came out for it.
    #[error("it gave nothing for a picture, although told to wait for no other")]
    Nothing,
    /// Other bit rates are not accepted while it runs.
    #[error("it does not accept that bit rate while it runs")]
    Reconfigure,
}

/// An open encoder.
pub struct Encoder {
    handle: NonNull<ffi::x264_t>,
    param: ffi::x264_param_t,
    size: Size,
}

// SAFETY: x264 ties an encoder to no thread; it must only not be called by two at once, and every call here
// takes `&mut self`.
unsafe impl Send for Encoder {}

impl Encoder {
    /// Opens an encoder that keeps no picture back and codes IDR pictures only where told to.
    ///
    /// # Errors
    /// If x264 refuses.
    pub fn open(settings: &Settings<'_>) -> Result<Self, Refused> {
        let mut param = preset(settings.preset)?;
        param.i_log_level = ffi::X264_LOG_NONE;
        param.i_threads = settings.threads.max(1) as c_int;
        param.i_width = settings.size.width() as c_int;
        param.i_height = settings.size.height() as c_int;
        param.i_csp = ffi::X264_CSP_I420 as c_int;
        let (numerator, denominator) = settings.rate.fraction();
        (param.i_fps_num, param.i_fps_den) = (numerator, denominator);
        // With variable rate x264 holds each picture back until it has seen the next. Timestamps are passed
        // through without it, too.
        param.b_vfr_input = 0;
        param.i_keyint_max = ffi::X264_KEYINT_MAX_INFINITE as c_int;
        param.i_scenecut_threshold = 0;
        param.b_annexb = 1;
        param.b_aud = 1;
        param.b_repeat_headers = 1;
        // BT.709 primaries (1) and transfer (1), BT.601 matrix (6): ITU-T H.264, tables E-3 to E-5.
        param.vui.b_fullrange = 0;
        (param.vui.i_colorprim, param.vui.i_transfer, param.vui.i_colmatrix) = (1, 1, 6);
        set_rate(&mut param, settings.kilobits);
        // SAFETY: `param` was initialised by x264 and holds no pointer of ours.
        let handle = unsafe { ffi::x264_encoder_open(&mut param) };
        let handle = NonNull::new(handle).ok_or(Refused::Open)?;
        Ok(Self { handle, param, size: settings.size })
    }

    /// SPS and PPS, in Annex B form.
    ///
    /// # Errors
    /// If x264 cannot write them.
    pub fn headers(&mut self) -> Result<Vec<u8>, Refused> {
        let (mut nals, mut count) = (ptr::null_mut(), 0);
        // SAFETY: the handle is open; x264 sets both to memory of its own.
        let len = unsafe { ffi::x264_encoder_headers(self.handle.as_ptr(), &mut nals, &mut count) };
        // SAFETY: as promised for `payload` by the call above, which succeeded.
        unsafe { payload(nals, len) }.map(<[u8]>::to_vec).ok_or(Refused::Headers)
    }

    /// Encodes a picture. PTS must increase.
    ///
    /// # Errors
    /// If the picture has another size, or x264 fails.
    pub fn encode(&mut self, frame: &VideoFrame<'_>, kind: PictureType) -> Result<Coded<'_>, Refused> {
        if frame.size != self.size || !frame.planes.hold(frame.size) {
            return Err(Refused::Misfit);
        }
        let mut input = MaybeUninit::uninit();
        // SAFETY: x264_picture_init fills in the whole structure, with null pointers.
        let mut input: ffi::x264_picture_t = unsafe {
            ffi::x264_picture_init(input.as_mut_ptr());
            input.assume_init()
        };
        input.i_type = match kind {
            PictureType::Auto => ffi::X264_TYPE_AUTO,
            PictureType::Idr => ffi::X264_TYPE_IDR,
        } as c_int;
        input.i_pts = frame.pts.ticks();
        let (csp, planes): (_, &[Plane<'_>]) = match &frame.planes {
            Planes::I420(planes) => (ffi::X264_CSP_I420, planes),
            Planes::Nv12(planes) => (ffi::X264_CSP_NV12, planes),
        };
        input.img.i_csp = csp as c_int;
        input.img.i_plane = planes.len() as c_int;
        for (n, plane) in planes.iter().enumerate() {
            input.img.i_stride[n] = plane.stride as c_int;
            input.img.plane[n] = plane.data.as_ptr().cast_mut();
        }
        let (mut nals, mut count) = (ptr::null_mut(), 0);
        let mut output = MaybeUninit::uninit();
        // SAFETY: the handle is open. The planes live until this call returns, have been found large enough
        // for the size the encoder was opened with, and x264 copies them without writing to them. `output`
        // is written whenever a length above zero is returned, and read only then.
        let len = unsafe {
            let handle = self.handle.as_ptr();
            ffi::x264_encoder_encode(handle, &mut nals, &mut count, &mut input, output.as_mut_ptr())
        };
        match len {
            ..0 => Err(Refused::Encode),
            0 => Err(Refused::Nothing),
            _ => {
                // SAFETY: see above.
                let output: ffi::x264_picture_t = unsafe { output.assume_init() };
                // SAFETY: as promised for `payload`; the borrow of `self` keeps the next call away.
                let data = unsafe { payload(nals, len) }.ok_or(Refused::Nothing)?;
                let idr = output.i_type == ffi::X264_TYPE_IDR as c_int;
                Ok(Coded { data, kind: if idr { PictureType::Idr } else { PictureType::Auto } })
            }
        }
    }

    /// Another bit rate, in kbit/s, from the next picture on.
    ///
    /// # Errors
    /// If x264 refuses it; it goes on with the old one.
    pub fn set_kilobits(&mut self, kilobits: u32) -> Result<(), Refused> {
        let mut param = self.param;
        set_rate(&mut param, kilobits);
        // SAFETY: the handle is open, and `param` is the one it was opened with but for numbers.
        match unsafe { ffi::x264_encoder_reconfig(self.handle.as_ptr(), &mut param) } {
            0 => {
                self.param = param;
                Ok(())
            }
            _ => Err(Refused::Reconfigure),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and this is its last use.
        unsafe { ffi::x264_encoder_close(self.handle.as_ptr()) }
    }
}

fn preset(name: &CStr) -> Result<ffi::x264_param_t, Refused> {
    let mut param = MaybeUninit::uninit();
    // SAFETY: both strings end with a zero. x264 fills the whole structure before it looks at them.
    unsafe {
        match ffi::x264_param_default_preset(param.as_mut_ptr(), name.as_ptr(), c"zerolatency".as_ptr()) {
            0 => Ok(param.assume_init()),
            _ => Err(Refused::Preset),
        }
    }
}

/// Average and ceiling alike, over a buffer of one second.
fn set_rate(param: &mut ffi::x264_param_t, kilobits: u32) {
    let kilobits = c_int::try_from(kilobits).unwrap_or(c_int::MAX);
    param.rc.i_rc_method = ffi::X264_RC_ABR as c_int;
    param.rc.i_bitrate = kilobits;
    param.rc.i_vbv_max_bitrate = kilobits;
    param.rc.i_vbv_buffer_size = kilobits;
}

/// The bytes of all NAL units of one call: x264 lays them out behind one another.
///
/// # Safety
/// `nals` and `len` must come from a call to x264 that returned `len`, and nothing must be called on that
/// encoder while the slice lives.
unsafe fn payload<'a>(nals: *const ffi::x264_nal_t, len: c_int) -> Option<&'a [u8]> {
    let len = usize::try_from(len).ok().filter(|len| *len > 0)?;
    // SAFETY: with a positive length there is at least one unit, and `len` bytes from its beginning on.
    unsafe { nals.as_ref().map(|first| std::slice::from_raw_parts(first.p_payload, len)) }
}
