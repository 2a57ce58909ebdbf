"""Entry of stage teacher."""

from kduq.artifacts import tables as artifacts
from kduq.runtime import script as job
from kduq.teacher import tabular as teacher


def main(input, output, params):  # noqa: A002
    examples = artifacts.read(input.examples[0], "examples")
    split, x, y = (examples.column(name) for name in ("split", "x", "y"))
    values = {
        "example": examples.column("example"),
        "split": split,
        teacher.ANSWERS[params.config["task"]]: teacher.fit(params.config, split, x, y),
    }
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "teacher", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
