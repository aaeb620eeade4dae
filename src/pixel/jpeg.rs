//! JPEG: what cameras give as MJPEG, and snapshots. libjpeg-turbo, by planes: nothing goes through RGB.

use turbojpeg::{
    Colorspace, Compressor, DecompressHeader, Decompressor, Subsamp, YuvImage, YuvPlanesImage, yuv_pixels_len,
};

use super::range;
use crate::media::{Picture, Size};

/// Scans a picture may have: one for each component at most. A hostile one could have thousands.
const MAX_SCANS: u32 = 3;

/// Why a JPEG picture cannot be read, or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// The device changed its mind, or never meant what it said.
    #[error("a JPEG picture of {width}x{height} where {expected} was expected")]
    Size {
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// What was to come.
        expected: Size,
    },
    /// Chroma in another arrangement, or no YCbCr at all.
    #[error("a JPEG picture of {0}; 4:2:0, 4:2:2, 4:4:4 and grey can be read")]
    Layout(String),
    /// Its end is missing, or a piece of it.
    #[error("a JPEG picture cut short: {0}")]
    CutShort(String),
    /// It is no JPEG, or not only JPEG.
    #[error("a corrupt JPEG picture: {0}")]
    Corrupt(String),
    /// The library gives up; memory, most likely.
    #[error("no JPEG picture could be made: {0}")]
    Library(String),
}

impl JpegError {
    /// The same in few words, for counting and for a log that must not repeat itself.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Size { .. } => "JPEG of another size",
            Self::Layout(_) => "JPEG in another layout",
            Self::CutShort(_) => "JPEG cut short",
            Self::Corrupt(_) => "corrupt JPEG",
            Self::Library(_) => "JPEG library failed",
        }
    }
}

/// Reads JPEG pictures, one after the other; keeps its buffers from each to the next.
pub struct Decoder {
    library: Decompressor,
    /// The planes as they were coded.
    coded: Vec<u8>,
}

impl Decoder {
    /// A decoder for pictures of any size.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new() -> Result<Self, JpegError> {
        Ok(Self { library: library()?, coded: Vec::new() })
    }

    /// Reads a picture of exactly the size of `into`: 4:2:0, 4:2:2, 4:4:4 or grey, with or without Huffman
    /// tables of its own (UVC leaves them out), of full range as JFIF has it. What follows its end is ignored.
    ///
    /// # Errors
    /// If it is cut short, corrupt, of another size or in another layout; the picture is untouched then.
    pub fn decode(&mut self, bytes: &[u8], into: &mut Picture) -> Result<(), JpegError> {
        let read = self.read(bytes, into);
        if read.is_err() {
            // After an error in a header the library goes on in that header with the next picture.
            self.library = library()?;
        }
        read
    }

    fn read(&mut self, bytes: &[u8], into: &mut Picture) -> Result<(), JpegError> {
        if bytes.is_empty() {
            return Err(JpegError::CutShort("it has no bytes".into()));
        }
        let header = self.library.read_header(bytes).map_err(damage)?;
        let (width, height) = (header.width, header.height);
        let expected = into.size();
        if (width, height) != (expected.width(), expected.height()) {
            return Err(JpegError::Size { width, height, expected });
        }
        let subsamp = readable(&header)?;
        let len = yuv_pixels_len(width, 1, height, subsamp).map_err(failed)?;
        if self.coded.len() < len {
            self.coded.resize(len, 0);
        }
        let coded = &mut self.coded[..len];
        // The library goes on after what it calls a warning, paints grey what is missing, and says so.
        match self
            .library
            .decompress_to_yuv(bytes, YuvImage { pixels: &mut *coded, width, align: 1, height, subsamp })
        {
            Err(error) if !is_padding(&error, bytes, &header) => return Err(damage(error)),
            _ => limit(coded, subsamp, into),
        }
        Ok(())
    }
}

/// The library, ready for the header of a picture.
fn library() -> Result<Decompressor, JpegError> {
    let mut library = Decompressor::new().map_err(failed)?;
    library.set_scan_limit(MAX_SCANS).map_err(failed)?;
    Ok(library)
}

/// How the chroma of a picture lies, if that can be read.
fn readable(header: &DecompressHeader) -> Result<Subsamp, JpegError> {
    match (header.colorspace, header.subsamp) {
        (Colorspace::YCbCr, known @ (Subsamp::Sub2x2 | Subsamp::Sub2x1 | Subsamp::None)) => Ok(known),
        (Colorspace::Gray, Subsamp::Gray) => Ok(Subsamp::Gray),
        (Colorspace::YCbCr, other) => {
            let (across, down) = other.size();
            Err(JpegError::Layout(match other {
                Subsamp::Unknown => "chroma in no usual arrangement".into(),
                _ => format!("chroma halved otherwise ({across} times across, {down} times down)"),
            }))
        }
        (other, _) => Err(JpegError::Layout(format!("{other:?}"))),
    }
}

