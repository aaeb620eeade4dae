//! From a request to its reply.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode, Version};

use super::access::{self, Denial, Pass};
use super::body::Body;
use super::connection::Busy;
use super::hold::{Held, Wait};
use super::live::Live;
use super::rendition::{PartOf, Rendition};
use super::reply::{self, Lasting, Media, Reply};
use super::route::{self, Folder, Refusal, Route, Verb};
use super::snapshot::{Gallery, Snapshots};
use super::station::{Lineup, Station};
use super::stats::{Kind, ServeStats};
use super::text::Text;
use super::{Health, Report, page};
use crate::playlist::{self, Directives, Latency, Piece, Verdict};

/// Everything requests are answered from.
pub(super) struct Handler {
    pub(super) stations: Vec<Arc<Station>>,
    pub(super) report: Arc<dyn Report>,
    pub(super) stats: Arc<ServeStats>,
    /// Whose pages may read media and the API.
    pub(super) origin: HeaderValue,
    /// What the page may load.
    pub(super) policy: HeaderValue,
}

/// Who asks, and how.
struct Asked<'a> {
    verb: Verb,
    client: IpAddr,
    query: &'a str,
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

/// What a request was for, the reply as things stand, and what to wait for if there could be a better one.
struct Attempt<'a> {
    kind: Kind,
    reply: Reply,
    wait: Option<Wait<'a>>,
}

