//! Who is evaluated, whatever is made of their returns.

use crate::method::{MethodError, MethodState, Rank};

/// Members and the theta that they are drawn around. What several methods draw alike is one of
/// these ([`Mirrored`](super::Mirrored), [`Separable`](super::Separable)), and a method that draws
/// like no other is its own.
pub trait Members: Send + Sync {
    /// Members per generation.
    fn population(&self) -> usize;

    /// Members that are drawn together, such as the two of a mirrored pair; divides the
    /// population.
    fn group_size(&self) -> usize;

    /// Writes the parameters (P each, or as many as the member's own architecture has) of the
    /// members of one group. Reads theta, never writes it. Class A.
    ///
    /// # Panics
    /// If there are not as many members as a group has.
    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]);

    /// The unperturbed parameters (P).
    fn theta(&self) -> &[f32];

    /// The parameters' bits as they are stored, if not as f32.
    fn codes(&self) -> Option<Vec<u8>>;

    /// Brings the state to rank 0, which gets `Some`. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError>;

    /// Goes back to a saved state.
    ///
    /// # Errors
    /// If the state does not fit.
    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError>;
}
