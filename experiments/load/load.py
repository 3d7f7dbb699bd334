"""Does a long run grow? Many ranks on few cores, ten thousand generations: memory, open files and threads are read every
second, idle_fraction from progress.csv, and a line is laid through each.

    python experiments/load/load.py --ranks 64 --seconds 180 --out results/load

Writes OUT/samples.csv and the run itself to OUT/run, and says what a line through the second half of the samples rises by in an
hour. Exit code 1 if memory or files rise by more than what is allowed (--megabytes-an-hour, --files-an-hour)."""

import argparse
import csv
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
COLUMNS = ["seconds", "rss_megabytes", "open_files", "threads", "generation", "idle_fraction"]


def sample(process, run, began):
    """One row of COLUMNS, or None if the process is gone."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
        files = len(list(pathlib.Path(f"/proc/{process.pid}/fd").iterdir()))
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status if ":" in line)
    if "VmRSS" not in fields:
        return None
    generation, idle = last_row(run / "progress.csv")
    rss = int(fields["VmRSS"].split()[0]) / 1024
    return [round(time.monotonic() - began, 2), round(rss, 2), files, int(fields["Threads"]), generation, idle]


def last_row(table):
    """Generation and idle_fraction of the last whole row; nothing before the first."""
    try:
        with table.open("rb") as file:
            header = file.readline().decode().strip().split(",")
            file.seek(max(len(",".join(header)) + 1, table.stat().st_size - 4096))
            rows = [line.split(",") for line in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return "", ""
    whole = [row for row in rows[:-1] if len(row) == len(header)]
    return (whole[-1][0], whole[-1][header.index("idle_fraction")]) if whole else ("", "")


def slope(rows, column):
    """Rise in an hour of the line of least squares through the second half."""
    points = [(row[0] / 3600, float(row[column])) for row in rows[len(rows) // 2 :] if row[column] != ""]
    if len(points) < 10:
        return 0.0
    x = sum(p[0] for p in points) / len(points)
    y = sum(p[1] for p in points) / len(points)
    spread = sum((p[0] - x) ** 2 for p in points)
    return sum((p[0] - x) * (p[1] - y) for p in points) / spread if spread else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="es-train")
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("results/load"))
    parser.add_argument("--megabytes-an-hour", type=float, default=20)
    parser.add_argument("--files-an-hour", type=float, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    run, began, rows = arguments.out / "run", time.monotonic(), []
    command = [arguments.program, "train", str(HERE / "load.toml"), "--ranks", str(arguments.ranks), "--threads", "1"]
    process = subprocess.Popen([*command, "--out", str(run), "--overwrite", "--quiet"])
    try:
        with (arguments.out / "samples.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            while process.poll() is None and time.monotonic() - began < arguments.seconds:
                if row := sample(process, run, began):
                    rows.append(row)
                    table.writerow(row)
                    file.flush()
                time.sleep(1)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    if code not in (0, 3) or not rows:
        sys.exit(f"{' '.join(command)} ended with exit code {code} after {len(rows)} samples")
    print(f"{len(rows)} samples, {rows[-1][4] or 0} generations on {arguments.ranks} ranks, exit code {code}")
    for name in COLUMNS[1:4] + COLUMNS[5:]:
        place = COLUMNS.index(name)
        values = [float(row[place]) for row in rows if row[place] != ""]
        if values:
            rise = slope(rows, place)
            print(f"{name}: {values[0]:g} at first, {max(values):g} at most, {values[-1]:g} at last, {rise:+.3g} an hour")
    grows = slope(rows, 1) > arguments.megabytes_an_hour or slope(rows, 2) > arguments.files_an_hour
    print("it grows" if grows else "it does not grow")
    sys.exit(1 if grows else 0)


if __name__ == "__main__":
    main()