impl Handler {
    /// Answers at once, unless what is asked for is about to come: that is waited for, within bounds.
    pub(super) fn answer<B>(&self, client: IpAddr, request: Request<B>, busy: Busy) -> Answer<'_> {
        let (request, _) = request.into_parts();
        match self.attempt(client, &request, &busy) {
            Attempt { kind, reply, wait: None } => Answer::Ready(Some(self.count(kind, reply))),
            Attempt { kind, wait: Some(Wait::Picture(station)), .. } => {
                Answer::Waiting(Box::pin(async move {
                    let _busy = busy;
                    let Snapshots::Of(gallery) = station.snapshots() else { return unknown() };
                    let verb = Verb::of(&request.method).unwrap_or(Verb::Get);
                    self.count(kind, self.finish(verb, Sharing::Origin, pictured(gallery).await))
                }))
            }
            Attempt { wait: Some(wait), .. } => Answer::Waiting(Box::pin(async move {
                let _held = Held::new(&self.stats);
                let mut wait = wait;
                loop {
                    let came = wait.over().await;
                    let attempt = self.attempt(client, &request, &busy);
                    match (came, attempt.wait) {
                        (Ok(()), Some(next)) => wait = next,
                        _ => return self.count(attempt.kind, attempt.reply),
                    }
                }
            })),
        }
    }

    fn count(&self, kind: Kind, reply: Reply) -> Reply {
        self.stats.count(kind, reply.status());
        reply
    }

    fn attempt(&self, client: IpAddr, request: &Parts, busy: &Busy) -> Attempt<'_> {
        let refused = |reply| Attempt { kind: Kind::Refused, reply, wait: None };
        if request.version == Version::HTTP_11 && !request.headers.contains_key(HOST) {
            return refused(reply::no_host());
        }
        let path = request.uri.path();
        let route = match route::parse(path) {
            Ok(route) => route,
            Err(refusal) => {
                // A player on another page is to see that there is nothing, not that it may not know.
                let first = route::first_piece(path);
                let sharing = match first.and_then(|name| self.station(&name)) {
                    Some(_) => Sharing::Origin,
                    None => Sharing::Own,
                };
                return refused(self.finish(Verb::Get, sharing, refuse(refusal)));
            }
        };
        let (kind, sharing) = classify(&route);
        let Some(verb) = Verb::of(&request.method) else {
            return refused(self.finish(Verb::Get, sharing, reply::wrong_method()));
        };
        let query = request.uri.query().unwrap_or_default();
        let asked = Asked { verb, client, query, headers: &request.headers, busy };
        let (reply, wait) = match self.find(&route, &asked) {
            Ok(reply) => (reply, None),
            Err(wait) => (wait.in_vain(), Some(wait)),
        };
        Attempt { kind, reply: self.finish(verb, sharing, reply), wait }
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

    fn find(&self, route: &Route<'_>, asked: &Asked<'_>) -> Result<Reply, Wait<'_>> {
        if asked.verb == Verb::Options {
            return Ok(reply::options());
        }
        let (verb, headers) = (asked.verb, asked.headers);
        if let Some(denial) = self.denial(route, asked) {
            self.stats.denied.increment();
            return Ok(reply::denied(denial));
        }
        let reply = match route {
            Route::Page { stream } => {
                if stream.as_ref().is_some_and(|name| self.station(name).is_none()) {
                    return Ok(unknown());
                }
                let index = page::index();
                reply::page(headers, index.text(), index.kind.clone(), &self.policy)
            }
            Route::Asset { name } => page::find(name)
                .map_or_else(unknown, |file| reply::asset(headers, file.text(), file.kind.clone())),
            Route::Multivariant { stream, latency } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                heard(station, asked);
                let pass = station.access().pass(stream, asked.query);
                return station
                    .lineup(*latency)
                    .map_or_else(|| Ok(unknown()), |it| multivariant(asked, it, pass));
            }
            Route::Media { folder } => {
                let Some((lineup, rendition)) = self.within(folder, asked) else { return Ok(unknown()) };
                let station = self.station(&folder.stream);
                let pass = station.and_then(|it| it.access().pass(&folder.stream, asked.query));
                return media_playlist(asked, lineup, rendition, pass);
            }
            Route::Segment { folder, sequence } => {
                let Some((_, rendition)) = self.within(folder, asked) else { return Ok(unknown()) };
                let shown = rendition.shown();
                let found = shown.as_ref().and_then(|shown| Some((shown, shown.segment(*sequence)?)));
                found.map_or_else(unknown, |(shown, segment)| {
                    reply::media(verb, headers, Media::segment(rendition, shown, segment))
                })
            }
            Route::Part { folder, sequence, part } => {
                let Some((_, rendition)) = self.within(folder, asked) else { return Ok(unknown()) };
                let Some(shown) = rendition.shown() else { return Ok(unknown()) };
                let number = (*sequence, *part);
                match shown.part(*sequence, *part) {
                    PartOf::There(part) => {
                        reply::media(verb, headers, Media::part(rendition, &shown, number, part))
                    }
                    PartOf::Next => return Err(Wait::Part(rendition, *sequence, *part)),
                    PartOf::Unknown => unknown(),
                }
            }
            Route::Init { folder, number } => {
                let Some((_, rendition)) = self.within(folder, asked) else { return Ok(unknown()) };
                let shown = rendition.shown();
                let bytes = shown.as_ref().and_then(|shown| Some(shown.init(*number)?.bytes.clone()));
                bytes.map_or_else(unknown, |bytes| {
                    reply::media(verb, headers, Media::init(rendition, &Arc::from([bytes])))
                })
            }
            Route::Key { stream, number } => {
                let key = self.station(stream).and_then(|station| station.key(*number));
                key.map_or_else(unknown, reply::key)
            }
            Route::Live { stream, rendition } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                let found = match rendition {
                    Some(name) => station.ordinary().find(name),
                    None => station.first(),
                };
                let Some(rendition) = found else { return Ok(unknown()) };
                let shown = rendition.shown().ok_or(Wait::Beginning(rendition))?;
                reply::live(Body::Live(Live::new(rendition, &shown, asked.busy.clone())))
            }
            Route::Snapshot { stream } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                match station.snapshots() {
                    Snapshots::None(why) => reply::no_snapshots(why),
                    Snapshots::Of(_) => return Err(Wait::Picture(station)),
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

    /// Why who asks may not have it, if they may not: what of a stream is in the clear is guarded, where anything is.
    fn denial(&self, route: &Route<'_>, asked: &Asked<'_>) -> Option<Denial> {
        let (Route::Key { stream, .. } | Route::Live { stream, .. } | Route::Snapshot { stream }) = route
        else {
            return None;
        };
        self.station(stream)?.access().judge(stream, asked.headers, asked.query).err()
    }

    fn station(&self, name: &str) -> Option<&Arc<Station>> {
        self.stations.iter().find(|station| station.name() == name)
    }

    /// The rendition in this folder, and those it is offered with.
    fn within(&self, folder: &Folder<'_>, asked: &Asked<'_>) -> Option<(&Lineup, &Arc<Rendition>)> {
        let station = self.station(&folder.stream)?;
        let lineup = station.lineup(folder.latency)?;
        let rendition = lineup.find(&folder.rendition)?;
        heard(station, asked);
        Some((lineup, rendition))
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
        Route::Part { .. } => (Kind::Part, Sharing::Origin),
        Route::Init { .. } => (Kind::Init, Sharing::Origin),
        Route::Key { .. } => (Kind::Key, Sharing::Origin),
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

fn multivariant<'a>(asked: &Asked<'_>, lineup: &'a Lineup, pass: Option<Pass>) -> Result<Reply, Wait<'a>> {
    let query = match Piece::parse(asked.query) {
        Ok(piece) => handed_on(piece, pass),
        Err(error) => return Ok(reply::bad_query(&error)),
    };
    if lineup.renditions().is_empty() {
        return Ok(unknown());
    }
    let begun = |rendition: &Arc<Rendition>| Some((rendition.clone(), rendition.playlists()?));
    let first = lineup.renditions().iter().find_map(begun).filter(|_| lineup.is_complete());
    let (first, shown) = first.ok_or(Wait::Lineup(lineup))?;
    let text = lineup.multivariant(query.as_deref());
    Ok(reply::playlist(asked.headers, &first, &shown, &text, Lasting::Live))
}

/// The query with which the playlists in it are asked for: the same piece, and with the same right to its keys.
fn handed_on(piece: Option<Piece>, pass: Option<Pass>) -> Option<String> {
    let (from, to) = piece.map_or((None, None), |Piece { from, to }| (from, to));
    let ends = [("from", from), ("to", to)].into_iter().filter_map(|(name, at)| Some((name, at?)));
    let ends = ends.map(|(name, at)| format!("{name}={at}"));
    let query: Vec<String> = ends.chain(pass.map(|pass| pass.to_string())).collect();
    (!query.is_empty()).then(|| query.join("&"))
}

fn media_playlist<'a>(
    asked: &Asked<'_>,
    lineup: &Lineup,
    rendition: &'a Arc<Rendition>,
    pass: Option<Pass>,
) -> Result<Reply, Wait<'a>> {
    let (piece, directives) = match (Piece::parse(asked.query), Directives::parse(asked.query)) {
        (Ok(piece), Ok(directives)) => (piece, directives),
        (Err(error), _) | (_, Err(error)) => return Ok(reply::bad_query(&error)),
    };
    let shown = rendition.playlists().ok_or(Wait::Beginning(rendition))?;
    let playlist = |text: &Text, lasting| {
        let passed = pass.map(|pass| access::with_pass(text, &pass));
        Ok(reply::playlist(asked.headers, rendition, &shown, passed.as_ref().unwrap_or(text), lasting))
    };
    if let Some(piece) = piece {
        return match rendition.recording(&shown, &piece) {
            Some(text) => playlist(&text, Lasting::Live),
            None => Ok(reply::no_recording(shown.extent())),
        };
    }
    // Those of ordinary latency do not offer to hold requests.
    let holds = directives.awaits.is_some() && rendition.latency() == Latency::Low;
    let lasting = if holds { Lasting::Held } else { Lasting::Live };
    match playlist::judge(&shown.snapshot, &directives) {
        Verdict::Wait if holds => return Err(Wait::Reload(rendition, directives)),
        Verdict::TooFar if holds => return Ok(reply::bad_query(&TOO_FAR)),
        _ => {}
    }
    let text = rendition.playlist(&shown, directives.extent, || lineup.reports(rendition));
    playlist(text, lasting)
}

const TOO_FAR: &str = "the playlist will not have that for a while; ask for what comes next";

fn unknown() -> Reply {
    reply::plain(StatusCode::NOT_FOUND, "nothing is here; the page is at /\n")
}

fn refuse(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Malformed => reply::plain(StatusCode::BAD_REQUEST, "this is not a path\n"),
        Refusal::Unknown => unknown(),
    }
}
