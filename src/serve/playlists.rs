//! Playlists as they are asked for: of the present, of a piece of the window, with directives, or with somebody's pass.

use std::sync::Arc;

use hyper::HeaderMap;

use super::access::Pass;
use super::handler::Asked;
use super::hold::{Change, Wait};
use super::negotiate;
use super::rendition::Rendition;
use super::reply::{self, Lasting, Reply, unknown};
use super::station::Lineup;
use super::texts::{self, Desk, Draft, Scope, Wanted};
use crate::base::WallTime;
use crate::playlist::{self, Directives, Latency, Piece, Verdict};

/// All renditions of a stream.
pub(super) fn multivariant(
    asked: &Asked<'_>,
    lineup: &Arc<Lineup>,
    pass: Option<Pass>,
) -> Result<Reply, Wait> {
    let piece = match Piece::parse(asked.query) {
        Ok(piece) => piece,
        Err(error) => return Ok(reply::bad_query(&error)),
    };
    if lineup.renditions().is_empty() {
        return Ok(unknown());
    }
    let begun = |rendition: &Arc<Rendition>| Some((rendition.clone(), rendition.playlists()?));
    let first = lineup.renditions().iter().find_map(begun).filter(|_| lineup.is_complete());
    let (first, shown) = first.ok_or_else(|| Wait::Change(Change::Lineup(lineup.clone())))?;
    let text = lineup.multivariant(handed_on(piece, lineup.end(), pass).as_deref());
    Ok(reply::playlist(asked.headers, &first, &shown, &text, Lasting::Live))
}

/// The query with which the playlists in it are asked for: the same piece as far as it has come to its `end`, as what
/// is finished does not grow, and with the same right to its keys.
fn handed_on(piece: Option<Piece>, end: Option<WallTime>, pass: Option<Pass>) -> Option<String> {
    let piece = piece.map(|piece| end.map_or(piece, |end| piece.by(end)).to_string());
    let query: Vec<String> = piece.into_iter().chain(pass.map(|pass| pass.to_string())).collect();
    (!query.is_empty()).then(|| query.join("&"))
}

/// A rendition's playlist, or what has to happen before there is one.
pub(super) fn media_playlist(
    asked: &Asked<'_>,
    lineup: &Lineup,
    rendition: &Arc<Rendition>,
    pass: Option<Pass>,
) -> Result<Reply, Wait> {
    let read = Piece::parse(asked.query).and_then(|piece| {
        // Of a list that has ended, directives are ignored (rfc8216bis, 6.2.5).
        let directives =
            if piece.is_some() { Ok(Directives::default()) } else { Directives::parse(asked.query) };
        Ok((piece, directives?))
    });
    let (piece, directives) = match read {
        Ok(read) => read,
        Err(error) => return Ok(reply::bad_query(&error)),
    };
    let shown = rendition.playlists().ok_or_else(|| Wait::Change(Change::Beginning(rendition.clone())))?;
    // Those of ordinary latency do not offer to hold requests.
    let holds = directives.awaits.is_some() && rendition.latency() == Latency::Low;
    let lasting = if holds { Lasting::Held } else { Lasting::Live };
    let scope = match piece {
        Some(piece) => match playlist::covered(&shown.snapshot, &piece) {
            Some(listed) => Scope::Recording(listed),
            None => return Ok(reply::no_recording(shown.extent())),
        },
        None => Scope::Live(playlist::extent(&shown.snapshot, directives.extent)),
    };
    match playlist::judge(&shown.snapshot, &directives) {
        Verdict::Wait if holds => return Err(Wait::Change(Change::Reload(rendition.clone(), directives))),
        Verdict::TooFar if holds => return Ok(reply::bad_query(&TOO_FAR)),
        _ => {}
    }
    // Where no key is named, everybody's playlist is the same.
    let wanted = Wanted { scope, pass: pass.filter(|_| shown.is_enciphered()) };
    let coding = negotiate::coding(asked.headers);
    match texts::playlist(rendition, &shown, wanted, coding, || lineup.reports(rendition)) {
        Ok(text) => Ok(reply::playlist(asked.headers, rendition, &shown, &text, lasting)),
        Err(draft) => Err(Wait::Writing(Arc::new(draft), lasting)),
    }
}

/// A long one, once it is written on another thread.
pub(super) async fn written(draft: &Arc<Draft>, desk: &Desk, headers: &HeaderMap, lasting: Lasting) -> Reply {
    match draft.written(desk, negotiate::coding(headers)).await {
        Some(text) => reply::playlist(headers, &draft.rendition, &draft.shown, &text, lasting),
        None => reply::not_yet(UNWRITTEN, draft.rendition.retry_after()),
    }
}

/// Too many want a long one of their own, or the board is far too busy.
pub(super) const UNWRITTEN: &str = "the playlist was not written in three target durations";

const TOO_FAR: &str = "the playlist will not have that for a while; ask for what comes next";
