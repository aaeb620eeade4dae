//! An address as a QR code a phone can read off a terminal.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The code in half blocks, black on white whatever the terminal's colours are; nothing if `text` is too
/// long for one.
pub(super) fn qr(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    let blocks = code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build();
    // Colours 16 and 231 of the 256 are black and white in every theme, unlike the first sixteen. `Light`
    // is the one that is drawn.
    let line = |line: &str| format!("  \x1b[38;5;231;48;5;16m{line}\x1b[0m\n");
    Some(blocks.lines().map(line).collect())
}
