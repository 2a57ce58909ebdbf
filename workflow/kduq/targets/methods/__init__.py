"""Methods on text: how k answers to a prompt become what a student is taught; the registry."""

from kduq.registry import Registry
from kduq.targets.methods import averaging, plain, repetition, shuffled, variance_weighting
from kduq.targets.methods.protocol import Method

METHODS: Registry[Method] = Registry(
    "method",
    (
        plain.SINGLE,
        plain.MULTI_RESPONSE,
        averaging.METHOD,
        repetition.MAJORITY,
        repetition.DENOISED,
        variance_weighting.CROSS_FITTED,
        variance_weighting.PRIOR,
        shuffled.METHOD,
    ),
)
