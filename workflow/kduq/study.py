"""The plan of a study: every artifact, the settings that decide its content, and its inputs.

Rules and the audit read the same plan, so what Snakemake reruns and what the audit calls stale
follow from one list.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from kduq import families, fetched
from kduq.artifacts import SCHEMA_VERSION, canonical_json
from kduq.config import Config, Model, Run
from kduq.fingerprint import PACKAGE, fingerprint

#: Keys of a condition: the condition columns of the students' table.
CONDITION_KEYS = (
    "method",
    "alpha",
    "k",
    "init_noise",
    "sample_fraction",
    "label_source",
    "temperature",
)
EXPERIMENTS = ("teacher_noise", "student_init", "bootstrap", "student_output", "variance_aware")
#: Figures of an experiment that has not one of its own name alone.
_FIGURES = {"student_output": ("student_output", "student_output_responses")}
#: Files of the library that are data, by what reads them.
_TEMPLATE = PACKAGE.parent / "report" / "report.html.j2"
_CAPTIONS = PACKAGE.parent / "report"
_STYLE = PACKAGE / "data" / "kduq.mplstyle"


@dataclass(frozen=True)
class Job:
    """An artifact to be made.

    Attributes
    ----------
    path : str
        Where, under ``results/{study}/``.
    stage : str
        Its stage.
    settings : dict
        Exactly the settings that change its content.
    modules : tuple of str
        Library modules whose code makes it.
    inputs : dict of str to list of str
        Artifacts it is made from, by role.
    rows : int, optional
        Rows that it must have; None where the configuration does not fix them.
    """

    path: str
    stage: str
    settings: dict[str, Any]
    modules: tuple[str, ...]
    inputs: dict[str, list[str]] = field(default_factory=dict)
    rows: int | None = None

    @property
    def code(self) -> str:
        """Fingerprint of the code that makes the artifact."""
        return fingerprint(*self.modules)

    @property
    def parameters(self) -> str:
        """All that is not a file and changes the artifact, as one text."""
        return canonical_json(
            {
                "schema_version": SCHEMA_VERSION,
                "stage": self.stage,
                "config": self.settings,
                "code": self.code,
                "modules": self.modules,
            }
        )


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _condition(**values: Any) -> dict[str, Any]:
    return {key: values.get(key) for key in CONDITION_KEYS}


def conditions(experiment: str, grid: dict[str, Any]) -> list[dict[str, Any]]:
    """Conditions of an experiment, the slowest key first.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    grid : dict
        Its settings.

    Returns
    -------
    list of dict
        One entry for each cell, with all of `CONDITION_KEYS`; what does not apply is None.
    """
    if experiment == "teacher_noise":
        return [_condition(method="single", alpha=alpha, k=1) for alpha in grid["alpha"]]
    if experiment == "student_init":
        return [_condition(init_noise=scale) for scale in grid["init_noise"]]
    if experiment == "bootstrap":
        return [
            _condition(sample_fraction=fraction, label_source=source)
            for source, fraction in product(grid["label_source"], grid["sample_fraction"])
        ]
    if experiment == "student_output":
        return [cell for source in grid["label_source"] for cell in _class_labels(source, grid)]
    return [
        _condition(method=method, alpha=alpha, k=k)
        for alpha, method, k in product(grid["alpha"], grid["method"], grid["k"])
        if method != "single" or k == 1
    ]


def _class_labels(source: str, grid: dict[str, Any]) -> list[dict[str, Any]]:
    """Cells of a source of labels in classification."""
    if source == "averaged":
        return [_condition(method="averaging", label_source=source, k=k) for k in grid["k"]]
    if source == "soft":
        return [_condition(label_source=source)]
    return [_condition(method="single", label_source=source, k=1)]


def figures_of(experiment: str) -> tuple[str, ...]:
    """Names of an experiment's figures."""
    return _FIGURES.get(experiment, (experiment,))


