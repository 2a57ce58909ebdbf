"""Entry of stage estimates, all runs together."""

from kduq import estimates
from kduq.artifacts import tables as artifacts
from kduq.runtime import script as job


def main(input, output, params):  # noqa: A002
    tables = [artifacts.read(path, "estimates").table.to_pydict() for path in input.estimates]
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "estimates", estimates.gather(tables), made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
