"""The key ``only``: the parts of a study that take part."""

import copy
from collections.abc import Mapping
from typing import Any

from kduq.config.messages import unknown
from kduq.data.datasets import DATASETS
from kduq.errors import UserError
from kduq.experiments import EXPERIMENTS
from kduq.families import FAMILIES

#: Tables of an experiment's settings that have data sets and families of their own.
_INNER = ("classification",)


def select(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Switch off what ``only`` does not name.

    Parameters
    ----------
    raw : mapping
        Content of config.yaml and its overlays, before it is checked. An empty list, or null, in
        place of the table ``datasets`` or ``corpora`` is a study without any.

    Returns
    -------
    dict
        The same, in which other experiments are null. If ``only`` names data sets or corpora, every
        experiment has those that fit its task in place of its own, and none of the other kind
        unless they are named too.

    Raises
    ------
    UserError
        If ``only`` is no list of names of experiments, data sets and corpora, or if a name means
        two of them.
    """
    chosen = copy.deepcopy(dict(raw))
    experiments = chosen.get("experiments")
    if not isinstance(experiments, dict):
        return chosen
    for table, empty in (("datasets", _without_tables), ("corpora", _without_text)):
        if table in chosen and not chosen[table]:
            chosen[table] = {}
            for settings in _tables(experiments):
                empty(settings)
    names = chosen.get("only")
    if names is None:
        return chosen
    if isinstance(names, str):
        chosen["only"] = names = [names]
    kinds = _kinds(names, chosen)
    if kinds["experiments"]:
        for name in experiments:
            if name not in kinds["experiments"]:
                experiments[name] = None
    if kinds["datasets"] or kinds["corpora"]:
        for name, settings in experiments.items():
            if isinstance(settings, dict) and name in EXPERIMENTS:
                _restrict(settings, EXPERIMENTS[name].task, kinds, chosen["datasets"])
    return chosen


def _kinds(names: Any, raw: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of each kind."""
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise UserError(
            f"only: found {names!r}; a list of names of experiments, data sets and corpora is "
            "needed, such as [teacher_noise], or null for all"
        )
    known = {kind: list(raw.get(kind) or ()) for kind in ("datasets", "corpora")}
    known = {"experiments": list(EXPERIMENTS), **known}
    faults, kinds = [], {kind: [n for n in names if n in table] for kind, table in known.items()}
    everything = [name for table in known.values() for name in table]
    for i, name in enumerate(names):
        meanings = [kind for kind, table in known.items() if name in table]
        if not meanings:
            table = "experiments, datasets and corpora"
            faults.append(unknown(f"only.{i}", name, everything, table))
        elif len(meanings) > 1:
            faults.append(
                f"only.{i}: found '{name}', a name in {' and in '.join(meanings)}; rename yours"
            )
        elif name in _switched_off(raw):
            faults.append(
                f"only.{i}: found '{name}', but experiments.{name} is null; remove one of them"
            )
    if faults:
        raise UserError("\n".join(faults))
    return kinds


def _switched_off(raw: Mapping[str, Any]) -> list[str]:
    """Names of experiments that are switched off."""
    return [name for name in EXPERIMENTS if not raw["experiments"].get(name)]


def _restrict(
    settings: dict[str, Any], task: str, kinds: dict[str, list[str]], datasets: Any
) -> None:
    """Give an experiment the named data sets of its task, and the named corpora."""
    for own, own_task in [(settings, task), *((settings.get(i), "classification") for i in _INNER)]:
        if not isinstance(own, dict):
            continue
        named = [n for n in kinds["datasets"] if _task(n, datasets) == own_task]
        if "optional_datasets" in own:
            optional = [n for n in named if n in (own["optional_datasets"] or ())]
            own["optional_datasets"] = optional
            named = [n for n in named if n not in optional]
        own["datasets"] = named
    for family in (settings.get("families") or {}).values():
        if isinstance(family, dict) and "corpora" in family:
            family["corpora"] = list(kinds["corpora"])
    _drop_empty_text(settings)


def _task(name: str, datasets: Any) -> str:
    if name in DATASETS:
        return DATASETS[name].task
    own = datasets[name]
    return (own.get("task") if isinstance(own, dict) else None) or "regression"


def _tables(experiments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables with data sets and families: of the experiments, and inside them."""
    tables = [table for table in experiments.values() if isinstance(table, dict)]
    inner = [table.get(name) for table in tables for name in _INNER]
    return [*tables, *(table for table in inner if isinstance(table, dict))]


def _without_tables(settings: dict[str, Any]) -> None:
    for key in ("datasets", "optional_datasets"):
        if key in settings:
            settings[key] = []


def _without_text(settings: dict[str, Any]) -> None:
    for family in (settings.get("families") or {}).values():
        if isinstance(family, dict) and "corpora" in family:
            family["corpora"] = []
    _drop_empty_text(settings)


def _drop_empty_text(settings: dict[str, Any]) -> None:
    """Switch off language models without a corpus."""
    families = settings.get("families") or {}
    for name, family in families.items():
        if name in FAMILIES and isinstance(family, dict) and family.get("corpora") == []:
            families[name] = None
