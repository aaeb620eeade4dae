//! The API for programs: a stream's markers, its clocks.
//!
//! Belongs here: what is answered, as JSON, and who may change what. Does not: keeping markers (`timeline`), or the
//! status of the appliance, which its [`Report`](super::Report) tells.

mod clocks;
mod events;
mod told;

use std::sync::Arc;

use hyper::header::HeaderName;
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;

use super::body::Body;
use super::reply::{self, Reply};
use super::route::About;
use super::station::Station;
use crate::media::marker::MarkerKind;
use crate::playlist::{Piece, QueryError, query};
use crate::timeline::Revision;
use clocks::Clocks;

pub(super) use events::Events;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Why there is no answer, in words for whoever asks.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    why: String,
}

impl Fault {
    pub(super) fn new(status: StatusCode, why: impl ToString) -> Self {
        Self { status, why: why.to_string() }
    }

    /// As it is told: `{"error": "…"}`.
    pub(super) fn reply(&self) -> Reply {
        #[derive(Serialize)]
        struct Told<'a> {
            error: &'a str,
        }
        reply::api(self.status, json(&Told { error: &self.why }))
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

/// Reads about a stream.
pub(super) fn read(station: &Arc<Station>, about: &About, headers: &HeaderMap, query: &str) -> Reply {
    let read = match about {
        About::Markers => list(station, query).map(reply::json),
        About::Events => events(station, headers, query),
    };
    read.unwrap_or_else(|fault| fault.reply())
}

fn list(station: &Station, query: &str) -> Result<String, Fault> {
    let piece = Piece::parse(query)?;
    let kind = query::parameter(query, "kind")?.map(|kind| kind.parse::<MarkerKind>()).transpose();
    let kind = kind.map_err(|why| Fault::new(StatusCode::BAD_REQUEST, why))?;
    station.forget();
    Ok(json(&told::list(&station.timeline().shown(), &Clocks::of(station), piece, kind.as_ref())))
}

/// The query goes before the field, as who reads anew means what it says.
fn events(station: &Arc<Station>, headers: &HeaderMap, query: &str) -> Result<Reply, Fault> {
    let asked = query::number(query, "since")?;
    let seen = || headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok();
    let since = asked.or_else(seen).map(Revision);
    Ok(reply::events(Body::Events(Box::new(Events::new(station, since)))))
}

fn json(value: &impl Serialize) -> String {
    // Our own structs of numbers and strings always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}
