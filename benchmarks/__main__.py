"""``python -m benchmarks``: our training compared with the textbook loop, one row per workload.

Ours runs as in a study: one thread per job and as many jobs as cores, here as threads of one
process. The textbook loop trains one student at a time, and fewer students, on one thread or on
all, whichever is faster. Both are timed in turn, and the machine's peaks between them.
"""

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import batch, language, machine, workloads
from benchmarks.workloads import Workload

BASELINE = Path(__file__).with_name("baseline.json")
#: Time over the limit of the machine first; the textbook loop second.
COLUMNS = ("workload", "limit_ratio", "ratio", "ours_s", "limit_s", "textbook_s")
WORKLOADS: dict[str, Callable[[bool], Workload]] = {
    "linear noise": partial(workloads.linear, bootstrap=False),
    "linear bootstrap": partial(workloads.linear, bootstrap=True),
    "mlp16": partial(workloads.mlp, hidden=16, epochs=200),
    "mlp64": partial(workloads.mlp, hidden=64, epochs=300),
    "mlp128": partial(workloads.mlp, hidden=128, epochs=300),
    "softmax digits": partial(workloads.classifier, family="softmax"),
    "mlp digits": partial(workloads.classifier, family="mlp"),
    "lm training": language.lm_training,
    "lm sampling": language.lm_sampling,
}
#: A ratio below this share of the baseline's is reported.
_FALLEN = 0.7


def compare(workload: Workload, jobs: int, rounds: int) -> dict[str, str | float]:
    """Time one workload.

    Parameters
    ----------
    workload : Workload
        The workload.
    jobs : int
        Number of our jobs at a time, and largest number of threads of the textbook loop.
    rounds : int
        Number of runs of each, of which the median is taken.

    Returns
    -------
    dict
        The `COLUMNS` of one row, times in seconds per student.
    """
    peaks = machine.Peaks(jobs, workload.device)
    trained = {"ours": 0, "textbook": 0}

    def ours(pool: ThreadPoolExecutor) -> None:
        trained["ours"] = workload.passes * sum(map(len, pool.map(workload.ours, range(jobs))))

    def textbook() -> None:
        trained["textbook"] = len(workload.textbook())

    def run_textbook(threads: int) -> float:
        with machine.threads(threads):
            return machine.seconds(textbook)

    with ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:

        def run_ours() -> float:
            with machine.threads(1):
                return machine.seconds(lambda: ours(pool))

        run_ours()  # compiles, imports and fills caches
        run_textbook(1)
        threads = min(sorted({1, jobs}), key=run_textbook)
        times = []
        for _ in range(rounds):
            peaks.measure()
            time_of_ours = run_ours()
            peaks.measure()
            times.append((time_of_ours, run_textbook(threads)))
    medians = np.median(times, axis=0)
    ours_s, textbook_s = medians[0] / trained["ours"], medians[1] / trained["textbook"]
    limit = peaks.limit(workload.operations, workload.traffic)
    values = (workload.name, ours_s / limit, textbook_s / ours_s, ours_s, limit, textbook_s)
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    """Time all workloads and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--quick", action="store_true", help="tiny workloads, for a first try")
    parser.add_argument("--only", choices=WORKLOADS, action="append", help="time this one alone")
    jobs = 1 if torch.cuda.is_available() else machine.cores()
    parser.add_argument("--jobs", type=int, default=jobs, help="number of our jobs at a time")
    parser.add_argument("--rounds", type=int, default=5, help="number of runs of each")
    parser.add_argument("--baseline", action="store_true", help="report ratios that have fallen")
    parser.add_argument("--accept", action="store_true", help="save these ratios as the baseline")
    parser.add_argument(
        "--largest-batch",
        action="store_true",
        help="instead: the most networks of 128 hidden units that fit into an accelerator at once",
    )
    options = parser.parse_args()
    if options.largest_batch:
        if not torch.cuda.is_available():
            parser.error("--largest-batch: torch finds no CUDA device here; run it where one is")
        device = torch.cuda.get_device_properties(0)
        memory = f"{device.name}, {device.total_memory / 2**30:.0f} GiB"
        print(f"mlp128: {batch.largest(batch.networks_fit)} students at once, {memory}")
        return
    rounds = 1 if options.quick else options.rounds
    print("".join(f"{name:>17}" for name in COLUMNS))
    rows = []
    for name in options.only or WORKLOADS:
        row = compare(WORKLOADS[name](options.quick), options.jobs, rounds)
        rows.append(row)
        numbers = [f"{row[column]:>17.3g}" for column in COLUMNS[1:]]
        print(f"{name:>17}" + "".join(numbers), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if options.accept:
        ratios = {row["workload"]: float(f"{row['ratio']:.3g}") for row in rows}
        BASELINE.write_text(json.dumps(ratios, indent=1) + "\n", encoding="utf-8")
    if options.baseline:
        before = json.loads(BASELINE.read_text(encoding="utf-8"))
        for row in rows:
            usual = before.get(row["workload"])
            if usual and row["ratio"] < _FALLEN * usual:
                print(f"{row['workload']}: {row['ratio']:.3g} times as fast; baseline {usual:.3g}")


if __name__ == "__main__":
    main()
