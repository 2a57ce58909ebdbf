"""Entry of the timings: adds up the benchmark files and writes a page beside the report."""

import json
from pathlib import Path

from kduq.artifacts import files
from kduq.config import check
from kduq.report import timings
from kduq.runtime import script as job
from kduq.study import Study


def main(input, output, params):  # noqa: A002
    root = Path(params.root)
    study = Study(check(json.loads(params.config)))
    families = timings.planned({path: made.stage for path, made in study.jobs.items()})
    rows = timings.summarise(timings.read(root / "benchmarks", families))
    path = root / "timings.html"
    with files.atomic(path) as temporary:
        temporary.write_text(timings.render(root.name, rows), encoding="utf-8")
    job.say(f"{rows.to_string(index=False, float_format='{:.1f}'.format)}\n{path}")


if __name__ == "__main__":
    job.run(main, snakemake, parse=False)
