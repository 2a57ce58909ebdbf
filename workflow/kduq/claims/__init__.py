"""Claims of the paper: the registry, one file per claim."""

from kduq.claims import (
    averaging,
    averaging_at_fixed_initialisation,
    averaging_of_classes,
    bootstrap_of_teacher_labels,
    conservation,
    entropy_is_kept,
    networks_amplify,
    noise_is_proportional,
    reflection,
    remedies_on_text,
    replicated,
    robust_to_initialisation,
    sensitive_to_initialisation,
    stability,
    suppression,
    variance_weighting,
)
from kduq.claims.protocol import Claim, Margin
from kduq.registry import Registry

CLAIMS: Registry[Claim] = Registry(
    "claim",
    (
        noise_is_proportional.CLAIM,
        networks_amplify.CLAIM,
        averaging.CLAIM,
        averaging_at_fixed_initialisation.CLAIM,
        averaging_of_classes.CLAIM,
        variance_weighting.CLAIM,
        robust_to_initialisation.CLAIM,
        bootstrap_of_teacher_labels.CLAIM,
        entropy_is_kept.CLAIM,
        sensitive_to_initialisation.CLAIM,
        suppression.CLAIM,
        remedies_on_text.CLAIM,
        reflection.CLAIM,
        conservation.CLAIM,
        stability.CLAIM,
        *replicated.CLAIMS,
    ),
)


def margins() -> dict[str, Margin]:
    """Margins of all claims by their key in the configuration."""
    return {key: margin for claim in CLAIMS.values() for key, margin in claim.margins.items()}
