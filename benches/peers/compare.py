"""es-train and its peers on CartPole-v1 with a 64-64 tanh policy, in turns, one core each: steps a second and seconds to 475, with ratios.

    cargo build --release
    python3 -m venv target/peers && target/peers/bin/pip install -r benches/peers/requirements.txt
    target/peers/bin/python benches/peers/compare.py --csv target/peers.csv

Seconds to 475 go from process start to an evaluation whose mean return is at least 475. es-train's is one that a second evaluation, on fresh
seeds, has confirmed.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
PEERS = ["evosax_gymnax.py --population 256", "evosax_gymnax.py --population 2048", "sb3_ars.py --limit 120", "evotorch_pgpe.py --limit 60", "gymnasium_numpy.py"]
# Long enough for steps a second to be those of long episodes; the seconds to 475 come from a run that stops there.
RATE = "[stop]\ngenerations = 60\n[evaluation]\nepisodes = 1\nevery = 1000\n"
EXPERIMENT = """[task]
env = "CartPole-v1"
[policy]
hidden = [64, 64]
[method]
population = {population}
sigma = 0.1
[optimizer]
learning_rate = 0.03
"""
SOLVE = "[stop]\nevaluation_return = 475.0\ngenerations = 200\n[evaluation]\nepisodes = 100\nevery = 5\n"


def es_train(program, seed, ending, population=256):
    with tempfile.TemporaryDirectory() as directory:
        experiment = pathlib.Path(directory, "experiment.toml")
        experiment.write_text(EXPERIMENT.format(population=population) + ending)
        run = pathlib.Path(directory, "run")
        began = time.perf_counter()
        command = [program, "train", str(experiment), "--seed", str(seed), "--threads", "1", "--out", str(run), "-q"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        return json.loads((run / "summary.json").read_text()), seconds


def measure(name, program, seed):
    """Steps a second, and seconds to 475 or None."""
    if name == "es-train":
        rate, _ = es_train(program, seed, RATE)
        solved, seconds = es_train(program, seed, SOLVE)
        return rate["env_steps"] / rate["wall_seconds"], seconds if solved["solved"] else None
    script, *arguments = name.split()
    command = [sys.executable, str(HERE / script), *arguments, "--seed", str(seed)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    row = json.loads(output.strip().splitlines()[-1])
    return row["steps_per_second"], row["seconds_to_475"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--program", default="target/release/es-train")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--csv", type=pathlib.Path)
    arguments = arguments.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    names = ["es-train", *PEERS]
    rows = []
    for round in range(1, arguments.rounds + 1):
        for name in names:
            rate, seconds = measure(name, arguments.program, round)
            rows.append([round, name, rate, seconds])
            print(f"round {round}  {name:36} {rate:12.0f} steps/s  475 after {seconds} s", flush=True)
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            csv.writer(file).writerows([["round", "system", "steps_per_second", "seconds_to_475"], *rows])

    ours = {row[0]: row for row in rows if row[1] == "es-train"}
    print(f"\nmedians of {arguments.rounds} rounds; es-train / peer within each round")
    for name in names:
        mine = [row for row in rows if row[1] == name]
        rate = statistics.median(row[2] for row in mine)
        faster = statistics.median(ours[row[0]][2] / row[2] for row in mine)
        # A round in which the peer did not get there is left out.
        times = [row for row in mine if row[3] is not None and ours[row[0]][3] is not None]
        sooner = statistics.median(row[3] / ours[row[0]][3] for row in times) if times else float("nan")
        print(f"{name:36} {rate:12.0f} steps/s  es-train is {faster:8.1f} x as fast, and {sooner:8.1f} x as soon at 475 ({len(times)} rounds)")


main()
