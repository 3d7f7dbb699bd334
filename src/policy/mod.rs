//! From an observation to an action: filter, network, action rule.

mod action;
mod filter;

pub use action::{ActionRule, NotFinite};
pub use filter::{EpisodeSums, Filter, Statistics};

use std::sync::Arc;

use es_envs::Action;

use crate::network::{Network, Operations};
use crate::noise::{BLOCK, Noise};

/// A policy that can act. One thread uses one.
pub struct Policy {
    network: Box<dyn Network>,
    /// The observations (N, O) of virtual batch normalisation, if they were given.
    reference: Option<Arc<[f32]>>,
    filter: Filter,
    rule: ActionRule,
    filtered: Vec<f32>,
    outputs: Vec<f32>,
}

impl Policy {
    /// A policy with all parameters zero and a filter that changes nothing.
    ///
    /// # Panics
    /// Never by itself; [`Policy::act`] panics if the network does not take `observation_size`
    /// numbers or does not give what `rule` needs.
    pub fn new(network: Box<dyn Network>, rule: ActionRule, observation_size: usize) -> Self {
        Policy {
            network,
            reference: None,
            filter: Filter::none(),
            filtered: vec![0.0; observation_size],
            outputs: vec![0.0; rule.outputs()],
            rule,
        }
    }

    /// Takes another network, whose inputs and outputs are as many as those of the one before.
    pub fn set_network(&mut self, network: Box<dyn Network>) {
        self.network = network;
        if let Some(reference) = &self.reference {
            self.network.set_reference(reference);
        }
    }

    /// Takes the observations (N, O) that virtual batch normalisation rests on, from the next
    /// [`Policy::load`] on.
    pub fn set_reference(&mut self, reference: &Arc<[f32]>) {
        self.network.set_reference(reference);
        self.reference = Some(reference.clone());
    }

    /// Takes the parameters `theta` (P).
    pub fn load(&mut self, theta: &[f32]) {
        self.network.load(theta);
    }

    /// From now on, counts what the network does for each action.
    pub fn count(&mut self) {
        self.network.count();
    }

    /// What the network did since [`Policy::count`] was called.
    pub fn counted(&self) -> Operations {
        self.network.counted()
    }

    /// Takes the filter for the observations to come.
    pub fn set_filter(&mut self, filter: &Filter) {
        self.filter.clone_from(filter);
    }

    /// The filter in use.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The action for an observation (O), with exploration noise if there is any. Allocates
    /// nothing. Class A.
    ///
    /// # Errors
    /// If the network's outputs are not finite.
    pub fn act(
        &mut self,
        observation: &[f32],
        noise: Option<&mut ActionNoise>,
    ) -> Result<Action<'_>, NotFinite> {
        self.filter.apply(observation, &mut self.filtered);
        self.network.forward(&self.filtered, &mut self.outputs);
        if let Some(noise) = noise {
            noise.add_to(&mut self.outputs);
        }
        self.rule.decide(&self.outputs)
    }
}

/// Gaussian exploration noise on a network's outputs: the action itself where it is continuous,
/// the scores where it is chosen among several. Used in training episodes only.
pub struct ActionNoise {
    noise: Noise,
    standard_deviation: f32,
    generation: u64,
    episode: u64,
    block: usize,
    next: usize,
    buffer: Box<[f32; BLOCK]>,
}

impl ActionNoise {
    /// Noise of the given standard deviation.
    pub fn new(noise: Noise, standard_deviation: f32) -> Self {
        let buffer = Box::new([0.0; BLOCK]);
        ActionNoise {
            noise,
            standard_deviation,
            generation: 0,
            episode: 0,
            block: 0,
            next: BLOCK,
            buffer,
        }
    }

    /// Goes to the start of one episode's own stream.
    pub fn start(&mut self, generation: u64, episode: u64) {
        (self.generation, self.episode, self.block, self.next) = (generation, episode, 0, BLOCK);
    }

    /// Goes back to the start of the episode's stream.
    pub fn rewind(&mut self) {
        self.start(self.generation, self.episode);
    }

    /// Adds the stream's next numbers to the outputs.
    pub(crate) fn add_to(&mut self, outputs: &mut [f32]) {
        for output in outputs {
            if self.next == BLOCK {
                let Self { noise, generation, episode, block, buffer, .. } = self;
                noise.fill_block(*generation, *episode, *block, &mut buffer[..]);
                self.block += 1;
                self.next = 0;
            }
            *output += self.standard_deviation * self.buffer[self.next];
            self.next += 1;
        }
    }
}
