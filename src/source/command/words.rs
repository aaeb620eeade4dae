//! What a program says on its standard error output: its last line.

/// A longer line is shown up to here.
const MAX_LINE: usize = 200;

/// Keeps the last line that is not blank, however much is said.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    line: Vec<u8>,
    last: Vec<u8>,
}

impl LastWords {
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // Programs that show their progress end their lines with a carriage return.
            if matches!(byte, b'\n' | b'\r') {
                self.end_line();
            } else if self.line.len() < MAX_LINE {
                self.line.push(*byte);
            }
        }
    }

    fn end_line(&mut self) {
        if self.line.iter().any(|byte| byte.is_ascii_graphic() || *byte >= 0x80) {
            std::mem::swap(&mut self.line, &mut self.last);
        }
        self.line.clear();
    }

    /// The last line, with nothing in it that could act on a terminal or break a line of the log.
    pub(super) fn tell(&mut self) -> String {
        self.end_line();
        let text = String::from_utf8_lossy(&self.last);
        let shown: String = text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
        shown.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[&[u8]]) -> String {
        let mut words = LastWords::default();
        pieces.iter().for_each(|piece| words.hear(piece));
        words.tell()
    }

    #[test]
    fn the_last_line_that_says_anything() {
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[b"one\ntw", b"o\n\n  \n"]), "two");
        assert_eq!(told(&[b"one\nand no end"]), "and no end");
        assert_eq!(told(&[b"frame=1\rframe=2\r"]), "frame=2");
        assert_eq!(told(&[b"\x1b[31mred\x07\t\xff\n"]), "\u{FFFD}[31mred\u{FFFD}\u{FFFD}\u{FFFD}");
    }

    #[test]
    fn it_is_never_long() {
        let mut words = LastWords::default();
        (0..1000).for_each(|_| words.hear(&[b'x'; 1000]));
        assert!(words.line.capacity() <= 2 * MAX_LINE);
        assert_eq!(words.tell(), "x".repeat(MAX_LINE));
    }
}
