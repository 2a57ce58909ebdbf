"""Entry of stage claims."""

from pathlib import Path

from kduq import claims
from kduq.artifacts import schemas
from kduq.artifacts import tables as artifacts
from kduq.runtime import script as job


def main(input, output, params):  # noqa: A002
    estimates = artifacts.read(input.estimates[0], "estimates").table.to_pandas()
    truth = {Path(path).stem: path for path in input.get("examples", [])}
    files = {}
    for path in input.get("students", []):
        files.setdefault(job.run_of(path), []).append(path)

    def students(run):
        table = artifacts.read_all(files[run], "students")
        columns = {name: table.column(name) for name in ("diverged", "test_mse", "prediction")}
        if run[2] in truth:
            examples = artifacts.read(truth[run[2]], "examples")
            columns["classes"] = examples.column("y")[examples.column("split") == "test"]
        return table.table.select(list(schemas.CONDITION)).to_pandas(), columns

    curves = {}
    for path in input.get("losses", []):
        curves.setdefault(job.run_of(path), []).append(path)
    losses = {
        run: artifacts.read_all(paths, "losses").table.to_pandas() for run, paths in curves.items()
    }
    values = claims.judge(params.config, estimates, list(files), students, losses)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "claims", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
