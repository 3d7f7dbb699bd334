//! What a rank does that is not rank 0: its workers and servers, until it is told that the run is over.

use std::time::{Duration, Instant};

use super::host::Host;
use super::message::Head;
use crate::comm::{CommError, Communicator};
use crate::method::MethodError;

/// How long rank 0 may be silent. While it judges theta it says nothing.
const LONGEST_SILENCE: Duration = Duration::from_secs(1800);

/// How long a rank waits at the end to hear that all others have heard of it.
const LONGEST_GOODBYE: Duration = Duration::from_secs(20);

/// More than that passes between two looks only if the process was stopped.
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// Works until rank 0 says that the run is over. Returns what it says of it.
pub(super) fn help(host: &mut Host, comm: &dyn Communicator) -> Result<String, MethodError> {
    host.start();
    // Others may hear of the end first.
    let mut is_done = vec![false; host.ranks];
    is_done[host.rank] = true;
    let (mut silence, mut last_look) = (Duration::ZERO, Instant::now());
    let last = loop {
        silence += last_look.elapsed().min(LONGEST_LOOK);
        last_look = Instant::now();
        match host.next(comm)? {
            Some((_, (Head::End { last }, _))) => break last,
            Some((from, (Head::Bye, _))) => is_done[from] = true,
            Some((0, _)) => silence = Duration::ZERO,
            Some(_) => {}
            None => host.rest(comm)?,
        }
        host.beat(comm)?;
        if silence > LONGEST_SILENCE {
            comm.abandon();
            let minutes = silence.as_secs() / 60;
            let reason = format!("rank 0 has not been heard from for {minutes} minutes");
            return Err(CommError::Unavailable(reason).into());
        }
    };
    host.dismiss();
    host.send_to_others(comm, &Head::Bye)?;
    let began = Instant::now();
    // Rank 0's word comes last.
    while !is_done.iter().all(|is_done| *is_done) {
        match host.next(comm)? {
            Some((from, (Head::Bye, _))) => is_done[from] = true,
            Some((_, (Head::Leave { lost: true }, _))) => {
                comm.abandon();
                break;
            }
            Some((_, (Head::Leave { .. }, _))) => is_done[0] = true,
            Some(_) => {}
            None => host.rest(comm)?,
        }
        if began.elapsed() > LONGEST_GOODBYE {
            comm.abandon();
            break;
        }
    }
    Ok(last)
}
