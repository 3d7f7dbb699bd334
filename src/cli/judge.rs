//! Judging a stored policy, in its own number formats or in others.

use anyhow::Context;
use es_envs::Setting;

use super::{Failure, ToolArguments};
use crate::arithmetic::Formats;
use crate::comm::Solo;
use crate::crew::Crew;
use crate::dataset;
use crate::method::Rank;
use crate::network::Operations;
use crate::record::{Judgement, PolicyFile, Work};
use crate::seed::Purpose;
use crate::task::{PolicyPlan, Task};
use crate::train::{Seeds, classify, evaluate};

/// A policy, judged.
pub(super) struct Judged {
    pub task: Task,
    pub plan: PolicyPlan,
    pub judgement: Judgement,
    /// What its forward passes did; not of a data set.
    pub work: Option<Work>,
    pub warnings: Vec<String>,
}

/// How to judge.
pub(super) struct Exam<'a> {
    pub formats: Option<Formats>,
    pub episodes: u64,
    pub seed: u64,
    pub threads: usize,
    pub tools: &'a ToolArguments,
    /// Called after each episode.
    pub played: &'a (dyn Fn() + Sync),
}

/// Plays episodes, or classifies all samples that the policy was not trained on.
pub(super) fn judge(policy: &PolicyFile, exam: &Exam<'_>) -> Result<Judged, Failure> {
    let task = match policy.split {
        Some(split) => {
            let data = dataset::load(&policy.env, split, exam.tools.data.as_deref());
            Task::of_data(data.map_err(|error| Failure::usage(format!("task.dataset: {error}")))?)
        }
        None => {
            let (options, tools) = (policy.options.clone(), exam.tools.tools());
            Task::registered(&policy.env, Setting { options, tools, pictures: false })
                .context("cannot evaluate")?
                .fresh(policy.fresh)
                .repeating(policy.action_repeat)
        }
    };
    let plan = policy
        .plan(task.spec(), exam.formats)
        .map_err(|error| Failure::failed(error.to_string()))?;
    let crew = Crew::new(exam.threads, &task, &plan, 0).context("cannot start")?;
    let rank = Rank::new(&Solo, &crew);
    let mut warnings = Vec::new();
    let (judgement, work) = match task.data() {
        Some(data) => {
            let errors = classify(&rank, &plan.architecture, &policy.theta, data)?;
            (Judgement::Errors(errors), None)
        }
        None => {
            for mut worker in crew.each_worker() {
                policy.load_into(&mut worker.policy);
                worker.policy.count();
            }
            // Generation 0 has no evaluation in training, so these episodes are nobody else's.
            let seeds = Seeds { seed: exam.seed, purpose: Purpose::Evaluation, generation: 0 };
            let returns = evaluate(&rank, &policy.theta, seeds, exam.episodes, exam.played)?;
            let mut operations = Operations::default();
            for mut worker in crew.each_worker() {
                warnings.append(&mut worker.warnings);
                operations += worker.policy.counted();
            }
            let Some(returns) = returns else {
                let reason = warnings.first().map_or(String::new(), |first| format!(": {first}"));
                return Err(Failure::failed(format!("not one episode had a return{reason}")));
            };
            let steps = returns.length_mean * returns.episodes as f64;
            let formats = plan.architecture.formats;
            let times = steps.round() as u64;
            let work = Work { kind: "forward pass", times, formats, operations };
            (Judgement::Returns(returns), Some(work))
        }
    };
    Ok(Judged { plan, judgement, work, warnings, task })
}
