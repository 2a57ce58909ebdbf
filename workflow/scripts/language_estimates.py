"""Entry of stage estimates for language models."""

import numpy as np
from kduq import artifacts, job
from kduq.estimates import text
from kduq.language import corpus, embeddings, teacher


def main(input, output, params):  # noqa: A002
    settings = params.config
    prompts = corpus.Corpus.of(artifacts.read(input.examples[0], "examples").table.to_pydict())
    evaluated = prompts.evaluated(settings["prompts"])
    references = [
        embeddings.embed(prompts.references[i], settings["embedding_model"]) for i in evaluated
    ]
    own = artifacts.read(input.teacher[0], "answers").columns(text.COLUMNS)
    greedy = own["draw"] == teacher.GREEDY
    table = artifacts.read_all(input.students, "students")
    columns = table.columns((*text.COLUMNS, "replicate", "diverged"))
    students = [
        text.of_condition(columns, rows, evaluated)
        for rows in table.rows_of(settings["conditions"])
    ]
    values = text.summarise(
        settings,
        prompts,
        references,
        evaluated,
        text.answers_from(own, np.flatnonzero(~greedy), evaluated),
        text.answers_from(own, np.flatnonzero(greedy), evaluated),
        students,
    )
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "estimates", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
