//! Values of `network.toml`: each knows how it is read, and what to say when it cannot be. None of that repeats what was
//! written: it might be a password in the wrong place.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::str::FromStr;

use ring::pbkdf2::{self, PBKDF2_HMAC_SHA1};
use serde::{Deserialize, Deserializer};

use super::super::config::{HostName, written};

/// What the box is called, and found as with `.local` behind it: one label (RFC 6762, 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BoxName(HostName);

/// The two letters of a country (ISO 3166-1), whose rules on radio hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Country(String);

/// What a Wi-Fi network is called: 1 to 32 bytes, whatever they are (IEEE 802.11, 9.4.2.2).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Ssid(String);

/// What lets one into a Wi-Fi network.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Password {
    /// 8 to 63 bytes without control characters (IEEE 802.11, J.4.1).
    Phrase(String),
    /// The key that is made of one, as 64 hexadecimal digits.
    Key(String),
}

/// Of another box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address(pub(super) IpAddr);

/// How often a password is hashed to make a key of it.
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).expect("not zero");

/// An address of this box and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    address: IpAddr,
    prefix: u8,
}

/// What reads a text that stands in quotes: a number in its place would lose its zeros.
macro_rules! quoted {
    ($($value:ty),*) => {$(
        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

pub(super) use quoted;

quoted!(Country, Ssid, Password, Address, Subnet);

impl<'de> Deserialize<'de> for BoxName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        written(deserializer)
    }
}

impl Default for BoxName {
    fn default() -> Self {
        Self("outpost".parse().expect("a name"))
    }
}

impl FromStr for BoxName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name: Option<HostName> = text.parse().ok();
        name.filter(|name| !name.as_str().contains('.') && name.as_str() != "localhost").map(Self).ok_or(
            "this is no name for a box; write letters, digits and - alone, at most 63, as \"attic\"; it is found as \
             attic.local",
        )
    }
}

impl fmt::Display for BoxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for Country {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_country = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_country.then(|| Self(text.to_ascii_uppercase())).ok_or(
            "this is no country; write its two letters, as \"DE\" or \"US\": they say which channels Wi-Fi may use",
        )
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A letter that was lost in reading the file would make it another text.
const NOT_UTF_8: &str = "there is a letter in it that is not UTF-8; save the file as UTF-8";

impl FromStr for Ssid {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(NOT_UTF_8);
        }
        let fits = matches!(text.len(), 1..=32);
        fits.then(|| Self(text.to_owned())).ok_or(
            "no network has a name of this length; it has 1 to 32 letters (fewer, if some are not ASCII), just as phones \
             show it",
        )
    }
}

impl Ssid {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Password {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(NOT_UTF_8);
        }
        match text.len() {
            8..=63 if !text.chars().any(char::is_control) => Ok(Self::Phrase(text.to_owned())),
            64 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(Self::Key(text.to_owned())),
            _ => Err(
                "no network has such a password; it has 8 to 63 characters on one line, or is a key of 64 hexadecimal \
                 digits; leave it out if the network is open",
            ),
        }
    }
}

