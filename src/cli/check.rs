//! `es-train check`

use clap::Args;

use super::costs::costs;
use super::{ExperimentArguments, Failure, ToolArguments, print};
use crate::experiment::{Experiment, Held, LearningKeys, LearningSection, Plan, SearchKeys};
use crate::method::evolution::{NoiseSource, UpdateMode};
use crate::record::{plural, quantity};
use crate::task::{PolicyPlan, Task};

#[derive(Clone, Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    #[command(flatten)]
    tools: ToolArguments,
}

/// Ranks for which the costs are shown.
const RANKS: [usize; 4] = [1, 2, 8, 64];

pub(super) fn run(arguments: &CheckArguments) -> Result<u8, Failure> {
    let source = arguments.experiment.source()?;
    let (mut experiment, warnings) = source.resolve()?;
    let task = arguments.tools.task(&experiment)?;
    let ends = source.stop_at(task.spec().reward_threshold, &mut experiment);
    let plan = experiment.plan(&task)?;
    experiment.initial_policy(&plan)?;
    let kept = source.threshold_of_another(task.spec().reward_threshold, &experiment);
    for note in source.notes().iter().chain(&ends).chain(&kept) {
        eprintln!("es-train: note: {note}");
    }
    for warning in warnings {
        eprintln!("es-train: warning: {warning}");
    }
    print(&described(&experiment, &plan, &task));
    Ok(0)
}

/// The resolved experiment and what it costs.
pub(super) fn described(experiment: &Experiment, plan: &Plan, task: &Task) -> String {
    let parameters = plan.policy.architecture.layout().parameters();
    let slots = experiment.slots();
    let vector = 4.0 * parameters as f64;
    // The members of a group and the policy's own copy a thread; theta and the optimizer's slots a rank.
    let per_thread = vector * (plan.members_per_worker + 1) as f64;
    let per_rank = vector * (1 + slots) as f64;

    let mut text = experiment.to_toml();
    text += &format!("\n# {parameters} parameters\n");
    text += &seeing(experiment, plan);
    if plan.population > 0 {
        text += &format!(
            "# memory: {}B a rank for theta and {} like it, {}B a thread for members\n\
             # memory: {}B more on rank 0 while it saves\n",
            quantity(per_rank),
            plural(slots, "more vector"),
            quantity(per_thread),
            // What is saved: gathered, as tensors, and as a file.
            quantity(3.0 * per_rank),
        );
    }
    if let Some((_, keys)) = experiment.method.search() {
        for remark in keys.remarks(plan) {
            text += &format!("# {remark}\n");
        }
        text += &sent(experiment, keys, plan);
    }
    if let Some((learning, keys)) = experiment.method.gradient() {
        let remarks = keys.remarks(experiment, plan);
        for remark in &remarks {
            text += &format!("# {remark}\n");
        }
        let parameters =
            experiment.ppo_parameters(&plan.policy).map_or(parameters, |all| all.count());
        text += &match task.data() {
            Some(data) => of_samples(experiment, (learning, keys), plan, data.bytes()),
            None => of_rollouts(experiment, plan, parameters),
        };
        text += &format!("# {}\n", keys.sends(learning, parameters));
    }
    text
}

/// What a gradient method keeps of a data set, and how long it is to go on.
fn of_samples(
    experiment: &Experiment,
    (learning, keys): (&LearningSection, &dyn LearningKeys),
    plan: &Plan,
    bytes: usize,
) -> String {
    let architecture = &plan.policy.architecture;
    let vector = 4.0 * architecture.layout().parameters() as f64;
    let updates = plan.most_updates.map_or("no count of updates ends it".to_owned(), |most| {
        format!("at most {} until the end", plural(most as usize, "update"))
    });
    let mut text = format!("# memory: {}B a process for the samples\n", quantity(bytes as f64));
    if let Some(Held { rank, worker, samples }) = keys.holds(experiment, learning) {
        let workers = learning.workers;
        let a_sample: usize = architecture.layers().iter().map(|(i, o)| 2 * i + o).sum();
        text += &format!(
            "# memory: a rank {}B for parameters and their steps, and {}B for each of its workers; \
             {}B with {} on one rank\n# memory: {}B a thread that computes gradients, for {}\n",
            quantity(vector * rank as f64),
            quantity(vector * worker as f64),
            quantity(vector * (rank + workers * worker) as f64),
            plural(workers, "worker"),
            quantity(4.0 * (a_sample * samples) as f64),
            plural(samples, "sample"),
        );
    }
    text + &format!("# {} training samples, {updates}\n", plan.samples)
}

/// What a gradient method keeps of an environment, and how its steps and updates go together.
fn of_rollouts(experiment: &Experiment, plan: &Plan, parameters: usize) -> String {
    let Some(rollouts) = experiment.rollouts() else { return String::new() };
    let PolicyPlan { architecture, rule, .. } = &plan.policy;
    // What the policy saw and did, and eight numbers of a step.
    let step = 4 * (architecture.inputs + rule.outputs()) + 64;
    format!(
        "# {parameters} parameters with those of the value\n# memory: {}B for the steps of an \
         iteration, over all ranks\n# an iteration: {} environment steps, {} updates, one row\n",
        quantity((rollouts.steps * step as u64) as f64),
        rollouts.steps,
        rollouts.updates,
    )
}

/// What a policy does that has more than plain layers.
fn seeing(experiment: &Experiment, plan: &Plan) -> String {
    let architecture = &plan.policy.architecture;
    if architecture.is_perceptron() {
        return String::new();
    }
    let products = architecture.multiply_adds() as f64;
    let mut text =
        format!("# policy: {architecture}, {} multiply-adds a forward pass\n", quantity(products));
    if architecture.virtual_batch_norm {
        let observations = experiment.policy.virtual_batch_norm as f64;
        text += &format!(
            "# virtual batch norm: {} multiply-adds for each member, {}B a process for the \
             reference batch\n",
            quantity(observations * products),
            quantity(4.0 * observations * architecture.inputs as f64),
        );
    }
    text
}

/// The traffic of a search method.
fn sent(experiment: &Experiment, keys: &dyn SearchKeys, plan: &Plan) -> String {
    let mut text = String::new();
    if let NoiseSource::Table(length) = keys.noise() {
        text += &format!(
            "# memory: {}B a machine for the noise table\n",
            quantity(4.0 * length as f64)
        );
    }
    let has_choice = experiment.method.takes("update");
    if has_choice {
        text += "#\n# sent per generation, over all ranks, by method.update:\n";
        text += "#   ranks  replicated     sharded   auto takes\n";
    } else {
        text += "#\n# sent per generation, over all ranks:\n#   ranks\n";
    }
    for ranks in RANKS {
        let (workload, traffic) = costs(experiment, keys, plan, ranks, 1);
        if !has_choice {
            text += &format!("#   {ranks:>5}  {:>10}B\n", quantity(traffic.replicated as f64));
            continue;
        }
        let auto = UpdateMode::Auto.is_sharded(workload);
        let chosen = match (keys.update(), auto) {
            (UpdateMode::Auto, true) => "sharded",
            (UpdateMode::Auto, false) => "replicated",
            (UpdateMode::Replicated, _) => "(replicated is set)",
            (UpdateMode::Sharded, _) => "(sharded is set)",
        };
        text += &format!(
            "#   {ranks:>5}  {:>10}B {:>10}B   {chosen}\n",
            quantity(traffic.replicated as f64),
            quantity(traffic.sharded as f64),
        );
    }
    text
}
