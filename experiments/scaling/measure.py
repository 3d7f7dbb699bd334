"""Measures how training speeds up with ranks on this machine.

    python3 experiments/scaling/measure.py OUTPUT.csv [--experiment experiments/half_cheetah.toml] [--ranks 1,2] [--repeats 5]
        [--generations 4] [--program target/release/es-train] [--mpirun "mpirun --oversubscribe"]

Each number of ranks, with one thread a rank, trains the same generations; numbers of ranks take turns, so that what else happens on the
machine meets all of them alike. Ranks are threads of one process, or processes with --mpirun. A row a run: ranks, repeat, env_steps,
wall_seconds (of training), theta_hash, which must be the same for all.
"""

import argparse
import csv
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--experiment", default="experiments/half_cheetah.toml")
    parser.add_argument("--ranks", default="1,2", type=lambda text: [int(ranks) for ranks in text.split(",")])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--generations", type=int, default=4)
    parser.add_argument("--program", default="target/release/es-train")
    parser.add_argument("--mpirun", help="start ranks as processes by this command, with -n N")
    arguments = parser.parse_args()

    times, hashes = defaultdict(list), set()
    with arguments.output.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["ranks", "repeat", "env_steps", "wall_seconds", "theta_hash"])
        for repeat in range(1, arguments.repeats + 1):
            for ranks in arguments.ranks:
                with tempfile.TemporaryDirectory() as directory:
                    last = train(arguments, ranks, f"{directory}/run")
                table.writerow([ranks, repeat, last["env_steps"], last["wall_seconds"], last["theta_hash"]])
                file.flush()
                times[ranks].append(float(last["wall_seconds"]))
                hashes.add(last["theta_hash"])
    base = statistics.median(times[arguments.ranks[0]]) * arguments.ranks[0]
    for ranks, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{ranks:4} ranks  {median:8.2f} s  speed-up {base / median:6.2f}  {100 * base / median / ranks:5.1f} % of linear")
    if len(hashes) != 1:
        sys.exit(f"runs differ: {sorted(hashes)}")


def train(arguments, ranks, directory):
    """The last row of a run."""
    train = [arguments.program, "train", arguments.experiment, "--out", directory, "-q", "--threads", "1"]
    # No evaluation but the last, which is no training.
    for key, value in [
        ("stop.generations", arguments.generations),
        ("evaluation.every", arguments.generations + 1),
        ("evaluation.episodes", 1),
    ]:
        train += ["--set", f"{key}={value}"]
    if arguments.mpirun:
        train = [*shlex.split(arguments.mpirun), "-n", str(ranks), *train]
    else:
        train += ["--ranks", str(ranks)]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    with open(f"{directory}/progress.csv", newline="") as file:
        return list(csv.DictReader(file))[-1]


if __name__ == "__main__":
    main()
