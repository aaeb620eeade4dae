//! Values as people write them: each knows how it is read, how it is shown, and what to say when it
//! cannot be read.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::base::Span;
use crate::serve::{RESERVED, is_origin, is_stream_name};

/// Where to serve: `8080`, `:8080`, `127.0.0.1:9000`, `[::]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// A stream's name: small letters, digits, `-` and `_`, 1 to 63 of them, and no address of our own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);

/// Bits per second: `64k` or `64000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(pub u32);

/// A length of time: `2s`, `15min`, `1h 30m`. More than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub Span);

/// Whose web pages may play the streams: `*`, or one origin (`https://example.org`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Listen {
    /// This port on every address the machine has.
    pub const fn everywhere(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
            return Ok(Self::everywhere(port));
        }
        text.parse().map(Self).map_err(|_| {
            format!("{text:?} is no address to listen on; write 8080, 127.0.0.1:8080 or \"[::]:8080\"")
        })
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if RESERVED.contains(&text) {
            return Err(format!("/{text} is an address of Outpost's own; choose another name"));
        }
        if !is_stream_name(text) {
            return Err(format!(
                "{text:?} cannot be part of an address; use small letters, digits, - and _ \
                 (at most 63, the first a letter or digit)"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for BitRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bits = match text.strip_suffix('k') {
            Some(thousands) => thousands.parse().ok().and_then(|n: u32| n.checked_mul(1000)),
            None => text.parse().ok(),
        };
        bits.map(Self).ok_or_else(|| format!("{text:?} is no bit rate; write \"64k\" or 64000"))
    }
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let length = text.parse::<jiff::SignedDuration>().ok();
        let length = length.and_then(|length| std::time::Duration::try_from(length).ok());
        // Three centuries, the most a `Span` makes of a `Duration`.
        let length = length.filter(|length| i64::try_from(length.as_nanos()).is_ok()).map(Span::from);
        length.filter(|length| *length > Span::ZERO).map(Self).ok_or_else(|| {
            format!(
                "{text:?} is no length of time; write it with its unit, as \"2s\", \"15min\" or \"1h 30m\""
            )
        })
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_origin(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{text:?} is no origin; write \"*\" or scheme and host alone, as \"https://example.org\""
        ))
    }
}

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Origin {
    /// Any web page.
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// As it stands in `Access-Control-Allow-Origin`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1000 {
            0 => write!(f, "{}k", self.0 / 1000),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = jiff::SignedDuration::try_from(self.0.to_duration()).unwrap_or_default();
        write!(f, "{length:#}")
    }
}

/// Reads a value by its `FromStr`, also where it is written without quotes: each knows best what to say of it.
pub(super) fn written<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    struct Written<T>(std::marker::PhantomData<T>);

    impl<T: FromStr<Err = String>> Visitor<'_> for Written<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i128<E: Error>(self, number: i128) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_u128<E: Error>(self, number: u128) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_bool<E: Error>(self, truth: bool) -> Result<T, E> {
            self.visit_str(&truth.to_string())
        }
    }

    deserializer.deserialize_any(Written(std::marker::PhantomData))
}

macro_rules! written {
    ($($value:ty),*) => {$(
        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                written(deserializer)
            }
        }
    )*};
}

written!(Listen, Name, BitRate, Length, Origin, Memory);

/// An amount of memory: `64MiB`, `64MB`, or bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(pub(super) bytesize::ByteSize);

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("{text:?} is no amount of memory; write it with its unit, as \"64MiB\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_in_every_accepted_form() {
        let table = [
            ("8080", "[::]:8080"),
            (":8080", "[::]:8080"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("[::]:80", "[::]:80"),
            ("[::1]:0", "[::1]:0"),
        ];
        for (text, shown) in table {
            assert_eq!(text.parse::<Listen>().map(|listen| listen.to_string()).as_deref(), Ok(shown));
        }
        for refused in ["", ":", "eighty", "70000", "localhost:80", "127.0.0.1", "::1:80", "-1"] {
            assert!(refused.parse::<Listen>().is_err(), "{refused:?}");
        }
    }

    #[test]
    fn lengths_and_rates_read_and_shown() {
        let millis = |text: &str| text.parse::<Length>().map(|length| length.0.to_duration().as_millis());
        for (text, expected) in
            [("2s", 2000), ("15min", 900_000), ("1h 30m", 5_400_000), ("1.5s", 1500), ("500ms", 500)]
        {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
        for refused in ["", "2", "0s", "1ns", "-2s", "2 parsecs", "9999999999999999h", "999999999999h"] {
            assert!(refused.parse::<Length>().is_err(), "{refused:?}");
        }
        assert_eq!("64k".parse(), Ok(BitRate(64_000)));
        assert_eq!("64000".parse(), Ok(BitRate(64_000)));
        for refused in ["", "k", "64K bit", "-64k", "6.4k", "99999999k"] {
            assert!(refused.parse::<BitRate>().is_err(), "{refused:?}");
        }
    }

    #[test]
    fn origins_end_with_the_host() {
        for accepted in ["*", "https://example.org", "http://192.168.1.2:8080", "http://[::1]:80"] {
            assert!(accepted.parse::<Origin>().is_ok(), "{accepted:?}");
        }
        for refused in [
            "",
            "example.org",
            "https://",
            "https://example.org/",
            "https://exa:mple",
            "https://a\r\nSet-Cookie: b",
        ] {
            assert!(refused.parse::<Origin>().is_err(), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in ".{0,40}") {
            let _ = (text.parse::<Listen>(), text.parse::<BitRate>(), text.parse::<Length>());
            let _ = (text.parse::<Origin>(), text.parse::<Memory>());
            if let Ok(name) = text.parse::<Name>() {
                prop_assert!(!name.as_str().contains(['/', '.', '%', ' ']));
            }
        }

        #[test]
        fn what_is_shown_reads_back(bits in 0u32..2_000_000, millis in 1i64..100_000_000) {
            prop_assert_eq!(BitRate(bits).to_string().parse(), Ok(BitRate(bits)));
            let length = Length(Span::from_millis(millis));
            prop_assert_eq!(length.to_string().parse(), Ok(length));
        }
    }
}
