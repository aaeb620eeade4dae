//! From a request to its reply.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::header::{HeaderValue, RANGE, USER_AGENT};
use hyper::{HeaderMap, Method, Request, StatusCode};

use super::body::Body;
use super::connection::Busy;
use super::live::Live;
use super::reply::{self, Reply};
use super::route::{self, Refusal, Route, Verb};
use super::station::{RENDITION, Shown, Station};
use super::stats::{Kind, ServeStats};
use super::{Health, Report, page};

/// Everything requests are answered from.
pub(super) struct Handler {
    pub(super) stations: Vec<Arc<Station>>,
    pub(super) report: Arc<dyn Report>,
    pub(super) stats: Arc<ServeStats>,
    /// Whose pages may read media and the API.
    pub(super) origin: HeaderValue,
}

impl Handler {
    pub(super) async fn answer<B>(&self, client: IpAddr, mut request: Request<B>, busy: Busy) -> Reply {
        if request.method() == Method::HEAD {
            // A range has a meaning for GET alone (RFC 9110, 14.2).
            request.headers_mut().remove(RANGE);
        }
        let (kind, reply) = match route::parse(request.method(), request.uri().path()) {
            Err(refusal) => (Kind::Refused, refuse(refusal)),
            Ok((verb, route)) => {
                let (kind, sharing) = classify(&route);
                let mut reply = match verb {
                    Verb::Options => reply::options(),
                    Verb::Get => self.find(route, client, request.headers(), busy).await,
                    Verb::Head => {
                        reply::without_body(self.find(route, client, request.headers(), busy).await)
                    }
                };
                if let Sharing::Origin = sharing {
                    reply::allow_origin(&mut reply, &self.origin);
                }
                (kind, reply)
            }
        };
        self.stats.count(kind, reply.status());
        reply
    }

    async fn find(&self, route: Route<'_>, client: IpAddr, asked: &HeaderMap, busy: Busy) -> Reply {
        match route {
            Route::Page { stream } => {
                if stream.is_some_and(|name| self.station(&name).is_none()) {
                    return unknown();
                }
                let index = page::index();
                reply::page(asked, &index.text, index.kind.clone())
            }
            Route::Asset { name } => page::find(&name)
                .map_or_else(unknown, |file| reply::asset(asked, &file.text, file.kind.clone())),
            Route::Multivariant { stream } => {
                let Some(station) = self.station(&stream) else { return unknown() };
                heard(station, client, asked);
                let Some(shown) = first(station).await else { return silent(station) };
                playlist(asked, &shown, &shown.multivariant)
            }
            Route::Media { stream, rendition } => {
                let Some(station) = self.rendition(&stream, &rendition) else { return unknown() };
                heard(station, client, asked);
                let Some(shown) = first(station).await else { return silent(station) };
                playlist(asked, &shown, &shown.media)
            }
            Route::Segment { stream, rendition, sequence } => {
                let Some(station) = self.rendition(&stream, &rendition) else { return unknown() };
                heard(station, client, asked);
                let shown = station.shown();
                let found = shown.as_ref().and_then(|shown| Some((shown, shown.segment(sequence)?)));
                found.map_or_else(unknown, |(shown, segment)| {
                    reply::segment(asked, segment, shown.completed(segment))
                })
            }
            Route::Live { stream } => {
                let Some(station) = self.station(&stream) else { return unknown() };
                let Some(shown) = first(station).await else { return silent(station) };
                reply::live(Body::Live(Live::new(station, &shown, busy)))
            }
            Route::Health => match self.report.health() {
                Health::Ok => reply::plain(StatusCode::OK, "ok\n"),
                Health::Degraded(why) => reply::plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            Route::Metrics => reply::metrics(self.report.metrics()),
            Route::Status => reply::json(self.report.status()),
            Route::Levels { stream } => self.report.levels(&stream).map_or_else(unknown, reply::json),
        }
    }

    fn station(&self, name: &str) -> Option<&Arc<Station>> {
        self.stations.iter().find(|station| station.name() == name)
    }

    fn rendition(&self, stream: &str, rendition: &str) -> Option<&Arc<Station>> {
        self.station(stream).filter(|_| rendition == RENDITION)
    }
}

/// Who may read a reply from within a browser.
enum Sharing {
    /// Pages from the server itself.
    Own,
    /// Pages of the allowed origin too.
    Origin,
}

fn classify(route: &Route<'_>) -> (Kind, Sharing) {
    match route {
        Route::Page { .. } => (Kind::Page, Sharing::Own),
        Route::Asset { .. } => (Kind::Asset, Sharing::Own),
        Route::Multivariant { .. } => (Kind::Multivariant, Sharing::Origin),
        Route::Media { .. } => (Kind::Media, Sharing::Origin),
        Route::Segment { .. } => (Kind::Segment, Sharing::Origin),
        Route::Live { .. } => (Kind::Live, Sharing::Origin),
        Route::Health => (Kind::Health, Sharing::Own),
        Route::Metrics => (Kind::Metrics, Sharing::Own),
        Route::Status | Route::Levels { .. } => (Kind::Api, Sharing::Origin),
    }
}

async fn first(station: &Station) -> Option<Arc<Shown>> {
    match station.shown() {
        Some(shown) => Some(shown),
        // Boxed, so that connections do not all carry the room for a wait that is seldom.
        None => Box::pin(station.first_segment()).await,
    }
}

fn heard(station: &Station, client: IpAddr, asked: &HeaderMap) {
    let agent = asked.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    station.saw(client, agent, Instant::now());
}

fn playlist(asked: &HeaderMap, shown: &Shown, text: &super::text::Text) -> Reply {
    reply::text(asked, text, reply::PLAYLIST, shown.cache.clone(), shown.modified)
}

fn silent(station: &Station) -> Reply {
    reply::not_yet(station.retry_after(), "the stream has not begun yet\n")
}

fn unknown() -> Reply {
    reply::plain(StatusCode::NOT_FOUND, "nothing is here; the page is at /\n")
}

fn refuse(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Malformed => reply::plain(StatusCode::BAD_REQUEST, "this is not a path\n"),
        Refusal::Unknown => unknown(),
        Refusal::Method => reply::wrong_method(),
    }
}
