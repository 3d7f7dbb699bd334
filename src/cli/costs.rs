//! What a generation of a search method sends and computes on so many ranks, for those who only ask.

use crate::experiment::{Experiment, Plan, SearchKeys};
use crate::method::Needs;
use crate::method::evolution::{Traffic, Workload};

/// The update and the messages of a generation.
pub(super) fn costs(
    experiment: &Experiment,
    keys: &dyn SearchKeys,
    plan: &Plan,
    ranks: usize,
    threads: usize,
) -> (Workload, Traffic) {
    let wants_behaviours = experiment.method.known().needs == Needs::Behaviours;
    let behaviour = if wants_behaviours { plan.behaviour_size } else { 0 };
    let observation =
        experiment.policy.normalize_observations.then_some(plan.policy.architecture.inputs);
    let workload = Workload {
        members: plan.population,
        group_size: keys.group_size(),
        parameters: plan.policy.architecture.layout().parameters(),
        ranks,
        threads,
        gathered: keys.gathered(experiment),
    };
    (workload, Traffic::of(workload, observation, behaviour))
}
