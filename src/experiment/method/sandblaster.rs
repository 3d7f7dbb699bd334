//! `[method]` with `name = "sandblaster"`.

use serde::{Deserialize, Serialize};

use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use crate::arithmetic::UpdateRule;
use crate::experiment::validate::{at_least_one, require};
use crate::experiment::{Experiment, ExperimentError, Plan};
use crate::method::gradient::sandblaster::{
    Batches, COMMAND_BYTES, LineSearch, Sandblaster, SandblasterSettings, Slot, UNIT,
};
use crate::method::{Method, MethodError};
use crate::network::Piece;
use crate::record::quantity;

/// Batches are large, and there is work for several.
pub(super) const DEFAULTS: &[(&str, &str)] =
    &[("method.batch_size", "2000"), ("method.workers", "8")];

/// `[method]` with `name = "sandblaster"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandblasterSection {
    /// Steps and changes of the gradient that are remembered.
    pub history: u16,
    /// When a step is long enough and not too long.
    pub line_search: LineSearch,
    /// Parts of a batch that are handed out.
    pub pieces: usize,
    /// Updates on a batch before the next.
    pub updates_per_batch: u64,
}

impl Default for SandblasterSection {
    fn default() -> Self {
        SandblasterSection {
            history: 10,
            line_search: LineSearch::Wolfe,
            pieces: 32,
            updates_per_batch: 1,
        }
    }
}

/// More pairs than this are remembered by nobody.
const MOST_PAIRS: u16 = 1000;

impl LearningKeys for SandblasterSection {
    fn check(
        &self,
        experiment: &Experiment,
        learning: &LearningSection,
    ) -> Result<(), ExperimentError> {
        let history = self.history;
        let most = format!("from 1 to {MOST_PAIRS}");
        require((1..=MOST_PAIRS).contains(&history), "method.history", history, &most)?;
        let (pieces, batch) = (self.pieces, learning.batch_size);
        let holds = (1..=batch).contains(&pieces);
        let most = format!("from 1 to method.batch_size, which is {batch}");
        require(holds, "method.pieces", pieces, &most)?;
        at_least_one("method.updates_per_batch", Some(self.updates_per_batch))?;
        let elsewhere = &experiment.arithmetic.elsewhere;
        let expected = "\"f32\": L-BFGS steps in single precision; arithmetic.matmul may be any, and \
                        synchronous steps in any format";
        let single = elsewhere == "f32";
        require(single, "arithmetic.elsewhere", format!("{elsewhere:?}"), expected)?;
        if experiment.arithmetic.update != UpdateRule::Plain {
            let reason = "theta is in f32; leave it out".to_owned();
            return Err(ExperimentError::Misplaced { key: "arithmetic.update".into(), reason });
        }
        Ok(())
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        let settings = SandblasterSettings {
            history: self.history,
            line_search: self.line_search,
            updates_per_batch: self.updates_per_batch,
            updates_per_row: setup.updates_per_row(),
            most_updates: setup.plan.most_updates,
        };
        let weights = Piece::whole(&setup.plan.policy.architecture).weights();
        let decay = setup.learning.weight_decay;
        let batches = Batches::new(setup.samples_of_data()?, self.pieces, decay, weights);
        Ok(Box::new(Sandblaster::new(settings, batches, setup.theta.clone(), setup.rank)))
    }

    fn uses_optimizer(&self) -> bool {
        false
    }

    /// A slice of most vectors: the remarks say it.
    fn holds(&self, _: &Experiment, _: &LearningSection) -> Option<Held> {
        None
    }

    fn sends(&self, _: &LearningSection, parameters: usize) -> String {
        let commands = 6 * self.history;
        format!(
            "a batch's loss and gradient: theta to every rank, {} bytes, and the sums of its pieces to \
             the ranks' slices, as many bytes to {} times that; the direction: {commands} commands of \
             {COMMAND_BYTES} bytes to each other rank, and {} bytes a dot product to rank 0",
            4 * parameters,
            self.pieces,
            8 * parameters.div_ceil(UNIT),
        )
    }

    fn remarks(&self, _: &Experiment, plan: &Plan) -> Vec<String> {
        let parameters = plan.policy.architecture.layout().parameters();
        let vectors = Slot::count(self.history);
        vec![format!(
            "memory: {vectors} vectors of {}B, split over the ranks, and a rank's pieces of a batch's {}",
            quantity(4.0 * parameters as f64),
            self.pieces,
        )]
    }
}
