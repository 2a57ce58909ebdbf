"""Family ``lm``: causal language models."""

from kduq.families.lm.settings import LanguageModelSettings
from kduq.families.protocol import Family, Workload

#: Operations per second in training.
_SPEED = 1e11
#: Tokens of a question with its answer.
_TOKENS = 20
#: Assumed parameters of a pretrained model, those of a small GPT-2.
_PRETRAINED = 100_000_000


def _seconds(settings: LanguageModelSettings, workload: Workload) -> float:  # noqa: ARG001
    # Of training alone: answers are another job, and further ones must not change the shards.
    parameters = _PRETRAINED
    if settings.layers and settings.width and settings.vocabulary:
        parameters = 12 * settings.layers * settings.width**2 + settings.vocabulary * settings.width
    return 6 * settings.steps * settings.batch_size * _TOKENS * parameters / _SPEED


FAMILY = Family(
    name="lm",
    label="language model",
    lane="text",
    settings=LanguageModelSettings,
    models={"text": "kduq.families.lm.training"},
    seconds=_seconds,
    sizes=(1, 2, 5, 10),
    factors=("noise", "initialisation", "bootstrap", "decoding"),
    colour="#009E73",
    marker="^",
)
