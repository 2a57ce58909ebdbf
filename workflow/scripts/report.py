"""Entry of stage report."""

from pathlib import Path

from kduq.artifacts import files
from kduq.artifacts import tables as artifacts
from kduq.report import page as report
from kduq.runtime import script as job


def samples(input):  # noqa: A002
    if "answers" not in input.keys():  # noqa: SIM118
        return []

    def read(role, stage):
        table = artifacts.read(input[role][0], stage).table
        # Embeddings are most of a table, and none is shown.
        kept = [name for name in table.column_names if name != "embedding"]
        return table.select(kept).to_pandas()

    return report.sample_answers(
        read("examples", "examples"), read("answers", "answers"), read("students", "students")
    )


def main(input, output, params):  # noqa: A002
    claims = artifacts.read(input.claims[0], "claims").table.to_pandas()
    estimates = artifacts.read(input.estimates[0], "estimates").table.to_pandas()
    figures = {Path(path).stem: Path(path).read_bytes() for path in input.figures}
    made_by = params.made_by(input, job.study_root(output[0]))
    page = report.render(params.config, claims, estimates, figures, made_by, samples(input))
    with files.atomic(output[0]) as temporary:
        temporary.write_bytes(files.sealed(page.encode(), ".html"))


if __name__ == "__main__":
    job.run(main, snakemake)
