"""Entry of stage plan."""

from pathlib import Path

from kduq import sample_size as planner
from kduq.artifacts import tables as artifacts
from kduq.runtime import script as job


def scale(path):
    """Number of training inputs, and what widths are given in; see `kduq.config.Plan`."""
    examples = artifacts.read(path, "examples")
    train = examples.column("split") == "train"
    unit = 1.0
    if "y" in examples.table.column_names:
        unit = float(examples.column("y")[train].std())
    return int(train.sum()), unit


def main(input, output, params):  # noqa: A002
    estimates = artifacts.read_all(input.estimates, "estimates").table.to_pandas()
    scales = {Path(path).stem: scale(path) for path in input.examples}
    values = planner.plan(params.config, estimates, scales)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "plan", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
