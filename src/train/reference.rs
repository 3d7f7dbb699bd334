//! The reference batch of virtual batch normalisation: where it comes from, and who gets it.

use std::sync::Arc;

use super::{Session, TrainError};
use crate::comm::broadcast_vec;
use crate::method::Rank;
use crate::task::PolicyPlan;

/// The observations (N, O) of the run, if its policy needs any, which then every worker has: those of
/// the checkpoint, of the policy that it starts from, or of random play on rank 0, so that they are the
/// same on all machines. Collective.
///
/// # Errors
/// If the environment fails, or a rank.
pub(super) fn reference(
    session: &Session<'_>,
    plan: &PolicyPlan,
    rank: &Rank<'_>,
) -> Result<Option<Arc<[f32]>>, TrainError> {
    if !plan.architecture.virtual_batch_norm {
        return Ok(None);
    }
    let kept = session.checkpoint.and_then(|checkpoint| checkpoint.reference.clone());
    let given = session.initial.and_then(|policy| policy.reference.clone());
    let reference = match kept.or(given) {
        Some(reference) => reference,
        None => collect(session, rank)?,
    };
    rank.crew.each_worker().for_each(|mut worker| worker.policy.set_reference(&reference));
    Ok(Some(reference))
}

fn collect(session: &Session<'_>, rank: &Rank<'_>) -> Result<Arc<[f32]>, TrainError> {
    let experiment = session.experiment;
    let mut bytes = Vec::new();
    if rank.comm.rank() == 0
        && let Some(mut worker) = rank.crew.each_worker().next()
    {
        let seen = worker.reference(experiment.seed, experiment.policy.virtual_batch_norm)?;
        bytes = seen.iter().flat_map(|number| number.to_le_bytes()).collect();
    }
    broadcast_vec(rank.comm, &mut bytes)?;
    let (numbers, _) = bytes.as_chunks::<4>();
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}
