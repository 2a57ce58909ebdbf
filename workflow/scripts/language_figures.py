"""Entry of stage figures for language models."""

import numpy as np
from kduq.artifacts import files
from kduq.artifacts import tables as artifacts
from kduq.data import corpus
from kduq.estimates import answers
from kduq.figures import drawing
from kduq.figures import language as figures_text
from kduq.runtime import script as job
from kduq.teacher import text as teacher

PROMPTS_SHOWN = 6


def is_sampled_single(condition):
    return condition["method"] == "single" and condition["label_source"] == "sampled"


def gallery(input, prompts):  # noqa: A002
    own = artifacts.read(input.teacher[0], "answers").columns(answers.COLUMNS)
    table = artifacts.read_all(input.students, "students")
    columns = table.columns((*answers.COLUMNS, "replicate", "diverged"))
    conditions = table.provenance["config"]["conditions"]
    condition = next((c for c in conditions if is_sampled_single(c)), conditions[0])
    evaluated = prompts.evaluated(table.provenance["config"]["ask"]["prompts"])
    drawn = np.flatnonzero(own["draw"] != teacher.GREEDY)
    students, _, _ = answers.of_condition(columns, table.rows_of([condition])[0], evaluated)
    given = answers.answers_from(own, drawn, evaluated)
    shown = figures_text.gallery(prompts, evaluated, given, students, PROMPTS_SHOWN)
    return shown, figures_text.described(condition)


def main(input, output, params):  # noqa: A002
    settings = params.config
    level = round(100 * settings["confidence"])
    if settings["figure"] == "language_gallery":
        table = artifacts.read(input.examples[0], "examples").table
        shown, note = gallery(input, corpus.Corpus.of(table.to_pydict()))
    else:
        part = artifacts.read_all(input.estimates, "estimates").table.to_pandas()
        note = f"On prompts that were taught. Bars: {level} % jackknife intervals over students."
    drawings = {
        "language_gallery": lambda: figures_text.draw_gallery(shown),
        "language_uncertainty": lambda: figures_text.draw_uncertainty(part),
        "language_methods": lambda: figures_text.draw_methods(part),
    }
    made_by = params.made_by(input, job.study_root(output[0]))
    made = drawing.render(settings, drawings[settings["figure"]], note, made_by)
    for path, data in zip(output, made, strict=True):
        with files.atomic(path) as temporary:
            temporary.write_bytes(data)


if __name__ == "__main__":
    job.run(main, snakemake)
