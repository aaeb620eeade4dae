//! What writes a stream's files.

use std::sync::Arc;

use super::rendition::Common;
use crate::clip::Kind;
use crate::keep::{Settings, Writer};
use crate::serve::Rendition;

/// Of the first rendition: the largest pictures, or the sound if there is nothing else.
pub(super) fn writer(common: &Common<'_>, settings: &Settings, first: &Arc<Rendition>) -> Writer {
    let (name, window) = (common.stream.name.as_str(), common.stream.window.length.0);
    let kind = if common.stream.video.is_some() { Kind::Mp4 } else { Kind::M4a };
    let shelf = Arc::clone(first);
    let source = Box::new(move || shelf.snapshot());
    Writer::new(name, settings, window, kind, common.agreement.timeline(), source)
}
