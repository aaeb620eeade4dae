//! How pictures lie in the memory of a device.

use v4l::FourCC;

use super::abi::{Block, Format};
use crate::media::{Planes, Size, VideoFrame};

/// One plane of a picture in the making.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// Rows of `stride` bytes.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// Where a picture is to be written: as [`crate::media::Planes`], in the device's own memory.
#[derive(Debug)]
pub enum Canvas<'a> {
    /// Y, U and V apart.
    I420([PlaneMut<'a>; 3]),
    /// Y, then U and V interleaved.
    Nv12([PlaneMut<'a>; 2]),
}

/// The raw formats we can fill, the best first: encoders mostly read NV12, and some nothing else. The last
/// letter of the code tells whether all planes share one block of memory ("12") or not ("M").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    Nv12,
    Nv12m,
    I420,
    I420m,
}

impl Raw {
    pub(super) const ALL: [Self; 4] = [Self::Nv12, Self::Nv12m, Self::I420, Self::I420m];

    pub(super) fn fourcc(self) -> FourCC {
        FourCC::new(match self {
            Self::Nv12 => b"NV12",
            Self::Nv12m => b"NM12",
            Self::I420 => b"YU12",
            Self::I420m => b"YM12",
        })
    }

    pub(super) const fn blocks(self) -> usize {
        match self {
            Self::Nv12 | Self::I420 => 1,
            Self::Nv12m => 2,
            Self::I420m => 3,
        }
    }
}

/// The layout a driver has settled on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    raw: Raw,
    /// Rows of luma, padding included.
    rows: usize,
    blocks: Vec<Block>,
}

impl Layout {
    /// If that format holds a picture of `size`.
    pub(super) fn new(raw: Raw, format: &Format, size: Size) -> Option<Self> {
        let blocks = format.blocks.get(..raw.blocks())?.to_vec();
        let rows = format.height as usize;
        let layout = Self { raw, rows, blocks };
        let luma = layout.stride(0);
        let chroma = match raw {
            Raw::Nv12 | Raw::I420 => luma,
            Raw::Nv12m => layout.stride(1),
            Raw::I420m => layout.stride(1).min(layout.stride(2)).saturating_mul(2),
        };
        let holds = luma.min(chroma) >= size.width()
            && rows >= size.height()
            && rows.is_multiple_of(2)
            && luma.is_multiple_of(2)
            && (0..raw.blocks()).all(|block| layout.bytes(block) >= layout.needed(block));
        holds.then_some(layout)
    }

    /// The blocks of memory, as they are queued: all of their bytes are used.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    fn stride(&self, block: usize) -> usize {
        self.blocks.get(block).map_or(0, |block| block.stride as usize)
    }

    fn bytes(&self, block: usize) -> usize {
        self.blocks.get(block).map_or(0, |block| block.bytes as usize)
    }

    /// Bytes that the planes in a block take.
    pub(super) fn needed(&self, block: usize) -> usize {
        // A driver may name any number; what no memory holds is never enough.
        let plane = self.stride(block).saturating_mul(self.rows);
        match (self.raw, block) {
            (Raw::Nv12 | Raw::I420, _) => plane.saturating_add(plane / 2),
            (_, 0) => plane,
            _ => plane / 2,
        }
    }

    /// Whether a picture in shared memory lies there just as the device wants it.
    pub(super) fn is_that_of(&self, frame: &VideoFrame<'_>) -> bool {
        let stride = match (self.raw, frame.planes) {
            (Raw::Nv12, Planes::Nv12([luma, _])) | (Raw::I420, Planes::I420([luma, ..])) => luma.stride,
            _ => return false,
        };
        (stride, frame.size.height()) == (self.stride(0), self.rows)
    }

    /// The planes in the blocks of a buffer; none if these are too small.
    pub(super) fn canvas<'a>(&self, mut blocks: impl Iterator<Item = &'a mut [u8]>) -> Option<Canvas<'a>> {
        let (stride, luma) = (self.stride(0), self.stride(0).saturating_mul(self.rows));
        let mut block = |index| {
            let data = blocks.next()?.get_mut(..self.needed(index))?;
            Some(PlaneMut { data, stride: self.stride(index) })
        };
        let first = block(0)?;
        Some(match self.raw {
            Raw::Nv12m => Canvas::Nv12([first, block(1)?]),
            Raw::I420m => Canvas::I420([first, block(1)?, block(2)?]),
            // In one block chroma follows the rows of luma, padding and all, with the same stride (NV12) or
            // half of it (YU12).
            Raw::Nv12 => {
                let (y, uv) = first.data.split_at_mut_checked(luma)?;
                Canvas::Nv12([PlaneMut { data: y, stride }, PlaneMut { data: uv, stride }])
            }
            Raw::I420 => {
                let (y, chroma) = first.data.split_at_mut_checked(luma)?;
                let (u, v) = chroma.split_at_mut_checked(luma / 4)?;
                let half = |data| PlaneMut { data, stride: stride / 2 };
                Canvas::I420([PlaneMut { data: y, stride }, half(u), half(v)])
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pts;
    use crate::media::{Picture, Plane};

    fn format(height: u32, blocks: &[(u32, u32)]) -> Format {
        let blocks = blocks.iter().map(|(stride, bytes)| Block { stride: *stride, bytes: *bytes }).collect();
        Format { fourcc: FourCC::new(b"????"), width: 0, height, blocks }
    }

    fn shape(layout: &Layout, blocks: &[usize]) -> Option<Vec<(usize, usize)>> {
        let mut memory: Vec<Vec<u8>> = blocks.iter().map(|bytes| vec![0; *bytes]).collect();
        let canvas = layout.canvas(memory.iter_mut().map(Vec::as_mut_slice))?;
        let shape = |planes: &[PlaneMut<'_>]| planes.iter().map(|p| (p.data.len(), p.stride)).collect();
        Some(match &canvas {
            Canvas::I420(planes) => shape(planes),
            Canvas::Nv12(planes) => shape(planes),
        })
    }

    #[test]
    fn planes_lie_where_the_kernel_documents_them() {
        let size = Size::new(1920, 1080).expect("a size");
        // The padding of bcm2835-codec, vicodec, and of encoders with two or three blocks.
        type Case<'a> = (Raw, u32, &'a [(u32, u32)], &'a [(usize, usize)]);
        let cases: [Case<'_>; 4] = [
            (Raw::Nv12, 1088, &[(1920, 3_133_440)], &[(2_088_960, 1920), (1_044_480, 1920)]),
            (Raw::I420, 1080, &[(1984, 3_214_080)], &[(2_142_720, 1984), (535_680, 992), (535_680, 992)]),
            (
                Raw::Nv12m,
                1088,
                &[(2048, 2_228_224), (2048, 1_114_112)],
                &[(2_228_224, 2048), (1_114_112, 2048)],
            ),
            (
                Raw::I420m,
                1088,
                &[(1920, 2_088_960), (1024, 557_056), (1024, 557_056)],
                &[(2_088_960, 1920), (557_056, 1024), (557_056, 1024)],
            ),
        ];
        for (raw, rows, blocks, planes) in cases {
            let layout = Layout::new(raw, &format(rows, blocks), size).expect("it fits");
            let memory: Vec<usize> = blocks.iter().map(|(_, bytes)| *bytes as usize).collect();
            assert_eq!(shape(&layout, &memory).as_deref(), Some(planes), "{raw:?}");
            let short: Vec<usize> = memory.iter().map(|bytes| bytes - 1).collect();
            assert_eq!(shape(&layout, &short), None, "{raw:?} in memory that is too small");
        }
    }

    #[test]
    fn only_a_picture_that_lies_alike_is_used_where_it_is() {
        let size: Size = "640x368".parse().expect("a size");
        let picture = Picture::black(size);
        let Planes::I420([luma, chroma, _]) = picture.planes() else { panic!("planar") };
        let planar = |stride| Planes::I420([Plane { stride, ..luma }, chroma, chroma]);
        let woven = |stride| Planes::Nv12([Plane { stride, ..luma }, chroma]);
        let blocks = |raw: Raw, stride| vec![(stride, 640 * 368 * 2); raw.blocks()];
        let table = [
            (Raw::Nv12, 368, 640, woven(640), true),
            (Raw::I420, 368, 640, planar(640), true),
            (Raw::I420, 368, 768, planar(768), true),
            (Raw::Nv12, 368, 640, planar(640), false),
            (Raw::I420, 368, 640, woven(640), false),
            (Raw::Nv12, 368, 768, woven(640), false),
            (Raw::Nv12, 368, 640, woven(768), false),
            (Raw::Nv12, 384, 640, woven(640), false),
            (Raw::Nv12m, 368, 640, woven(640), false),
            (Raw::I420m, 368, 640, planar(640), false),
        ];
        for (raw, rows, stride, planes, alike) in table {
            let layout = Layout::new(raw, &format(rows, &blocks(raw, stride)), size).expect("it fits");
            let frame = VideoFrame { pts: Pts::default(), size, planes, memory: None };
            assert_eq!(layout.is_that_of(&frame), alike, "{raw:?} {rows} {stride} {planes:?}");
        }
    }

    #[test]
    fn a_driver_that_contradicts_itself_is_not_believed() {
        let size = Size::new(640, 360).expect("a size");
        type Case<'a> = (Raw, u32, &'a [(u32, u32)]);
        let table: &[Case<'_>] = &[
            (Raw::Nv12, 360, &[(638, 345_600)]),
            (Raw::Nv12, 352, &[(640, 345_600)]),
            (Raw::Nv12, 360, &[(640, 345_599)]),
            (Raw::Nv12, 361, &[(640, 400_000)]),
            (Raw::I420, 360, &[(641, 400_000)]),
            (Raw::Nv12, 360, &[]),
            (Raw::Nv12, u32::MAX - 1, &[(u32::MAX - 1, u32::MAX)]),
            (Raw::I420m, u32::MAX - 1, &[(u32::MAX - 1, u32::MAX); 3]),
            (Raw::Nv12, 360, &[(0, 0)]),
            (Raw::Nv12m, 360, &[(640, 345_600)]),
            (Raw::I420m, 360, &[(640, 230_400), (320, 57_600), (316, 57_600)]),
        ];
        for (raw, rows, blocks) in table {
            assert_eq!(Layout::new(*raw, &format(*rows, blocks), size), None, "{raw:?} {rows} {blocks:?}");
        }
    }
}
