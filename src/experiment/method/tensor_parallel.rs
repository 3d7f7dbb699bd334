//! `[method]` with `name = "tensor-parallel"`.

use serde::{Deserialize, Serialize};

use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use super::split::{self, Bytes, Placed};
use crate::experiment::validate::require;
use crate::experiment::{Experiment, ExperimentError, Plan};
use crate::method::gradient::{Spread, TensorParallel, blocks};
use crate::method::{Method, MethodError};
use crate::network::Architecture;
use crate::record::plural;

/// `[method]` with `name = "tensor-parallel"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TensorParallelSection {
    /// Parts that each pair of layers is split into.
    pub tensor_parallel: usize,
    /// Bytes that a rank may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<Bytes>,
}

impl Default for TensorParallelSection {
    fn default() -> Self {
        TensorParallelSection { tensor_parallel: 2, memory_limit: None }
    }
}

impl TensorParallelSection {
    /// The parts on so many ranks.
    fn placed(
        &self,
        learning: &LearningSection,
        architecture: &Architecture,
        ranks: usize,
    ) -> Vec<Placed> {
        let grid = split::grid(learning, self.tensor_parallel, ranks);
        let whole = !architecture.layers().len().is_multiple_of(2);
        let blocks = blocks(architecture, self.tensor_parallel);
        let last = blocks.len() - 1;
        let of_block = |(block, pieces): (usize, Vec<_>)| {
            let part = move |(part, piece)| {
                let of = |worker| match whole && block == last {
                    true => grid.ranks(worker),
                    false => vec![grid.rank(worker, part)],
                };
                let ranks = (0..grid.workers).map(of).collect();
                Placed { spread: Spread { piece, ranks }, in_flight: 1 }
            };
            pieces.into_iter().enumerate().map(part)
        };
        blocks.into_iter().enumerate().flat_map(of_block).collect()
    }
}

impl LearningKeys for TensorParallelSection {
    fn check(
        &self,
        experiment: &Experiment,
        learning: &LearningSection,
    ) -> Result<(), ExperimentError> {
        split::check(experiment, learning)?;
        // Of each pair the first layer's outputs are split: every other hidden layer.
        let hidden = &experiment.policy.hidden;
        let narrowest = hidden.iter().step_by(2).min().copied().unwrap_or(usize::MAX);
        let expected =
            format!("from 1 to {narrowest}, the width of the narrowest layer that is split");
        let holds = (1..=narrowest).contains(&self.tensor_parallel);
        require(holds, "method.tensor_parallel", self.tensor_parallel, &expected)
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        let samples = setup.samples_of_data()?;
        let ranks = setup.rank.comm.size();
        let placed = self.placed(setup.learning, &samples.architecture, ranks);
        let counts = blocks(&samples.architecture, self.tensor_parallel);
        let counts = counts.iter().map(Vec::len).collect();
        let between = samples.architecture.between();
        let grid = split::grid(setup.learning, self.tensor_parallel, ranks);
        let passes = TensorParallel::new(grid, samples.data, samples.microbatch, counts, between);
        Ok(Box::new(split::build(setup, &placed, Box::new(passes))?))
    }

    fn check_memory(
        &self,
        experiment: &Experiment,
        learning: &LearningSection,
        plan: &Plan,
        ranks: usize,
    ) -> Result<(), MethodError> {
        let placed = self.placed(learning, &plan.policy.architecture, ranks);
        let remedy = "more ranks and method.tensor_parallel, or a smaller method.microbatch";
        let limit = self.memory_limit;
        split::check_memory(experiment, learning, plan, (&placed, ranks), limit, remedy)
    }

    fn holds(&self, _: &Experiment, _: &LearningSection) -> Option<Held> {
        None
    }

    fn sends(&self, _learning: &LearningSection, _parameters: usize) -> String {
        "sent: terms of sums behind each pair of layers, and of the derivatives before it, and \
         workers' gradients of a part, where they are on different ranks"
            .to_owned()
    }

    fn remarks(&self, experiment: &Experiment, plan: &Plan) -> Vec<String> {
        let Some((learning, _)) = experiment.method.gradient() else { return Vec::new() };
        let architecture = &plan.policy.architecture;
        let layers = architecture.layers();
        let mut remarks: Vec<String> = (0..layers.len() / 2)
            .map(|pair| {
                let ((inputs, middle), (_, outputs)) = (layers[2 * pair], layers[2 * pair + 1]);
                format!(
                    "layers {inputs}-{middle}, {middle}-{outputs}: {} parts of {} to {} of the {middle}",
                    self.tensor_parallel,
                    middle / self.tensor_parallel,
                    middle.div_ceil(self.tensor_parallel),
                )
            })
            .collect();
        if let Some((inputs, outputs)) = layers.last().filter(|_| layers.len() % 2 == 1) {
            remarks.push(format!("layer {inputs}-{outputs}: whole on every rank of a worker"));
        }
        let pairs = layers.len() / 2;
        let forward: usize = (0..pairs).map(|pair| layers[2 * pair + 1].1).sum();
        let backward: usize = (1..pairs).map(|pair| layers[2 * pair].0).sum();
        let (parts, workers) = (self.tensor_parallel, learning.workers);
        let share = learning.batch_size.div_ceil(workers);
        remarks.push(format!(
            "sent an update: on {} ranks each sends {} bytes, in {} over the ranks of a worker a \
             micro-batch",
            workers * parts,
            // Products of what may be asked for, whoever could send it.
            8 * ((forward + backward) as u128) * (share * (parts - 1)) as u128 / parts as u128,
            plural(2 * pairs - usize::from(pairs > 0), "sum"),
        ));
        let placed = |ranks| self.placed(learning, architecture, ranks);
        let most = workers * parts;
        remarks.extend(split::gradients_remark(learning, &placed(most), most));
        remarks.extend(split::memory_remarks(experiment, plan, self.memory_limit, most, placed));
        remarks
    }
}
