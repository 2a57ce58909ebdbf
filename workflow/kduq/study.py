"""The plan of a study: every artifact, the settings that decide its content, and its inputs.

Rules and the audit read the same plan, so what Snakemake reruns and what the audit calls stale
follow from one list.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Any

from kduq import costs, families, fetched
from kduq.artifacts import canonical_json
from kduq.conditions import FACTORS, conditions, in_order, language_conditions
from kduq.config import Config, Model, Run
from kduq.fingerprint import PACKAGE, fingerprint
from kduq.schemas import SCHEMA_VERSION

EXPERIMENTS = (
    "teacher_noise",
    "student_init",
    "bootstrap",
    "student_output",
    "variance_aware",
    "decomposition",
)
#: Figures of an experiment that has not one of its own name alone.
_FIGURES = {"student_output": ("student_output", "student_output_responses")}
#: Modules that draw a figure, other than kduq.figures.
_DRAWN_BY = {"decomposition": "kduq.figures_decomposition"}
#: Experiments by how well their students show what one answer a prompt does.
_GALLERY_ORDER = (
    "student_output",
    "teacher_noise",
    "variance_aware",
    "student_init",
    "bootstrap",
)
#: Files of the library that are data, by what reads them.
_CAPTIONS = PACKAGE.parent / "report"
_TEMPLATES = ("report.html.j2", "page.html.j2", "macros.html.j2", "page.css", "page.js")
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


@cache
def _source_digest(source: str | None, _stamp: tuple[tuple[str, int, int], ...]) -> str | None:
    digest = hashlib.sha256()
    for name, _, _ in _stamp:
        digest.update(f"{name}\0{_file_digest(Path(str(source)) / name)}\0".encode())
    return digest.hexdigest() if _stamp else None


def source_digest(source: str | None) -> str | None:
    """Digest of what is in the folder of a model that is loaded, None for no folder."""
    folder = Path(source).expanduser() if source else None
    if folder is None or not folder.is_dir():
        return None
    files = sorted(path for path in folder.iterdir() if path.is_file())
    stamp = tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    return _source_digest(str(folder), stamp)


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
        tables = [*grid.datasets, *further]
        return [
            (f, d) for f in names for d in getattr(getattr(grid.families, f), "corpora", tables)
        ]

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
        return [d for d in (*self.config.datasets, *self.config.corpora) if d in used]

    @property
    def downloads(self) -> list[str]:
        """Data sets of the configuration that are downloaded."""
        return [
            name
            for name, dataset in self.config.datasets.items()
            if name in fetched.FETCHED and dataset.path is None
        ]

    def data_file(self, dataset: str) -> list[str]:
        """The user's file behind a data set or corpus, as a list of at most one."""
        if dataset in self.config.corpora:
            # WordNet's path is a folder, which is not a file to depend on.
            path = self.config.corpora[dataset].path
            return [] if path is None or self.config.kind_of(dataset) == "wordnet" else [path]
        path = self.config.datasets[dataset].path
        return [] if path is None else [path]

    @property
    def datasets(self) -> list[str]:
        """Data sets and corpora that the study uses."""
        return self._used_datasets()

    @property
    def corpora(self) -> list[str]:
        """Corpora that the study uses."""
        return [d for d in self._used_datasets() if d in self.config.corpora]

    @property
    def language_teachers(self) -> list[str]:
        """Language models that the study has as teachers."""
        names = {
            self._run(e, f).teacher
            for e in self.experiments
            for f, d in self._runs_of(e)
            if d in self.config.corpora
        }
        return sorted(names)

    def _run(self, experiment: str, family: str) -> Any:
        """Settings of a family in an experiment."""
        return getattr(getattr(self.config.experiments, experiment).families, family)

    def _examples(self) -> list[Job]:
        jobs = []
        for dataset in self._used_datasets():
            if dataset in self.config.corpora:
                chosen = self.config.corpora[dataset].model_dump()
                chosen |= {"dataset": dataset, "kind": self.config.kind_of(dataset)}
                path = f"examples/{dataset}.parquet"
                jobs.append(Job(path, "examples", chosen, ("kduq.corpora",)))
                continue
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
                wanted[self._run(experiment, family).teacher, dataset] = None
        jobs = []
        for name, dataset in wanted:
            if dataset in self.config.corpora:
                jobs.extend(self._language_teacher(name, dataset))
                continue
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

    def _language_teacher(self, name: str, corpus: str) -> list[Job]:
        """A language model, its loss curve and its own answers."""
        common = {"teacher": name, "dataset": corpus, "seed": self.config.seed}
        model = _language_settings(self.config.teachers[name])
        made = common | {"family": "lm", "task": "text", "model": model}
        root = f"teachers/{name}/{corpus}"
        examples = [f"examples/{corpus}.parquet"]
        modules = ("kduq.language.teacher",)
        return [
            Job(f"{root}/teacher.parquet", "teacher", made, modules, {"examples": examples}),
            Job(
                f"{root}/losses.parquet",
                "losses",
                made,
                modules,
                {"examples": examples},
                # A model that is used as loaded has no losses.
                None if model["steps"] else 0,
            ),
            Job(
                f"{root}/answers.parquet",
                "answers",
                common | self._asked(model),
                modules,
                {"examples": examples, "teacher": [f"{root}/teacher.parquet"]},
            ),
        ]

    def _asked(self, model: dict[str, Any]) -> dict[str, Any]:
        """How a model is asked the prompts on which models are compared."""
        shared = self.config.language
        return shared.model_dump() | {
            "max_length": model["max_length"],
            "embedding_files": source_digest(shared.embedding_model),
        }

    def _language_jobs(self, experiment: str, family: str, corpus: str) -> list[Job]:
        run = self._run(experiment, family)
        cells = language_conditions(experiment, run.model_dump())
        levels = in_order(run.levels.model_dump()) if experiment == "decomposition" else {}
        root = f"{experiment}/{family}/{corpus}"
        examples = [f"examples/{corpus}.parquet"]
        teacher = f"teachers/{run.teacher}/{corpus}"
        model = _language_settings(self.config.students[run.student])
        length = self.config.teachers[run.teacher].model_dump()["max_length"]
        numbers: dict[float, int] = {}
        for cell in cells:
            greedy = cell["label_source"] == "greedy"
            temperature = 0.0 if greedy else cell["temperature"]
            numbers[temperature] = max(numbers.get(temperature, 0), cell["k"])
        common = {
            "experiment": experiment,
            "family": family,
            "dataset": corpus,
            "seed": self.config.seed,
        }
        jobs: list[Job] = []
        students: list[str] = []
        losses: list[str] = []
        for start, stop in self._blocks(experiment, family):
            block = f"{start:06d}-{stop:06d}"
            span = common | {"start": start, "stop": stop}
            responses = f"{root}/responses/{block}.parquet"
            jobs.append(
                Job(
                    responses,
                    "responses",
                    span
                    | {
                        "temperatures": [[t, numbers[t]] for t in sorted(numbers)],
                        "decoding": self.config.language.decoding.model_dump(),
                        "max_length": length,
                    },
                    ("kduq.language.responses",),
                    {"examples": examples, "teacher": [f"{teacher}/teacher.parquet"]},
                )
            )
            trained = span | {"model": model, "conditions": cells, "ask": self._asked(model)}
            module = "kduq.language.students"
            if levels:
                # A block does not depend on the number of noise levels.
                inner = {factor: n for factor, n in levels.items() if factor != FACTORS[0]}
                trained, module = trained | {"levels": inner}, "kduq.language.crossed"
            for stage, paths in (("students", students), ("losses", losses)):
                paths.append(f"{root}/{stage}/{block}.parquet")
                jobs.append(
                    Job(
                        paths[-1],
                        stage,
                        trained,
                        (module,),
                        {"examples": examples, "responses": [responses]},
                    )
                )
        estimated = {
            **common,
            "confidence": self.config.statistics.confidence,
            "conditions": cells,
            "prompts": self.config.language.prompts,
        }
        path, made_from = f"{root}/estimates.parquet", {"examples": examples, "students": students}
        if levels:
            estimated |= {"design": experiment, "levels": levels}
            modules = ("kduq.estimates.decomposition", "kduq.language.corpus")
            return [*jobs, Job(path, "estimates", estimated, modules, made_from)]
        shared = self.config.language.embedding_model
        estimated |= {"embedding_model": shared, "embedding_files": source_digest(shared)}
        made_from |= {"teacher": [f"{teacher}/answers.parquet"]}
        modules = ("kduq.estimates.text", "kduq.language.embeddings")
        return [*jobs, Job(path, "estimates", estimated, modules, made_from)]

    def _run_jobs(self, experiment: str, family: str, dataset: str) -> list[Job]:
        if dataset in self.config.corpora:
            return self._language_jobs(experiment, family, dataset)
        if experiment == "decomposition":
            return self._crossed_jobs(experiment, family, dataset)
        grid = self._grid(experiment)
        run: Run = self._run(experiment, family)
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
        for start, stop in self._blocks(experiment, family):
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

    def _crossed_jobs(self, experiment: str, family: str, dataset: str) -> list[Job]:
        """Jobs of a crossed design, whose blocks are slices of the noise levels."""
        run = self._run(experiment, family)
        root, task = f"{experiment}/{family}/{dataset}", self.config.task_of(dataset)
        levels = in_order(run.levels.model_dump())
        inner = {factor: n for factor, n in levels.items() if factor != FACTORS[0]}
        model = _settings_of(self.config.students[run.student], task)
        if "shared_init" in model:
            # Initial parameters are those of the level, and no trajectory is kept.
            model |= {"shared_init": None, "record_every": 0}
        common = {
            "experiment": experiment,
            "family": family,
            "dataset": dataset,
            "seed": self.config.seed,
        }
        design = {
            "design": experiment,
            "task": task,
            "alpha": getattr(self.config.experiments, experiment).alpha,
        }
        made_from = {
            "examples": [f"examples/{dataset}.parquet"],
            "teacher": [f"teachers/{run.teacher}/{dataset}/teacher.parquet"],
        }
        jobs, students = [], []
        for start, stop in self._blocks(experiment, family):
            block = f"{start:06d}-{stop:06d}"
            span = {**common, "start": start, "stop": stop}
            responses = f"{root}/responses/{block}.parquet"
            students.append(f"{root}/students/{block}.parquet")
            drawn = {**span, "responses": 1, "noisy": True, "factor": FACTORS[0]}
            examples = {"examples": made_from["examples"]}
            modules = ("kduq.responses",)
            jobs.append(Job(responses, "responses", drawn, modules, examples, stop - start))
            trained = {
                **span,
                **design,
                "model": model,
                # A block does not depend on the number of noise levels.
                "levels": inner,
                "divergence_factor": self.config.statistics.divergence_factor,
            }
            jobs.append(
                Job(
                    students[-1],
                    "students",
                    trained,
                    ("kduq.crossed", "kduq.teacher", families.module(family, task)),
                    {**made_from, "responses": [responses]},
                    (stop - start) * math.prod(inner.values()),
                )
            )
        estimated = {
            **common,
            **design,
            "confidence": self.config.statistics.confidence,
            "levels": levels,
            "conditions": conditions(experiment, {}),
        }
        jobs.append(
            Job(
                f"{root}/estimates.parquet",
                "estimates",
                estimated,
                ("kduq.estimates.decomposition", "kduq.teacher"),
                {**made_from, "students": students},
            )
        )
        return jobs

    def _gathered(self) -> list[Job]:
        runs = [
            f"{e}/{f}/{d}/estimates.parquet" for e in self.experiments for f, d in self._runs_of(e)
        ]
        evidence: dict[str, list[str]] = {"estimates": ["estimates.parquet"]}
        for experiment in self.experiments:
            for family, dataset in self._runs_of(experiment):
                evidence = _merged(evidence, self._evidence(experiment, family, dataset))
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
                    "gate": self.config.gate.model_dump(),
                },
                ("kduq.claims",),
                evidence,
                # Without evidence there is no claim to judge.
                None if len(evidence) > 1 else 0,
            ),
        ]
        jobs.extend(self._plan())
        figures = self._figures()
        jobs.extend(figures)
        captions = {f: _file_digest(_CAPTIONS / f"{f}.rst") for f in self.figures}
        jobs.append(
            Job(
                "report.html",
                "report",
                {
                    "study": json.loads(self.config.model_dump_json()),
                    "templates": {name: _file_digest(_CAPTIONS / name) for name in _TEMPLATES},
                    "captions": captions,
                    "left_out": self.left_out,
                },
                ("kduq.report",),
                {
                    "estimates": ["estimates.parquet"],
                    "claims": ["claims.parquet"],
                    "figures": [job.path for job in figures if job.path.endswith(".png")],
                }
                | self._samples(),
            )
        )
        return jobs

    def _plan(self) -> list[Job]:
        """What the crossed design says of further students, where there is one."""
        runs = self._runs_of("decomposition")
        if not runs:
            return []
        settings = self.config.plan.model_dump()
        settings["confidence"] = self.config.statistics.confidence
        made_from = {
            "estimates": [f"decomposition/{f}/{d}/estimates.parquet" for f, d in runs],
            "examples": list(dict.fromkeys(f"examples/{d}.parquet" for _, d in runs)),
        }
        return [Job("plan.parquet", "plan", settings, ("kduq.planner",), made_from)]

    def _evidence(self, experiment: str, family: str, dataset: str) -> dict[str, list[str]]:
        """What claims read of a run beside the gathered estimates, by role."""
        if experiment == "decomposition":
            return {}  # the paper claims nothing of it
        root = f"{experiment}/{family}/{dataset}"
        blocks = [f"{start:06d}-{stop:06d}" for start, stop in self._blocks(experiment, family)]
        students = [f"{root}/students/{block}.parquet" for block in blocks]
        examples = [f"examples/{dataset}.parquet"]
        task = self.config.task_of(dataset)
        if task == "text":
            return {"losses": [f"{root}/losses/{block}.parquet" for block in blocks]}
        if task == "classification":
            return {"students": students, "examples": examples}
        return {"students": students}

    @property
    def figures(self) -> list[str]:
        """Names of the study's figures."""
        names = [f for e in self.experiments if self._drawn_runs(e) for f in figures_of(e)]
        return [*names, *(["plan"] if self._plan() else []), *self.language_figures]

    @property
    def language_figures(self) -> list[str]:
        """Names of the figures of language models."""
        found = {experiment for experiment, _, _ in self._language_runs()}
        if not found:
            return []
        methods = ["language_methods"] if "variance_aware" in found else []
        return ["language_uncertainty", *methods, "language_gallery"]

    def _drawn_runs(self, experiment: str) -> list[tuple[str, str]]:
        """Runs in an experiment's own figure: without those that `_language_runs` has."""
        elsewhere = self._language_runs()
        return [(f, d) for f, d in self._runs_of(experiment) if (experiment, f, d) not in elsewhere]

    def _language_runs(self) -> list[tuple[str, str, str]]:
        """Runs that figures of language models show; those of a crossed design have a bar."""
        return [
            (e, f, d)
            for e in self.experiments
            for f, d in self._runs_of(e)
            if d in self.config.corpora and e != "decomposition"
        ]

    def _figures(self) -> list[Job]:
        style = {
            **self.config.figures.model_dump(),
            "project_style": _file_digest(_STYLE),
            "confidence": self.config.statistics.confidence,
        }
        jobs = []
        for experiment in self.experiments:
            runs = self._drawn_runs(experiment)
            if not runs:
                continue
            drawn = {"estimates": [f"{experiment}/{f}/{d}/estimates.parquet" for f, d in runs]}
            if recorded := self._recorded(experiment):
                drawn["students"] = recorded
            for figure, suffix in product(figures_of(experiment), ("png", "pdf")):
                settings = {"figure": figure, "experiment": experiment, **style}
                path = f"figures/{figure}.{suffix}"
                module = _DRAWN_BY.get(experiment, "kduq.figures")
                jobs.append(Job(path, "figures", settings, (module,), drawn))
        for plan, suffix in product(self._plan(), ("png", "pdf")):
            path, drawn = f"figures/plan.{suffix}", {"plan": [plan.path]}
            settings = {"figure": "plan", "plan": plan.settings, **style}
            jobs.append(Job(path, "figures", settings, ("kduq.figures_plan",), drawn))
        for figure, suffix in product(self.language_figures, ("png", "pdf")):
            drawn = self._language_sources(figure)
            modules = ("kduq.figures_text", "kduq.estimates.answers", "kduq.language.corpus")
            path = f"figures/{figure}.{suffix}"
            jobs.append(Job(path, "figures", {"figure": figure, **style}, modules, drawn))
        return jobs

    def _language_sources(self, figure: str) -> dict[str, list[str]]:
        """What a figure of language models is drawn from, by role."""
        if figure == "language_gallery":
            return self._gallery()
        return {
            "estimates": [
                f"{e}/{f}/{d}/estimates.parquet"
                for e, f, d in self._language_runs()
                if figure != "language_methods" or e == "variance_aware"
            ]
        }

    def _gallery(self) -> dict[str, list[str]]:
        """What the gallery shows: the first run of students of single answers."""
        experiment, family, corpus = min(
            self._language_runs(), key=lambda run: _GALLERY_ORDER.index(run[0])
        )
        teacher = self._run(experiment, family).teacher
        return {
            "examples": [f"examples/{corpus}.parquet"],
            "teacher": [f"teachers/{teacher}/{corpus}/answers.parquet"],
            "students": [
                f"{experiment}/{family}/{corpus}/students/{start:06d}-{stop:06d}.parquet"
                for start, stop in self._blocks(experiment, family)
            ],
        }

    def _samples(self) -> dict[str, list[str]]:
        """What sample answers are shown from: one block of students of the gallery's run."""
        if not self.language_figures:
            return {}
        run = self._gallery()
        return {
            "examples": run["examples"],
            "answers": run["teacher"],
            "students": run["students"][:1],
        }

    def _recorded(self, experiment: str) -> list[str]:
        """First block of students of each run whose trajectories were recorded."""
        found = []
        for family, dataset in self._drawn_runs(experiment):
            run = self._run(experiment, family)
            if getattr(self.config.students[run.student], "record_every", 0):
                start, stop = self._blocks(experiment, family)[0]
                found.append(
                    f"{experiment}/{family}/{dataset}/students/{start:06d}-{stop:06d}.parquet"
                )
        return found

    def _blocks(self, experiment: str, family: str) -> list[tuple[int, int]]:
        run = self._run(experiment, family)
        size = run.block or self._block(experiment, family)
        starts = range(0, run.replicates, size)
        return [(start, min(start + size, run.replicates)) for start in starts]

    def _block(self, experiment: str, family: str) -> int:
        """Replicates of a job that takes as long as the configuration says."""
        run = self._run(experiment, family)
        if experiment == "decomposition":
            levels = run.levels.model_dump()
            trained = math.prod(n for f, n in levels.items() if f not in ("noise", "decoding"))
        elif family == "lm":
            trained = len(language_conditions(experiment, run.model_dump()))
        else:
            cells = conditions(experiment, self._grid(experiment))
            # Pilot students, one a response, of every alpha.
            pilots = {c["alpha"]: c["k"] for c in cells if c["method"] == "variance_weighting"}
            trained = len(cells) + sum(pilots.values())
        return costs.block(
            self.config.students[run.student].model_dump(),
            [dataset for f, dataset in self._runs_of(experiment) if f == family],
            self.config.language.model_dump(),
            trained,
            self.config.job_minutes,
            # Levels are few, and each has many students.
            {"lm": 1}.get(family, 4) if experiment == "decomposition" else None,
        )

    @property
    def plan_artifacts(self) -> list[str]:
        """Paths to make for a plan: its table and its figure; none without a pilot."""
        names = ("plan.parquet", "figures/plan.png", "figures/plan.pdf")
        return [name for name in names if name in self.jobs]

    def artifacts_of(self, experiment: str) -> list[str]:
        """Paths to make for one experiment: its estimates and its figures."""
        runs = [f"{experiment}/{f}/{d}/estimates.parquet" for f, d in self._runs_of(experiment)]
        figures = list(figures_of(experiment) if self._drawn_runs(experiment) else ())
        shared = (f"{experiment}/", "examples/", "teachers/")
        for figure in self.language_figures:
            sources = [path for paths in self._language_sources(figure).values() for path in paths]
            figures += [figure] if all(path.startswith(shared) for path in sources) else []
        drawn = product(figures, ("png", "pdf"))
        return [*runs, *(f"figures/{figure}.{suffix}" for figure, suffix in drawn)]


def _merged(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, list[str]]:
    """Lists of the same name joined, each path once."""
    return {
        name: list(dict.fromkeys([*one.get(name, []), *other.get(name, [])]))
        for name in dict.fromkeys([*one, *other])
    }


def _language_settings(model: Model) -> dict[str, Any]:
    """Settings of a language model, and what lies in the folder that it is loaded from."""
    settings = model.model_dump(exclude={"family"})
    return settings | {"source_files": source_digest(settings["source"])}


def _settings_of(model: Model, task: str) -> dict[str, Any]:
    """Settings of a model that decide what it becomes in a task."""
    settings = model.model_dump(exclude={"family"})
    if task == "regression":
        # Networks for regression step on all rows; the configuration allows nothing else.
        for key in ("batch_size", "max_steps"):
            settings.pop(key, None)
    return settings


_REAL = ("alpha", "init_noise", "sample_fraction")
