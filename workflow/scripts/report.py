"""Entry of stage report."""

from pathlib import Path

from kduq import artifacts, job, report


def main(input, output, params):  # noqa: A002
    claims = artifacts.read(input.claims[0], "claims").table.to_pandas()
    estimates = artifacts.read(input.estimates[0], "estimates").table.to_pandas()
    figures = {Path(path).stem: Path(path).read_bytes() for path in input.figures}
    made_by = params.made_by(input, job.study_root(output[0]))
    page = report.render(params.config, claims, estimates, figures, made_by)
    with artifacts.atomic(output[0]) as temporary:
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    job.run(main, snakemake)
