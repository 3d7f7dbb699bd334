//! The own keys of the gradient methods.

use serde::Serialize;
use toml::Table;

use super::{
    AveragingSection, BmufSection, DilocoSection, DownpourSection, EasgdSection, LearningKeys,
    PipelineSection, SandblasterSection, SynchronousSection, TensorParallelSection,
};
use crate::experiment::{ExperimentError, Source};

/// The own keys of a gradient method.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum GradientSection {
    /// `name = "averaging"`
    Averaging(AveragingSection),
    /// `name = "bmuf"`
    Bmuf(BmufSection),
    /// `name = "diloco"`
    Diloco(DilocoSection),
    /// `name = "downpour"`
    Downpour(DownpourSection),
    /// `name = "easgd"`
    Easgd(EasgdSection),
    /// `name = "sandblaster"`
    Sandblaster(SandblasterSection),
    /// `name = "synchronous"`
    Synchronous(SynchronousSection),
    /// `name = "pipeline"`
    Pipeline(PipelineSection),
    /// `name = "tensor-parallel"`
    TensorParallel(TensorParallelSection),
}

impl GradientSection {
    /// `method.name`
    pub(super) fn name(&self) -> &'static str {
        match self {
            GradientSection::Averaging(_) => "averaging",
            GradientSection::Bmuf(_) => "bmuf",
            GradientSection::Diloco(_) => "diloco",
            GradientSection::Downpour(_) => "downpour",
            GradientSection::Easgd(_) => "easgd",
            GradientSection::Sandblaster(_) => "sandblaster",
            GradientSection::Synchronous(_) => "synchronous",
            GradientSection::Pipeline(_) => "pipeline",
            GradientSection::TensorParallel(_) => "tensor-parallel",
        }
    }

    /// Reads the keys of the gradient method `name`.
    pub(super) fn read(name: &str, table: Table, source: &Source) -> Result<Self, ExperimentError> {
        Ok(match name {
            "averaging" => GradientSection::Averaging(source.keys(table)?),
            "bmuf" => GradientSection::Bmuf(source.keys(table)?),
            "diloco" => GradientSection::Diloco(source.keys(table)?),
            "downpour" => GradientSection::Downpour(source.keys(table)?),
            "easgd" => GradientSection::Easgd(source.keys(table)?),
            "pipeline" => GradientSection::Pipeline(source.keys(table)?),
            "sandblaster" => GradientSection::Sandblaster(source.keys(table)?),
            "tensor-parallel" => GradientSection::TensorParallel(source.keys(table)?),
            // The only other name.
            _ => GradientSection::Synchronous(source.keys(table)?),
        })
    }

    /// As what all of them can say.
    pub(super) fn keys(&self) -> &dyn LearningKeys {
        match self {
            GradientSection::Averaging(keys) => keys,
            GradientSection::Bmuf(keys) => keys,
            GradientSection::Diloco(keys) => keys,
            GradientSection::Downpour(keys) => keys,
            GradientSection::Easgd(keys) => keys,
            GradientSection::Sandblaster(keys) => keys,
            GradientSection::Synchronous(keys) => keys,
            GradientSection::Pipeline(keys) => keys,
            GradientSection::TensorParallel(keys) => keys,
        }
    }
}
