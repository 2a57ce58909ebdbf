"""Types of values in the configuration, and the strict model of its tables."""

import ast
import inspect
import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
)
from pydantic_core import CoreSchema


def no_truth_value(value: Any) -> Any:
    """Refuse true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("a number is needed")
    return value


#: A number, or a number as text: Snakemake passes the values inside a table of --config as text.
Real = Annotated[float, BeforeValidator(no_truth_value)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Count = Annotated[int, Field(gt=0, strict=True)]
Positive = Annotated[Real, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[Real, Field(ge=0, allow_inf_nan=False)]
LearningRate = Annotated[Real, Field(gt=0, le=1e6)]
Share = Annotated[Real, Field(gt=0, le=1)]


def unique(values: list[Any]) -> list[Any]:
    """Refuse a list with equal values."""
    if len(set(values)) < len(values):
        raise ValueError("a value is listed twice; list each once")
    return values


def require_even(value: int) -> int:
    """Refuse an odd number."""
    if value % 2:
        raise ValueError("an even number is needed: students are compared in pairs")
    return value


def no_pattern(path: str) -> str:
    """Refuse a path that is empty, or that Snakemake would take for a pattern; replace ``~``."""
    if not path or "{" in path or "}" in path:
        raise ValueError("the name of a file is needed, without { and }")
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        raise ValueError(f"{error}; write the whole path") from error


def number_as_name(value: Any) -> Any:
    """A name of a column: files without a line of names number their columns."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


File = Annotated[str, AfterValidator(no_pattern)]
#: Name of a column of a user's file.
Column = Annotated[str, BeforeValidator(number_as_name)]
#: One character, as between the cells of a file.
Character = Annotated[str, Field(min_length=1, max_length=1)]
Alphas = Annotated[list[NonNegative], Field(min_length=1), AfterValidator(unique)]
Names = Annotated[list[Name], Field(min_length=1), AfterValidator(unique)]


class StrictModel(BaseModel):
    """A table in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the keys by the texts below them.

        pydantic's own option reads the source of each class whenever it is imported, which takes a
        third of the time in which a study is planned.
        """
        json_schema = handler(core_schema)
        keys = handler.resolve_ref_schema(json_schema).get("properties", {})
        for name, text in _docstrings(cls).items():
            if name in keys:
                keys[name].setdefault("description", text)
        return json_schema


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Texts below the attributes of a class and of those it is derived from."""
    found = {}
    for base in reversed(model.__mro__):
        file = getattr(sys.modules[base.__module__], "__file__", None)
        if not issubclass(base, StrictModel) or file is None:
            continue
        for statement in ast.parse(Path(file).read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.ClassDef) and statement.name == base.__qualname__:
                for field, text in pairwise(statement.body):
                    match field, text:
                        case (
                            ast.AnnAssign(target=ast.Name(id=name)),
                            ast.Expr(value=ast.Constant(value=str(docstring))),
                        ):
                            found[name] = inspect.cleandoc(docstring)
    return found
