//! `[method]` with `name = "eggroll"`.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{MembersSection, PairsSection, SearchKeys, Setup};
use crate::arithmetic::UpdateRule;
use crate::experiment::validate::{require, require_plain_layers};
use crate::experiment::{Experiment, ExperimentError, Master, Source};
use crate::method::MethodError;
use crate::method::evolution::{
    Eggroll, EggrollSettings, FitnessShaping, NoiseSource, Search, Threshold, UpdateMode,
};
use crate::optimizer::Schedule;

/// More columns than any layer can use.
const MOST_COLUMNS: usize = 4096;

/// How theta takes its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepRule {
    /// As the optimizer says.
    Optimizer,
    /// One code of its format, where the sum of the pairs' signs is no chance.
    Threshold,
}

/// `[method]` with `name = "eggroll"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EggrollSection {
    /// The pairs.
    #[serde(flatten, skip_deserializing)]
    pub pairs: PairsSection,
    /// The rank of a weight matrix's perturbation.
    pub rank: usize,
    /// How returns become fitness.
    pub fitness: FitnessShaping,
    /// How theta takes its steps.
    pub step: StepRule,
    /// Share of the parameters that a step by threshold would move by chance.
    pub alpha: f64,
    /// How it changes.
    pub alpha_schedule: Schedule,
}

impl Default for EggrollSection {
    fn default() -> Self {
        EggrollSection {
            pairs: PairsSection::default(),
            rank: 1,
            fitness: FitnessShaping::Normalized,
            step: StepRule::Optimizer,
            alpha: 1.0,
            alpha_schedule: Schedule::Inverse { rate: 0.015 },
        }
    }
}

impl EggrollSection {
    pub(super) fn read(mut table: Table, source: &Source) -> Result<Self, ExperimentError> {
        let pairs = source.part(&mut table)?;
        Ok(EggrollSection { pairs, ..source.keys(table)? })
    }

    fn check_threshold(&self, experiment: &Experiment) -> Result<(), ExperimentError> {
        let misplaced = |key: &str, reason: &str| {
            Err(ExperimentError::Misplaced { key: key.to_owned(), reason: reason.to_owned() })
        };
        let arithmetic = &experiment.arithmetic;
        if arithmetic.master != Master::Format || arithmetic.elsewhere == "f32" {
            let reason = "a step by threshold moves a theta kept in a narrow format by one code; add \
                          arithmetic.elsewhere = \"fixed8.4\" (or another) and arithmetic.master = \
                          \"format\", or leave it out";
            return misplaced("method.step", reason);
        }
        if arithmetic.update != UpdateRule::Plain {
            return misplaced(
                "arithmetic.update",
                "a step of whole codes is not rounded; leave it out",
            );
        }
        if self.pairs.weight_decay != 0.0 {
            return misplaced("method.weight_decay", "a step by threshold has none; leave it out");
        }
        Ok(())
    }
}

impl SearchKeys for EggrollSection {
    fn group_size(&self) -> usize {
        2
    }

    fn check(
        &self,
        experiment: &Experiment,
        members: &MembersSection,
    ) -> Result<(), ExperimentError> {
        self.pairs.check(members)?;
        require_plain_layers(experiment, "method.name", "\"eggroll\"")?;
        let expected = format!("from 1 to {MOST_COLUMNS}");
        require((1..=MOST_COLUMNS).contains(&self.rank), "method.rank", self.rank, &expected)?;
        let drawn = self.pairs.noise == NoiseSource::BoxMuller;
        let expected = "\"box-muller\": factors are so few that no table is worth its memory";
        require(drawn, "method.noise", self.pairs.noise, expected)?;
        let alpha = format!("{:?}", self.alpha);
        let expected = "a number above 0 and at most 1";
        require(self.alpha > 0.0 && self.alpha <= 1.0, "method.alpha", alpha, expected)?;
        match self.step {
            StepRule::Optimizer => Ok(()),
            StepRule::Threshold => self.check_threshold(experiment),
        }
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        let architecture = &setup.plan.policy.architecture;
        let narrow = setup.experiment.arithmetic.elsewhere != "f32";
        let settings = EggrollSettings {
            seed: setup.experiment.seed,
            layout: architecture.factors(self.rank),
            rounding: narrow.then(|| architecture.formats.grid()),
            fitness: self.fitness,
            threshold: (self.step == StepRule::Threshold)
                .then(|| Threshold { alpha: self.alpha, schedule: self.alpha_schedule.clone() }),
        };
        Ok(Box::new(Eggroll::new(self.pairs.build(setup)?, settings)))
    }

    fn written_out(&self) -> usize {
        0
    }

    fn slots(&self, experiment: &Experiment) -> usize {
        self.pairs.slots(experiment)
    }

    fn update(&self) -> UpdateMode {
        self.pairs.update
    }
}
