"""Targets that a user asks for: the nearest right name of a misspelt one."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kduq.config.messages import suggestion
from kduq.errors import UserError
from kduq.study.study import Study


def check_targets(names: Iterable[str], rules: Any, study: Study, root: str) -> None:
    """Refuse a target that is no rule and no artifact, before any job is planned.

    Parameters
    ----------
    names : iterable of str
        Rules and files, relative to the folder in which Snakemake runs.
    rules : iterable of snakemake.rules.Rule
        All rules.
    study : Study
        The plan.
    root : str
        Its folder, ``results/{study}``.

    Raises
    ------
    UserError
        Naming the target and, if there is one, the most similar right name.
    """
    all_rules = list(rules)
    known = {rule.name for rule in all_rules}
    for name in names:
        path = name if Path(name).is_absolute() else os.path.normpath(name)
        experiment = name.replace("-", "_")
        if name in known and experiment in study.absent:
            raise UserError(absent(study, experiment))
        if name in known or _can_be_made(path, all_rules, study, root):
            continue
        if os.sep in name:
            paths = [f"{root}/{target}" for target in study.targets]
            right = suggestion(os.path.relpath(name), paths)
        else:
            # As they are written on the command line: rules with wildcards are no targets.
            right = suggestion(name, [r.name for r in all_rules if not r.has_wildcards()])
        if Path(name).suffix in (".yaml", ".yml") and Path(name).is_file():
            raise UserError(
                f"{name}: found a file of settings among the targets; name it after --configfile"
            )
        raise UserError(
            f"{name}: found a target that is neither a rule nor an artifact of the study "
            f"'{study.config.study}'{right} ('snakemake --list-target-rules' lists targets, "
            "'snakemake reproduce-all --dry-run' artifacts)"
        )


def absent(study: Study, experiment: str) -> str:
    """Message about the target of an experiment without runs."""
    return (
        f"experiments.{experiment}: no family takes part in the study "
        f"'{study.config.study}', since "
        "it is null or its families are, or only does not name it or data for it; name a family "
        "under families (config.yaml shows how)"
    )


def _can_be_made(name: str, rules: list[Any], study: Study, root: str) -> bool:
    """Whether a rule makes a file and, inside the study's folder, whether the study has it."""
    makers = [rule for rule in rules if rule.is_producer(name)]
    if not Path(name).is_relative_to(root):
        return bool(makers)
    # A rule's other outputs, such as weights or a figure as PDF, belong to an artifact.
    outputs = (
        Path(str(output.apply_wildcards(rule.get_wildcards(name))))
        for rule in makers
        for output in rule.output
    )
    return any(str(path.relative_to(root)) in study.targets for path in outputs)
