"""Entry of stage estimates, one run."""

from kduq import artifacts, estimates, job, teacher


def main(input, output, params):  # noqa: A002
    examples = artifacts.read(input.examples[0], "examples")
    split, x, y = (examples.column(name) for name in ("split", "x", "y"))
    train = split == "train"
    mean = artifacts.read(input.teacher[0], "teacher").column("prediction")
    table = artifacts.read_all(input.students, "students")
    columns = {
        name: table.column(name)
        for name in artifacts.columns("students")
        if name not in (*artifacts.CONDITION, "trajectory")
    }
    values = estimates.summarise(
        params.config,
        teacher.problem(split, x, y),
        y[~train],
        (mean[train], mean[~train]),
        columns,
        table.rows_of(params.config["conditions"]),
    )
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "estimates", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
