//! Setting, ending and removing markers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::{HeaderMap, Method, StatusCode};
use tokio::time::timeout;

use super::asked::{Amendment, Level, NewMarker, Text, When, parse};
use super::clocks::Clocks;
use super::guard::{Sender, Writers};
use super::{Fault, told};
use crate::base::Pts;
use crate::serve::reply::{self, Reply};
use crate::serve::route::About;
use crate::serve::station::Station;
use crate::timeline::{Draft, Extent, Refusal};

/// A body has so many bytes at most: a marker in ten times its length.
const MOST: usize = 16 * 1024;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of what is refused so much is read all the same, and for so long: closing with something unread would take the answer
/// back (RFC 9112, 9.6), as a reset would in HTTP/2. There a client may not say much more anyway.
const HEARD_OUT: usize = 1 << 20;
const HEARING: Duration = Duration::from_secs(1);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Task {
    Add,
    Amend(String),
    Remove(String),
}

impl Task {
    /// What a method means there, if it changes anything.
    pub(in crate::serve) fn of(method: &Method, about: About) -> Option<Self> {
        match (method, about) {
            (&Method::POST, About::Markers) => Some(Self::Add),
            (&Method::PATCH, About::Marker(id)) => Some(Self::Amend(id)),
            (&Method::DELETE, About::Marker(id)) => Some(Self::Remove(id)),
            _ => None,
        }
    }
}

/// Does it, if who asks may have it done; `station` is there if the stream is.
pub(in crate::serve) async fn write<B>(
    writers: &Writers,
    station: Option<&Arc<Station>>,
    task: Task,
    sender: Sender<'_>,
    mut body: B,
) -> Reply
where
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    let done = match admit(writers, station, &task, &sender) {
        Ok(station) => match task {
            Task::Add => collect(&mut body).await.and_then(|body| add(station, &body)),
            Task::Amend(id) => collect(&mut body).await.and_then(|body| amend(station, &id, &body)),
            Task::Remove(id) => remove(station, &id),
        },
        Err(fault) => Err(fault),
    };
    let _ = timeout(HEARING, hear_out(&mut body)).await;
    done.unwrap_or_else(|fault| fault.reply())
}

/// Whether it may be tried, by all that is known before the body.
fn admit<'a>(
    writers: &Writers,
    station: Option<&'a Arc<Station>>,
    task: &Task,
    sender: &Sender<'_>,
) -> Result<&'a Station, Fault> {
    writers.judge(sender)?;
    let station = station.ok_or_else(Fault::unknown)?;
    station.pace().admit(station.clock().now()).map_err(Fault::too_fast)?;
    if let Task::Remove(_) = task {
        return Ok(station);
    }
    if !is_json(sender.headers) {
        let why = "a marker is written as Content-Type: application/json";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let announced = sender.headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|len| len > MOST as u64) {
        return Err(too_long());
    }
    Ok(station)
}

/// A page from elsewhere would have to ask beforehand whether it may send that, and may not (Fetch standard, 3.2).
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"))
}

fn too_long() -> Fault {
    Fault::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has {MOST} bytes at most"))
}

async fn collect<B>(body: &mut B) -> Result<Bytes, Fault>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    match timeout(PATIENCE, Limited::new(body, MOST).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Fault::new(StatusCode::BAD_REQUEST, "the body breaks off")),
        Err(_) => Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in 10 s")),
    }
}

async fn hear_out<B: hyper::body::Body<Data = Bytes> + Unpin>(body: &mut B) {
    let mut left = HEARD_OUT;
    while let Some(Ok(frame)) = body.frame().await {
        let len = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(len) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn add(station: &Station, body: &[u8]) -> Result<Reply, Fault> {
    let NewMarker { kind: Text(kind), from, to, level_dbfs, label } = parse(body)?;
    station.forget();
    let (clocks, extent) = (Clocks::of(station), station.extent());
    let from = from.map_or(Ok(extent.now), |it| instant(it, &clocks, extent))?;
    let to = to.map(|it| instant(it, &clocks, extent)).transpose()?;
    let (level, label) = (level_dbfs.map(|Level(level)| level), label.map(|Text(label)| label));
    let draft = Draft { kind, from, to, level, label };
    let marker = station.timeline().write(|log| log.add(draft, extent))?;
    let place = format!("/api/v1/streams/{}/markers/{}", station.name(), marker.id);
    Ok(reply::created(told::marker(&marker, &clocks), &place))
}

fn amend(station: &Station, id: &str, body: &[u8]) -> Result<Reply, Fault> {
    let Amendment { to, label } = parse(body)?;
    if to.is_none() && label.is_none() {
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "there is nothing to change; say `to`, `label` or both",
        ));
    }
    let (clocks, extent) = (Clocks::of(station), station.extent());
    let to = to.map(|it| instant(it, &clocks, extent)).transpose()?;
    let label = label.map(|Text(label)| label);
    let marker = station.timeline().write(|log| log.amend(id, to, label, extent))?;
    Ok(reply::json(told::marker(&marker, &clocks)))
}

fn remove(station: &Station, id: &str) -> Result<Reply, Fault> {
    station.timeline().write(|log| log.remove(id))?;
    Ok(reply::removed())
}

fn instant(when: When, clocks: &Clocks, extent: Extent) -> Result<Pts, Fault> {
    let not_found = |why| Fault::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    match when {
        When::Now => Ok(extent.now),
        When::At(reading) => clocks.find(reading).map_err(not_found),
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A body that begins and does not go on.
    struct Slow(Option<Bytes>);

    impl hyper::body::Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            self.0.take().map_or(Poll::Pending, |it| Poll::Ready(Some(Ok(hyper::body::Frame::data(it)))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_deadline_and_a_length() {
        let begun = tokio::time::Instant::now();
        let late = collect(&mut Slow(Some(Bytes::from_static(b"{")))).await.expect_err("too late").reply();
        assert_eq!((late.status(), begun.elapsed()), (StatusCode::REQUEST_TIMEOUT, PATIENCE));
        let long =
            collect(&mut Slow(Some(Bytes::from(vec![b' '; MOST + 1])))).await.expect_err("too long").reply();
        assert_eq!((long.status(), begun.elapsed()), (StatusCode::PAYLOAD_TOO_LARGE, PATIENCE));
        let _ = timeout(HEARING, hear_out(&mut Slow(Some(Bytes::from_static(b"{"))))).await;
        assert_eq!(begun.elapsed(), PATIENCE + HEARING);
    }
}
