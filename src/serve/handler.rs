//! From a request to its reply.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use arc_swap::Guard;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, RANGE, USER_AGENT,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode, Uri, Version};

use super::access::Denial;
use super::board::Board;
use super::body::Body;
use super::clip::{self, Cutter};
use super::connection::Busy;
use super::hold::{Change, Held, Wait};
use super::live::Live;
use super::rendition::Rendition;
use super::reply::{self, Media, Reply, unknown};
use super::route::{self, Folder, METHODS, Refusal, Route, Verb};
use super::shown::PartOf;
use super::snapshot::Snapshots;
use super::station::{Lineup, Station};
use super::stats::{Kind, ServeStats};
use super::texts::Desk;
use super::{Health, Report, api, page, playlists};

/// Everything requests are answered from.
pub(super) struct Handler {
    pub(super) board: Arc<Board>,
    pub(super) report: Arc<dyn Report>,
    pub(super) stats: Arc<ServeStats>,
    pub(super) desk: Desk,
    pub(super) cutter: Cutter,
}

/// All that is read of a request; what of it is kept while it waits.
struct Question {
    client: IpAddr,
    verb: Option<Verb>,
    uri: Uri,
    headers: HeaderMap,
    round: Round,
}

/// Whether a request has just come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    First,
    Again,
}

/// What is read again once a request has waited.
static READ_AGAIN: [HeaderName; 6] =
    [ACCEPT_ENCODING, AUTHORIZATION, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE];
/// How long these may be together: a token and a good deal more. Those beyond are as if they had not come.
const READ_AGAIN_LEN: usize = 2048;
/// How long the target of a request may be that waits: all that it can mean takes a quarter of that.
const TARGET_LEN: usize = 2048;

impl Question {
    /// Copies of what is read again. As they came, all fields lie in one buffer, and the shortest of them keeps all of
    /// it. `None` if it is too much to be kept.
    fn kept(self) -> Option<Self> {
        let target = self.uri.path_and_query().filter(|it| it.as_str().len() <= TARGET_LEN)?;
        let uri = Uri::try_from(target.as_str()).ok()?;
        let (mut headers, mut left) = (HeaderMap::new(), READ_AGAIN_LEN);
        for (name, value) in self.headers.iter().filter(|(name, _)| READ_AGAIN.contains(name)) {
            let value = value.as_bytes();
            if let (Some(rest), Ok(copy)) = (left.checked_sub(value.len()), HeaderValue::from_bytes(value)) {
                left = rest;
                headers.append(name.clone(), copy);
            }
        }
        Some(Self { uri, headers, round: Round::Again, ..self })
    }
}

/// Who asks, and how.
pub(super) struct Asked<'a> {
    verb: Verb,
    client: IpAddr,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    round: Round,
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
struct Attempt {
    kind: Kind,
    reply: Reply,
    wait: Option<Wait>,
}

