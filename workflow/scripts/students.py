"""Entry of stage students."""

import math
import sys

from kduq import families
from kduq.artifacts import tables as artifacts
from kduq.runtime import script as job
from kduq.students import tabular as students
from kduq.students import tabular_factorial as crossed
from kduq.teacher import tabular as teacher
from tqdm import tqdm


def main(input, output, params):  # noqa: A002
    settings = params.config
    families.family(settings["family"], settings["task"])  # imported before the threads are counted
    examples = artifacts.read(input.examples[0], "examples")
    split, x, y = (examples.column(name) for name in ("split", "x", "y"))
    train = split == "train"
    answers = artifacts.read(input.teacher[0], "teacher").column(teacher.ANSWERS[settings["task"]])
    noise = artifacts.read(input.responses[0], "responses").column("noise")
    noise = noise.reshape(settings["stop"] - settings["start"], -1, int(train.sum()))
    teaching = students.Teaching(*teacher.problem(settings["task"], split, x, y), answers[train])
    conditions = settings.get("conditions")
    inner = len(conditions) if conditions else math.prod(settings["levels"].values())
    train = students.train if conditions else crossed.train
    total = (settings["stop"] - settings["start"]) * inner
    with tqdm(total=total, unit="student", file=sys.stderr, mininterval=5) as bar:
        values = train(settings, teaching, noise, bar.update)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "students", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
