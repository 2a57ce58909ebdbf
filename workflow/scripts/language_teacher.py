"""Entry of stage teacher for a language model."""

import sys
from pathlib import Path

from kduq.artifacts import files, schemas
from kduq.artifacts import tables as artifacts
from kduq.data import corpus
from kduq.families.lm import models
from kduq.runtime import script as job
from kduq.teacher import text as teacher
from tqdm import tqdm


def main(input, output, params):  # noqa: A002
    settings = params.config
    table = artifacts.read(input.examples[0], "examples").table
    prompts = corpus.Corpus.of(table.to_pydict())
    with tqdm(total=settings["model"]["steps"], unit="step", file=sys.stderr, mininterval=5) as bar:
        model, tokenizer, losses = teacher.fit(settings, prompts, bar.update)
    perplexity = teacher.perplexity(model, tokenizer, settings, prompts)
    with files.atomic_folder(output.model) as folder:
        models.save(model, tokenizer, folder)
    made_by = params.made_by(input, job.study_root(output[0]))
    points = len(losses.step)
    curve = dict.fromkeys([*schemas.CONDITION, "replicate"], [None] * points) | {
        "step": losses.step,
        "loss": losses.loss,
        "learning_rate": losses.learning_rate,
    }
    artifacts.write(output.losses, "losses", curve, made_by | {"stage": "losses"})
    values = {
        "prompt_id": table.column("prompt_id").to_pylist(),
        "split": prompts.split,
        "perplexity": perplexity,
    }
    saved = files.digests_below(Path(output.model))
    artifacts.write(output.teacher, "teacher", values, made_by | {"files": saved})


if __name__ == "__main__":
    job.run(main, snakemake)
