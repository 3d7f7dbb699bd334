//! The conformance suite over every communicator that needs no launcher; `mpi.rs` runs it under
//! `mpirun`.

#[path = "conformance/communicator.rs"]
mod communicator;

use es_train::comm::{Solo, run_in_process};

#[test]
fn a_single_rank_conforms() {
    communicator::check(&Solo);
}

#[test]
fn ranks_in_one_process_conform() {
    for size in [1, 2, 3, 7, 64] {
        let results = run_in_process(
            size,
            |comm| {
                communicator::check(comm);
                Ok::<(), String>(())
            },
            |rank, reason| format!("rank {rank}: {reason}"),
        );
        assert_eq!(results, vec![Ok(()); size]);
    }
}
