"""Entry of stage estimates, one run."""

import importlib

from kduq.artifacts import schemas
from kduq.artifacts import tables as artifacts
from kduq.runtime import script as job
from kduq.teacher import tabular as teacher


def main(input, output, params):  # noqa: A002
    settings = params.config
    measures = importlib.import_module(f"kduq.estimates.{settings.get('design', settings['task'])}")
    examples = artifacts.read(input.examples[0], "examples")
    split, x, y = (examples.column(name) for name in ("split", "x", "y"))
    train = split == "train"
    answers = artifacts.read(input.teacher[0], "teacher").column(teacher.ANSWERS[settings["task"]])
    table = artifacts.read_all(input.students, "students")
    columns = {
        name: table.column(name)
        for name in table.table.column_names
        if name not in (*schemas.CONDITION, "trajectory")
    }
    values = measures.summarise(
        settings,
        *teacher.problem(settings["task"], split, x, y),
        (answers[train], answers[~train]),
        columns,
        table.rows_of(settings["conditions"]),
    )
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "estimates", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
