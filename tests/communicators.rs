//! The conformance suite over every communicator that needs no launcher; `mpi.rs` runs it under
//! `mpirun`.

#[path = "conformance/communicator.rs"]
mod communicator;

use es_train::comm::{Linked, Solo, run_in_process};

#[test]
fn a_single_rank_conforms() {
    communicator::check(&Solo);
}

#[test]
fn ranks_in_one_process_conform() {
    for (size, link) in [(1, None), (2, None), (3, Some("100,1")), (7, None), (64, None)] {
        let results = run_in_process(
            size,
            |comm| {
                match link {
                    None => communicator::check(comm),
                    Some(link) => communicator::check(&Linked::new(comm, link.parse()?)),
                }
                Ok::<(), String>(())
            },
            |rank, reason| format!("rank {rank}: {reason}"),
        );
        assert_eq!(results, vec![Ok(()); size]);
    }
}