impl Handler {
    /// Answers at once, unless what is asked for is about to come: that is waited for, within bounds.
    pub(super) fn answer(&self, client: IpAddr, request: Request<Incoming>, busy: Busy) -> Answer<'_> {
        let (Parts { method, uri, version, headers, .. }, body) = request.into_parts();
        if version == Version::HTTP_11 && !headers.contains_key(HOST) {
            return Answer::Ready(Some(self.count(Kind::Refused, reply::no_host())));
        }
        let verb = Verb::of(&method);
        if verb.is_none()
            && let Ok(Route::Timeline { stream, about }) = route::parse(uri.path())
            && let Some(task) = api::Task::of(&method, about)
        {
            let station = self.station(&stream);
            return Answer::Waiting(Box::pin(self.write(station, task, client, (uri, headers), body)));
        }
        let question = Question { client, verb, uri, headers, round: Round::First };
        let Attempt { kind, reply, wait } = self.attempt(&question, &busy);
        let Some(wait) = wait else { return Answer::Ready(Some(self.count(kind, reply))) };
        match question.kept() {
            Some(question) => Answer::Waiting(Box::pin(self.hold(question, busy, kind, wait))),
            None => {
                let reply = self.finish(Verb::Get, Sharing::Origin, reply::long_target());
                Answer::Ready(Some(self.count(kind, reply)))
            }
        }
    }

    /// The reply to a request that changes something. Pages from elsewhere may not read it.
    async fn write(
        &self,
        station: Option<Arc<Station>>,
        task: api::Task,
        address: IpAddr,
        (uri, headers): (Uri, HeaderMap),
        body: Incoming,
    ) -> Reply {
        let sender = api::Sender { address, uri: &uri, headers: &headers };
        let posted = Guard::into_inner(self.board.load());
        let reply = api::write(&posted.writers, station.as_ref(), task, sender, body).await;
        if matches!(reply.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.stats.denied.increment();
        }
        self.count(Kind::Api, reply)
    }

    /// The reply to a request that waits.
    async fn hold(&self, question: Question, busy: Busy, kind: Kind, mut wait: Wait) -> Reply {
        let _held = Held::new(&self.stats);
        let finish = |reply| {
            let verb = question.verb.unwrap_or(Verb::Get);
            self.count(kind, self.finish(verb, Sharing::Origin, reply))
        };
        loop {
            let came = match wait {
                Wait::Picture(station) => return finish(pictured(station.snapshots()).await),
                Wait::Clip(order) => {
                    let verb = question.verb.unwrap_or(Verb::Get);
                    return finish(self.cutter.cut(&order, verb, &question.headers).await);
                }
                Wait::Writing(draft, lasting) => {
                    return finish(playlists::written(&draft, &self.desk, &question.headers, lasting).await);
                }
                Wait::Listing(listing) => return finish(listing.answer(&question.headers).await),
                Wait::Change(change) => change.over().await,
            };
            let attempt = self.attempt(&question, &busy);
            match (came, attempt.wait) {
                (Ok(()), Some(next)) => wait = next,
                _ => return self.count(attempt.kind, attempt.reply),
            }
        }
    }

    fn count(&self, kind: Kind, reply: Reply) -> Reply {
        self.stats.count(kind, reply.status());
        reply
    }

    fn attempt(&self, question: &Question, busy: &Busy) -> Attempt {
        let refused = |reply| Attempt { kind: Kind::Refused, reply, wait: None };
        let Question { client, verb, uri, headers, round } = question;
        let path = uri.path();
        let route = match route::parse(path) {
            Ok(route) => route,
            Err(refusal) => {
                // A player on another page is to see that there is nothing, not that it may not know.
                let first = route::first_piece(path);
                let (sharing, reply) = match first.and_then(|name| self.station(&name)) {
                    Some(_) if *verb == Some(Verb::Options) => (Sharing::Origin, reply::options(METHODS)),
                    Some(_) => (Sharing::Origin, refuse(refusal)),
                    None if route::is_api(path) && refusal == Refusal::Unknown => {
                        (Sharing::Origin, api::Fault::unknown().reply())
                    }
                    None => (Sharing::Own, refuse(refusal)),
                };
                return refused(self.finish(Verb::Get, sharing, reply));
            }
        };
        let (kind, sharing) = classify(&route);
        let Some(verb) = *verb else {
            let methods = route.methods();
            let reply = match kind {
                Kind::Api => reply::allowing(api::Fault::wrong_method(methods).reply(), methods),
                _ => reply::wrong_method(),
            };
            return refused(self.finish(Verb::Get, sharing, reply));
        };
        let query = uri.query().unwrap_or_default();
        let asked = Asked { verb, client: *client, query, headers, round: *round, busy };
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
            reply::allow_origin(&mut reply, &self.board.load().origin);
        }
        reply
    }

    fn find(&self, route: &Route<'_>, asked: &Asked<'_>) -> Result<Reply, Wait> {
        if asked.verb == Verb::Options {
            return Ok(reply::options(route.methods()));
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
                reply::page(headers, index.text(), index.kind.clone(), &self.board.load().policy)
            }
            Route::Asset { name } => page::find(name)
                .map_or_else(unknown, |file| reply::asset(headers, file.text(), file.kind.clone())),
            Route::Multivariant { stream, latency } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                heard(&station, asked);
                let pass = station.access().pass(stream, asked.query);
                return station
                    .lineup(*latency)
                    .map_or_else(|| Ok(unknown()), |it| playlists::multivariant(asked, it, pass));
            }
            Route::Media { folder } => {
                let Some((lineup, rendition)) = self.within(folder, asked) else { return Ok(unknown()) };
                let station = self.station(&folder.stream);
                let pass = station.and_then(|it| it.access().pass(&folder.stream, asked.query));
                return playlists::media_playlist(asked, &lineup, &rendition, pass);
            }
            Route::Segment { folder, sequence } => {
                let Some((_, rendition)) = self.within(folder, asked) else { return Ok(unknown()) };
                let shown = rendition.shown();
                let found = shown.as_ref().and_then(|shown| Some((shown, shown.file(*sequence)?)));
                found.map_or_else(unknown, |(shown, segment)| {
                    reply::media(verb, headers, Media::segment(&rendition, shown, &segment))
                })
            }
            Route::Part { folder, sequence, part } => {
                let Some((_, rendition)) = self.within(folder, asked) else { return Ok(unknown()) };
                let Some(shown) = rendition.shown() else { return Ok(unknown()) };
                let number = (*sequence, *part);
                match shown.part(*sequence, *part) {
                    PartOf::There(part) => {
                        reply::media(verb, headers, Media::part(&rendition, &shown, number, part))
                    }
                    PartOf::Next => return Err(Wait::Change(Change::Part(rendition, *sequence, *part))),
                    PartOf::Unknown => unknown(),
                }
            }
            Route::Init { folder, number } => {
                let Some((_, rendition)) = self.within(folder, asked) else { return Ok(unknown()) };
                let shown = rendition.shown();
                let bytes = shown.as_ref().and_then(|shown| Some(shown.init(*number)?.bytes.clone()));
                bytes.map_or_else(unknown, |bytes| {
                    reply::media(verb, headers, Media::init(&rendition, &Arc::from([bytes])))
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
                let Some(rendition) = found.cloned() else { return Ok(unknown()) };
                let shown =
                    rendition.shown().ok_or_else(|| Wait::Change(Change::Beginning(rendition.clone())))?;
                let expiry = station.access().expiry(asked.headers, asked.query);
                reply::live(Body::Live(Live::new(&rendition, &shown, asked.busy.clone(), expiry)))
            }
            Route::Snapshot { stream } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                match station.snapshots() {
                    Snapshots::None(why) => reply::no_snapshots(why),
                    Snapshots::Of(_) => return Err(Wait::Picture(station)),
                }
            }
            Route::Clip { stream } => {
                let Some(station) = self.station(stream) else { return Ok(unknown()) };
                return clip::order(&station, asked.query);
            }
            Route::Health => match self.report.health() {
                Health::Ok => reply::plain(StatusCode::OK, "ok\n"),
                Health::Degraded(why) => reply::plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            Route::Metrics => reply::metrics(self.report.metrics()),
            Route::Status => reply::json(self.report.status()),
            Route::Description => reply::json(api::DESCRIPTION.to_owned()),
            Route::Levels { stream } => {
                self.report.levels(stream).map_or_else(|| api::Fault::unknown().reply(), reply::json)
            }
            Route::Timeline { stream, about } => match self.station(stream) {
                Some(station) => return api::read(&station, about, headers, asked.query),
                None => api::Fault::unknown().reply(),
            },
        };
        Ok(reply)
    }

    /// Why who asks may not have it, if they may not: what of a stream is in the clear is guarded, where anything is.
    fn denial(&self, route: &Route<'_>, asked: &Asked<'_>) -> Option<Denial> {
        let (Route::Key { stream, .. }
        | Route::Live { stream, .. }
        | Route::Snapshot { stream }
        | Route::Clip { stream }) = route
        else {
            return None;
        };
        self.station(stream)?.access().judge(stream, asked.headers, asked.query).err()
    }

    fn station(&self, name: &str) -> Option<Arc<Station>> {
        self.board.load().station(name).cloned()
    }

    /// The rendition in this folder, and those it is offered with.
    fn within(&self, folder: &Folder<'_>, asked: &Asked<'_>) -> Option<(Arc<Lineup>, Arc<Rendition>)> {
        let station = self.station(&folder.stream)?;
        let lineup = station.lineup(folder.latency)?;
        let rendition = lineup.find(&folder.rendition)?;
        heard(&station, asked);
        Some((lineup.clone(), rendition.clone()))
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
        Route::Clip { .. } => (Kind::Clip, Sharing::Origin),
        Route::Health => (Kind::Health, Sharing::Own),
        Route::Metrics => (Kind::Metrics, Sharing::Own),
        Route::Status | Route::Description | Route::Levels { .. } | Route::Timeline { .. } => {
            (Kind::Api, Sharing::Origin)
        }
    }
}

fn heard(station: &Station, asked: &Asked<'_>) {
    if asked.round == Round::Again {
        return;
    }
    let agent = asked.headers.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    station.saw(asked.client, agent, Instant::now());
}

async fn pictured(snapshots: &Snapshots) -> Reply {
    let Snapshots::Of(gallery) = snapshots else { return unknown() };
    match gallery.picture().await {
        Ok(jpeg) => reply::snapshot(jpeg),
        Err(why) => reply::no_snapshot_now(&why, 1),
    }
}

fn refuse(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Malformed => reply::plain(StatusCode::BAD_REQUEST, "this is not a path\n"),
        Refusal::Unknown => unknown(),
    }
}
