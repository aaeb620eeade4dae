//! What can be told of a picture at a glance: how bright each of some thousand cells is.
//!
//! Belongs here: arithmetic on samples. Does not: a judgement about them (`motion`).

use crate::media::{Planes, Size};

/// The longer side has so many cells at most.
const CELLS: usize = 80;
/// A cell is no smaller, in pixels: as large as the blocks of JPEG, whose brightness jumps.
const SMALLEST: usize = 8;
/// So many rows of each cell are looked at, at most. A device may have put a picture where reading it is slow; of one
/// of 720 rows these are 230 KB.
const ROWS: usize = 4;

/// Cuts pictures of one size into square cells. What is left over at the right and at the bottom, less than a cell,
/// is not looked at.
#[derive(Debug)]
pub(super) struct Mosaic {
    size: Size,
    side: usize,
    columns: usize,
    rows: usize,
    /// The sum of each column of pixels, over the rows of one cell that are looked at.
    sums: Vec<u16>,
}

impl Mosaic {
    pub(super) fn new(size: Size) -> Self {
        let (width, height) = (size.width(), size.height());
        let side = width.max(height).div_ceil(CELLS).max(SMALLEST).min(width.min(height));
        let (columns, rows) = (width / side, height / side);
        Self { size, side, columns, rows, sums: vec![0; columns * side] }
    }

    /// Columns and rows of cells.
    pub(super) fn cells(&self) -> (usize, usize) {
        (self.columns, self.rows)
    }

    /// Whether the planes hold a picture of that size.
    pub(super) fn fits(&self, planes: &Planes<'_>) -> bool {
        planes.hold(self.size)
    }

    /// Puts the mean luma of each cell into `into`, row by row.
    pub(super) fn read(&mut self, planes: &Planes<'_>, into: &mut [f32]) {
        let (luma, side) = (planes.luma(), self.side);
        let step = side.div_ceil(ROWS);
        let rows = side.div_ceil(step);
        for (row, means) in into.chunks_exact_mut(self.columns).take(self.rows).enumerate() {
            self.sums.fill(0);
            for line in (0..rows).map(|line| row * side + line * step) {
                let line = &luma.data[line * luma.stride..][..self.sums.len()];
                for (sum, sample) in self.sums.iter_mut().zip(line) {
                    *sum += u16::from(*sample);
                }
            }
            for (mean, cell) in means.iter_mut().zip(self.sums.chunks_exact(side)) {
                let sum: u32 = cell.iter().map(|sum| u32::from(*sum)).sum();
                *mean = sum as f32 / (rows * side) as f32;
            }
        }
    }
}
