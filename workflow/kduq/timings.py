"""Time and memory of a study's jobs, from the benchmark files that Snakemake writes.

They are no part of the report: they differ from run to run, and equal inputs give the report equal
bytes.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kduq.errors import UserError
from kduq.report import page


def read(folder: Path, experiments: Sequence[str]) -> pd.DataFrame:
    """Read every benchmark file below a folder.

    Parameters
    ----------
    folder : Path
        ``results/{study}/benchmarks``.
    experiments : sequence of str
        Their names, by which the family is found in a file's name.

    Returns
    -------
    pandas.DataFrame
        A row a job: stage, family (empty where the job has none), wall, cpu (seconds) and memory
        (megabytes, NaN where the job was too short to be looked at).

    Raises
    ------
    UserError
        If there is none, or one is not a benchmark file.
    """
    family = re.compile(rf"(?:{'|'.join(map(re.escape, experiments))})_([a-z]+)_")
    jobs: list[dict[str, Any]] = []
    for file in sorted(folder.rglob("*.tsv")):
        parts = file.relative_to(folder).with_suffix("").parts
        try:
            table = pd.read_csv(file, sep="\t", na_values=["-", "NA"])
            row = table[["s", "cpu_time", "max_rss"]].astype(float).iloc[-1]
        except (ValueError, KeyError, IndexError) as error:
            raise UserError(f"{file}: not a benchmark file; delete it") from error
        found = family.match(parts[-1])
        jobs.append(
            {
                "stage": parts[0],
                "family": found.group(1) if found else "",
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
        Of `read`.

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
    """Render a page of what `summarise` gives.

    Parameters
    ----------
    study : str
        Name of the study.
    rows : pandas.DataFrame
        Of `summarise`.

    Returns
    -------
    str
        HTML that opens from disk without a network.
    """
    added = {name: rows[name].sum() for name in ("jobs", "wall", "cpu")}
    total = added | {name: rows[name].max() for name in ("longest", "memory")}
    return page("timings.html.j2", study=study, rows=rows.to_dict("records"), total=total)
