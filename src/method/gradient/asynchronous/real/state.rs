//! What a run in real time remembers, and how it goes on from there.

use std::sync::Arc;

use super::super::Staleness;
use super::host::THETA;
use super::leader::Leader;
use crate::comm::Communicator;
use crate::method::gradient::together::prefix;
use crate::method::{Interval, MethodError, MethodState};

/// What the names of a server's state start with.
fn of_server(server: usize) -> String {
    format!("server{server}.")
}

fn renamed<T>(all: Vec<(String, T)>, name: impl Fn(&str) -> Option<String>) -> Vec<(String, T)> {
    all.into_iter().filter_map(|(old, value)| Some((name(&old)?, value))).collect()
}

/// The same state under other names; what has none is left out.
fn rename(state: MethodState, name: impl Fn(&str) -> Option<String>) -> MethodState {
    MethodState {
        vectors: renamed(state.vectors, &name),
        doubles: renamed(state.doubles, &name),
        bytes: renamed(state.bytes, &name),
        numbers: renamed(state.numbers, &name),
        statistics: state.statistics,
    }
}

fn append(state: &mut MethodState, more: MethodState) {
    state.vectors.extend(more.vectors);
    state.doubles.extend(more.doubles);
    state.bytes.extend(more.bytes);
    state.numbers.extend(more.numbers);
}

impl Leader {
    /// Everything that is remembered, of workers that answer in time.
    pub fn save(&mut self, comm: &dyn Communicator) -> Result<MethodState, MethodError> {
        let parameters = self.settings.parts.last().map_or(0, |part| part.end);
        let mut theta = vec![0.0; parameters];
        self.gather(comm, true, &mut theta)?;
        let mut state = MethodState::default();
        state.vectors.push(("theta".to_owned(), theta));
        for (server, piece) in std::mem::take(&mut self.pieces) {
            let name = |name: &str| (name != THETA).then(|| format!("{}{name}", of_server(server)));
            append(&mut state, rename(piece, name));
        }
        self.memories.values().for_each(|memory| append(&mut state, memory.clone()));
        let report = serde_json::to_string(&self.report).unwrap_or_default();
        for (name, text) in [
            ("staleness", self.staleness.to_text()),
            ("row.staleness", self.row.staleness.to_text()),
            ("row.updates", self.row.updates.to_string()),
            ("row.report", report),
        ] {
            state.numbers.push((name.to_owned(), text));
        }
        Ok(state)
    }

    /// Goes back to what [`Leader::save`] wrote. A worker of which nothing is known starts anew.
    pub fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        for part in &mut self.host.parts {
            let prefix = of_server(part.number);
            let name = |name: &str| name.strip_prefix(&prefix).map(str::to_owned);
            part.server.restore(&rename(state.clone(), name))?;
        }
        if let Some(terms) = Arc::get_mut(&mut self.host.terms) {
            for (server, version) in terms.versions.iter_mut().enumerate() {
                let name = |name: &str| state.whole_number(&format!("{}{name}", of_server(server)));
                // As the servers of each method call it.
                *version = name("pulls").or_else(|_| name("updates"))?;
            }
        }
        let (this, ranks) = (self.host.rank, self.host.ranks);
        for (place, client) in self.host.clients.iter_mut().enumerate() {
            let prefix = prefix(this + place * ranks);
            if state.numbers.iter().any(|(name, _)| name.starts_with(&prefix)) {
                client.restore(&prefix, state)?;
            }
        }
        if this == 0 {
            for worker in 0..self.settings.workers {
                let prefix = prefix(worker);
                let name = |name: &str| name.starts_with(&prefix).then(|| name.to_owned());
                let memory = rename(state.clone(), name);
                if !memory.numbers.is_empty() {
                    self.memories.insert(worker, memory);
                }
            }
        }
        self.staleness = Staleness::parse(state.number("staleness")?);
        self.report = serde_json::from_str(state.number("row.report")?).unwrap_or_default();
        self.row = Interval {
            updates: state.whole_number("row.updates")?,
            staleness: Staleness::parse(state.number("row.staleness")?),
            ..Interval::default()
        };
        Ok(())
    }
}
