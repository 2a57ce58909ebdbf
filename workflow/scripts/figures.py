"""Entry of stage figures."""

from kduq.artifacts import files
from kduq.artifacts import tables as artifacts
from kduq.figures import decomposition as figures_decomposition
from kduq.figures import experiments as figures
from kduq.figures import sample_size as figures_plan
from kduq.runtime import script as job


def recorded(paths):
    trajectories = {}
    for path in paths:
        students = artifacts.read(path, "students")
        run = students.provenance["config"]
        for condition, rows in zip(
            run["conditions"], students.rows_of(run["conditions"]), strict=True
        ):
            record = students.table.column("trajectory").take(rows).to_pylist()
            key = (run["dataset"], condition["init_noise"])
            trajectories[key] = figures.Trajectories(record, run["model"]["record_every"])
    return trajectories


def main(input, output, params):  # noqa: A002
    settings, made_by = params.config, params.made_by(input, job.study_root(output[0]))
    if settings["figure"] == "plan":
        table = artifacts.read(input.plan[0], "plan").table.to_pandas()
        drawn = figures_plan.draw(settings, table, made_by)
    else:
        table = artifacts.read_all(input.estimates, "estimates").table.to_pandas()
        if settings["figure"] == "decomposition":
            drawn = figures_decomposition.draw(settings, table, made_by)
        else:
            drawn = figures.draw(settings, table, made_by, recorded(input.get("students", [])))
    for path, data in zip(output, drawn, strict=True):
        with files.atomic(path) as temporary:
            temporary.write_bytes(data)


if __name__ == "__main__":
    job.run(main, snakemake)
