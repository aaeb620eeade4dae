//! What a capture device is called in the configuration. Card numbers change from boot to boot; the USB
//! port a card sits in, and its vendor, product and serial numbers, do not.

use std::fmt;
use std::str::FromStr;

use crate::source::usb::UsbMark;

/// A capture device by name, or by a mark that survives renumbering.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceId {
    /// An ALSA PCM name: `hw:1,0`, `hw:CARD=PCH,DEV=0`, `default`, a name from `asound.conf`.
    Pcm(String),
    /// A USB card: `usb:1-1.2`, `usb:0d8c:0014`, `usb:0d8c:0014:SERIAL`; `usb:1-1.2,1` for its PCM device 1.
    Usb {
        /// Which card.
        mark: UsbMark,
        /// PCM device number on the card; its first capture device if none.
        device: Option<u32>,
    },
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceIdError {
    /// It is empty.
    #[error("no device is named; `outpost devices` lists them")]
    Empty,
    /// It has characters no device name has.
    #[error("the device name {0:?} has control characters in it; `outpost devices` lists the names")]
    Unprintable(String),
    /// It begins with `usb:` and does not go on as it should.
    #[error(
        "{0:?} is neither a USB port (usb:1-1.2) nor vendor:product (usb:0d8c:0014, or with a serial number \
         usb:0d8c:0014:SERIAL), optionally with a PCM device (,1); `outpost devices` lists them"
    )]
    Usb(String),
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
        match text.strip_prefix("usb:") {
            None => Ok(Self::Pcm(text.to_owned())),
            Some(usb) => UsbMark::parse(usb)
                .map(|(mark, device)| Self::Usb { mark, device })
                .ok_or_else(|| DeviceIdError::Usb(text.to_owned())),
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pcm(name) => f.write_str(name),
            Self::Usb { mark, device: None } => write!(f, "{mark}"),
            Self::Usb { mark, device: Some(device) } => write!(f, "{mark},{device}"),
        }
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

    fn port(port: &str, device: Option<u32>) -> DeviceId {
        DeviceId::Usb { mark: UsbMark::Port(port.to_owned()), device }
    }

    fn model(serial: Option<&str>, device: Option<u32>) -> DeviceId {
        DeviceId::Usb {
            mark: UsbMark::Model { vendor: 0x0d8c, product: 0x0014, serial: serial.map(str::to_owned) },
            device,
        }
    }

    #[test]
    fn names_are_read_and_written() {
        let table = [
            ("hw:1,0", DeviceId::Pcm("hw:1,0".to_owned())),
            ("scanner", DeviceId::Pcm("scanner".to_owned())),
            ("hw:CARD=PCH,DEV=0", DeviceId::Pcm("hw:CARD=PCH,DEV=0".to_owned())),
            ("usb:1-1.2", port("1-1.2", None)),
            ("usb:3-1,1", port("3-1", Some(1))),
            ("usb:0d8c:0014", model(None, None)),
            ("usb:0d8c:0014,2", model(None, Some(2))),
            ("usb:0d8c:0014:A7 b:9", model(Some("A7 b:9"), None)),
            ("usb:0d8c:0014:A7,1", model(Some("A7"), Some(1))),
            ("usb:0d8c:0014:A,b", model(Some("A,b"), None)),
        ];
        for (text, id) in table {
            assert_eq!(text.parse(), Ok(id.clone()), "{text}");
            assert_eq!(id.to_string(), text);
        }
        assert_eq!("usb:0D8C:0014".parse(), Ok(model(None, None)));
    }

    #[test]
    fn what_names_no_device_says_why() {
        for text in ["", "  "] {
            assert_eq!(text.parse::<DeviceId>(), Err(DeviceIdError::Empty));
        }
        for text in ["hw:1\0,0", "scanner\n"] {
            assert!(matches!(text.parse::<DeviceId>(), Err(DeviceIdError::Unprintable(_))), "{text:?}");
        }
        for text in [
            "usb:",
            "usb:1",
            "usb:1-",
            "usb:1-1.",
            "usb:-1",
            "usb:0d8c",
            "usb:0d8c:14",
            "usb:0d8c:0014:",
            "usb:+d8c:0014",
            "usb:1-1,x",
            "usb:1-1,99999999999",
        ] {
            let error = text.parse::<DeviceId>().expect_err(text).to_string();
            assert!(error.contains(text) && error.contains("usb:1-1.2"), "{error}");
        }
    }

    #[test]
    fn a_configuration_refuses_a_bad_name_with_the_reason() {
        let id: DeviceId = serde_json::from_str("\"usb:1-1.2\"").expect("a port");
        assert_eq!(serde_json::to_string(&id).expect("text"), "\"usb:1-1.2\"");
        let error = serde_json::from_str::<DeviceId>("\"usb:1\"").expect_err("no port");
        assert!(error.to_string().contains("neither a USB port"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_back_the_same(text in "(usb:)?[0-9a-f:,.-]{1,12}|\\PC{0,20}") {
            if let Ok(id) = text.parse::<DeviceId>() {
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    }
}
