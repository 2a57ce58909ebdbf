"""Entry of stage responses."""

from kduq.artifacts import tables as artifacts
from kduq.responses import tabular as responses
from kduq.runtime import script as job


def main(input, output, params):  # noqa: A002
    split = artifacts.read(input.examples[0], "examples").column("split")
    values = responses.sample(params.config, int((split == "train").sum()))
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "responses", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
