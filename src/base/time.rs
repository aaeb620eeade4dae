//! Three kinds of time that must never be mixed, each a type of its own.
//!
//! * [`Monotonic`]: nanoseconds of CLOCK_MONOTONIC. What drivers stamp and what waits are measured in.
//! * [`Pts`]: the media clock, the same instant in 90 kHz ticks, 64 bits wide and never wrapped.
//! * [`WallTime`]: nanoseconds since 1970 in UTC. For people; it may jump, and nothing is timed by it.
//!
//! [`Span`] is the distance between two [`Pts`]. The 33-bit form of ISO/IEC 13818-1 exists only in
//! [`Pts::wire`], while bytes are written, and in [`Pts::unwrap`], where they are read.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Ticks in a second of the media clock (ISO/IEC 13818-1, 2.4.2: system clock / 300).
pub const TICKS_PER_SECOND: i64 = 90_000;
/// PTS and DTS are 33 bits wide on the wire (ISO/IEC 13818-1, 2.4.3.7).
const WIRE_BITS: u32 = 33;
const WIRE_MODULUS: i64 = 1 << WIRE_BITS;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// A tick in nanoseconds, in its lowest terms: with these, 64 bits are enough for thirty years.
const TICK: [i64; 2] = [100_000, 9];

/// An instant of CLOCK_MONOTONIC, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Monotonic(i64);

/// An instant on the media clock: CLOCK_MONOTONIC in 90 kHz ticks, not wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pts(i64);

/// A signed distance on the media clock, in 90 kHz ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span(i64);

/// An instant of civil time: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

/// `value × numerator / denominator`, rounded to the nearest, computed in 128 bits where 64 are too few.
#[inline]
fn scale(value: i64, numerator: i64, denominator: i64) -> i64 {
    if let Some(sum) = value.checked_mul(numerator).and_then(|it| it.checked_add(denominator / 2)) {
        return sum.div_euclid(denominator);
    }
    let product = i128::from(value) * i128::from(numerator);
    let denominator = i128::from(denominator);
    (product + denominator / 2).div_euclid(denominator) as i64
}

impl Monotonic {
    /// The instant `nanos` nanoseconds after the clock's zero (on Linux: boot).
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's zero.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The same instant on the media clock, to the nearest tick.
    pub fn to_pts(self) -> Pts {
        Pts(scale(self.0, TICK[1], TICK[0]))
    }

    /// Time passed since `earlier`; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `self − other` in nanoseconds, signed.
    pub const fn nanos_since(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Monotonic {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Pts {
    /// The instant `ticks` ticks of 90 kHz after the clock's zero.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// Ticks of 90 kHz since the clock's zero.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// The same instant on CLOCK_MONOTONIC, to the nearest nanosecond.
    pub fn to_monotonic(self) -> Monotonic {
        Monotonic(scale(self.0, TICK[0], TICK[1]))
    }

    /// The 33 bits that go on the wire (ISO/IEC 13818-1, 2.4.3.7).
    pub const fn wire(self) -> u64 {
        self.0.rem_euclid(WIRE_MODULUS) as u64
    }

    /// The instant nearest to `near` whose wire form is `wire` (its upper bits are ignored).
    pub const fn unwrap(wire: u64, near: Self) -> Self {
        let wire = (wire & (WIRE_MODULUS as u64 - 1)) as i64;
        let ahead = (wire - near.0).rem_euclid(WIRE_MODULUS);
        if ahead < WIRE_MODULUS / 2 { Self(near.0 + ahead) } else { Self(near.0 + ahead - WIRE_MODULUS) }
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A distance of `ticks` ticks of 90 kHz.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// `millis` milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * (TICKS_PER_SECOND / 1000))
    }

    /// How long `samples` samples at `rate` Hz last, to the nearest tick.
    ///
    /// Rounding is done once: to place sample number n, ask for the span of n samples, do not add spans.
    pub fn from_samples(samples: i64, rate: u32) -> Self {
        Self(scale(samples, TICKS_PER_SECOND, i64::from(rate.max(1))))
    }

    /// How many samples at `rate` Hz fill this span, to the nearest sample.
    pub fn to_samples(self, rate: u32) -> i64 {
        scale(self.0, i64::from(rate), TICKS_PER_SECOND)
    }

    /// Ticks of 90 kHz.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Seconds, for display and for EXTINF.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / TICKS_PER_SECOND as f64
    }

    /// The same length as a [`Duration`]; zero if negative.
    pub fn to_duration(self) -> Duration {
        let nanos = scale(self.0, TICK[0], TICK[1]);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// The distance without its sign.
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }
}

impl From<Duration> for Span {
    /// To the nearest tick.
    fn from(duration: Duration) -> Self {
        Self(scale(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX), TICK[1], TICK[0]))
    }
}

impl WallTime {
    /// 2023-01-01, before this program was begun: a clock that says less has not been set, and tells the beginning of its
    /// own counting or when its chip was made.
    pub const EARLIEST: Self = Self(1_672_531_200 * NANOS_PER_SECOND);

