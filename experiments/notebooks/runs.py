"""Reads run directories and tables of es-train into pandas, and nothing else."""

import json
import tomllib
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"


def table(name):
    """A table: a path, or the name of a committed one, such as `classic.csv`."""
    path = Path(name)
    return pd.read_csv(path if path.exists() else REFERENCE / name)


def experiment(directory):
    """The resolved experiment of a run."""
    return tomllib.loads((Path(directory) / "experiment.toml").read_text())


def summary(directory):
    """What became of a run; empty while it is unfinished."""
    path = Path(directory) / "summary.json"
    return json.loads(path.read_text()) if path.exists() else {}


def rows(directory):
    """The rows of a run's progress.csv that are whole, with the columns `run`, `seed`, `task` and `method`."""
    directory = Path(directory)
    if not (directory / "progress.csv").exists():
        raise FileNotFoundError(f"{directory}: expected a run directory of es-train, which has a progress.csv")
    text = (directory / "progress.csv").read_text()
    lines = text[: text.rfind("\n") + 1].splitlines()
    columns = lines[0].count(",")
    whole = [line.split(",") for line in lines[1:] if line.count(",") == columns]
    frame = pd.DataFrame(whole, columns=lines[0].split(","))
    text_columns = {"theta_hash"}
    for column in frame.columns.difference(text_columns):
        frame[column] = pd.to_numeric(frame[column])
    known = experiment(directory)
    task = known["task"].get("dataset") or known["task"]["env"]
    return frame.assign(run=str(directory), seed=known["seed"], task=task, method=known["method"]["name"])


def all_rows(directories):
    """The rows of several runs, one below the other."""
    return pd.concat([rows(directory) for directory in directories], ignore_index=True)
