//! The network for many rows in the arithmetic of one format.

use super::layer_engine::Engine;
use super::row_terms::Scaling;
use super::{BatchNetwork, Row};
use crate::arithmetic::{Activation, Affine, Arithmetic};
use crate::network::aligned::Aligned;
use crate::network::products::weight_place;
use crate::network::{Architecture, FactorLayout};

pub(super) struct Batched<A: Arithmetic> {
    engine: Engine<A>,
    activation: Activation,
    bias: bool,
    layout: FactorLayout,
    parameters: Aligned<A::Value>,
    /// Whether the parameters could be converted.
    is_finite: bool,
    factors: Vec<A::Value>,
    /// Whether each place's factors could be converted.
    finite_places: Vec<bool>,
    /// The numbers between two layers: one is read while the other is written.
    front: Aligned<A::Value>,
    back: Aligned<A::Value>,
    scaling: Scaling<A::Value>,
    /// Rows, and inputs before the first layer, that have lost a number.
    lost: Vec<bool>,
    lost_inputs: Vec<bool>,
}

impl<A: Arithmetic> Batched<A> {
    pub fn new(arithmetic: A, architecture: &Architecture, rank: usize) -> Self {
        Batched {
            engine: Engine::new(arithmetic, &architecture.formats),
            activation: architecture.activation,
            bias: architecture.bias,
            layout: architecture.factors(rank),
            parameters: Aligned::new(A::ZERO, architecture.layout().parameters()),
            is_finite: true,
            factors: Vec::new(),
            finite_places: Vec::new(),
            front: Aligned::new(A::ZERO, 0),
            back: Aligned::new(A::ZERO, 0),
            scaling: Scaling::new(),
            lost: Vec::new(),
            lost_inputs: Vec::new(),
        }
    }

    /// Converts the inputs into `front`, and marks those that cannot be.
    fn take_inputs(&mut self, inputs: &[f32], width: usize) {
        let to = &mut self.front.get_mut()[..inputs.len()];
        self.lost_inputs.clear();
        self.lost_inputs.resize(inputs.len() / width, false);
        if self.engine.arithmetic.encode(inputs, to).is_ok() {
            return;
        }
        let each = inputs.chunks(width).zip(to.chunks_mut(width));
        for ((from, to), lost) in each.zip(&mut self.lost_inputs) {
            *lost = self.engine.arithmetic.encode(from, to).is_err();
            if *lost {
                to.fill(A::ZERO);
            }
        }
    }

    fn pass(&mut self, rows: &[Row], inputs: &[f32], outputs: &mut [f32]) {
        let width = self.layout.layers[0].inputs;
        let distinct = inputs.len() / width;
        let widest = self.layout.layers.iter().map(|l| l.inputs.max(l.outputs)).max().unwrap_or(0);
        let numbers = rows.len().max(distinct) * widest;
        self.front.reserve(A::ZERO, numbers);
        self.back.reserve(A::ZERO, numbers);
        self.take_inputs(inputs, width);
        let Batched { engine, layout, scaling, lost, lost_inputs, .. } = self;
        lost.clear();
        lost.extend(rows.iter().map(|row| {
            let known = layout.rank == 0 || self.finite_places[row.place];
            !(self.is_finite && known) || lost_inputs[row.input]
        }));
        let (mut front, mut back) = (self.front.get_mut(), self.back.get_mut());
        let last = layout.layers.len() - 1;
        for (index, layer) in layout.layers.iter().enumerate() {
            let (weights, after) =
                self.parameters.get()[layer.weight.start..].split_at(layer.weight.len());
            let affine = Affine {
                weights,
                bias: self.bias.then(|| &after[..layer.outputs]),
                activation: (index < last).then_some(self.activation),
            };
            let one_to_one =
                rows.len() == distinct && rows.iter().enumerate().all(|(k, row)| row.input == k);
            let shared = index == 0 && !one_to_one;
            let input = |k: usize| if shared { rows[k].input } else { k };
            let arithmetic = &engine.arithmetic;
            let terms = (layout.rank > 0).then(|| {
                scaling.terms(arithmetic, rows, input, layer, layout, front, &self.factors)
            });
            if !shared {
                let x = &front[..rows.len() * layer.inputs];
                let y = &mut back[..rows.len() * layer.outputs];
                engine.layer(index, &affine, terms.as_ref(), x, y, lost);
                std::mem::swap(&mut front, &mut back);
                continue;
            }
            // Each input once; then its sums go to all rows that share it.
            let (x, sums) = (&front[..inputs.len()], &mut back[..distinct * layer.outputs]);
            let plain = Affine { activation: None, ..affine };
            engine.layer(index, &plain, None, x, sums, lost_inputs);
            for (k, (row, y)) in rows.iter().zip(front.chunks_mut(layer.outputs)).enumerate() {
                y.copy_from_slice(&sums[row.input * layer.outputs..][..layer.outputs]);
                lost[k] |= lost_inputs[row.input];
                match (&terms, affine.activation) {
                    (Some(terms), activation) => {
                        engine.arithmetic.add_terms(terms, k, activation, y);
                    }
                    (None, Some(activation)) => engine.arithmetic.activate(activation, y),
                    (None, None) => {}
                }
            }
        }
        engine.arithmetic.decode(&front[..outputs.len()], outputs);
        let each = outputs.chunks_mut(outputs.len() / rows.len());
        for (outputs, _) in each.zip(lost).filter(|(_, lost)| **lost) {
            outputs.fill(f32::NAN);
        }
    }
}

impl<A: Arithmetic> BatchNetwork for Batched<A> {
    fn load(&mut self, theta: &[f32]) {
        assert_eq!(theta.len(), self.parameters.len(), "theta has the network's P elements");
        let Engine { arithmetic, products, .. } = &mut self.engine;
        let parameters = self.parameters.get_mut();
        self.is_finite = arithmetic.encode(theta, parameters).is_ok();
        let Some(products) = products else { return };
        for (index, layer) in self.layout.layers.iter().enumerate() {
            let weights = &parameters[layer.weight.clone()];
            self.is_finite &= products.load(arithmetic, weight_place(index), weights).is_ok();
        }
    }

    fn place(&mut self, place: usize, factors: &[f32]) {
        let length = self.layout.len();
        assert_eq!(factors.len(), length, "as many factors as the layout says");
        if self.finite_places.len() <= place {
            self.finite_places.resize(place + 1, true);
            self.factors.resize((place + 1) * length, A::ZERO);
        }
        let to = &mut self.factors[place * length..][..length];
        self.finite_places[place] = self.engine.arithmetic.encode(factors, to).is_ok();
    }

    fn forward(&mut self, rows: &[Row], inputs: &[f32], outputs: &mut [f32]) {
        let classes = self.layout.layers.last().map_or(0, |layer| layer.outputs);
        assert_eq!(outputs.len(), rows.len() * classes, "outputs for each row");
        assert_eq!(inputs.len() % self.layout.layers[0].inputs, 0, "whole inputs");
        if !rows.is_empty() {
            self.pass(rows, inputs, outputs);
        }
    }
}
