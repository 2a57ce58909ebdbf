"""Entry of stage estimates for language models."""

import numpy as np
from kduq import conditions
from kduq.artifacts import tables as artifacts
from kduq.data import corpus
from kduq.estimates import answers, decomposition, text
from kduq.families.lm import embeddings
from kduq.runtime import script as job
from kduq.teacher import text as teacher


def crossed(settings, prompts, evaluated, input):  # noqa: A002
    table = artifacts.read_all(input.students, "students")
    names = (*conditions.LEVEL_COLUMNS.values(), conditions.DRAW_COLUMN)
    columns = table.columns((*names, "prompt_id", "diverged", "embedding"))
    return decomposition.summarise_answers(settings, prompts.split, evaluated, columns)


def compared(settings, prompts, evaluated, input):  # noqa: A002
    references = [
        embeddings.embed(prompts.references[i], settings["embedding_model"]) for i in evaluated
    ]
    own = artifacts.read(input.teacher[0], "answers").columns(answers.COLUMNS)
    greedy = own["draw"] == teacher.GREEDY
    table = artifacts.read_all(input.students, "students")
    columns = table.columns((*answers.COLUMNS, "replicate", "diverged"))
    students = [
        answers.of_condition(columns, rows, evaluated)
        for rows in table.rows_of(settings["conditions"])
    ]
    return text.summarise(
        settings,
        prompts,
        references,
        evaluated,
        answers.answers_from(own, np.flatnonzero(~greedy), evaluated),
        answers.answers_from(own, np.flatnonzero(greedy), evaluated),
        students,
    )


def main(input, output, params):  # noqa: A002
    settings = params.config
    prompts = corpus.Corpus.of(artifacts.read(input.examples[0], "examples").table.to_pydict())
    evaluated = prompts.evaluated(settings["prompts"])
    measured = crossed if "design" in settings else compared
    values = measured(settings, prompts, evaluated, input)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "estimates", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
