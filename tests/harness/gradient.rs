//! A gradient method by itself, row by row, on ranks of this process.

use es_train::Experiment;
use es_train::comm::{Communicator, run_in_process};
use es_train::crew::Crew;
use es_train::envs::Tools;
use es_train::method::{Interval, MethodState, Pulse, Rank};

/// What some rows have come to.
pub struct Come {
    /// All that the method calls theta.
    pub theta: Vec<f32>,
    /// What was sent, as far as rank 0 knows, and by others alone.
    pub bytes: u64,
    pub rows: Vec<Interval>,
    pub state: MethodState,
}

/// Goes on for so many rows on so many ranks of two threads, from the start or a saved state.
pub fn come(experiment: &str, ranks: usize, rows: usize, from: Option<&MethodState>) -> Come {
    let experiment = Experiment::parse(experiment).unwrap();
    let run = |comm: &dyn Communicator| {
        let task = experiment.task(&Tools::default(), None).unwrap();
        let plan = experiment.plan(&task).unwrap();
        let crew = Crew::new(2, &task, &plan.policy, 0).unwrap();
        let rank = Rank::new(comm, &crew);
        let mut method = experiment.method(&plan, &task, None, &rank).unwrap();
        from.iter().for_each(|state| method.restore(&rank, state).unwrap());
        let rows: Vec<Interval> =
            (0..rows).map(|_| method.advance(&rank, &mut Pulse::default).unwrap()).collect();
        let by_others: u64 = rows.iter().map(|row| row.sent_by_others).sum();
        let bytes = comm.bytes_sent() + by_others;
        let state = method.save(&rank).unwrap();
        (method.theta().to_vec(), bytes, rows, state)
    };
    let results = run_in_process(ranks, |comm| Ok::<_, String>(run(comm)), |_, reason| reason);
    let mut results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert!(results.iter().all(|(theta, ..)| *theta == results[0].0), "ranks differ");
    let (theta, bytes, rows, state) = results.swap_remove(0);
    Come { theta, bytes, rows, state: state.unwrap() }
}