    /// The instant `nanos` nanoseconds after 1970-01-01T00:00:00Z.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub const fn as_unix_nanos(self) -> i64 {
        self.0
    }
}

impl fmt::Display for WallTime {
    /// RFC 3339 in UTC with milliseconds, written `Z` (some players refuse `+0000`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole milliseconds, rounded down, so that the text never names a moment yet to come.
        let millis = self.0.div_euclid(1_000_000);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        if let Ok(stamp) = jiff::Timestamp::from_millisecond(millis) {
            let at = jiff::tz::Offset::UTC.to_datetime(stamp);
            // Lists have tens of thousands of dates, and a general formatter takes longer than all else in them.
            digits(&mut text[0..4], at.year());
            digits(&mut text[5..7], at.month().into());
            digits(&mut text[8..10], at.day().into());
            digits(&mut text[11..13], at.hour().into());
            digits(&mut text[14..16], at.minute().into());
            digits(&mut text[17..19], at.second().into());
            digits(&mut text[20..23], at.millisecond());
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Writes a number that is not negative with leading zeros.
fn digits(text: &mut [u8], mut number: i16) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10).unsigned_abs() as u8;
        number /= 10;
    }
}

macro_rules! arithmetic {
    ($($left:ty, $right:ty => $sum:ident);* $(;)?) => {$(
        impl Add<$right> for $left {
            type Output = $sum;
            fn add(self, by: $right) -> $sum { $sum(self.0 + by.0) }
        }
        impl AddAssign<$right> for $left {
            fn add_assign(&mut self, by: $right) { self.0 += by.0; }
        }
        impl SubAssign<$right> for $left {
            fn sub_assign(&mut self, by: $right) { self.0 -= by.0; }
        }
    )*};
}

arithmetic! { Pts, Span => Pts; Span, Span => Span }

impl Sub<Span> for Pts {
    type Output = Pts;
    fn sub(self, by: Span) -> Pts {
        Pts(self.0 - by.0)
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, by: Span) -> Span {
        Span(self.0 - by.0)
    }
}

impl Sub for Pts {
    type Output = Span;
    fn sub(self, earlier: Pts) -> Span {
        Span(self.0 - earlier.0)
    }
}

impl Neg for Span {
    type Output = Span;
    fn neg(self) -> Span {
        Span(-self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wall_time_is_written_in_utc_with_milliseconds() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000_123_999_999, "2023-11-14T22:13:20.123Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ];
        for (nanos, text) in cases {
            assert_eq!(WallTime::from_unix_nanos(nanos).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn wall_time_is_written_as_jiff_does(nanos in any::<i64>()) {
            let stamp = jiff::Timestamp::from_millisecond(nanos.div_euclid(1_000_000)).expect("within 300 years");
            prop_assert_eq!(WallTime::from_unix_nanos(nanos).to_string(), format!("{stamp:.3}"));
        }
    }

    #[test]
    fn aac_frames_of_48_khz_are_whole_ticks() {
        assert_eq!(Span::from_samples(1024, 48_000).ticks(), 1920);
        assert_eq!(Span::from_samples(1024, 44_100).ticks(), 2090);
    }

    proptest! {
        #[test]
        fn unwrap_undoes_wire(ticks in -(1i64 << 50)..(1i64 << 50), off in -(1i64 << 32)..(1i64 << 32)) {
            let pts = Pts::from_ticks(ticks);
            // Strictly within half the wire's range of the reference, unwrapping is exact.
            prop_assume!(off > -(1 << 32));
            prop_assert_eq!(Pts::unwrap(pts.wire(), Pts::from_ticks(ticks + off)), pts);
        }

        #[test]
        fn monotonic_and_media_clock_agree_to_half_a_tick(nanos in 0i64..(1 << 60)) {
            let back = Monotonic::from_nanos(nanos).to_pts().to_monotonic();
            prop_assert!((back.as_nanos() - nanos).abs() <= 5_556);
        }

        #[test]
        fn samples_survive_the_way_through_ticks(samples in 0i64..(1 << 40), rate in 8_000u32..=48_000) {
            prop_assert_eq!(Span::from_samples(samples, rate).to_samples(rate), samples);
        }
    }
}
