//! Sound from a program: raw PCM, signed 16 bits, little-endian, interleaved.

use std::sync::Arc;
use std::time::Duration;

use super::CommandLine;
use super::process::{Await, Ending, Output, Process};
use crate::base::{Clock, Monotonic};
use crate::source::{AudioDevice, AudioInput, Capture, InputFormat, SourceError};
use crate::sys::clock::RealClock;

/// Bytes in a sample.
const SAMPLE: usize = 2;
/// What a pipe holds by itself; more would only make sound late.
const PIPE: usize = 64 << 10;
const SCALE: f32 = 1.0 / 32_768.0;

/// A program that prints sound.
pub struct CommandAudio {
    command: CommandLine,
    name: String,
    format: InputFormat,
    ending: Arc<Ending>,
}

impl CommandAudio {
    /// `command` prints sound of this format.
    pub fn new(command: CommandLine, format: InputFormat) -> Self {
        Self { name: command.to_string(), command, format, ending: Arc::default() }
    }
}

impl AudioDevice for CommandAudio {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError> {
        let process = Process::start(&self.command, PIPE, &self.ending)?;
        Ok(Box::new(CommandSound { process, format: self.format, bytes: Vec::new(), len: 0 }))
    }
}

/// The program under way.
struct CommandSound {
    process: Process,
    format: InputFormat,
    /// What was read, and in front of that what was left of a frame.
    bytes: Vec<u8>,
    len: usize,
}

impl CommandSound {
    fn frame(&self) -> usize {
        SAMPLE * self.format.channels.max(1)
    }

    /// Moves all whole frames over; says how many.
    fn take(&mut self, into: &mut Vec<f32>) -> usize {
        let frames = self.len / self.frame();
        let whole = frames * self.frame();
        let samples = self.bytes[..whole].as_chunks::<SAMPLE>().0;
        into.extend(samples.iter().map(|sample| f32::from(i16::from_le_bytes(*sample)) * SCALE));
        self.bytes.copy_within(whole..self.len, 0);
        self.len -= whole;
        frames
    }

    /// When the last frame read was captured: when it came, which for what still waits behind it is now.
    fn captured(&self, now: Monotonic) -> Monotonic {
        let behind = (self.process.waiting() / self.frame()) as u64;
        now - Duration::from_nanos(behind * 1_000_000_000 / u64::from(self.format.rate.max(1)))
    }
}

impl AudioInput for CommandSound {
    fn format(&self) -> InputFormat {
        self.format
    }

    fn read(
        &mut self,
        into: &mut Vec<f32>,
        frames: usize,
        patience: Duration,
    ) -> Result<Capture, SourceError> {
        let deadline = RealClock.now() + patience;
        let wanted = frames.max(1) * self.frame();
        self.bytes.resize(self.bytes.len().max(wanted), 0);
        let mut end = RealClock.now();
        while self.len < wanted {
            match self.process.read(&mut self.bytes[self.len..wanted])? {
                Output::Bytes(count) => {
                    self.len += count;
                    end = RealClock.now();
                }
                Output::Empty if RealClock.now() >= deadline => break,
                Output::Empty => {
                    self.process.wait(Await::Output, deadline)?;
                }
                Output::End if self.len < self.frame() => return Err(self.process.epitaph()),
                Output::End => break,
            }
        }
        let end = self.captured(end);
        match self.take(into) {
            0 => Ok(Capture::Nothing),
            frames => Ok(Capture::Frames { frames, end }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Signal;

    const FORMAT: InputFormat = InputFormat { rate: 8000, channels: 2 };

    fn sound(script: &str) -> Box<dyn AudioInput> {
        let command = CommandLine::new(["sh", "-c", script].map(str::to_owned).to_vec()).expect("a program");
        CommandAudio::new(command, FORMAT).open().expect("sh is there")
    }

    /// Reads until it fails.
    fn read_all(input: &mut dyn AudioInput) -> (Vec<f32>, Vec<Capture>, SourceError) {
        let (mut samples, mut captures) = (Vec::new(), Vec::new());
        loop {
            match input.read(&mut samples, 100, Duration::from_millis(100)) {
                Ok(capture) => captures.push(capture),
                Err(error) => return (samples, captures, error),
            }
        }
    }

    #[test]
    fn samples_are_as_printed_and_the_end_is_told() {
        // The last frame is not whole.
        let mut input =
            sound(r"printf '\000\200\377\177\000\000\000\100\001\000\377\377\001\002\003'; echo enough >&2");
        let (samples, captures, error) = read_all(&mut *input);
        assert_eq!(samples, [-1.0, 32_767.0 / 32_768.0, 0.0, 0.5, 1.0 / 32_768.0, -1.0 / 32_768.0]);
        assert!(captures.iter().any(|capture| matches!(capture, Capture::Frames { .. })));
        assert!(error.to_string().contains("it ended without an error, saying \"enough\""), "{error}");
        assert_eq!(error.signal, Signal::Failed);
    }

    #[test]
    fn a_burst_is_dated_back_from_its_end() {
        let mut input = sound("dd if=/dev/zero bs=16000 count=1 2>&-; sleep 60");
        let mut samples = Vec::new();
        let mut ends = Vec::new();
        while samples.len() < 8000 {
            let got = input.read(&mut samples, 1000, Duration::from_secs(5)).expect("it runs");
            let Capture::Frames { frames, end } = got else { panic!("{got:?}") };
            ends.push((samples.len() / 2, frames, end));
        }
        let (_, _, last) = ends[ends.len() - 1];
        for (total, _, end) in &ends {
            let before = last.since(*end).as_secs_f64();
            let expected = (4000 - total) as f64 / 8000.0;
            assert!((before - expected).abs() < 0.2, "{ends:?}");
        }
        assert_eq!(input.read(&mut samples, 100, Duration::ZERO).expect("it runs"), Capture::Nothing);
    }

    #[test]
    fn a_tone_of_ffmpeg_comes_in_time() {
        let mut input = sound("exec ffmpeg -v error -re -f lavfi -i sine=r=8000:d=1 -ac 2 -f s16le -");
        let began = RealClock.now();
        let (samples, _, error) = read_all(&mut *input);
        assert_eq!(samples.len(), 16_000, "{error}");
        assert!(samples.iter().any(|sample| sample.abs() > 0.05));
        assert!(RealClock.now().since(began) > Duration::from_millis(500), "paced by the program");
    }
}
