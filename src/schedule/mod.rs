//! Who plays which episode, so that no thread is idle while episodes of unequal length remain.
//!
//! Work is numbered: *groups* (a mirrored pair, a member where pairs are few, an evaluation episode)
//! of equally many *slots* (one episode of one member). Three floors of sharing, the finest last:
//!
//! 1. Half of the groups, or less if there are few, are every rank's own from the start, in equal
//!    parts, and cost no message.
//! 2. The others are dealt by rank 0 to whoever asks, in chunks that shrink towards the end
//!    ([`Deck`]). The ranks' main threads ask and answer while their pools compute.
//! 3. A rank's threads take groups from its [`Hand`], and single slots when few are left.
//!
//! Nothing of it reaches a result: a slot's seed follows from its number, and results carry theirs.

mod deck;
mod episodes;
mod hand;
mod share_out;
mod simulation;

pub use deck::{Deck, dealt_together};
pub use episodes::{Seen, play_and_see, play_numbered};
pub use hand::{Hand, Piece};
pub use share_out::{Share, Supply, gather_numbered, share_out, share_out_supplies};
pub use simulation::{Cluster, Round, simulate};
