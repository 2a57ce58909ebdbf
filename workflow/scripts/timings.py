"""Entry of the timings: adds up the benchmark files and writes a page beside the report."""

import json
from pathlib import Path
from typing import Any

from kduq.artifacts import files
from kduq.config.study import check
from kduq.report import timings
from kduq.runtime import script
from kduq.study.study import Study


def main(snakemake: Any) -> None:
    root = Path(snakemake.params.root)
    study = Study(check(json.loads(snakemake.params.config)))
    families = timings.planned({path: t.stage for path, t in study.targets.items()})
    rows = timings.summarise(timings.read(root / "benchmarks", families))
    path = root / "timings.html"
    with files.atomic(path) as temporary:
        temporary.write_text(timings.render(root.name, rows), encoding="utf-8")
    table = rows.to_string(index=False, float_format="{:.1f}".format)
    script.print_to_terminal(f"{table}\n{path}")


if __name__ == "__main__":
    script.run(main)
