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
    if let Ok(Some(Piece { from: Some(from), to: Some(to) })) = Piece::parse(query) {
        assert!(from < to);
    }
});
