//! What writes a stream's files.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::app::config::StreamConfig;
use crate::clip::Kind;
use crate::keep::{Settings, Writer};
use crate::serve::Station;

/// Of the first rendition: the largest pictures, or the sound if there is nothing else.
pub(in crate::app) fn writer(
    stream: &StreamConfig,
    station: &Station,
    wanted: &Arc<ArcSwap<Settings>>,
) -> Writer {
    let (name, window) = (stream.name.as_str(), stream.window.length.0);
    let kind = if stream.video.is_some() { Kind::Mp4 } else { Kind::M4a };
    let shelf = station.first().cloned();
    let source = Box::new(move || shelf.as_ref()?.snapshot());
    Writer::new(name, wanted, window, kind, station.timeline(), source)
}
