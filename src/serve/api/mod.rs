//! The API for programs: a stream's markers, its clocks.
//!
//! Belongs here: what is answered, as JSON, and who may change what. Does not: keeping markers (`timeline`), or the
//! status of the appliance, which its [`Report`](super::Report) tells.

mod asked;
mod clocks;
mod dating;
mod events;
mod guard;
mod lists;
mod pace;
mod told;
mod write;

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;

use super::body::Body;
use super::hold::Wait;
use super::reply::{self, Reply};
use super::route::About;
use super::station::Station;
use crate::base::Monotonic;
use crate::playlist::{QueryError, query};
use crate::timeline::{Refusal, Revision};
use clocks::{Clocks, NoInstant, Reading};

pub(super) use dating::Dating;
pub(super) use events::Events;
pub(super) use guard::Sender;
pub use guard::Writers;
pub(super) use lists::{Listing, Lists};
pub(super) use pace::Pace;
pub(super) use write::{Task, write};

/// How the API is described for programs: OpenAPI 3.1.
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Why there is no answer, in words for whoever asks.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    why: String,
    /// In how many seconds it is worth trying again.
    again: Option<u32>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, why: impl ToString) -> Self {
        Self { status, why: why.to_string(), again: None }
    }

    /// 404: there is no such stream, or nothing of that name.
    pub(super) fn unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "nothing is here; what there is, /api/v1/openapi.json says")
    }

    /// 405, and which methods there are.
    pub(super) fn wrong_method(allowed: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this takes {allowed} alone"))
    }

    fn too_fast(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1000);
        let again = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        let why = "too many at once; a stream takes 200, and 50 a second from then on";
        Self { again, ..Self::new(StatusCode::TOO_MANY_REQUESTS, why) }
    }

    /// As it is told: `{"error": "…"}`.
    pub(super) fn reply(&self) -> Reply {
        #[derive(Serialize)]
        struct Told<'a> {
            error: &'a str,
        }
        let text = json(&Told { error: &self.why });
        match (self.status, self.again) {
            (StatusCode::UNAUTHORIZED, _) => reply::challenge(reply::api(self.status, text)),
            (status, Some(seconds)) => reply::again(reply::api(status, text), seconds),
            (status, None) => reply::api(status, text),
        }
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

/// Reads about a stream.
pub(super) fn read(
    station: &Arc<Station>,
    about: &About,
    headers: &HeaderMap,
    query: &str,
) -> Result<Reply, Wait> {
    let read = match about {
        About::Markers => match Listing::new(station, query) {
            Ok(listing) => return listing.at_once(headers).ok_or_else(|| Wait::Listing(Arc::new(listing))),
            Err(fault) => Err(fault),
        },
        About::Events => events(station, headers, query),
        About::Marker(id) => one(station, id).map(reply::json),
        About::Time => time(station, query).map(reply::json),
    };
    Ok(read.unwrap_or_else(|fault| fault.reply()))
}

fn one(station: &Station, id: &str) -> Result<String, Fault> {
    station.forget();
    let shown = station.timeline().shown();
    let marker = shown.markers.iter().find(|it| it.id.as_str() == id);
    let marker = marker.ok_or_else(|| Refusal::Unknown(id.to_owned()))?;
    Ok(told::marker(marker, &Clocks::of(station)))
}

fn time(station: &Station, query: &str) -> Result<String, Fault> {
    let clocks = Clocks::of(station);
    let number = |name| -> Result<Option<f64>, Fault> {
        let Some(value) = query::parameter(query, name)? else { return Ok(None) };
        let number = value.parse().ok().filter(|it: &f64| it.is_finite());
        let wrong = || Fault::new(StatusCode::BAD_REQUEST, format!("{name}={value} is no number of seconds"));
        number.map(Some).ok_or_else(wrong)
    };
    let nanos = query::parameter(query, "monotonic_ns")?.map(|value| {
        let wrong = || format!("monotonic_ns={value} is no whole number of nanoseconds");
        value.parse().map_err(|_| Fault::new(StatusCode::BAD_REQUEST, wrong()))
    });
    let (sequence, offset) = (query::number(query, "media_sequence")?, number("offset_seconds")?);
    if sequence.is_none() && offset.is_some() {
        return Err(Fault::new(StatusCode::BAD_REQUEST, "offset_seconds needs media_sequence beside it"));
    }
    let reading = asked::one_of([
        query::date(query, "wall")?.map(Reading::Wall),
        number("media_seconds")?.map(Reading::media),
        nanos.transpose()?.map(|nanos| Reading::Monotonic(Monotonic::from_nanos(nanos))),
        sequence.map(|sequence| Reading::segment(sequence, offset.unwrap_or(0.0))),
    ]);
    let reading = reading.map_err(|why| Fault::new(StatusCode::BAD_REQUEST, why))?;
    let status = |why| match why {
        NoInstant::Unlisted(_) => Fault::new(StatusCode::NOT_FOUND, why),
        NoInstant::Beyond(..) | NoInstant::Far => Fault::new(StatusCode::BAD_REQUEST, why),
    };
    let mut text = Vec::new();
    clocks.teller().tell(clocks.find(reading).map_err(status)?).put(&mut text);
    Ok(String::from_utf8(text).unwrap_or_default())
}

/// The field goes before the query: a browser that comes back asks with the same address, and tells in the field how far
/// it has come.
fn events(station: &Arc<Station>, headers: &HeaderMap, query: &str) -> Result<Reply, Fault> {
    let asked = query::number(query, "since")?;
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let since = seen.or(asked).map(Revision);
    Ok(reply::events(Body::Events(Box::new(Events::new(station, since)))))
}

/// Writes a value as JSON behind what is written already.
fn value(text: &mut Vec<u8>, value: &impl Serialize) {
    // A number or a string always has a JSON form, and writing to a vector cannot fail.
    let _ = serde_json::to_writer(text, value);
}

fn json(value: &impl Serialize) -> String {
    // Our own structs of numbers and strings always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}