impl Password {
    /// The key that is made of it for the network of this name, as hexadecimal digits (IEEE 802.11, J.4.1).
    pub(super) fn key(&self, name: &Ssid) -> String {
        match self {
            Self::Key(key) => key.clone(),
            Self::Phrase(phrase) => {
                let mut key = [0; 32];
                pbkdf2::derive(PBKDF2_HMAC_SHA1, ROUNDS, name.as_bytes(), phrase.as_bytes(), &mut key);
                key.iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }
}

/// Neither of them in a log: who is near a box knows where it stands.
impl fmt::Debug for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ssid(..)")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "this is no address; write it in numbers, as \"192.168.1.1\"")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Subnet {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            Some(Self { address: address.parse().ok()?, prefix: prefix.parse().ok()? })
        });
        let usual = "write the address and how many bits of it are the network's, as \"192.168.1.20/24\"";
        let subnet = parts.ok_or(usual)?;
        let (address, bits) = (subnet.address, subnet.bits());
        let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() || broadcast {
            return Err("no box can have this address; take one of your network that nobody else has");
        }
        if !(1..=bits).contains(&subnet.prefix) {
            return Err(usual);
        }
        // RFC 1122, 3.2.1.3; with 31 bits and more each address is a box's (RFC 3021).
        let within = match address {
            IpAddr::V4(address) if subnet.prefix < 31 => Some(address.to_bits() << subnet.prefix),
            _ => None,
        };
        if within.is_some_and(|within| [0, u32::MAX << subnet.prefix].contains(&within)) {
            return Err("this is the address of the network or of all in it; take one between the two");
        }
        Ok(subnet)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Subnet {
    fn bits(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether another box of this address is in the same network.
    pub(super) fn reaches(&self, Address(other): Address) -> bool {
        let network = |address| number(address) >> (self.bits() - self.prefix);
        let same = other.is_ipv4() == self.address.is_ipv4() && network(other) == network(self.address);
        let on_link = matches!(other, IpAddr::V6(other) if other.is_unicast_link_local());
        other != self.address && (same || on_link && self.address.is_ipv6())
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_value_takes() {
        fn taken<T: FromStr>(texts: &[&str]) -> Vec<bool> {
            texts.iter().map(|text| text.parse::<T>().is_ok()).collect()
        }
        assert_eq!(taken::<BoxName>(&["attic", "a-1", "5", "ATTIC"]), [true; 4]);
        assert_eq!(
            taken::<BoxName>(&["", "a.b", "-a", "a_b", "a b", "b\u{fc}ro", "localhost", "a\n"]),
            [false; 8]
        );
        assert_eq!("ATTIC".parse::<BoxName>().map(|it| it.to_string()).as_deref(), Ok("attic"));
        assert_eq!(taken::<Country>(&["DE", "us"]), [true; 2]);
        assert_eq!(taken::<Country>(&["", "D", "DEU", "D1", "\u{fc}", "D\n"]), [false; 6]);
        let (longest, umlauts) = ("x".repeat(32), "\u{fc}".repeat(17));
        assert_eq!(taken::<Ssid>(&["a", &longest, " ", "a\"\n#\\", &umlauts[..32]]), [true; 5]);
        assert_eq!(taken::<Ssid>(&["", &"x".repeat(33), &umlauts, "caf\u{fffd}"]), [false; 4]);
        let (longest, key) = ("x".repeat(63), "0aF9".repeat(16));
        assert_eq!(taken::<Password>(&["12345678", "\"#'\\ \u{fc}\u{fc}", &longest, &key]), [true; 4]);
        let wrong =
            ["", "1234567", "1234567\n", "a\r234567", &"x".repeat(64), &"0".repeat(65), "passw\u{fffd}rd"];
        assert_eq!(taken::<Password>(&wrong), [false; 7]);
        assert!(matches!(key.parse(), Ok(Password::Key(_))));
    }

    #[test]
    fn a_password_and_a_name_make_a_key() {
        // IEEE 802.11, J.4.2.
        let made = |password: &str, name: &str| {
            password.parse::<Password>().map(|it| it.key(&name.parse().expect("a name"))).expect("a password")
        };
        let key = "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e";
        assert_eq!((made("password", "IEEE").as_str(), made(key, "other").as_str()), (key, key));
    }

    #[test]
    fn addresses_belong_to_networks() {
        for (subnet, inside, outside) in [
            ("192.168.1.20/24", "192.168.1.1", "192.168.2.1"),
            ("10.0.0.7/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.6/31", "10.0.0.7", "10.0.0.6"),
            ("fd00::20/64", "fd00::1", "fd00:0:0:1::1"),
            ("fd00::20/128", "fe80::1", "192.168.1.1"),
            ("1.2.3.4/1", "5.6.7.8", "::1"),
        ] {
            let parsed: Subnet = subnet.parse().expect(subnet);
            assert_eq!(parsed.to_string(), subnet);
            let reached = |other: &str| parsed.reaches(other.parse().expect("an address"));
            assert!(reached(inside) && !reached(outside), "{subnet}");
        }
        let refused = [
            "",
            "192.168.1.20",
            "192.168.1.20/",
            "192.168.1.20/33",
            "192.168.1.20/0",
            "192.168.1.0/24",
            "192.168.1.255/24",
            "fd00::1/129",
            "0.0.0.0/24",
            "127.0.0.1/8",
            "::1/64",
            "::/64",
            "224.0.0.5/8",
            "ff02::1/64",
            "255.255.255.255/32",
            "a/24",
            "1.2.3.4/24\n",
        ];
        for refused in refused {
            assert!(refused.parse::<Subnet>().is_err(), "{refused:?}");
        }
    }
}
