#![no_main]
//! Any text as the query of a playlist's URL: what is read of it, read again from its plain form, is the same.

use libfuzzer_sys::fuzz_target;
use outpost::playlist::{Directives, Piece};

fuzz_target!(|query: &str| {
    if let Ok(Directives { awaits: Some(awaited), .. }) = Directives::parse(query) {
        let part = awaited.part.map(|part| format!("&_HLS_part={part}")).unwrap_or_default();
        let plain = Directives::parse(&format!("_HLS_msn={}{part}", awaited.sequence));
        assert_eq!(plain.map(|it| it.awaits), Ok(Some(awaited)));
    }
    if let Ok(Some(piece)) = Piece::parse(query) {
        assert!(piece.from.zip(piece.to).is_none_or(|(from, to)| from < to));
        assert_eq!(Piece::parse(&piece.to_string()), Ok(Some(piece)));
    }
});
