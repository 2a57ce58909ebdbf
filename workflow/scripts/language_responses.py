"""Entry of stage responses for a language model."""

import sys

from kduq.artifacts import tables as artifacts
from kduq.data import corpus
from kduq.responses import text as responses
from kduq.runtime import script as job
from tqdm import tqdm


def main(input, output, params):  # noqa: A002
    settings = params.config
    prompts = corpus.Corpus.of(artifacts.read(input.examples[0], "examples").table.to_pydict())
    model, tokenizer = job.language_model(input.teacher[0])
    answers = sum(number for _, number in settings["temperatures"]) * len(prompts.training)
    total = answers * (settings["stop"] - settings["start"])
    with tqdm(total=total, unit="answer", file=sys.stderr, mininterval=5) as bar:
        values = responses.sample(model, tokenizer, settings, prompts, bar.update)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "responses", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
