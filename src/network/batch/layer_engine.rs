//! One layer for many inputs, with matrix multiplies in the format of everything else or in another.

use crate::arithmetic::{Affine, Arithmetic, Formats, Terms};
use crate::network::products::{Products, weight_place};

/// What computes layers.
pub(super) struct Engine<A: Arithmetic> {
    pub arithmetic: A,
    /// Matrix multiplies in another format than everything else.
    pub products: Option<Products>,
    /// One input and its outputs, as such multiplies take them.
    wide: (Vec<f32>, Vec<f32>),
    room: Vec<A::Value>,
}

impl<A: Arithmetic> Engine<A> {
    pub fn new(arithmetic: A, formats: &Formats) -> Self {
        Engine {
            products: Products::of(formats),
            arithmetic,
            wide: (Vec::new(), Vec::new()),
            room: Vec::new(),
        }
    }

    /// Layer number `index` for so many inputs, of which those that cannot be converted are marked.
    pub fn layer(
        &mut self,
        index: usize,
        layer: &Affine<'_, A::Value>,
        terms: Option<&Terms<'_, A::Value>>,
        x: &[A::Value],
        y: &mut [A::Value],
        lost: &mut [bool],
    ) {
        let Engine { arithmetic, products, wide: (wide_x, wide_y), room } = self;
        let rows = lost.len();
        let Some(products) = products else {
            return arithmetic.layers(layer, terms, rows, x, y, room);
        };
        let (inputs, outputs) = (x.len() / rows.max(1), y.len() / rows.max(1));
        wide_x.resize(inputs, 0.0);
        wide_y.resize(outputs, 0.0);
        for (row, lost) in lost.iter_mut().enumerate() {
            let x = &x[row * inputs..][..inputs];
            let y = &mut y[row * outputs..][..outputs];
            let activation = if terms.is_some() { None } else { layer.activation };
            arithmetic.decode(x, wide_x);
            let weights = weight_place(index);
            *lost |= products
                .layer(arithmetic, weights, layer.bias, activation, wide_x, wide_y)
                .and_then(|()| arithmetic.encode(wide_y, y).map(|_| ()))
                .is_err();
            if let Some(terms) = terms {
                arithmetic.add_terms(terms, row, layer.activation, y);
            }
        }
    }
}
