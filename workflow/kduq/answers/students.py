"""Stage ``answers`` of text: the students' answers to the evaluated prompts.

The students' weights lie beside their table. Where they are not kept, the students are trained
again, which gives the same weights.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import safetensors

from kduq import artifacts, seeds
from kduq.answers.asking import check_max_new_tokens, evaluate_on_prompts
from kduq.answers.settings import StudentsSettings as Settings
from kduq.artifacts import schemas, weights
from kduq.conditions import Condition
from kduq.errors import ArtifactError
from kduq.families.lm import models
from kduq.families.lm.text import Model
from kduq.stage import Inputs, Outputs, progress
from kduq.students import text, text_factorial
from kduq.students.text import Targets, start_of

__all__ = ["Settings", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the answers of a shard's students; see `kduq.stage.Stage`."""
    table = inputs.read("students")
    config = table.provenance["config"]
    module: ModuleType = text_factorial if "levels" in config else text
    training = module.Settings.model_validate(config)
    targets = Targets.read(inputs, training.conditions)
    start, tokenizer = start_of(training, targets.corpus)
    check_max_new_tokens(tokenizer, settings.evaluation, targets.corpus)
    (path,) = inputs.paths["students"]
    if kept := kept_weights(path, table.provenance):
        found = load_students(kept, start, numbers_of(table, training.conditions))
    else:
        sys.stdout.write(f"{path}: no weights were kept beside it; its students train again\n")
        students = module.trained(training, targets)
        found = ((s.condition, s.replicate, s.model) for s in students)
    seed_of = seeds_of(table, training.conditions, settings)
    parts: dict[tuple[int, int], dict[str, Any]] = {}
    with progress(table.table.num_rows, "student") as advance:
        for condition, replicate, model in found:
            columns = evaluate_on_prompts(
                model,
                tokenizer,
                settings.evaluation,
                targets.corpus,
                seed_of[condition, replicate],
            )
            parts[condition, replicate] = columns
            advance(1)
    outputs.write("answers", stacked(parts, training.conditions))


def kept_weights(table: str, provenance: Mapping[str, Any]) -> Path | None:
    """The file of the weights beside a table of students.

    Parameters
    ----------
    table : str
        The table.
    provenance : mapping
        Its provenance.

    Returns
    -------
    path or None
        None if there is no such file, or it is damaged or of other students.
    """
    path = Path(table).with_suffix(".safetensors")
    try:
        own = artifacts.read_provenance(path)
    except ArtifactError:
        return None
    same = ("lineage", "inputs", "code", "config")
    return path if all(own[key] == provenance[key] for key in same) else None


def numbers_of(table: artifacts.Artifact, conditions: Sequence[Condition]) -> list[tuple[int, int]]:
    """Numbers of the condition and the replicate of each row of a table of students."""
    replicates = table.column("replicate")
    return [
        (i, int(replicates[row]))
        for i, rows in enumerate(table.rows_of(conditions))
        for row in rows
    ]


def seeds_of(
    table: artifacts.Artifact, conditions: Sequence[Condition], settings: Settings
) -> dict[tuple[int, int], int]:
    """Seed of the decoding of each student, by its numbers.

    A student's own or, in a factorial design, where it has none, the one that all share.
    """
    shared = seeds.replicate_seed(settings.seed, (*settings.path, "decoding"), 0)
    own = table.table.column("seed").to_pylist()
    rows = [row for rows in table.rows_of(conditions) for row in rows]
    return {
        number: shared if own[row] is None else own[row]
        for number, row in zip(numbers_of(table, conditions), rows, strict=True)
    }


def load_students(
    path: Path, model: Model, numbers: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, Model]]:
    """Load students one by one.

    Parameters
    ----------
    path : path
        File of their weights.
    model : transformers model
        One of the same architecture; its parameters are replaced.
    numbers : sequence of tuple of int
        Numbers of their conditions and replicates.

    Yields
    ------
    condition, replicate : int
        The numbers of a student.
    model
        The model, until the next is asked for.
    """
    names = [name for name, _ in model.named_parameters()]
    with safetensors.safe_open(path, "np") as file:
        for number in numbers:
            prefix = weights.prefix(*number)
            tensors = {name: file.get_tensor(f"{prefix}{name}") for name in names}
            models.set_tensors(model, tensors)
            yield (*number, model)


def stacked(
    parts: Mapping[tuple[int, int], Mapping[str, Any]], conditions: Sequence[Condition]
) -> dict[str, Any]:
    """Columns of the artifact from those of each student, by condition and replicate."""
    rows = []
    for (condition, replicate), columns in sorted(parts.items(), key=lambda item: item[0]):
        size = len(columns["text"])
        values = {name: [getattr(conditions[condition], name)] * size for name in schemas.CONDITION}
        rows.append(values | {"replicate": np.full(size, replicate, np.int32)} | dict(columns))
    return text.stack(rows)
