//! Values as people write them: each knows how it is read, how it is shown, and what to say when it
//! cannot be read.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::KeyPrefix;
use crate::base::Span;
use crate::media::{FrameRate, Size};
use crate::serve::{RESERVED, Token, is_origin, is_stream_name};

/// Where to serve: `8080`, `:8080`, `127.0.0.1:9000`, `[::]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// A stream's name: small letters, digits, `-` and `_`, 1 to 63 of them, and no address of our own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);

/// Bits per second: `2M`, `64k` or `64000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(pub u32);

/// Pictures per second: `30`, `12.5` or `30000/1001`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate(pub(super) FrameRate);

/// What is given up while the encoder cannot keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Down to this bit rate: `800k`.
    Bitrate(BitRate),
    /// Down to so many pictures a second: `15fps`.
    Rate(FrameRate),
}

/// A length of time: `2s`, `15min`, `1h 30m`. More than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub Span);

/// How many connections may be open at the same time: `1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections(pub usize);

/// Whose web pages may play the streams: `*`, or one origin (`https://example.org`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// What a machine is called, in small letters: `radio.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// A language as BCP 47 (RFC 5646, 2.1) names it: `de`, `pt-BR`, `gsw-CH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language(String);

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

impl HostName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // RFC 1123, 2.1.
        let is_label = |label: &str| {
            matches!(label.len(), 1..=63)
                && label.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() > 253 || !text.split('.').all(is_label) {
            return Err(format!(
                "{text:?} is no name of a machine; write it alone, as \"radio.example.org\""
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut tags = text.split('-');
        let language = tags.next().unwrap_or_default();
        let is_language =
            matches!(language.len(), 2..=3) && language.bytes().all(|it| it.is_ascii_alphabetic());
        let is_tag =
            |tag: &str| matches!(tag.len(), 1..=8) && tag.bytes().all(|it| it.is_ascii_alphanumeric());
        if !is_language || !tags.all(is_tag) || text.len() > 35 {
            return Err(format!("{text:?} is no language; write its tag, as \"de\", \"en\" or \"pt-BR\""));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BitRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, unit) = match (text.strip_suffix('k'), text.strip_suffix('M')) {
            (Some(thousands), _) => (thousands, 1000),
            (_, Some(millions)) => (millions, 1_000_000),
            _ => (text, 1),
        };
        let bits = digits.parse().ok().and_then(|n: u32| n.checked_mul(unit));
        bits.map(Self).ok_or_else(|| format!("{text:?} is no bit rate; write \"2M\", \"64k\" or 64000"))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        rate(text).map(Self).ok_or_else(|| {
            format!("{text:?} is no picture rate; write how many a second, 1 to 240, as 30 or \"30000/1001\"")
        })
    }
}

/// A whole number, a fraction, or a number with at most three decimals.
fn rate(text: &str) -> Option<FrameRate> {
    if let Some((numerator, denominator)) = text.split_once('/') {
        return reduced(numerator.parse().ok()?, denominator.parse().ok()?);
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = (1..=3).contains(&decimals.len()) && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths = format!("{decimals:0<3}").parse::<u32>().ok().filter(|_| are_digits)?;
    reduced(whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(thousandths)?, 1000)
}

/// A rate in its lowest terms.
pub(super) fn reduced(numerator: u32, denominator: u32) -> Option<FrameRate> {
    let (mut divisor, mut rest) = (numerator, denominator);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    FrameRate::new(numerator.checked_div(divisor)?, denominator.checked_div(divisor)?)
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let step = match text.strip_suffix("fps") {
            Some(pictures) => rate(pictures.trim_end()).map(Self::Rate),
            None => text.parse().ok().map(Self::Bitrate),
        };
        step.ok_or_else(|| {
            format!("{text:?} is no step; write a bit rate (\"800k\") or pictures a second (\"15fps\")")
        })
    }
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A day is 24 hours: no calendar is asked.
        let length = text.parse::<jiff::Span>().ok();
        let length = length.and_then(|it| it.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok());
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

impl FromStr for Connections {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (10..=100_000).contains(number));
        number.map(Self).ok_or_else(|| format!("{text:?} is no number of connections from 10 to 100000"))
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
    /// What a rendition of pictures this high is called: `360p`.
    pub(super) fn of_height(size: Size) -> Self {
        Self(format!("{}p", size.height()))
    }

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
        match self.0 {
            0 => f.write_str("0k"),
            bits if bits.is_multiple_of(1_000_000) => write!(f, "{}M", bits / 1_000_000),
            bits if bits.is_multiple_of(1000) => write!(f, "{}k", bits / 1000),
            bits => write!(f, "{bits}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bitrate(bitrate) => bitrate.fmt(f),
            Self::Rate(rate) => write!(f, "{rate}fps"),
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
pub(in crate::app) fn written<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Written<T>(std::marker::PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Written<T> {
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

written!(
    Listen,
    Name,
    BitRate,
    Rate,
    Step,
    Length,
    Connections,
    Origin,
    Memory,
    KeyPrefix,
    Token,
    Language,
    HostName
);

/// An amount of memory: `64MiB`, `64MB`, or bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(pub(super) bytesize::ByteSize);

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("{text:?} is no amount of bytes; write it with its unit, as \"64MiB\""))
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
    fn languages_have_the_shape_of_tags() {
        for text in ["de", "en", "gsw", "pt-BR", "zh-Hant-TW", "de-CH-1996", "sl-rozaj"] {
            assert_eq!(text.parse::<Language>().map(|it| it.to_string()).as_deref(), Ok(text));
        }
        for refused in
            ["", "d", "german", "de-", "-de", "de--CH", "d1", "de_CH", "de CH", "de-\u{e9}", "true"]
        {
            assert!(refused.parse::<Language>().is_err(), "{refused:?}");
        }
        assert!(format!("de{}", "-abcdefgh".repeat(4)).parse::<Language>().is_err(), "too long");
    }

    #[test]
    fn lengths_and_rates_read_and_shown() {
        let millis = |text: &str| text.parse::<Length>().map(|length| length.0.to_duration().as_millis());
        for (text, expected) in [
            ("2s", 2000),
            ("15min", 900_000),
            ("1h 30m", 5_400_000),
            ("1.5s", 1500),
            ("500ms", 500),
            ("30 d", 2_592_000_000),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
        for refused in
            ["", "2", "0s", "1ns", "-2s", "2 parsecs", "1 month", "9999999999999999h", "999999999999h"]
        {
            assert!(refused.parse::<Length>().is_err(), "{refused:?}");
        }
        assert_eq!("64k".parse(), Ok(BitRate(64_000)));
        assert_eq!("64000".parse(), Ok(BitRate(64_000)));
        assert_eq!("2M".parse(), Ok(BitRate(2_000_000)));
        for refused in ["", "k", "M", "64K bit", "-64k", "6.4k", "1.5M", "2m", "99999999k", "5000M"] {
            assert!(refused.parse::<BitRate>().is_err(), "{refused:?}");
        }
    }

    #[test]
    fn picture_rates_and_steps_read_and_shown() {
        let fraction = |text: &str| text.parse::<Rate>().ok().map(|rate| rate.0.fraction());
        let table = [("30", 30, 1), ("30000/1001", 30_000, 1001), ("12.5", 25, 2), ("29.97", 2997, 100)];
        for (text, numerator, denominator) in table {
            assert_eq!(fraction(text), Some((numerator, denominator)), "{text}");
        }
        assert_eq!(fraction("25.0"), Some((25, 1)));
        for refused in ["", "0", "-30", "241", "0.5", "30.0001", "30/0", "1/2", "30 fps", "4294968.1", "3.+1"]
        {
            assert_eq!(fraction(refused), None, "{refused:?}");
        }
        for text in ["800k", "15fps", "1M"] {
            assert_eq!(text.parse::<Step>().map(|step| step.to_string()).as_deref(), Ok(text));
        }
        for refused in ["", "fps", "0fps", "slower"] {
            assert!(refused.parse::<Step>().is_err(), "{refused:?}");
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
            let _ = (text.parse::<Origin>(), text.parse::<Memory>(), text.parse::<Rate>(), text.parse::<Step>());
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
