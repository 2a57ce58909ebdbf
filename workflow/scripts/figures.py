"""Entry of stage figures."""

from kduq import artifacts, figures, figures_decomposition, job


def main(input, output, params):  # noqa: A002
    table = artifacts.read_all(input.estimates, "estimates").table.to_pandas()
    trajectories = {}
    for path in input.get("students", []):
        students = artifacts.read(path, "students")
        run = students.made_by["config"]
        for condition, rows in zip(
            run["conditions"], students.rows_of(run["conditions"]), strict=True
        ):
            record = students.table.column("trajectory").take(rows).to_pylist()
            key = (run["dataset"], condition["init_noise"])
            trajectories[key] = figures.Trajectories(record, run["model"]["record_every"])
    made_by = params.made_by(input, job.study_root(output[0]))
    if params.config["figure"] == "decomposition":
        drawn = figures_decomposition.draw(params.config, table, made_by)
    else:
        drawn = figures.draw(params.config, table, made_by, trajectories)
    for path, data in zip(output, drawn, strict=True):
        with artifacts.atomic(path) as temporary:
            temporary.write_bytes(data)


if __name__ == "__main__":
    job.run(main, snakemake)
