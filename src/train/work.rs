//! Counting what a finished policy asks of hardware, and what a step of its training did.

use super::Session;
use crate::arithmetic::Random;
use crate::dataset::DataSet;
use crate::method::{Method, Rank};
use crate::network::{Batch, LearnerSettings, Operations};
use crate::record::Work;
use crate::seed::{Purpose, derive};
use crate::task::PolicyPlan;

/// Test samples on which forward passes are counted.
const SAMPLES: usize = 1000;

/// The work of the method's theta, on this rank alone: forward passes of one evaluation episode or
/// of some test samples, and of a gradient method a step on the first training samples. Nothing that is
/// trained changes.
pub(super) fn count(
    session: &Session<'_>,
    plan: &PolicyPlan,
    rank: &Rank<'_>,
    method: &dyn Method,
) -> Vec<Work> {
    if let Some(data) = session.task.data() {
        let settings = session.experiment.learner_settings();
        let batch = session.experiment.batch_size();
        return of_samples(plan, method.theta(), data, settings, batch);
    }
    let mut workers = rank.crew.each_worker();
    let Some(mut worker) = workers.next() else { return Vec::new() };
    let architecture = method.architecture().unwrap_or(&plan.architecture);
    worker.set_architecture(architecture);
    worker.policy.load(method.theta());
    if plan.normalize_observations {
        worker.policy.set_filter(&method.statistics().filter());
    }
    worker.policy.count();
    let played =
        worker.evaluate(derive(session.experiment.seed, Purpose::FinalEvaluation, 0, 0, 0));
    let Ok(episode) = played else { return Vec::new() };
    vec![Work {
        kind: "forward pass",
        times: u64::from(episode.steps),
        formats: architecture.formats,
        operations: worker.policy.counted(),
    }]
}

fn of_samples(
    plan: &PolicyPlan,
    theta: &[f32],
    data: &DataSet,
    settings: LearnerSettings,
    batch: usize,
) -> Vec<Work> {
    let architecture = &plan.architecture;
    let mut network = architecture.network();
    network.load(theta);
    network.count();
    let (mut input, mut outputs) =
        (vec![0.0; architecture.inputs], vec![0.0; architecture.outputs]);
    let samples = data.test.len().min(SAMPLES);
    for index in 0..samples {
        data.test.read(index, &mut input);
        network.forward(&input, &mut outputs);
    }
    let formats = architecture.formats;
    let forward = Work {
        kind: "forward pass",
        times: samples as u64,
        formats,
        operations: network.counted(),
    };
    if batch == 0 {
        // A search method takes no step on samples.
        return vec![forward];
    }
    let last = batch.min(data.training.len());
    let inputs: Vec<&[u8]> = (0..last).map(|index| data.training.input(index)).collect();
    let labels: Vec<u8> = (0..last).map(|index| data.training.label(index)).collect();
    let mut learner = architecture.learner(settings, theta);
    let random = Random { seed: 0, step: 0, first: 0 };
    let step = learner.step(&Batch { inputs: &inputs, labels: &labels }, 0.01, random);
    let operations: Operations = learner.operations();
    let step = step.map(|_| Work { kind: "training step", times: 1, formats, operations });
    [Some(forward), step.ok()].into_iter().flatten().collect()
}
