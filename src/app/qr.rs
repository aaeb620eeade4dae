//! An address as a QR code a phone can read off a terminal.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The code in half blocks, black on white whatever the terminal's colours are; nothing if `text` is too
/// long for one.
pub(super) fn qr(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    let blocks = code.render::<Dense1x2>().build();
    // Colours 16 and 231 of the 256 are black and white in every theme, unlike the first sixteen. What
    // is drawn is dark, and a code must be dark on light: many phones do not read the inverse.
    let line = |line: &str| format!("  \x1b[38;5;16;48;5;231m{line}\x1b[0m\n");
    Some(blocks.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each half of a block is white, as the terminal draws it.
    fn halves(block: char) -> [bool; 2] {
        match block {
            '█' => [false, false],
            '▀' => [false, true],
            '▄' => [true, false],
            ' ' => [true, true],
            other => panic!("{other:?} is no half block"),
        }
    }

    #[test]
    fn what_the_terminal_shows_is_read_by_a_reader_of_others() {
        for address in ["http://192.168.1.20:8080/", "http://[2001:db8:1234:5678:9abc:def0:1234:5678]:65535/"]
        {
            let text = qr(address).expect("it is short");
            let lines: Vec<&str> = text
                .lines()
                .map(|line| {
                    let line = line.strip_prefix("  \x1b[38;5;16;48;5;231m").expect("black on white");
                    line.strip_suffix("\x1b[0m").expect("and back")
                })
                .collect();
            let rows: Vec<Vec<bool>> = lines
                .iter()
                .flat_map(|line| [0, 1].map(|half| line.chars().map(|c| halves(c)[half]).collect()))
                .collect();
            const SIZE: usize = 4;
            let grey = |x: usize, y: usize| if rows[y / SIZE][x / SIZE] { 255 } else { 0 };
            let (width, height) = (rows[0].len() * SIZE, rows.len() * SIZE);
            let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
            let grids = image.detect_grids();
            let (_, read) = grids.first().expect("a code is seen").decode().expect("it is read");
            assert_eq!(read, address);
        }
    }
}
