//! A table of normals in memory, which perturbations are read from, as in the paper of 2017.
//!
//! # Definition
//!
//! Element `i` of the table is element `i` of the noise vector of (seed, table, 0, 0); its length
//! is a key of the experiment. The noise vector of a generation's pair is the stretch of P elements
//! that starts at `derive(seed, perturbation, generation, pair, 0) mod (length - P + 1)`. Two pairs
//! may overlap: with P far below the length that is rare, and then they are still shifted.
//!
//! Ranks of one machine share one copy: the first of them writes a file in memory (`/dev/shm`, or
//! the temporary directory where there is none), all map it, and it is removed at once, so that
//! it goes with the last process.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use memmap2::Mmap;

use super::{BLOCK, Noise, kernels};
use crate::comm::{CommError, Communicator, all_gather_equal};
use crate::seed::{Purpose, derive};
use crate::simd::Level;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file that the ranks of a machine share could not be made or read.
    #[error(
        "cannot share a noise table of {bytes} bytes as {path}: {source}; expected room in memory \
         for it: make `method.noise` a shorter table, or `box-muller`, which needs none"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another rank could not make or read its file.
    #[error("rank {rank} could not share its noise table; its own message says why")]
    Elsewhere {
        /// That rank.
        rank: usize,
    },
    /// Another rank failed.
    #[error(transparent)]
    Comm(#[from] CommError),
}

/// Where the numbers are.
enum Memory {
    Own(Vec<f32>),
    Shared(Mmap),
}

/// The table of one seed, and the perturbations that are read from it. Class A.
pub struct Table {
    seed: u64,
    memory: Memory,
}

impl Table {
    /// Makes the table of `length` normals, once on each machine. Collective.
    ///
    /// # Errors
    /// If there is no room for it, or another rank fails.
    pub fn new(comm: &dyn Communicator, seed: u64, length: usize) -> Result<Self, TableError> {
        if comm.size() == 1 {
            let mut normals = vec![0.0; length];
            source(seed).fill(0, 0, &mut normals);
            return Ok(Table { seed, memory: Memory::Own(normals) });
        }
        let path = agree_on_path(comm)?;
        let failed = |source| TableError::File { path: path.clone(), bytes: 4 * length, source };
        // Of the ranks of a machine, one can make the file.
        let maker = File::create_new(&path);
        let written = match &maker {
            Ok(file) => write(file, seed, length),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(std::io::Error::from(error.kind())),
        };
        let mapped = all_succeed(comm, written.map_err(failed))
            .and_then(|()| all_succeed(comm, map(&path, 4 * length).map_err(failed)));
        if maker.is_ok() {
            // What is mapped stays.
            let _ = std::fs::remove_file(&path);
        }
        Ok(Table { seed, memory: Memory::Shared(mapped?) })
    }

    fn normals(&self) -> &[f32] {
        match &self.memory {
            Memory::Own(normals) => normals,
            // Maps start on a page and have whole numbers, so nothing is cut off.
            Memory::Shared(map) => bytemuck::cast_slice(map),
        }
    }

    /// The noise vector of a pair, of `parameters` elements.
    fn vector(&self, generation: u64, pair: u64, parameters: usize) -> &[f32] {
        let normals = self.normals();
        let starts = (normals.len() - parameters + 1) as u64;
        let start = derive(self.seed, Purpose::Perturbation, generation, pair, 0) % starts;
        &normals[start as usize..][..parameters]
    }

    /// As [`Noise::perturb_pair`].
    ///
    /// # Panics
    /// If the slices are not of one length, or the table is shorter.
    pub fn perturb_pair(
        &self,
        generation: u64,
        pair: u64,
        sigma: f32,
        theta: &[f32],
        plus: &mut [f32],
        minus: &mut [f32],
    ) {
        let vector = self.vector(generation, pair, theta.len());
        kernels::perturb_with(Level::current(), vector, sigma, theta, plus, minus);
    }

    /// As [`Noise::add_weighted_block`], of noise vectors of `parameters` elements.
    ///
    /// # Panics
    /// If the block goes beyond `parameters`, or the table is shorter.
    pub fn add_weighted_block(
        &self,
        generation: u64,
        weights: &[f32],
        block: usize,
        parameters: usize,
        sum: &mut [f32],
    ) {
        let level = Level::current();
        for (pair, &weight) in weights.iter().enumerate() {
            if weight != 0.0 {
                let vector = self.vector(generation, pair as u64, parameters);
                kernels::add_weighted_with(
                    level,
                    &vector[block * BLOCK..][..sum.len()],
                    weight,
                    sum,
                );
            }
        }
    }
}

