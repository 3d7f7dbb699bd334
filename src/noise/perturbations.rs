//! Where a method's perturbations come from.

use super::{Noise, Table};

/// The perturbations of one seed, whatever their source. Class A.
pub enum Perturbations {
    /// Drawn afresh for each use.
    BoxMuller(Noise),
    /// Read from a table.
    Table(Table),
}

impl Perturbations {
    /// As [`Noise::perturb_pair`].
    ///
    /// # Panics
    /// If the slices are not of one length.
    pub fn perturb_pair(
        &self,
        generation: u64,
        pair: u64,
        sigma: f32,
        theta: &[f32],
        plus: &mut [f32],
        minus: &mut [f32],
    ) {
        match self {
            Self::BoxMuller(noise) => {
                noise.perturb_pair(generation, pair, sigma, theta, plus, minus);
            }
            Self::Table(table) => table.perturb_pair(generation, pair, sigma, theta, plus, minus),
        }
    }

    /// As [`Noise::add_weighted_block`], of noise vectors of `parameters` elements.
    ///
    /// # Panics
    /// If `sum` is longer than a block.
    pub fn add_weighted_block(
        &self,
        generation: u64,
        weights: &[f32],
        block: usize,
        parameters: usize,
        sum: &mut [f32],
    ) {
        match self {
            Self::BoxMuller(noise) => noise.add_weighted_block(generation, weights, block, sum),
            Self::Table(table) => {
                table.add_weighted_block(generation, weights, block, parameters, sum);
            }
        }
    }
}
