//! What a camera is called in the configuration. Node numbers change from boot to boot; the USB port it sits
//! in, its vendor, product and serial numbers, and the place of a camera on the board do not.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::source::usb::{UsbMark, split_number};

/// A camera by a mark that survives renumbering, or by its node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceId {
    /// A USB camera: `usb:1-1.3`, `usb:046d:0825`, `usb:046d:0825:SERIAL`.
    Usb {
        /// Which device.
        mark: UsbMark,
        /// `,2`: its third node, counted from 0; the first that captures if none.
        node: Option<u32>,
    },
    /// A camera of the board, by the name of its platform device: `platform:fe801000.csi`.
    Platform {
        /// As sysfs writes it.
        name: String,
        /// As above.
        node: Option<u32>,
    },
    /// Whatever calls itself so: `card:vivid`.
    Card(String),
    /// `/dev/video0`, `/dev/v4l/by-id/…`, `/dev/v4l/by-path/…`.
    Path(PathBuf),
}

/// Why a text names no camera.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceIdError {
    /// It is empty.
    #[error("no camera is named; `outpost devices` lists them")]
    Empty,
    /// It has characters no device name has.
    #[error("the camera's name {0:?} has control characters in it; `outpost devices` lists the names")]
    Unprintable(String),
    /// It begins with `usb:` and does not go on as it should.
    #[error(
        "{0:?} is neither a USB port (usb:1-1.3) nor vendor:product (usb:046d:0825, or with a serial number \
         usb:046d:0825:SERIAL), optionally with a node (,2); `outpost devices` lists them"
    )]
    Usb(String),
    /// It is of no form that is known.
    #[error(
        "{0:?} names no camera; write its USB port (usb:1-1.3), vendor:product (usb:046d:0825), its place on \
         the board (platform:fe801000.csi), what it calls itself (card:…), or a path (/dev/v4l/by-id/…, \
         /dev/video0); `outpost devices` lists them"
    )]
    Form(String),
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        if text.trim().is_empty() {
            return Err(DeviceIdError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(DeviceIdError::Unprintable(text.to_owned()));
        }
        if text.starts_with('/') {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        let form = || DeviceIdError::Form(text.to_owned());
        match text.split_once(':').ok_or_else(form)? {
            ("usb", usb) => UsbMark::parse(usb)
                .map(|(mark, node)| Self::Usb { mark, node })
                .ok_or_else(|| DeviceIdError::Usb(text.to_owned())),
            ("platform", place) => match split_number(place) {
                ("", _) => Err(form()),
                (name, node) => Ok(Self::Platform { name: name.to_owned(), node }),
            },
            ("card", name) if !name.is_empty() => Ok(Self::Card(name.to_owned())),
            _ => Err(form()),
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = match self {
            Self::Usb { mark, node } => {
                write!(f, "{mark}")?;
                node
            }
            Self::Platform { name, node } => {
                write!(f, "platform:{name}")?;
                node
            }
            Self::Card(name) => return write!(f, "card:{name}"),
            Self::Path(path) => return write!(f, "{}", path.display()),
        };
        node.map_or(Ok(()), |node| write!(f, ",{node}"))
    }
}

impl TryFrom<String> for DeviceId {
    type Error = DeviceIdError;

    fn try_from(text: String) -> Result<Self, DeviceIdError> {
        text.parse()
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn model(serial: Option<&str>) -> UsbMark {
        UsbMark::Model { vendor: 0x046d, product: 0x0825, serial: serial.map(str::to_owned) }
    }

    #[test]
    fn names_are_read_and_written() {
        let platform = |name: &str, node| DeviceId::Platform { name: name.to_owned(), node };
        let table = [
            ("usb:1-1.3", DeviceId::Usb { mark: UsbMark::Port("1-1.3".to_owned()), node: None }),
            ("usb:1-1.3,2", DeviceId::Usb { mark: UsbMark::Port("1-1.3".to_owned()), node: Some(2) }),
            ("usb:046d:0825", DeviceId::Usb { mark: model(None), node: None }),
            ("usb:046d:0825:A,b", DeviceId::Usb { mark: model(Some("A,b")), node: None }),
            ("platform:fe801000.csi", platform("fe801000.csi", None)),
            ("platform:vivid.0,1", platform("vivid.0", Some(1))),
            ("card:HD Webcam: C920, 1", DeviceId::Card("HD Webcam: C920, 1".to_owned())),
            ("/dev/video0", DeviceId::Path("/dev/video0".into())),
            ("/dev/v4l/by-id/usb-046d_C920-video-index0", {
                DeviceId::Path("/dev/v4l/by-id/usb-046d_C920-video-index0".into())
            }),
        ];
        for (text, id) in table {
            assert_eq!(text.parse(), Ok(id.clone()), "{text}");
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_camera_says_what_to_write() {
        for text in ["", "  "] {
            assert_eq!(text.parse::<DeviceId>(), Err(DeviceIdError::Empty));
        }
        assert!(matches!("card:a\nb".parse::<DeviceId>(), Err(DeviceIdError::Unprintable(_))));
        for text in ["usb:", "usb:1", "usb:1-", "usb:046d", "usb:046d:0825:", "usb:1-1,x"] {
            let error = text.parse::<DeviceId>().expect_err(text).to_string();
            assert!(error.contains(text) && error.contains("neither a USB port (usb:1-1.3)"), "{error}");
        }
        for text in ["video0", "0", "dev/video0", "card:", "platform:", "platform:,1", "hw:1,0"] {
            let error = text.parse::<DeviceId>().expect_err(text).to_string();
            assert!(error.contains(text) && error.contains("names no camera"), "{error}");
        }
    }

    #[test]
    fn a_configuration_refuses_a_bad_name_with_the_reason() {
        let id: DeviceId = serde_json::from_str("\"usb:1-1.3\"").expect("a port");
        assert_eq!(serde_json::to_string(&id).expect("text"), "\"usb:1-1.3\"");
        let error = serde_json::from_str::<DeviceId>("\"video0\"").expect_err("no form");
        assert!(error.to_string().contains("/dev/video0"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_back_the_same(
            text in "(usb:|platform:|card:|/)?[0-9a-f:,.-]{1,12}|\\PC{0,20}",
        ) {
            if let Ok(id) = text.parse::<DeviceId>() {
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    }
}
