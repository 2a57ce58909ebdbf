"""Entry of stage answers: what the teacher itself answers."""

from kduq.artifacts import tables as artifacts
from kduq.data import corpus
from kduq.runtime import script as job
from kduq.teacher import text as teacher


def main(input, output, params):  # noqa: A002
    prompts = corpus.Corpus.of(artifacts.read(input.examples[0], "examples").table.to_pydict())
    model, tokenizer = job.language_model(input.teacher[0])
    values = teacher.answers(model, tokenizer, params.config, prompts)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "answers", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
