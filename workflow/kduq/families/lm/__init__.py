"""Family ``lm``: causal language models."""

from kduq.families.lm.settings import LanguageModelSettings
from kduq.families.protocol import Family, Workload

#: Operations per second in training, and in sampling answers token by token.
_TRAINING, _ANSWERING = 1e11, 1e10
#: Tokens of a question with its answer, and of the answer alone.
_TOKENS, _ANSWER = 20, 8
#: Assumed parameters of a pretrained model, those of a small GPT-2.
_PRETRAINED = 100_000_000


def _seconds(settings: LanguageModelSettings, workload: Workload) -> float:
    parameters = _PRETRAINED
    if settings.layers and settings.width and settings.vocabulary:
        parameters = 12 * settings.layers * settings.width**2 + settings.vocabulary * settings.width
    training = 6 * settings.steps * settings.batch_size * _TOKENS * parameters
    answering = 2 * workload.prompts * workload.draws * _ANSWER * parameters
    return training / _TRAINING + answering / _ANSWERING


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
