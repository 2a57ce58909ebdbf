"""Families of models: how teachers and students are trained and how they predict.

`kduq.families.protocol` is the interface of a family, `kduq.families.registry` lists all families.
"""

from kduq.families.protocol import (
    Batch,
    Family,
    Model,
    ModelSettings,
    Problem,
    Trained,
    Workload,
)
from kduq.families.registry import FAMILIES, AnyModelSettings

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
]
