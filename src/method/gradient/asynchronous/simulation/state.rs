//! What a schedule remembers between two events, and how it goes on from there.

use std::sync::Arc;

use super::Simulated;
use super::slot::{Held, Slot};
use crate::method::gradient::asynchronous::Staleness;
use crate::method::gradient::together::{prefix, save_workers};
use crate::method::{Interval, MethodError, MethodState, Rank};
use crate::policy::Statistics;

impl Simulated {
    /// What [`Method::save`](crate::method::Method::save) brings together.
    pub(super) fn state(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let statistics = self.statistics.to_bytes();
        let mut state = MethodState { statistics, ..MethodState::default() };
        self.server.save(&mut state);
        let mine = self.clients.iter().enumerate().map(|(place, client)| {
            let mut of = MethodState::default();
            client.save(&prefix(this + place * ranks), &mut of);
            of
        });
        save_workers(rank, self.slots.len(), mine.collect(), &mut state)?;
        for (worker, held) in self.held.iter().enumerate() {
            let mut put = |name: &str, vector: Option<&Vec<f32>>| {
                let vector = vector.map(|vector| (format!("slot{worker}.{name}"), vector.clone()));
                state.vectors.extend(vector);
            };
            put("fetched", held.fetched.as_deref());
            put("old", held.old.as_deref());
            put("push", held.push.as_ref());
            if !held.seen.is_empty() {
                state.bytes.push((format!("slot{worker}.seen"), held.seen.clone()));
            }
        }
        for (number, theta) in self.history.iter().enumerate() {
            state.vectors.push((format!("history{number}"), theta.to_vec()));
        }
        let slots = serde_json::to_string(&self.slots).unwrap_or_default();
        for (name, text) in [
            ("slots", slots),
            ("now", self.now.to_bits().to_string()),
            ("history", self.history.len().to_string()),
            ("staleness", self.staleness.to_text()),
            ("row.staleness", self.row.staleness.to_text()),
            ("row.updates", self.row.updates.to_string()),
        ] {
            state.numbers.push((name.to_owned(), text));
        }
        Ok((this == 0).then_some(state))
    }

    /// Goes back to what [`Simulated::state`] wrote.
    pub(super) fn go_back(
        &mut self,
        rank: &Rank<'_>,
        state: &MethodState,
    ) -> Result<(), MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        self.server.restore(state)?;
        for (place, client) in self.clients.iter_mut().enumerate() {
            client.restore(&prefix(this + place * ranks), state)?;
        }
        let text = state.number("slots")?;
        let slots: Option<Vec<Slot>> = serde_json::from_str(text).ok();
        let slots = slots.filter(|slots| slots.len() == self.slots.len());
        self.slots = slots.ok_or_else(|| MethodError::Mismatch {
            what: "`slots`".into(),
            found: format!("are `{text}`"),
            expected: format!("those of {} workers", self.settings.workers),
        })?;
        let get = |name: String| state.any_vector(&name).ok().map(<[f32]>::to_vec);
        for (worker, held) in self.held.iter_mut().enumerate() {
            *held = Held {
                fetched: get(format!("slot{worker}.fetched")).map(Arc::new),
                old: get(format!("slot{worker}.old")).map(Arc::new),
                push: get(format!("slot{worker}.push")),
                seen: state.bytes(&format!("slot{worker}.seen")).unwrap_or_default().to_vec(),
            };
        }
        self.statistics = Statistics::from_bytes(&state.statistics);
        self.now = f64::from_bits(state.whole_number("now")?);
        let length: usize = state.whole_number("history")?;
        let parameters = self.server.theta().len();
        let past =
            |number| Ok(Arc::new(state.vector(&format!("history{number}"), parameters)?.to_vec()));
        self.history = (0..length).map(past).collect::<Result<_, MethodError>>()?;
        self.staleness = Staleness::parse(state.number("staleness")?);
        self.row = Interval {
            updates: state.whole_number("row.updates")?,
            staleness: Staleness::parse(state.number("row.staleness")?),
            ..Interval::default()
        };
        Ok(())
    }
}
