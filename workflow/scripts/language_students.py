"""Entry of stage students for language models."""

import math
import sys

from kduq.artifacts import tables as artifacts
from kduq.data import corpus
from kduq.runtime import script as job
from kduq.students import text as students
from kduq.students import text_factorial as crossed
from tqdm import tqdm


def main(input, output, params):  # noqa: A002
    settings = params.config
    prompts = corpus.Corpus.of(artifacts.read(input.examples[0], "examples").table.to_pydict())
    given = artifacts.read(input.responses[0], "responses")
    columns = {
        name: given.column(name)
        for name in ("replicate", "response", "prompt_id", "temperature", "text")
    }
    levels = settings.get("levels")
    train = crossed.train if levels else students.train
    number = len(settings["conditions"])
    if levels:
        # Decoding levels are draws of one student.
        number = math.prod(n for factor, n in levels.items() if factor != "decoding")
    total = (settings["stop"] - settings["start"]) * number
    with tqdm(total=total, unit="student", file=sys.stderr, mininterval=5) as bar:
        values, losses = train(settings, prompts, columns, bar.update)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output.losses, "losses", losses, made_by | {"stage": "losses"})
    artifacts.write(output.students, "students", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
