//! A node's controls.

use std::io;

use v4l::v4l_sys as raw;
use v4l::v4l2::vidioc;

use super::node::entries;
use super::{Node, text};

/// Controls that are asked for by number (v4l2-controls.h, V4L2_CID_…).
pub mod control_id {
    use v4l::v4l_sys as raw;

    /// Pictures from one key frame to the next.
    pub const GOP_SIZE: u32 = raw::V4L2_CID_MPEG_VIDEO_GOP_SIZE;
    /// Pictures from one I picture of H.264 to the next.
    pub const H264_I_PERIOD: u32 = raw::V4L2_CID_MPEG_VIDEO_H264_I_PERIOD;
    /// Bits per second.
    pub const BITRATE: u32 = raw::V4L2_CID_MPEG_VIDEO_BITRATE;
    /// Parameter sets before each key frame.
    pub const REPEAT_SEQ_HEADER: u32 = raw::V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER;
}

/// What a control takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlKind {
    /// A number from `minimum` to `maximum` in steps.
    Integer,
    /// 0 or 1.
    Boolean,
    /// One of these, by its index.
    Menu(Vec<(i64, String)>),
    /// Something that is not set by a number.
    Other,
}

/// A control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// V4L2_CID_….
    pub id: u32,
    /// The driver's name for it.
    pub name: String,
    /// What it takes.
    pub kind: ControlKind,
    /// The least number it takes.
    pub minimum: i64,
    /// The greatest number it takes.
    pub maximum: i64,
    /// From one number to the next.
    pub step: u64,
    /// The number it begins with.
    pub default: i64,
}

/// Most controls that are asked for.
const MOST_CONTROLS: usize = 512;
/// Kinds that say nothing to those who want to set something.
const UNUSABLE: u32 = raw::V4L2_CTRL_FLAG_DISABLED | raw::V4L2_CTRL_FLAG_READ_ONLY;

impl Node {
    /// The controls that can be set (VIDIOC_QUERY_EXT_CTRL), by number.
    pub fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut last = 0;
        for _ in 0..MOST_CONTROLS {
            let answer = self.ask(vidioc::VIDIOC_QUERY_EXT_CTRL, |ask: &mut raw::v4l2_query_ext_ctrl| {
                ask.id = last | raw::V4L2_CTRL_FLAG_NEXT_CTRL;
            });
            let Ok(answer) = answer else { break };
            if answer.id <= last {
                break;
            }
            last = answer.id;
            if answer.flags & UNUSABLE == 0 && answer.type_ != raw::v4l2_ctrl_type_V4L2_CTRL_TYPE_CTRL_CLASS {
                controls.push(self.describe(&answer));
            }
        }
        controls
    }

    fn describe(&self, answer: &raw::v4l2_query_ext_ctrl) -> Control {
        let kind = match answer.type_ {
            raw::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER => ControlKind::Integer,
            raw::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => ControlKind::Boolean,
            raw::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU | raw::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU => {
                ControlKind::Menu(self.items(answer))
            }
            _ => ControlKind::Other,
        };
        // `c_char` is signed on some machines and not on others.
        let name = answer.name.map(|character| character.to_ne_bytes()[0]);
        Control {
            id: answer.id,
            name: text(&name),
            kind,
            minimum: answer.minimum,
            maximum: answer.maximum,
            step: answer.step,
            default: answer.default_value,
        }
    }

    /// The items of a menu (VIDIOC_QUERYMENU); there may be gaps between them.
    fn items(&self, control: &raw::v4l2_query_ext_ctrl) -> Vec<(i64, String)> {
        let first = u32::try_from(control.minimum).unwrap_or(0);
        let last = u32::try_from(control.maximum).unwrap_or(0);
        let items = entries(|n| {
            let Some(index) = first.checked_add(n).filter(|index| *index <= last) else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            let item = self.ask(vidioc::VIDIOC_QUERYMENU, |ask: &mut raw::v4l2_querymenu| {
                (ask.id, ask.index) = (control.id, index);
            });
            Ok(item.ok().map(|item| {
                let words = if control.type_ == raw::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU {
                    // SAFETY: both arms of the union are numbers, for which any bits are valid. The struct is
                    // packed: the value is copied out.
                    unsafe { item.__bindgen_anon_1.value }.to_string()
                } else {
                    // SAFETY: as above.
                    text(&unsafe { item.__bindgen_anon_1.name })
                };
                (i64::from(index), words)
            }))
        });
        items.into_iter().flatten().collect()
    }

    /// Sets a control (VIDIOC_S_CTRL).
    ///
    /// # Errors
    /// EINVAL, ERANGE for what it does not take; EBUSY, EACCES or EIO where another control forbids it.
    pub fn set_control(&self, id: u32, value: i32) -> io::Result<()> {
        self.ask(vidioc::VIDIOC_S_CTRL, |ask: &mut raw::v4l2_control| (ask.id, ask.value) = (id, value))
            .map(drop)
    }
}
