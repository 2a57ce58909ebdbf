"""Families of models: how teachers and students are trained and how they predict.

`kduq.families.protocol` says what a family provides, `kduq.families.registry` lists them all.
"""

# The configuration imports the registry, whose settings are built from its fields: it goes first.
import kduq.config  # noqa: F401
from kduq.families.protocol import (
    Batch,
    Family,
    Model,
    ModelSettings,
    Problem,
    Trained,
    Workload,
)
from kduq.families.registry import FAMILIES, AnyModelSettings, family

__all__ = [
    "FAMILIES",
    "AnyModelSettings",
    "Batch",
    "Family",
    "Model",
    "ModelSettings",
    "Problem",
    "Trained",
    "Workload",
    "family",
]
