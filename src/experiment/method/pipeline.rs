//! `[method]` with `name = "pipeline"`.

use serde::{Deserialize, Serialize};

use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use super::split::{self, Bytes, Placed};
use crate::experiment::validate::require;
use crate::experiment::{Experiment, ExperimentError, Plan};
use crate::method::gradient::{Pipeline, SCHEDULES, Schedule, Spread, balanced};
use crate::method::{Method, MethodError};
use crate::network::{Architecture, Piece};
use crate::record::plural;

/// `[method]` with `name = "pipeline"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineSection {
    /// Stages that the layers are split into.
    pub stages: usize,
    /// The order of a stage's passes.
    pub schedule: String,
    /// Bytes that a rank may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<Bytes>,
}

impl Default for PipelineSection {
    fn default() -> Self {
        PipelineSection { stages: 2, schedule: "1f1b".into(), memory_limit: None }
    }
}

impl PipelineSection {
    /// The stages of a network.
    fn pieces(&self, architecture: &Architecture) -> Vec<Piece> {
        let layers = architecture.layers().len();
        let cost = |layer| Piece::of_layers(architecture, layer..layer + 1).multiply_adds();
        let costs: Vec<usize> = (0..layers).map(cost).collect();
        let stages = balanced(&costs, self.stages.clamp(1, layers));
        stages.into_iter().map(|layers| Piece::of_layers(architecture, layers)).collect()
    }

    /// The stages on so many ranks.
    fn placed(
        &self,
        learning: &LearningSection,
        architecture: &Architecture,
        ranks: usize,
    ) -> Vec<Placed> {
        let (micros, _) = split::micro_batches(learning);
        let pieces = self.pieces(architecture);
        let (schedule, stages) = (Schedule::of(&self.schedule), pieces.len());
        let grid = split::grid(learning, stages, ranks);
        let placed = |(stage, piece)| {
            let ranks = (0..grid.workers).map(|worker| vec![grid.rank(worker, stage)]).collect();
            let in_flight = schedule.in_flight(stage, stages, micros);
            Placed { spread: Spread { piece, ranks }, in_flight }
        };
        pieces.into_iter().enumerate().map(placed).collect()
    }
}

impl LearningKeys for PipelineSection {
    fn check(
        &self,
        experiment: &Experiment,
        learning: &LearningSection,
    ) -> Result<(), ExperimentError> {
        split::check(experiment, learning)?;
        let layers = experiment.policy.hidden.len() + 1;
        let expected = format!("from 1 to {layers}, the network's layers");
        let holds = (1..=layers).contains(&self.stages);
        require(holds, "method.stages", self.stages, &expected)?;
        let given = format!("{:?}", self.schedule);
        let known = SCHEDULES.contains(&self.schedule.as_str());
        require(known, "method.schedule", given, "\"gpipe\" or \"1f1b\"")
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        let samples = setup.samples_of_data()?;
        let ranks = setup.rank.comm.size();
        let placed = self.placed(setup.learning, &samples.architecture, ranks);
        let (schedule, microbatch) = (Schedule::of(&self.schedule), samples.microbatch);
        let grid = split::grid(setup.learning, placed.len(), ranks);
        let passes = Pipeline::new(schedule, grid, samples.data, microbatch);
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
        let remedy = "more ranks and method.stages, or a smaller method.microbatch";
        let limit = self.memory_limit;
        split::check_memory(experiment, learning, plan, (&placed, ranks), limit, remedy)
    }

    fn holds(&self, _: &Experiment, _: &LearningSection) -> Option<Held> {
        None
    }

    fn sends(&self, _learning: &LearningSection, _parameters: usize) -> String {
        "sent: activations from stage to stage and their derivatives back, and workers' gradients of \
         a stage, where they are on different ranks"
            .to_owned()
    }

    fn remarks(&self, experiment: &Experiment, plan: &Plan) -> Vec<String> {
        let Some((learning, _)) = experiment.method.gradient() else { return Vec::new() };
        let architecture = &plan.policy.architecture;
        let pieces = self.pieces(architecture);
        let (micros, samples) = split::micro_batches(learning);
        let (stages, filled) = (pieces.len(), micros + pieces.len() - 1);
        let all: usize = pieces.iter().map(Piece::multiply_adds).sum();
        let mut remarks: Vec<String> = pieces
            .iter()
            .enumerate()
            .map(|(stage, piece)| {
                let layers: Vec<String> = piece
                    .layers
                    .iter()
                    .map(|layer| format!("{}-{}", layer.inputs, layer.outputs))
                    .collect();
                format!(
                    "stage {stage}: layers {}, {} % of the multiply-adds",
                    layers.join(", "),
                    (100 * piece.multiply_adds() + all / 2) / all
                )
            })
            .collect();
        remarks.push(format!(
            "{} of {micros} micro-batches of {samples} samples: on a rank for each stage of a worker \
             each idles for (S - 1) / (M + S - 1) = {} / {filled} = {:.3} of the time, if stages \
             take equally long",
            plural(learning.workers, "worker"),
            stages - 1,
            (stages - 1) as f64 / filled as f64,
        ));
        let boundaries: usize = pieces[..stages - 1].iter().map(Piece::outputs).sum();
        remarks.push(format!(
            "sent an update: {} bytes between stages on different ranks",
            2 * 4 * boundaries * learning.batch_size
        ));
        let placed = |ranks| self.placed(learning, architecture, ranks);
        let most = learning.workers * stages;
        remarks.extend(split::gradients_remark(learning, &placed(most), most));
        remarks.extend(split::memory_remarks(experiment, plan, self.memory_limit, most, placed));
        remarks
    }
}
