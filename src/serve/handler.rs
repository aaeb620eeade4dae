//! From a request to its reply.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, StatusCode, Version};

use super::body::Body;
use super::connection::Busy;
use super::live::Live;
use super::rendition::{Rendition, Shown};
use super::reply::{self, Reply};
use super::route::{self, Refusal, Route, Verb};
use super::snapshot::{Gallery, Snapshots};
use super::station::{Lineup, Station};
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

/// The reply to a request, now or in a while. Small: every idle connection keeps the room for one.
pub(super) enum Answer<'a> {
    Ready(Option<Reply>),
    Waiting(Pin<Box<dyn Future<Output = Reply> + Send + 'a>>),
}

impl Future for Answer<'_> {
    type Output = Result<Reply, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(reply) => reply.take().map_or(Poll::Pending, |reply| Poll::Ready(Ok(reply))),
            Self::Waiting(reply) => reply.as_mut().poll(context).map(Ok),
        }
    }
}

/// What must be waited for before there is a reply.
enum Wait {
    /// The rendition asked for has nothing on its shelf yet.
    Beginning(Arc<Rendition>),
    /// A photo is made.
    Picture(Arc<Station>),
}

impl Handler {
    /// Answers at once, unless the stream asked for has not begun or a photo is to be made: that is waited
    /// for, within bounds.
    pub(super) fn answer<B>(&self, client: IpAddr, request: Request<B>, busy: Busy) -> Answer<'_> {
        let (request, _) = request.into_parts();
        let count = |kind, reply: Reply| {
            self.stats.count(kind, reply.status());
            reply
        };
        match self.attempt(client, &request, &busy) {
            (kind, reply, None) => Answer::Ready(Some(count(kind, reply))),
            (.., Some(Wait::Beginning(rendition))) => Answer::Waiting(Box::pin(async move {
                rendition.beginning().await;
                let (kind, reply, _) = self.attempt(client, &request, &busy);
                count(kind, reply)
            })),
            (kind, _, Some(Wait::Picture(station))) => Answer::Waiting(Box::pin(async move {
                let _busy = busy;
                let Snapshots::Of(gallery) = station.snapshots() else { return unknown() };
                let verb = if request.method == Method::HEAD { Verb::Head } else { Verb::Get };
                count(kind, self.finish(verb, Sharing::Origin, pictured(gallery).await))
            })),
        }
    }

    /// The reply as things stand, and what to wait for if there could be a better one.
    fn attempt(&self, client: IpAddr, request: &Parts, busy: &Busy) -> (Kind, Reply, Option<Wait>) {
        if request.version == Version::HTTP_11 && !request.headers.contains_key(HOST) {
            return (Kind::Refused, reply::no_host(), None);
        }
        match route::parse(&request.method, request.uri.path()) {
            Err(refusal) => (Kind::Refused, refuse(refusal), None),
            Ok((verb, route)) => {
                let asked = Asked { verb, client, headers: &request.headers, busy };
                let (reply, wait) = match self.find(&route, &asked) {
                    Ok(reply) => (reply, None),
                    Err(wait) => {
                        let seconds = match &wait {
                            Wait::Beginning(rendition) => rendition.retry_after(),
                            Wait::Picture(_) => 1,
                        };
                        (reply::not_yet(seconds), Some(wait))
                    }
                };
                let (kind, sharing) = classify(&route);
                (kind, self.finish(verb, sharing, reply), wait)
            }
        }
    }

    /// What every reply gets in the end.
    fn finish(&self, verb: Verb, sharing: Sharing, mut reply: Reply) -> Reply {
        if verb == Verb::Head {
            reply = reply::without_body(reply);
        }
        if let Sharing::Origin = sharing {
            reply::allow_origin(&mut reply, &self.origin);
        }
        reply
    }

    fn find(&self, route: &Route<'_>, asked: &Asked<'_>) -> Result<Reply, Wait> {
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
                return multivariant(headers, station.ordinary());
            }
            Route::Media { stream, rendition } => {
                let Some((station, rendition)) = self.rendition(stream, rendition) else {
                    return Ok(unknown());
                };
                heard(station, asked);
                let shown = rendition.playlists().ok_or_else(|| Wait::Beginning(rendition.clone()))?;
                playlist(headers, &shown, &shown.media)
            }
            Route::Segment { stream, rendition, sequence } => {
                let Some((station, rendition)) = self.rendition(stream, rendition) else {
                    return Ok(unknown());
                };
                heard(station, asked);
                let shown = rendition.shown();
                let found = shown.as_ref().and_then(|shown| Some((shown, shown.segment(*sequence)?)));
                found.map_or_else(unknown, |(shown, segment)| {
                    reply::segment(asked.verb, headers, segment, shown.completed(segment))
                })
            }
            Route::Live { stream } => {
                let Some(rendition) = self.station(stream).and_then(|station| station.first()) else {
                    return Ok(unknown());
                };
                let shown = rendition.shown().ok_or_else(|| Wait::Beginning(rendition.clone()))?;
                reply::live(Body::Live(Live::new(rendition, &shown, asked.busy.clone())))
            }
            Route::Snapshot { stream } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                match station.snapshots() {
                    Snapshots::None(why) => reply::no_snapshots(why),
                    Snapshots::Of(_) => return Err(Wait::Picture(station.clone())),
                }
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

    fn rendition(&self, stream: &str, rendition: &str) -> Option<(&Station, &Arc<Rendition>)> {
        let station = self.station(stream)?;
        Some((station, station.ordinary().find(rendition)?))
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
        Route::Snapshot { .. } => (Kind::Snapshot, Sharing::Origin),
        Route::Health => (Kind::Health, Sharing::Own),
        Route::Metrics => (Kind::Metrics, Sharing::Own),
        Route::Status | Route::Levels { .. } => (Kind::Api, Sharing::Origin),
    }
}

fn heard(station: &Station, asked: &Asked<'_>) {
    let agent = asked.headers.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    station.saw(asked.client, agent, Instant::now());
}

async fn pictured(gallery: &Gallery) -> Reply {
    match gallery.picture().await {
        Ok(jpeg) => reply::snapshot(jpeg),
        Err(why) => reply::no_snapshot_now(&why, 1),
    }
}

fn multivariant(asked: &HeaderMap, lineup: &Lineup) -> Result<Reply, Wait> {
    let Some(first) = lineup.renditions().first() else { return Ok(unknown()) };
    let shown = first.playlists().ok_or_else(|| Wait::Beginning(first.clone()))?;
    Ok(playlist(asked, &shown, &lineup.multivariant()))
}

fn playlist(asked: &HeaderMap, shown: &Shown, text: &super::text::Text) -> Reply {
    reply::text(asked, text, reply::PLAYLIST, shown.cache.clone(), shown.modified)
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
