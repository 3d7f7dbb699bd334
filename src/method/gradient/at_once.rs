//! Work of a rank's threads on many things, in order.

use rayon::prelude::*;

use crate::method::Rank;

/// Runs `work` where [`each`] finds the rank's threads; a single thread is not woken up, since the one
/// that asks can do as much. Waking up takes as long as a short update.
pub fn on_threads<T: Send>(rank: &Rank<'_>, work: impl FnOnce() -> T + Send) -> T {
    if rank.crew.threads() == 1 { work() } else { rank.crew.install(work) }
}

/// What `work` makes of each item, in their order: on the threads of the pool that this is called in,
/// or right here if it is called in none. The first error, if there are any.
///
/// # Errors
/// That of `work`.
pub fn each<T: Send, R: Send, E: Send>(
    items: &mut [T],
    work: impl Fn(&mut T) -> Result<R, E> + Sync + Send,
) -> Result<Vec<R>, E> {
    if rayon::current_thread_index().is_none() || items.len() == 1 {
        return items.iter_mut().map(work).collect();
    }
    items.par_iter_mut().map(work).collect()
}
