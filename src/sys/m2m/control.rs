//! The controls of video encoders (`linux/v4l2-controls.h`) by name.

use v4l::v4l_sys as c;

/// A control, and what the kernel calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    pub(super) id: u32,
    /// As `v4l2-ctl --list-ctrls` prints it.
    pub name: &'static str,
}

/// `V4L2_CID_CODEC_BASE` + 644; younger than the headers of Debian 11.
const PREPEND_SPSPPS_TO_IDR: u32 = 0x0099_0900 + 644;

impl Control {
    /// Pictures in a row without reference to those before and behind: none is what we want.
    pub const B_FRAMES: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_B_FRAMES, "video_b_frames");
    /// Pictures from one IDR or I picture to the next, if nobody asks for one.
    pub const GOP_SIZE: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_GOP_SIZE, "video_gop_size");
    /// The same, as older drivers call it.
    pub const I_PERIOD: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_H264_I_PERIOD, "h264_i_frame_period");
    /// A menu: 0 variable, 1 constant.
    pub const BITRATE_MODE: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_BITRATE_MODE, "video_bitrate_mode");
    /// Bits per second.
    pub const BITRATE: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_BITRATE, "video_bitrate");
    /// Whether the bit rate counts at all.
    pub const FRAME_RC_ENABLE: Self =
        Self::new(c::V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, "frame_level_rate_control_enable");
    /// A menu: 0 parameter sets apart, 1 in one unit with the first picture.
    pub const HEADER_MODE: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_HEADER_MODE, "sequence_header_mode");
    /// Whether parameter sets are repeated.
    pub const REPEAT_SEQ_HEADER: Self =
        Self::new(c::V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, "repeat_sequence_header");
    /// The same, as other drivers call it.
    pub const PREPEND_SPSPPS_TO_IDR: Self = Self::new(PREPEND_SPSPPS_TO_IDR, "prepend_sps_and_pps_to_idr");
    /// Whether access units begin with a delimiter.
    pub const AU_DELIMITER: Self =
        Self::new(c::V4L2_CID_MPEG_VIDEO_AU_DELIMITER, "generate_access_unit_delimiters");
    /// A button: the next picture becomes a key frame.
    pub const FORCE_KEY_FRAME: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, "force_key_frame");
    /// A menu: 0 baseline, 1 constrained baseline, 2 main, 4 high.
    pub const H264_PROFILE: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_H264_PROFILE, "h264_profile");
    /// A menu: 8 is level 3, then upwards without a gap.
    pub const H264_LEVEL: Self = Self::new(c::V4L2_CID_MPEG_VIDEO_H264_LEVEL, "h264_level");
    /// How many OUTPUT buffers the device needs before it gives anything.
    pub(super) const MIN_BUFFERS_FOR_OUTPUT: Self =
        Self::new(c::V4L2_CID_MIN_BUFFERS_FOR_OUTPUT, "min_number_of_output_buffers");

    const fn new(id: u32, name: &'static str) -> Self {
        Self { id, name }
    }
}
