"""Where splitting a network pays on this machine: seconds an update of one rank and of two, by width and method, and
the pipeline's idle share beside its formula.

    python experiments/model_parallel/measure.py target/release/es-train [WIDTH ...]
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

TEXT = """[task]
dataset = "synthetic"
[policy]
hidden = {hidden}
activation = "relu"
initial = "he"
[method]
name = "{name}"
batch_size = 64
microbatch = {microbatch}
{keys}
[optimizer]
name = "sgd"
learning_rate = 0.01
momentum = 0.0
[evaluation]
every = {updates}
[stop]
updates = {updates}
"""


def run(binary: str, ranks: int, **values: object) -> tuple[float, float]:
    """Seconds an update on rank 0, computing and exchanging, and the idle share."""
    with tempfile.TemporaryDirectory() as directory:
        file, out = Path(directory, "a.toml"), Path(directory, "run")
        file.write_text(TEXT.format(**values))
        command = [binary, "train", file, "--out", out, "-q", "--ranks", str(ranks), "--threads", "1"]
        subprocess.run([str(word) for word in command], check=True)
        with open(out / "progress.csv", newline="") as table:
            row = list(csv.DictReader(table))[-1]
    seconds = float(row["update_seconds"]) + float(row["communicate_seconds"])
    return seconds / int(row["updates"]), float(row["idle_fraction"])


def main() -> None:
    binary, widths = sys.argv[1], [int(width) for width in sys.argv[2:]] or [32, 128, 512, 1024]
    out = csv.writer(sys.stdout)
    out.writerow(["width", "method", "micro_batches", "ranks", "ms_an_update", "idle_fraction", "formula"])
    for width in widths:
        updates = max(6, min(200, 40_000_000 // (width * width)))
        common = {"hidden": [width] * 3, "updates": updates}
        cells = [("synchronous", 16, "", 1), ("tensor-parallel", 0, "tensor_parallel = 2", 1)]
        cells += [("tensor-parallel", 0, "tensor_parallel = 2", 2)]
        cells += [("pipeline", microbatch, "stages = 2", 1) for microbatch in (16,)]
        cells += [("pipeline", microbatch, "stages = 2", 2) for microbatch in (64, 16, 4)]
        for name, microbatch, keys, ranks in cells:
            # The least of three, for other programs only ever add to it.
            took = min(
                run(binary, ranks, name=name, microbatch=microbatch, keys=keys, **common) for _ in range(3)
            )
            micros = 64 // (microbatch or 64)
            formula = f"{1 / (micros + 1):.3f}" if name == "pipeline" and ranks == 2 else ""
            out.writerow([width, name, micros, ranks, f"{1000 * took[0]:.2f}", f"{took[1]:.3f}", formula])
            sys.stdout.flush()


if __name__ == "__main__":
    main()