class Study:
    """All jobs of a study.

    Parameters
    ----------
    config : Config
        The checked configuration.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        #: Data sets that take part only where they have been downloaded, and have not been.
        self.left_out: list[str] = []
        output = config.experiments.student_output
        if output is not None:
            self.left_out = [
                name
                for name in output.if_fetched
                if config.datasets[name].path is None and not fetched.cached(name)
            ]
        self.experiments = [e for e in EXPERIMENTS if self._runs_of(e)]

    def _runs_of(self, experiment: str) -> list[tuple[str, str]]:
        """Families and data sets of an experiment."""
        grid = getattr(self.config.experiments, experiment)
        if grid is None:
            return []
        names = [f for f in type(grid.families).model_fields if getattr(grid.families, f)]
        further = [d for d in getattr(grid, "if_fetched", ()) if d not in self.left_out]
        return [(f, d) for f in names for d in (*grid.datasets, *further)]

    def _grid(self, experiment: str) -> dict[str, Any]:
        settings: dict[str, Any] = getattr(self.config.experiments, experiment).model_dump()
        # 1 and 1.0 are the same setting.
        return {
            key: [float(v) for v in value] if key in _REAL else value
            for key, value in settings.items()
        }

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every job of the study by its path."""
        found = [*self._examples(), *self._teachers()]
        for experiment in self.experiments:
            for family, dataset in self._runs_of(experiment):
                found.extend(self._run_jobs(experiment, family, dataset))
        found.extend(self._gathered())
        return {job.path: job for job in found}

    def _used_datasets(self) -> list[str]:
        used = {d for e in self.experiments for _, d in self._runs_of(e)}
        return [d for d in self.config.datasets if d in used]

    @property
    def downloads(self) -> list[str]:
        """Data sets of the configuration that are downloaded."""
        return [
            name
            for name, dataset in self.config.datasets.items()
            if name in fetched.FETCHED and dataset.path is None
        ]

    def data_file(self, dataset: str) -> list[str]:
        """The user's file behind a data set, as a list of at most one."""
        path = self.config.datasets[dataset].path
        return [] if path is None else [path]

    def _examples(self) -> list[Job]:
        jobs = []
        for dataset in self._used_datasets():
            settings = {"dataset": dataset, **self.config.datasets[dataset].model_dump()}
            settings["task"] = self.config.task_of(dataset)
            jobs.append(
                Job(f"examples/{dataset}.parquet", "examples", settings, ("kduq.examples",))
            )
        return jobs

    def _teachers(self) -> list[Job]:
        wanted: dict[tuple[str, str], None] = {}
        for experiment in self.experiments:
            for family, dataset in self._runs_of(experiment):
                run = getattr(getattr(self.config.experiments, experiment).families, family)
                wanted[run.teacher, dataset] = None
        jobs = []
        for name, dataset in wanted:
            family, task = self.config.teachers[name].family, self.config.task_of(dataset)
            model = _settings_of(self.config.teachers[name], task)
            if "shared_init" in model:
                # A teacher is alone: nothing is shared, and no trajectory is kept.
                model |= {"shared_init": None, "record_every": 0}
            settings = {
                "teacher": name,
                "dataset": dataset,
                "task": task,
                "family": family,
                "model": model,
                "seed": self.config.seed,
            }
            jobs.append(
                Job(
                    f"teachers/{name}/{dataset}/teacher.parquet",
                    "teacher",
                    settings,
                    ("kduq.teacher", families.module(family, task)),
                    {"examples": [f"examples/{dataset}.parquet"]},
                )
            )
        return jobs

    def _run_jobs(self, experiment: str, family: str, dataset: str) -> list[Job]:
        grid = self._grid(experiment)
        run: Run = getattr(getattr(self.config.experiments, experiment).families, family)
        cells = conditions(experiment, grid)
        root = f"{experiment}/{family}/{dataset}"
        examples = f"examples/{dataset}.parquet"
        teacher = f"teachers/{run.teacher}/{dataset}/teacher.parquet"
        task = self.config.task_of(dataset)
        model = _settings_of(self.config.students[run.student], task)
        noisy = experiment in ("teacher_noise", "student_output", "variance_aware")
        draws = max((cell["k"] or 1) for cell in cells)
        divergence_factor = self.config.statistics.divergence_factor
        common = {
            "experiment": experiment,
            "family": family,
            "dataset": dataset,
            "seed": self.config.seed,
        }
        jobs, students = [], []
        for start in range(0, run.replicates, run.block):
            stop = min(start + run.block, run.replicates)
            block = f"{start:06d}-{stop:06d}"
            span = {**common, "start": start, "stop": stop}
            responses = f"{root}/responses/{block}.parquet"
            students.append(f"{root}/students/{block}.parquet")
            jobs.append(
                Job(
                    responses,
                    "responses",
                    {**span, "responses": draws, "noisy": noisy},
                    ("kduq.responses",),
                    {"examples": [examples]},
                    (stop - start) * draws,
                )
            )
            jobs.append(
                Job(
                    students[-1],
                    "students",
                    {
                        **span,
                        "task": task,
                        "model": model,
                        "conditions": cells,
                        "divergence_factor": divergence_factor,
                    },
                    ("kduq.students", "kduq.teacher", families.module(family, task)),
                    {"examples": [examples], "teacher": [teacher], "responses": [responses]},
                    (stop - start) * len(cells),
                )
            )
        statistics = self.config.statistics
        jobs.append(
            Job(
                f"{root}/estimates.parquet",
                "estimates",
                {
                    **common,
                    "task": task,
                    "confidence": statistics.confidence,
                    "conditions": cells,
                },
                (f"kduq.estimates.{task}", "kduq.teacher", families.module(family, task)),
                {"examples": [examples], "teacher": [teacher], "students": students},
            )
        )
        return jobs

    def _gathered(self) -> list[Job]:
        runs = [
            f"{e}/{f}/{d}/estimates.parquet" for e in self.experiments for f, d in self._runs_of(e)
        ]
        students = [
            f"{e}/{f}/{d}/students/{start:06d}-{stop:06d}.parquet"
            for e in self.experiments
            for f, d in self._runs_of(e)
            for start, stop in self._blocks(e, f)
        ]
        sorted_into = [
            f"examples/{d}.parquet"
            for d in self._used_datasets()
            if self.config.task_of(d) == "classification"
        ]
        classes = {"examples": sorted_into} if sorted_into else {}
        jobs = [
            Job("estimates.parquet", "estimates", {}, ("kduq.estimates",), {"estimates": runs}),
            Job(
                "claims.parquet",
                "claims",
                {
                    "confidence": self.config.statistics.confidence,
                    "bootstrap_draws": self.config.statistics.bootstrap_draws,
                    "seed": self.config.seed,
                    **self.config.claims.model_dump(),
                },
                ("kduq.claims",),
                {"estimates": ["estimates.parquet"], "students": students} | classes,
            ),
        ]
        figures = []
        for experiment in self.experiments:
            drawn = {"estimates": self.artifacts_of(experiment, figures=False)}
            if recorded := self._recorded(experiment):
                drawn["students"] = recorded
            for figure, suffix in product(figures_of(experiment), ("png", "pdf")):
                figures.append(f"figures/{figure}.{suffix}")
                jobs.append(
                    Job(
                        figures[-1],
                        "figures",
                        {
                            "figure": figure,
                            "experiment": experiment,
                            **self.config.figures.model_dump(),
                            "project_style": _file_digest(_STYLE),
                            "confidence": self.config.statistics.confidence,
                        },
                        ("kduq.figures",),
                        drawn,
                    )
                )
        captions = {
            f: _file_digest(_CAPTIONS / f"{f}.rst") for e in self.experiments for f in figures_of(e)
        }
        jobs.append(
            Job(
                "report.html",
                "report",
                {
                    "study": json.loads(self.config.model_dump_json()),
                    "template": _file_digest(_TEMPLATE),
                    "captions": captions,
                    "left_out": self.left_out,
                },
                ("kduq.report",),
                {
                    "estimates": ["estimates.parquet"],
                    "claims": ["claims.parquet"],
                    "figures": [f for f in figures if f.endswith(".png")],
                },
            )
        )
        return jobs

    def _recorded(self, experiment: str) -> list[str]:
        """First block of students of each run whose trajectories were recorded."""
        found = []
        for family, dataset in self._runs_of(experiment):
            run = getattr(getattr(self.config.experiments, experiment).families, family)
            if getattr(self.config.students[run.student], "record_every", 0):
                start, stop = self._blocks(experiment, family)[0]
                found.append(
                    f"{experiment}/{family}/{dataset}/students/{start:06d}-{stop:06d}.parquet"
                )
        return found

    def _blocks(self, experiment: str, family: str) -> list[tuple[int, int]]:
        run = getattr(getattr(self.config.experiments, experiment).families, family)
        starts = range(0, run.replicates, run.block)
        return [(start, min(start + run.block, run.replicates)) for start in starts]

    def artifacts_of(self, experiment: str, figures: bool = True) -> list[str]:
        """Paths to make for one experiment: its estimates and, if wanted, its figures."""
        runs = [f"{experiment}/{f}/{d}/estimates.parquet" for f, d in self._runs_of(experiment)]
        drawn = product(figures_of(experiment) if figures else (), ("png", "pdf"))
        return [*runs, *(f"figures/{figure}.{suffix}" for figure, suffix in drawn)]


def _settings_of(model: Model, task: str) -> dict[str, Any]:
    """Settings of a model that decide what it becomes in a task."""
    settings = model.model_dump(exclude={"family"})
    if task == "regression":
        # Networks for regression step on all rows; the configuration allows nothing else.
        for key in ("batch_size", "max_steps"):
            settings.pop(key, None)
    return settings


_REAL = ("alpha", "init_noise", "sample_fraction")
