//! `[method]` with `name = "ga"` or `"random-search"`, and the table `[ga]` that they share.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{MembersSection, SearchKeys, Setup};
use crate::arithmetic::{Format, UpdateRule};
use crate::experiment::validate::{MOST_MEMBERS, above_zero, require, require_plain_layers};
use crate::experiment::{Experiment, ExperimentError, Master, Plan, Source};
use crate::method::MethodError;
use crate::method::evolution::{
    Ga, GaSettings, Heredity, HereditySettings, MOST_LAYERS, MOST_UNITS, Part, Search,
};
use crate::network::{Architecture, Initial};
use crate::optimizer::Schedule;
use crate::record::plural;

/// `[method]` with `name = "ga"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaSection {
    /// Standard deviation of the change of each parameter from parent to child.
    pub sigma: f64,
    /// How sigma changes.
    pub sigma_schedule: Schedule,
    /// `[ga]`
    #[serde(skip)]
    pub table: GaTable,
}

impl Default for GaSection {
    fn default() -> Self {
        let (sigma, sigma_schedule) = (0.1, Schedule::Constant);
        GaSection { sigma, sigma_schedule, table: GaTable::default() }
    }
}

/// `[method]` with `name = "random-search"`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomSearchSection {
    /// `[ga]`
    #[serde(skip)]
    pub table: GaTable,
}

/// `[ga]`: how members are selected, and what changes from parent to child. Random search uses
/// `candidates` and `candidate_episodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaTable {
    /// Members that have children.
    pub parents: usize,
    /// Members that go on unchanged.
    pub elites: usize,
    /// Members that play more episodes for a place among the elites.
    pub candidates: usize,
    /// How many more.
    pub candidate_episodes: usize,
    /// What changes from parent to child.
    pub evolve: Vec<Part>,
    /// Chance that a child's architecture changes, if it evolves.
    pub architecture_rate: f64,
    /// Number formats to choose from, if the arithmetic evolves.
    pub formats: Vec<Format>,
}

impl Default for GaTable {
    fn default() -> Self {
        GaTable::of_population(MembersSection::default().population)
    }
}

impl GaTable {
    /// The defaults for so many members.
    fn of_population(population: usize) -> Self {
        GaTable {
            parents: (population / 10).max(1),
            elites: 1,
            candidates: population.min(10),
            candidate_episodes: 30,
            evolve: vec![Part::Weights],
            architecture_rate: 0.1,
            formats: Vec::new(),
        }
    }

    /// Reads the table.
    fn read(members: &MembersSection, source: &Source) -> Result<Self, ExperimentError> {
        let mut table: Table = source.section("ga")?;
        // Those that depend on the population.
        let GaTable { parents, candidates, .. } = GaTable::of_population(members.population);
        for (key, value) in [("parents", parents), ("candidates", candidates)] {
            let value = Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
            table.entry(key).or_insert(value);
        }
        source.read("ga", Value::Table(table))
    }

    /// Checks what random search uses too.
    fn check_candidates(&self, members: &MembersSection) -> Result<(), ExperimentError> {
        let population = members.population;
        require(population >= 2, "method.population", population, "at least 2")?;
        let given = (self.elites, self.candidates, self.candidate_episodes);
        let (elites, candidates, episodes) = given;
        let expected = format!("from ga.elites, which is {elites}, to the population {population}");
        let holds = (elites..=population).contains(&candidates);
        require(holds, "ga.candidates", candidates, &expected)?;
        let most = format!("at most {MOST_MEMBERS} for all candidates together");
        let holds = candidates.checked_mul(episodes).is_some_and(|all| all <= MOST_MEMBERS);
        require(holds, "ga.candidate_episodes", episodes, &most)
    }

    fn check(
        &self,
        experiment: &Experiment,
        members: &MembersSection,
    ) -> Result<(), ExperimentError> {
        let GaTable { parents, elites, ref evolve, architecture_rate, ref formats, .. } = *self;
        let population = members.population;
        require(population >= 2, "method.population", population, "at least 2")?;
        let expected = format!("from 1 to less than the population {population}");
        require((1..population).contains(&parents), "ga.parents", parents, &expected)?;
        let expected = format!("from 1 to ga.parents, which is {parents}");
        require((1..=parents).contains(&elites), "ga.elites", elites, &expected)?;
        self.check_candidates(members)?;

        let given = format!("{evolve:?}").to_lowercase();
        let twice = evolve.iter().enumerate().any(|(place, part)| evolve[..place].contains(part));
        let expected = "one or more of \"weights\", \"hidden\", \"activation\" and \"arithmetic\"";
        require(!evolve.is_empty() && !twice, "ga.evolve", given, expected)?;
        let holds = (0.0..=1.0).contains(&architecture_rate);
        let given = format!("{architecture_rate:?}");
        require(holds, "ga.architecture_rate", given, "a number from 0 to 1")?;
        let twice = formats.iter().enumerate().any(|(at, format)| formats[..at].contains(format));
        let names = formats.iter().map(|format| format!("\"{format}\""));
        let given = format!("[{}]", names.collect::<Vec<_>>().join(", "));
        require(!twice, "ga.formats", &given, "each number format once")?;
        if evolve.contains(&Part::Arithmetic) {
            let expected = "two or more number formats to choose from, such as [\"f32\", \
                            \"lns8.3\"], because ga.evolve has \"arithmetic\"";
            require(formats.len() > 1, "ga.formats", given, expected)?;
        }
        for part in [Part::Hidden, Part::Arithmetic] {
            if evolve.contains(&part) {
                let given = format!("{evolve:?}").to_lowercase();
                require_plain_layers(experiment, "ga.evolve", given)?;
            }
        }
        if evolve.contains(&Part::Hidden) {
            let hidden = &experiment.policy.hidden;
            let holds = hidden.len() <= MOST_LAYERS && hidden.iter().all(|&w| w <= MOST_UNITS);
            let expected = format!(
                "at most {MOST_LAYERS} layers of at most {MOST_UNITS} units, because ga.evolve \
                 has \"hidden\""
            );
            require(holds, "policy.hidden", format!("{hidden:?}"), &expected)?;
        }
        Ok(())
    }
}

