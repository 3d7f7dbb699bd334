//! What a job runs on: hosts, cores, the binary of each rank.

use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::comm::{CommError, Communicator, all_gather_equal, mpi};

/// Fingerprints of the binary and of the environment's software.
const HASH_BYTES: usize = 16;

/// Longest host name that is told.
const HOST_BYTES: usize = 64;

/// The machines of a job and the binary it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Host names, each once, in rank order.
    pub hosts: Vec<String>,
    /// The host name of each rank.
    pub host_of_rank: Vec<String>,
    /// Optional parts of the binary, such as `mpi`.
    pub features: Vec<String>,
}

impl Machine {
    /// Looks at all ranks of the job. Collective.
    ///
    /// # Errors
    /// If a rank failed, or runs another binary or other `software` (name and version of what its
    /// environments rest on) than rank 0: two versions would quietly train two different policies.
    pub fn of_job(
        comm: &dyn Communicator,
        software: &[(String, String)],
    ) -> Result<Self, CommError> {
        let mut message = binary_hash().to_le_bytes().to_vec();
        message.extend(xxh3_64(format!("{software:?}").as_bytes()).to_le_bytes());
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let name = &host.as_bytes()[..host.len().min(HOST_BYTES)];
        message.extend(name);
        message.resize(HASH_BYTES + HOST_BYTES, 0);
        let all = all_gather_equal(comm, &message)?;
        let mut machine = Machine { features: features(), ..Machine::default() };
        for (rank, message) in all.chunks_exact(HASH_BYTES + HOST_BYTES).enumerate() {
            let (hashes, host) = message.split_at(HASH_BYTES);
            let host = String::from_utf8_lossy(host).trim_end_matches('\0').to_owned();
            let other = if hashes[..8] != all[..8] {
                "another es-train binary"
            } else if hashes[8..] != all[8..HASH_BYTES] {
                "other versions of the environment's libraries (MuJoCo, Gymnasium, Python)"
            } else {
                ""
            };
            if !other.is_empty() {
                return Err(CommError::Unavailable(format!(
                    "rank {rank} on {host} runs {other} than rank 0 on {}; install the same on \
                     every node",
                    machine.hosts[0]
                )));
            }
            machine.host_of_rank.push(host.clone());
            if !machine.hosts.contains(&host) {
                machine.hosts.push(host);
            }
        }
        Ok(machine)
    }
}

fn features() -> Vec<String> {
    let parts = [("mpi", mpi::ENABLED), ("gym-rs", es_envs::HAS_GYM_RS)];
    parts.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect()
}

/// A fingerprint of the running program's file; 0 where it cannot be read. Ranks that share a
/// process read it once.
fn binary_hash() -> u64 {
    static HASH: OnceLock<u64> = OnceLock::new();
    *HASH.get_or_init(|| hash_of_program().unwrap_or(0))
}

/// The hash of the file, a piece at a time: it is larger than all that a small run needs.
fn hash_of_program() -> std::io::Result<u64> {
    let mut file = File::open(std::env::current_exe()?)?;
    let (mut hash, mut piece) = (Xxh3::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.digest()),
            count => hash.update(&piece[..count]),
        }
    }
}

/// Threads for each rank where nothing is said: the cores of the machine over the ranks on it.
/// A rank that its launcher has bound to some cores gets those.
pub fn default_threads(comm: &dyn Communicator) -> usize {
    let allowed = available_parallelism().map_or(1, usize::from);
    let bound = cores_of_machine().is_some_and(|cores| allowed < cores);
    let ranks = comm.ranks_on_node();
    if bound && ranks > 1 { allowed } else { (allowed / ranks).max(1) }
}

/// Cores of the machine, whatever this process may use of them.
fn cores_of_machine() -> Option<usize> {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    parse_cpu_list(online.trim())
}

/// The number of CPUs in a list such as `0-3,8`.
fn parse_cpu_list(list: &str) -> Option<usize> {
    list.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            last.checked_sub(first).map(|more| more + 1)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_with_other_libraries_is_refused_by_all() {
        let of_job = |versions: [&'static str; 3]| {
            crate::comm::run_in_process(
                3,
                |comm| {
                    let version = versions[comm.rank()].to_owned();
                    let software = [("mujoco".to_owned(), version)];
                    Machine::of_job(comm, &software).map_err(|error| error.to_string())
                },
                |_, reason| reason,
            )
        };
        assert!(of_job(["4.0.0"; 3]).iter().all(Result::is_ok));
        for result in of_job(["4.0.0", "4.0.0", "4.0.1"]) {
            let error = result.unwrap_err();
            assert!(error.contains("rank 2") && error.contains("libraries"), "{error}");
        }
    }

    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(parse_cpu_list("0-1"), Some(2));
        assert_eq!(parse_cpu_list("0-3,8,10-11"), Some(7));
        assert_eq!(parse_cpu_list("0"), Some(1));
        assert_eq!(parse_cpu_list("all"), None);
    }
}
