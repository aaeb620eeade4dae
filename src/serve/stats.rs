//! What the server counts.

use hyper::StatusCode;

use crate::base::Counter;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The page.
    Page,
    /// A file of the page.
    Asset,
    /// A multivariant playlist.
    Multivariant,
    /// A media playlist.
    Media,
    /// A segment.
    Segment,
    /// A part of a segment.
    Part,
    /// What a decoder must have read before segments.
    Init,
    /// A key that segments are enciphered with.
    Key,
    /// The endless transport stream.
    Live,
    /// A photo.
    Snapshot,
    /// A file cut from the window.
    Clip,
    /// `/healthz`.
    Health,
    /// `/metrics`.
    Metrics,
    /// `/api/`.
    Api,
    /// A path that means nothing, a method other than reading, or no host.
    Refused,
}

impl Kind {
    const ALL: [Self; 15] = [
        Self::Page,
        Self::Asset,
        Self::Multivariant,
        Self::Media,
        Self::Segment,
        Self::Part,
        Self::Init,
        Self::Key,
        Self::Live,
        Self::Snapshot,
        Self::Clip,
        Self::Health,
        Self::Metrics,
        Self::Api,
        Self::Refused,
    ];

    /// Its name in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Asset => "asset",
            Self::Multivariant => "multivariant",
            Self::Media => "media",
            Self::Segment => "segment",
            Self::Part => "part",
            Self::Init => "init",
            Self::Key => "key",
            Self::Live => "live",
            Self::Snapshot => "snapshot",
            Self::Clip => "clip",
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Api => "api",
            Self::Refused => "refused",
        }
    }
}

/// The first digit of a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// 4xx.
    ClientError,
    /// 5xx.
    ServerError,
}

impl Class {
    const ALL: [Self; 4] = [Self::Success, Self::Redirection, Self::ClientError, Self::ServerError];

    /// Its name in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }

    fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            ..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

/// What the server has done so far.
#[derive(Debug, Default)]
pub struct ServeStats {
    requests: [[Counter; Class::ALL.len()]; Kind::ALL.len()],
    /// Bytes handed to the kernel, headers included.
    pub sent_bytes: Counter,
    /// Connections accepted.
    pub opened: Counter,
    /// Of those, the ones that have ended.
    pub closed: Counter,
    /// Connections turned away because every other one was at work.
    pub refused: Counter,
    /// Requests for what their sender may not have: without token or signature, with another, or too late.
    pub denied: Counter,
    /// Idle connections closed to make room for new ones.
    pub displaced: Counter,
    /// Times a connection was laid to rest until its client says something again.
    pub rests: Counter,
    /// Connections closed because the client sent its request too slowly, or idled.
    pub slow_requests: Counter,
    /// Connections closed because the client did not take its reply.
    pub stalled: Counter,
    /// Requests that had to wait for what they asked for: a beginning, a playlist that has come further, a part, a
    /// photo, a long playlist.
    pub held: Counter,
    /// Of those, the ones that have been answered, or whose client went away.
    pub released: Counter,
    /// Requests hyper refused before they had a path: not HTTP, or too large.
    pub malformed: Counter,
}

impl ServeStats {
    pub(super) fn count(&self, kind: Kind, status: StatusCode) {
        self.requests[kind as usize][Class::of(status) as usize].increment();
    }

    /// Connections open now.
    pub fn connections(&self) -> u64 {
        // Read in this order a connection that ends in between makes the difference too large, never negative.
        let closed = self.closed.get();
        self.opened.get().saturating_sub(closed)
    }

    /// Requests that wait now.
    pub fn waiting(&self) -> u64 {
        let released = self.released.get();
        self.held.get().saturating_sub(released)
    }

    /// Requests answered, by what they were for and how it went.
    pub fn requests(&self) -> impl Iterator<Item = (Kind, Class, u64)> + '_ {
        Kind::ALL.into_iter().zip(&self.requests).flat_map(|(kind, counters)| {
            Class::ALL.into_iter().zip(counters).map(move |(class, counter)| (kind, class, counter.get()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_counted_in_its_own_place() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "Kind::ALL is in the order of declaration");
        }
        let stats = ServeStats::default();
        stats.count(Kind::Segment, StatusCode::PARTIAL_CONTENT);
        stats.count(Kind::Segment, StatusCode::NOT_FOUND);
        stats.count(Kind::Refused, StatusCode::NOT_FOUND);
        let counted: Vec<_> = stats.requests().filter(|(_, _, count)| *count > 0).collect();
        let expected = [
            (Kind::Segment, Class::Success, 1),
            (Kind::Segment, Class::ClientError, 1),
            (Kind::Refused, Class::ClientError, 1),
        ];
        assert_eq!(counted, expected);
    }
}
