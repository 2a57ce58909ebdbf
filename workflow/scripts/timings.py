"""Entry of the timings: adds up the benchmark files and writes a page beside the report."""

from pathlib import Path

from kduq import files, job, timings


def main(input, output, params):  # noqa: A002
    root = Path(params.root)
    rows = timings.summarise(timings.read(root / "benchmarks", params.experiments))
    path = root / "timings.html"
    with files.atomic(path) as temporary:
        temporary.write_text(timings.render(root.name, rows), encoding="utf-8")
    job.say(f"{rows.to_string(index=False, float_format='{:.1f}'.format)}\n{path}")


if __name__ == "__main__":
    job.run(main, snakemake, parse=False)
