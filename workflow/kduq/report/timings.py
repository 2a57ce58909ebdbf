"""Time and memory of a study's jobs, from the benchmark files that Snakemake writes.

They are not part of the report: they differ between runs, while equal inputs give equal bytes of
the report.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from kduq.errors import UserError
from kduq.families import FAMILIES
from kduq.report.page import page
from kduq.study.paths import benchmark

#: Minutes below which times are in seconds.
_SHORT = 2


def planned(stages: Mapping[str, str]) -> dict[str, str]:
    """Benchmark files of a study's jobs.

    Parameters
    ----------
    stages : mapping of str to str
        Stage of every artifact, by its path below ``results/{study}``.

    Returns
    -------
    dict of str to str
        Family, empty for a job without one, by the file's path below ``benchmarks``.
    """
    pairs = (benchmark(path, stage) for path, stage in stages.items())
    return dict(pair for pair in pairs if pair is not None)


def read(folder: Path, families: Mapping[str, str]) -> pd.DataFrame:
    """Read the benchmark files of a study.

    Parameters
    ----------
    folder : Path
        ``results/{study}/benchmarks``.
    families : mapping of str to str
        From `planned`. Other files in subfolders belong to jobs that are no longer part of the
        study, and are ignored.

    Returns
    -------
    pandas.DataFrame
        One row per job: stage, family (empty for a job without one), wall, cpu (seconds) and memory
        (megabytes, NaN if the job was too short to be measured).

    Raises
    ------
    UserError
        If there is no file, or one is not a benchmark file.
    """
    jobs: list[dict[str, Any]] = []
    for file in sorted(folder.rglob("*.tsv")):
        path = file.relative_to(folder)
        if len(path.parts) > 1 and path.as_posix() not in families:
            continue
        try:
            table = pd.read_csv(file, sep="\t", na_values=["-", "NA"])
            row = table[["s", "cpu_time", "max_rss"]].astype(float).iloc[-1]
        except (ValueError, KeyError, IndexError) as error:
            raise UserError(f"{file}: not a benchmark file of Snakemake; delete it") from error
        jobs.append(
            {
                "stage": path.with_suffix("").parts[0],
                "family": families.get(path.as_posix(), ""),
                "wall": row["s"],
                "cpu": row["cpu_time"],
                "memory": row["max_rss"],
            }
        )
    if not jobs:
        raise UserError(f"{folder}: no benchmark files; run the study first")
    return pd.DataFrame(jobs)


def summarise(jobs: pd.DataFrame) -> pd.DataFrame:
    """Add up the jobs of each stage and family.

    Parameters
    ----------
    jobs : pandas.DataFrame
        From `read`.

    Returns
    -------
    pandas.DataFrame
        stage, family, jobs, wall, cpu, longest and memory; the longest wall time first.
    """
    rows = jobs.groupby(["stage", "family"], as_index=False).agg(
        jobs=("wall", "size"),
        wall=("wall", "sum"),
        cpu=("cpu", "sum"),
        longest=("wall", "max"),
        memory=("memory", "max"),
    )
    return rows.sort_values(["wall", "stage", "family"], ascending=[False, True, True])


def render(study: str, rows: pd.DataFrame) -> str:
    """Render the page of timings.

    Parameters
    ----------
    study : str
        Name of the study.
    rows : pandas.DataFrame
        From `summarise`.

    Returns
    -------
    str
        HTML that opens from disk without a network.
    """
    added = {name: rows[name].sum() for name in ("jobs", "wall", "cpu")}
    total = added | {name: rows[name].max() for name in ("longest", "memory")}
    names = {name: family.label for name, family in FAMILIES.items()}
    records = [row | {"family": names.get(row["family"], "")} for row in rows.to_dict("records")]
    return page("timings.html.j2", study=study, rows=records, total=total, answer=_answer(total))


def _answer(total: Mapping[str, float]) -> str:
    """What a reader wants to know first."""
    minutes = total["wall"] / 60
    work = f"{minutes:.0f} minutes" if minutes >= _SHORT else f"{total['wall']:.0f} seconds"
    half = f"{minutes / 2:.0f} minutes" if minutes >= _SHORT else f"{total['wall'] / 2:.0f} seconds"
    memory = total["memory"]
    largest = "" if math.isnan(memory) else f"; the largest job took {memory / 1000:.1f} GB"
    return f"{work} of work in {total['jobs']:.0f} jobs, {half} on two cores{largest}."
