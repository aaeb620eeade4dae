//! From a request to its reply.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::header::{HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Request, StatusCode};

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

/// Who asks, and how.
struct Asked<'a> {
    verb: Verb,
    client: IpAddr,
    headers: &'a HeaderMap,
    busy: &'a Busy,
}

/// The stream asked for has nothing on its shelf yet.
struct Silent(Arc<Station>);

impl Handler {
    /// Answers at once, unless the stream asked for has not begun: that is waited for, within bounds.
    // Not an async fn, whose future would hold the request twice: every idle connection pays for its size.
    pub(super) fn answer<B>(
        &self,
        client: IpAddr,
        request: Request<B>,
        busy: Busy,
    ) -> impl Future<Output = Result<Reply, Infallible>> {
        async move {
            let (kind, reply) = match route::parse(request.method(), request.uri().path()) {
                Err(refusal) => (Kind::Refused, refuse(refusal)),
                Ok((verb, route)) => {
                    let asked = Asked { verb, client, headers: request.headers(), busy: &busy };
                    let found = match self.find(&route, &asked) {
                        Err(Silent(station)) => {
                            // Boxed for the same reason.
                            Box::pin(station.first_segment()).await;
                            self.find(&route, &asked)
                        }
                        found => found,
                    };
                    let reply = found.unwrap_or_else(|Silent(station)| silent(&station));
                    (classify(&route).0, self.finish(reply, verb, &route))
                }
            };
            self.stats.count(kind, reply.status());
            Ok(reply)
        }
    }

    /// What all replies to known paths have in common.
    fn finish(&self, mut reply: Reply, verb: Verb, route: &Route<'_>) -> Reply {
        if verb == Verb::Head {
            reply = reply::without_body(reply);
        }
        if let Sharing::Origin = classify(route).1 {
            reply::allow_origin(&mut reply, &self.origin);
        }
        reply
    }

    fn find(&self, route: &Route<'_>, asked: &Asked<'_>) -> Result<Reply, Silent> {
        if asked.verb == Verb::Options {
            return Ok(reply::options());
        }
        let headers = asked.headers;
        let reply = match route {
            Route::Page { stream } => {
                if stream.as_ref().is_some_and(|name| self.station(name).is_none()) {
                    return Ok(unknown());
                }
                let index = page::index();
                reply::page(headers, &index.text, index.kind.clone())
            }
            Route::Asset { name } => page::find(name)
                .map_or_else(unknown, |file| reply::asset(headers, &file.text, file.kind.clone())),
            Route::Multivariant { stream } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                heard(station, asked);
                let shown = shown(station)?;
                playlist(headers, &shown, &shown.multivariant)
            }
            Route::Media { stream, rendition } => {
                let Some(station) = self.rendition(stream, rendition) else { return Ok(unknown()) };
                heard(station, asked);
                let shown = shown(station)?;
                playlist(headers, &shown, &shown.media)
            }
            Route::Segment { stream, rendition, sequence } => {
                let Some(station) = self.rendition(stream, rendition) else { return Ok(unknown()) };
                heard(station, asked);
                let shown = station.shown();
                let found = shown.as_ref().and_then(|shown| Some((shown, shown.segment(*sequence)?)));
                found.map_or_else(unknown, |(shown, segment)| {
                    reply::segment(asked.verb, headers, segment, shown.completed(segment))
                })
            }
            Route::Live { stream } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                let shown = shown(station)?;
                reply::live(Body::Live(Live::new(station, &shown, asked.busy.clone())))
            }
            Route::Health => match self.report.health() {
                Health::Ok => reply::plain(StatusCode::OK, "ok\n"),
                Health::Degraded(why) => reply::plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            Route::Metrics => reply::metrics(self.report.metrics()),
            Route::Status => reply::json(self.report.status()),
            Route::Levels { stream } => self.report.levels(stream).map_or_else(unknown, reply::json),
        };
        Ok(reply)
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

fn shown(station: &Arc<Station>) -> Result<Arc<Shown>, Silent> {
    station.shown().ok_or_else(|| Silent(station.clone()))
}

fn heard(station: &Station, asked: &Asked<'_>) {
    let agent = asked.headers.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    station.saw(asked.client, agent, Instant::now());
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