fn source(seed: u64) -> Noise {
    Noise::new(seed, Purpose::NoiseTable)
}

/// A name that no other job has, the same on every rank.
fn agree_on_path(comm: &dyn Communicator) -> Result<PathBuf, CommError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut token = [0; 16];
    token[..4].copy_from_slice(&std::process::id().to_le_bytes());
    token[4..].copy_from_slice(&now.as_nanos().to_le_bytes()[..12]);
    comm.broadcast(&mut token)?;
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    Ok(directory.join(format!("es-train-noise-{:032x}", u128::from_le_bytes(token))))
}

fn write(mut file: &File, seed: u64, length: usize) -> std::io::Result<()> {
    let mut normals = [0.0; BLOCK];
    for block in 0..length.div_ceil(BLOCK) {
        let part = &mut normals[..BLOCK.min(length - block * BLOCK)];
        source(seed).fill_block(0, 0, block, part);
        // Written and not mapped: a full disk is then an error and not a signal.
        file.write_all(bytemuck::cast_slice(part))?;
    }
    Ok(())
}

fn map(path: &Path, bytes: usize) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the numbers under the map must not change. The file's name is of this job alone, its
    // maker has finished writing before any rank comes here, nobody else opens it, and it is
    // removed when all have.
    let map = unsafe { Mmap::map(&file)? };
    if map.len() == bytes { Ok(map) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

/// Waits for all ranks, and fails on all if it failed on one.
fn all_succeed<T>(comm: &dyn Communicator, mine: Result<T, TableError>) -> Result<T, TableError> {
    let all = all_gather_equal(comm, &[u8::from(mine.is_err())])?;
    match (mine, all.iter().position(|failed| *failed != 0)) {
        (Ok(_), Some(rank)) => Err(TableError::Elsewhere { rank }),
        (mine, _) => mine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::{Solo, run_in_process};

    const P: usize = 3 * BLOCK + 77;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn the_table_is_the_noise_of_its_own_purpose() {
        let table = Table::new(&Solo, 5, 2 * BLOCK + 9).unwrap();
        let mut expected = vec![0.0; 2 * BLOCK + 9];
        Noise::new(5, Purpose::NoiseTable).fill(0, 0, &mut expected);
        assert_eq!(bits(table.normals()), bits(&expected));
    }

    #[test]
    fn shared_tables_are_those_of_one_rank_and_leave_no_file() {
        let length = 10 * BLOCK + 3;
        let own = Table::new(&Solo, 7, length).unwrap();
        let results = run_in_process(
            4,
            |comm| {
                let table = Table::new(comm, 7, length).map_err(|error| error.to_string())?;
                Ok(bits(table.normals()))
            },
            |_, reason| reason,
        );
        for normals in results {
            assert_eq!(normals.unwrap(), bits(own.normals()));
        }
        let name = format!("{:08x}", std::process::id());
        let left = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten().any(|entry| {
            let entry = entry.file_name().to_string_lossy().into_owned();
            entry.starts_with("es-train-noise-") && entry.ends_with(&name)
        });
        assert!(!left);
    }

    #[test]
    fn perturbations_and_sums_are_those_of_the_stretches_they_are_read_from() {
        let table = Table::new(&Solo, 1, 20 * BLOCK).unwrap();
        let theta = vec![0.5; P];
        let (mut plus, mut minus) = (vec![0.0; P], vec![0.0; P]);
        let mut sum = vec![0.25; 77];
        let mut expected = sum.clone();
        let weights = [0.5, 0.0, -0.25];
        for (pair, weight) in weights.into_iter().enumerate() {
            let eps = table.vector(3, pair as u64, P);
            table.perturb_pair(3, pair as u64, 0.1, &theta, &mut plus, &mut minus);
            for i in 0..P {
                assert_eq!(plus[i].to_bits(), 0.1_f32.mul_add(eps[i], 0.5).to_bits());
                assert_eq!(minus[i].to_bits(), (-0.1_f32).mul_add(eps[i], 0.5).to_bits());
            }
            for (sum, eps) in expected.iter_mut().zip(&eps[3 * BLOCK..]) {
                *sum = f32::mul_add(weight, *eps, *sum);
            }
        }
        table.add_weighted_block(3, &weights, 3, P, &mut sum);
        assert_eq!(bits(&sum), bits(&expected));
        assert_ne!(table.vector(3, 0, P).as_ptr(), table.vector(4, 0, P).as_ptr());
    }

    #[test]
    fn a_table_as_long_as_theta_has_one_vector() {
        let table = Table::new(&Solo, 1, P).unwrap();
        assert_eq!(table.vector(1, 2, P).as_ptr(), table.vector(9, 9, P).as_ptr());
    }
}
