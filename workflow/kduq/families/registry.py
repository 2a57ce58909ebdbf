"""The registry of families; a new family needs one line here."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from kduq.families import linear, lm, mlp, softmax
from kduq.families.protocol import Family, ModelSettings
from kduq.registry import Registry

FAMILIES: Registry[Family] = Registry(
    "family",
    (
        linear.FAMILY,
        softmax.FAMILY,
        mlp.FAMILY,
        lm.FAMILY,
    ),
)

#: Settings of a model of any family, told apart by their key ``family``.
if TYPE_CHECKING:
    AnyModelSettings = ModelSettings
else:
    AnyModelSettings = Annotated[
        Union[tuple(family.settings for family in FAMILIES.values())],  # noqa: UP007
        Field(discriminator="family"),
    ]
