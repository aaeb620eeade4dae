//! Marks of a USB device that survive renumbering: the port it sits in, or its vendor, product and serial
//! numbers.
//!
//! Belongs here: reading them in names of the configuration and in sysfs. Does not: what kind of device it is.

use std::fmt;
use std::path::Path;

use super::kernel::line;

/// What a name says about a USB device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UsbMark {
    /// The port, as sysfs writes it: bus, then the port of each hub: `usb:1-1.2`.
    Port(String),
    /// Wherever it is plugged in: `usb:0d8c:0014`, `usb:0d8c:0014:SERIAL`.
    Model {
        /// idVendor.
        vendor: u16,
        /// idProduct.
        product: u16,
        /// iSerial, for those that have one.
        serial: Option<String>,
    },
}

impl UsbMark {
    /// Reads what follows `usb:`, with the number that may follow after a comma.
    pub(super) fn parse(text: &str) -> Option<(Self, Option<u32>)> {
        let (mark, number) = split_number(text);
        if is_port(mark) {
            return Some((Self::Port(mark.to_owned()), number));
        }
        let mut fields = mark.splitn(3, ':');
        let (vendor, product) = (hexadecimal(fields.next()?)?, hexadecimal(fields.next()?)?);
        let serial = fields.next().map(str::to_owned);
        if serial.as_ref().is_some_and(String::is_empty) {
            return None;
        }
        Some((Self::Model { vendor, product, serial }, number))
    }
}

/// Splits `text,1` at its last comma, if a number follows it: a serial number may have commas of its own.
pub(super) fn split_number(text: &str) -> (&str, Option<u32>) {
    match text.rsplit_once(',').map(|(head, tail)| (head, decimal(tail))) {
        Some((head, Some(number))) => (head, Some(number)),
        _ => (text, None),
    }
}

impl fmt::Display for UsbMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "usb:{port}"),
            Self::Model { vendor, product, serial } => {
                write!(f, "usb:{vendor:04x}:{product:04x}")?;
                serial.as_ref().map_or(Ok(()), |serial| write!(f, ":{serial}"))
            }
        }
    }
}

/// A decimal number, digits only.
fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Four hexadecimal digits, as lsusb and sysfs write them.
fn hexadecimal(text: &str) -> Option<u16> {
    let four = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    four.then(|| u16::from_str_radix(text, 16).ok())?
}

/// Bus, a dash, and a chain of ports: `1-1.2`.
fn is_port(text: &str) -> bool {
    text.split_once('-')
        .is_some_and(|(bus, ports)| decimal(bus).is_some() && ports.split('.').all(|p| decimal(p).is_some()))
}

/// A USB device that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Usb {
    pub(super) port: String,
    vendor: u16,
    product: u16,
    serial: Option<String>,
}

impl Usb {
    /// The one whose directory in sysfs is `real` or a directory above it: the nearest that has an idVendor is
    /// the device, named after its port.
    pub(super) fn above(real: &Path) -> Option<Self> {
        real.ancestors().find_map(|directory| {
            Some(Self {
                vendor: hexadecimal(&line(&directory.join("idVendor"))?)?,
                product: hexadecimal(&line(&directory.join("idProduct"))?)?,
                serial: line(&directory.join("serial")),
                port: directory.file_name()?.to_str()?.to_owned(),
            })
        })
    }

    /// Whether `mark` means it.
    pub(super) fn answers_to(&self, mark: &UsbMark) -> bool {
        match mark {
            UsbMark::Port(port) => self.port == *port,
            UsbMark::Model { vendor, product, serial } => {
                (self.vendor, self.product) == (*vendor, *product)
                    && (serial.is_none() || self.serial == *serial)
            }
        }
    }

    /// What means it in any port.
    pub(super) fn model(&self) -> UsbMark {
        let Self { vendor, product, serial, .. } = self.clone();
        UsbMark::Model { vendor, product, serial }
    }
}
