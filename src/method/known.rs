//! The methods there are, and what is said of each.

use std::fmt;

/// What kind of thing a method does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Members are drawn and compared.
    Search,
    /// Steps down a loss.
    Gradient,
}

/// What task a method can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// An environment or a data set.
    AnyTask,
    /// An environment.
    Environment,
    /// An environment that tells what an episode came to beside its return.
    Behaviours,
    /// A data set.
    DataSet,
}

impl Needs {
    /// Whether a data set will do.
    pub fn takes_samples(self) -> bool {
        matches!(self, Needs::AnyTask | Needs::DataSet)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Search => "search",
            Family::Gradient => "gradient",
        })
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Needs::AnyTask => "any task",
            Needs::Environment => "environment",
            Needs::Behaviours => "behaviours",
            Needs::DataSet => "data set",
        })
    }
}

/// A method.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name, for `method.name`.
    pub name: &'static str,
    /// Its kind.
    pub family: Family,
    /// What task it can have.
    pub needs: Needs,
    /// Who described it, and when; empty where nobody in particular did.
    pub paper: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
}

/// The methods.
pub const KNOWN: &[Known] = &[
    Known {
        name: "openai-es",
        family: Family::Search,
        needs: Needs::AnyTask,
        paper: "Salimans et al. 2017",
        about: "mirrored pairs, shaped fitness, Adam",
    },
    Known {
        name: "ars",
        family: Family::Search,
        needs: Needs::AnyTask,
        paper: "Mania et al. 2018",
        about: "the best pairs, linear policies",
    },
    Known {
        name: "cma-es",
        family: Family::Search,
        needs: Needs::AnyTask,
        paper: "Hansen 2016",
        about: "a full covariance, small policies",
    },
    Known {
        name: "eggroll",
        family: Family::Search,
        needs: Needs::AnyTask,
        paper: "Sarkar et al. 2025",
        about: "mirrored pairs of low rank",
    },
    Known {
        name: "pgpe",
        family: Family::Search,
        needs: Needs::AnyTask,
        paper: "Sehnke et al. 2010",
        about: "mirrored pairs, a sigma a parameter",
    },
    Known {
        name: "snes",
        family: Family::Search,
        needs: Needs::AnyTask,
        paper: "Schaul et al. 2011",
        about: "natural gradient, a sigma a parameter",
    },
    Known {
        name: "sep-cma-es",
        family: Family::Search,
        needs: Needs::AnyTask,
        paper: "Ros, Hansen 2008",
        about: "a diagonal covariance",
    },
    Known {
        name: "ns-es",
        family: Family::Search,
        needs: Needs::Behaviours,
        paper: "Conti et al. 2018",
        about: "novelty of behaviour alone",
    },
    Known {
        name: "nsr-es",
        family: Family::Search,
        needs: Needs::Behaviours,
        paper: "Conti et al. 2018",
        about: "novelty and return, half each",
    },
    Known {
        name: "nsra-es",
        family: Family::Search,
        needs: Needs::Behaviours,
        paper: "Conti et al. 2018",
        about: "novelty where returns stand still",
    },
    Known {
        name: "ga",
        family: Family::Search,
        needs: Needs::Environment,
        paper: "Such et al. 2017",
        about: "mutants of the best, layers may grow",
    },
    Known {
        name: "random-search",
        family: Family::Search,
        needs: Needs::Environment,
        paper: "Such et al. 2017",
        about: "all members drawn afresh: the control",
    },
    Known {
        name: "synchronous",
        family: Family::Gradient,
        needs: Needs::AnyTask,
        paper: "Robbins, Monro 1951",
        about: "mini-batch SGD; PPO of environments",
    },
    Known {
        name: "averaging",
        family: Family::Gradient,
        needs: Needs::AnyTask,
        paper: "Su, Chen 2015",
        about: "local steps, then the models' mean",
    },
    Known {
        name: "bmuf",
        family: Family::Gradient,
        needs: Needs::AnyTask,
        paper: "Chen, Huo 2016",
        about: "averaging with block momentum",
    },
    Known {
        name: "diloco",
        family: Family::Gradient,
        needs: Needs::AnyTask,
        paper: "Douillard et al. 2023",
        about: "averaging with an outer Nesterov sgd",
    },
    Known {
        name: "downpour",
        family: Family::Gradient,
        needs: Needs::AnyTask,
        paper: "Dean et al. 2012",
        about: "asynchronous sgd, old gradients",
    },
    Known {
        name: "sandblaster",
        family: Family::Gradient,
        needs: Needs::DataSet,
        paper: "Dean et al. 2012",
        about: "L-BFGS, large batches in pieces",
    },
    Known {
        name: "easgd",
        family: Family::Gradient,
        needs: Needs::AnyTask,
        paper: "Zhang et al. 2015",
        about: "workers and a centre that pull",
    },
    Known {
        name: "pipeline",
        family: Family::Gradient,
        needs: Needs::DataSet,
        paper: "Huang et al. 2019",
        about: "layers split into stages over ranks",
    },
    Known {
        name: "tensor-parallel",
        family: Family::Gradient,
        needs: Needs::DataSet,
        paper: "Shoeybi et al. 2019",
        about: "pairs of layers split by their width",
    },
];

/// The methods by name, for `method.name`.
pub const NAMES: &[&str] = &names();

const fn names() -> [&'static str; KNOWN.len()] {
    let mut names = [""; KNOWN.len()];
    let mut method = 0;
    while method < names.len() {
        names[method] = KNOWN[method].name;
        method += 1;
    }
    names
}

/// The method of this name.
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|method| method.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_one_method() {
        for (method, name) in KNOWN.iter().zip(NAMES) {
            assert_eq!(method.name, *name);
            assert_eq!(KNOWN.iter().filter(|other| other.name == *name).count(), 1, "{name}");
        }
        assert!(known("adam").is_none());
    }
}