/// The planes as coded, of full range, to a picture.
fn limit(coded: &[u8], subsamp: Subsamp, into: &mut Picture) {
    let width = into.size().width();
    let [y, u, v] = into.planes_mut();
    let (luma, chroma) = coded.split_at(y.len());
    range::luma(luma, y);
    let (blue, red) = chroma.split_at(chroma.len() / 2);
    for (from, to) in [(blue, u), (red, v)] {
        match subsamp {
            Subsamp::Sub2x2 => range::chroma(from, to),
            Subsamp::Sub2x1 => by_two_rows(from, width / 2, to, width / 2, range::chroma_of_2),
            Subsamp::None => by_two_rows(from, width, to, width / 2, range::chroma_of_4),
            _ => to.fill(128),
        }
    }
}

/// Makes each row of `to` of two rows of `from`.
fn by_two_rows(
    from: &[u8],
    from_width: usize,
    to: &mut [u8],
    to_width: usize,
    make: impl Fn([&[u8]; 2], &mut [u8]),
) {
    for (rows, to) in from.chunks_exact(2 * from_width).zip(to.chunks_exact_mut(to_width)) {
        let (upper, lower) = rows.split_at(from_width);
        make([upper, lower], to);
    }
}

/// Whether all that is wrong with a picture are bytes between its last samples and its end: cameras pad there,
/// every picture of them.
///
/// The library tells its first complaint only. Where restart markers are missing, bytes skipped in search of
/// one are that first complaint, too, and then it paints grey.
fn is_padding(error: &turbojpeg::Error, bytes: &[u8], header: &DecompressHeader) -> bool {
    let end = "extraneous bytes before marker 0xd9";
    matches!(error, turbojpeg::Error::TurboJpegError(words) if words.ends_with(end))
        && restarts(bytes).is_some_and(|(interval, found)| {
            let (mcu_width, mcu_height) = header.subsamp.mcu_size();
            let mcus = header.width.div_ceil(mcu_width) * header.height.div_ceil(mcu_height);
            (mcus - 1).checked_div(interval).is_none_or(|needed| found >= needed)
        })
}

/// How many MCUs lie between restart markers (0: there are none), and how many of these follow the header of
/// the first scan (ITU-T T.81, B.1.1.3, B.2.4.4).
fn restarts(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut interval = 0;
    let mut rest = bytes.get(2..)?;
    loop {
        let [0xFF, marker, high, low, body @ ..] = rest else { return None };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        match (marker, body) {
            // DRI.
            (0xDD, [high, low, ..]) => interval = usize::from(u16::from_be_bytes([*high, *low])),
            // SOS.
            (0xDA, _) => break,
            _ => {}
        }
        rest = rest.get(2 + len..)?;
    }
    let is_restart = |pair: &&[u8]| pair[0] == 0xFF && (0xD0..=0xD7).contains(&pair[1]);
    Some((interval, rest.windows(2).filter(is_restart).count()))
}

/// Writes a JPEG picture: 4:2:0, JFIF, of full range. `quality` is libjpeg's, 1 to 100.
///
/// # Errors
/// If the library gives up; memory, most likely.
pub fn encode(picture: &Picture, quality: u8) -> Result<Vec<u8>, JpegError> {
    let (width, height) = (picture.size().width(), picture.size().height());
    let mut full = picture.clone();
    let [y, u, v] = full.planes_mut();
    for (plane, table) in
        [(&mut *y, &range::FULL_LUMA), (&mut *u, &range::FULL_CHROMA), (&mut *v, &range::FULL_CHROMA)]
    {
        for sample in plane {
            *sample = table[usize::from(*sample)];
        }
    }
    let planes = YuvPlanesImage {
        y_plane: &*y,
        u_plane: &*u,
        v_plane: &*v,
        width,
        height,
        y_stride: width,
        u_stride: width / 2,
        v_stride: width / 2,
        subsamp: Subsamp::Sub2x2,
    };
    let mut library = Compressor::new().map_err(failed)?;
    library.set_quality(i32::from(quality.clamp(1, 100))).map_err(failed)?;
    library.compress_yuv_planes_to_vec(&planes).map_err(failed)
}

/// What is wrong with the picture, from the library's words.
fn damage(error: turbojpeg::Error) -> JpegError {
    let words = words(error);
    match words.contains("remature end") {
        true => JpegError::CutShort(words),
        false => JpegError::Corrupt(words),
    }
}

fn failed(error: turbojpeg::Error) -> JpegError {
    JpegError::Library(words(error))
}

fn words(error: turbojpeg::Error) -> String {
    match error {
        turbojpeg::Error::TurboJpegError(words) => words,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
