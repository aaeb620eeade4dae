//! What is served at the moment, and to whom: replaced whole, while requests go on.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use hyper::Uri;
use hyper::header::HeaderValue;

use super::api::Writers;
use super::station::Station;
use super::{BindError, ServeConfig, page};

/// What a server offers now.
pub struct Board(ArcSwap<Posted>);

/// One state of it.
pub(super) struct Posted {
    stations: Vec<Arc<Station>>,
    /// Whose pages may read media and the API.
    pub(super) origin: HeaderValue,
    /// Who may write by the API.
    pub(super) writers: Writers,
    /// What the page may load.
    pub(super) policy: HeaderValue,
    /// Connections open at the same time, at least one.
    pub(super) max_connections: usize,
}

impl Board {
    pub(super) fn new(stations: Vec<Arc<Station>>, config: &ServeConfig) -> Result<Self, BindError> {
        Posted::of(stations, config).map(|posted| Self(ArcSwap::from_pointee(posted)))
    }

    /// From now on these streams are served, as `config` says of origin, writers and number of connections; where it
    /// says to listen is not looked at. What waits for a stream that is gone is answered, and endless streams of it end.
    ///
    /// # Errors
    /// If the allowed origin is none; then nothing changes.
    pub fn post(&self, stations: Vec<Arc<Station>>, config: &ServeConfig) -> Result<(), BindError> {
        let before = self.0.swap(Arc::new(Posted::of(stations, config)?));
        let now = self.load();
        let gone = |it: &&Arc<Station>| !now.stations.iter().any(|station| Arc::ptr_eq(station, it));
        before.stations.iter().filter(gone).for_each(|station| station.close());
        Ok(())
    }

    pub(super) fn load(&self) -> Guard<Arc<Posted>> {
        self.0.load()
    }

    /// The server stops.
    pub(super) fn close(&self) {
        self.load().stations.iter().for_each(|station| station.close());
    }
}

impl Posted {
    fn of(stations: Vec<Arc<Station>>, config: &ServeConfig) -> Result<Self, BindError> {
        let renditions = stations.iter().flat_map(|station| station.renditions());
        let policy = page::policy(renditions.map(|rendition| rendition.keys()));
        let origin = parse_origin(&config.allowed_origin)?;
        let (writers, max_connections) = (config.writers.clone(), config.max_connections.max(1));
        Ok(Self { stations, origin, writers, policy, max_connections })
    }

    pub(super) fn station(&self, name: &str) -> Option<&Arc<Station>> {
        self.stations.iter().find(|station| station.name() == name)
    }
}

/// Whether this is an origin as browsers write it (RFC 6454, 6.2): scheme and host, a port if it is not the
/// usual one, and nothing behind, not even a slash; or `*`, which stands for all.
pub fn is_origin(text: &str) -> bool {
    let exact = || {
        let uri: Uri = text.parse().ok()?;
        let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{}://{}{port}", uri.scheme_str()?, uri.host()?))
    };
    text == "*" || exact().is_some_and(|exact| exact == text)
}

fn parse_origin(text: &str) -> Result<HeaderValue, BindError> {
    let origin = HeaderValue::from_str(text).ok().filter(|_| is_origin(text));
    origin.ok_or_else(|| BindError::Origin(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for good in ["*", "https://example.org", "http://localhost:3000", "https://[::1]:8443"] {
            assert!(parse_origin(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.org",
            "https://example.org/",
            "https://a.org, https://b.org",
            "https://u@a.org",
            "a\nb",
        ] {
            assert!(matches!(parse_origin(bad), Err(BindError::Origin(_))), "{bad:?}");
        }
    }
}