/// A theta that is replaced takes no steps.
fn check_update(experiment: &Experiment) -> Result<(), ExperimentError> {
    if experiment.arithmetic.update == UpdateRule::Plain {
        return Ok(());
    }
    Err(ExperimentError::Misplaced {
        key: "arithmetic.update".into(),
        reason: format!(
            "{} takes no steps that could be rounded in one way or another; leave it out",
            experiment.method.name()
        ),
    })
}

/// The method with so many parents.
fn build(setup: Setup<'_>, keys: &GaSection, parents: usize) -> Box<dyn Search> {
    let Setup { experiment, members, plan, theta, given, rank: _ } = setup;
    let GaSection { table, .. } = keys;
    let heredity = HereditySettings {
        seed: experiment.seed,
        initial: experiment.policy.initial,
        evolve: table.evolve.clone(),
        sigma: keys.sigma,
        sigma_schedule: keys.sigma_schedule.clone(),
        architecture_rate: table.architecture_rate,
        formats: table.formats.clone(),
        in_format: experiment.arithmetic.master == Master::Format,
    };
    let settings = GaSettings {
        seed: experiment.seed,
        population: members.population,
        parents,
        elites: table.elites,
        candidates: table.candidates,
        candidate_episodes: table.candidate_episodes,
    };
    let heredity = Heredity::new(heredity, plan.policy.architecture.clone(), theta);
    Box::new(Ga::new(settings, heredity, given))
}

/// What candidates add to a generation.
fn remark_on_candidates(table: &GaTable) -> String {
    let (candidates, episodes) = (table.candidates, table.candidate_episodes);
    let all = candidates * episodes;
    format!(
        "candidates: {candidates} x {} more a generation, and {} bytes from all ranks together to \
         each other rank",
        plural(episodes, "episode"),
        16 * all
    )
}

impl GaSection {
    pub(super) fn read(
        table: Table,
        members: &MembersSection,
        source: &Source,
    ) -> Result<Self, ExperimentError> {
        Ok(GaSection { table: GaTable::read(members, source)?, ..source.keys(table)? })
    }
}

impl RandomSearchSection {
    pub(super) fn read(
        table: Table,
        members: &MembersSection,
        source: &Source,
    ) -> Result<Self, ExperimentError> {
        let RandomSearchSection { .. } = source.keys(table)?;
        Ok(RandomSearchSection { table: GaTable::read(members, source)? })
    }
}

impl SearchKeys for GaSection {
    fn group_size(&self) -> usize {
        1
    }

    fn check(
        &self,
        experiment: &Experiment,
        members: &MembersSection,
    ) -> Result<(), ExperimentError> {
        above_zero("method.sigma", self.sigma)?;
        check_update(experiment)?;
        self.table.check(experiment, members)
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        Ok(build(setup, self, self.table.parents))
    }

    fn slots(&self, _: &Experiment) -> usize {
        // The parents' parameters, one of which are theta, and those of the next parents.
        2 * self.table.parents - 1
    }

    fn uses_optimizer(&self) -> bool {
        false
    }

    fn remarks(&self, plan: &Plan) -> Vec<String> {
        let GaSection { table, .. } = self;
        let mut remarks = vec![
            format!(
                "the parameters of {} are kept, and those of the next while they take their place",
                plural(table.parents, "parent")
            ),
            remark_on_candidates(table),
        ];
        if table.evolve.contains(&Part::Hidden) {
            let hidden = vec![MOST_UNITS; MOST_LAYERS];
            let largest = Architecture { hidden, ..plan.policy.architecture.clone() };
            remarks.push(format!(
                "policies may grow to {largest}, {} parameters",
                largest.layout().parameters()
            ));
        }
        remarks
    }
}

impl SearchKeys for RandomSearchSection {
    fn group_size(&self) -> usize {
        1
    }

    fn check(
        &self,
        experiment: &Experiment,
        members: &MembersSection,
    ) -> Result<(), ExperimentError> {
        check_update(experiment)?;
        let initial = experiment.policy.initial;
        let expected = "\"normc\" or \"he\", because random search draws nothing else";
        require(initial != Initial::Zeros, "policy.initial", "\"zeros\"", expected)?;
        self.table.check_candidates(members)
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        // Elites without parents, and nothing that could evolve.
        let GaTable { candidates, candidate_episodes, .. } = self.table;
        let table = GaTable { candidates, candidate_episodes, ..GaTable::default() };
        Ok(build(setup, &GaSection { table, ..GaSection::default() }, 0))
    }

    fn slots(&self, _: &Experiment) -> usize {
        // The next theta.
        1
    }

    fn uses_optimizer(&self) -> bool {
        false
    }

    fn remarks(&self, _: &Plan) -> Vec<String> {
        vec![remark_on_candidates(&self.table)]
    }
}
