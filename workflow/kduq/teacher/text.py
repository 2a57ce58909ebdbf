"""Stage ``teacher`` of text: a language model, trained from scratch or pretrained."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kduq import artifacts, seeds
from kduq.artifacts import schemas
from kduq.data.corpus import Corpus
from kduq.families.lm import models, scoring, text, training
from kduq.families.lm.text import Model, Tokenizer
from kduq.stage import Inputs, Outputs, progress
from kduq.teacher.settings import TextSettings as Settings

__all__ = ["Settings", "fit", "load", "perplexity", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the model, its loss curve, and its perplexities; see `kduq.stage.Stage`."""
    corpus = Corpus.from_columns(inputs.read("examples").table.to_pydict())
    with progress(settings.model.steps, "step") as advance:
        model, tokenizer, losses = fit(settings, corpus, advance)
    perplexities = perplexity(model, tokenizer, settings, corpus)
    with outputs.folder("model") as folder:
        models.save(model, tokenizer, folder)
    points = len(losses.step)
    outputs.write(
        "losses",
        dict.fromkeys([*schemas.CONDITION, "replicate"], [None] * points)
        | {"step": losses.step, "loss": losses.loss, "learning_rate": losses.learning_rate},
    )
    outputs.write(
        "teacher",
        {
            "prompt_id": np.arange(len(corpus.prompts), dtype=np.int32),
            "split": corpus.split,
            "perplexity": perplexities,
        },
    )


def load(inputs: Inputs) -> tuple[Model, Tokenizer]:
    """Load a teacher's language model, whose files its table lists.

    Parameters
    ----------
    inputs : Inputs
        With the role teacher.

    Returns
    -------
    model, tokenizer
        As from `kduq.families.lm.models.load`.

    Raises
    ------
    ArtifactError
        If the table or a file of the model is missing or damaged.
    """
    (table,) = inputs.paths["teacher"]
    artifacts.check_files(table, inputs.read("teacher").provenance)
    return models.load(str(Path(table).parent / "model"))


def fit(
    settings: Settings, corpus: Corpus, advance: Callable[[int], object]
) -> tuple[Model, Tokenizer, training.Losses]:
    """Train a teacher on the corpus's training prompts and the answers that are taught.

    Parameters
    ----------
    settings : Settings
        Settings of the teacher.
    corpus : Corpus
        The prompts and references that it learns.
    advance : callable
        Called with 1 after every step.

    Returns
    -------
    model, tokenizer, losses
        The loss curve is empty for a pretrained model that is not trained further.
    """
    seed = seeds.replicate_seed(settings.seed, settings.path, 0)
    model, tokenizer = models.load_or_create(settings.model, corpus.texts(), seed)
    # Held-out prompts are read after the training.
    text.refuse_special_tokens(tokenizer, corpus.prompts)
    text.refuse_special_tokens(tokenizer, (line for lines in corpus.references for line in lines))
    examples = corpus.examples()
    losses = training.train(model, tokenizer, examples, settings.model, seed, advance)
    return model, tokenizer, losses


def perplexity(
    model: Model, tokenizer: Tokenizer, settings: Settings, corpus: Corpus
) -> np.ndarray:
    """Perplexity of every prompt's references, held-out prompts included.

    Parameters
    ----------
    model, tokenizer
        From `fit`.
    settings : Settings
        Settings of the teacher.
    corpus : Corpus
        All prompts.

    Returns
    -------
    ndarray of shape (prompts,)
        See `kduq.families.lm.scoring.perplexity`.
    """
    weights = [corpus.weights(i) for i in range(len(corpus.prompts))]
    return scoring.perplexity(
        model, tokenizer, corpus.prompts, corpus.references, weights, settings.model.max_length
    )
