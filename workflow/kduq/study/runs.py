"""What a study runs: its examples, teachers, and the responses, students and estimates of runs."""

import math
from typing import Any

from kduq import costs, families
from kduq.conditions import FACTORS, conditions, in_order, language_conditions
from kduq.config import Config, Model, Run
from kduq.data import downloads as fetched
from kduq.study.planned import Job, source_digest

EXPERIMENTS = (
    "teacher_noise",
    "student_init",
    "bootstrap",
    "student_output",
    "variance_aware",
    "decomposition",
)


class Runs:
    """Jobs up to the estimates of each run.

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
        self.absent = [e for e in EXPERIMENTS if e not in self.experiments]

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

    def _run(self, experiment: str, family: str) -> Any:
        """Settings of a family in an experiment."""
        return getattr(getattr(self.config.experiments, experiment).families, family)

    def _common(self, experiment: str, family: str, dataset: str) -> dict[str, Any]:
        """What tells the jobs of a run from those of another: the path of their seeds."""
        names = {"experiment": experiment, "family": family, "dataset": dataset}
        return names | {"seed": self.config.seed}

    def _grid(self, experiment: str) -> dict[str, Any]:
        settings: dict[str, Any] = getattr(self.config.experiments, experiment).model_dump()
        # 1 and 1.0 are the same setting.
        return {
            key: [float(v) for v in value] if key in _REAL else value
            for key, value in settings.items()
        }

    @property
    def downloads(self) -> list[str]:
        """Data sets of the configuration that are downloaded."""
        return [
            name
            for name, dataset in self.config.datasets.items()
            if name in fetched.FETCHED and dataset.path is None
        ]

    def key_of(self, dataset: str) -> str:
        """Where the configuration describes a data set or corpus."""
        table = "corpora" if dataset in self.config.corpora else "datasets"
        return f"{table}.{dataset}"

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
        used = {d for e in self.experiments for _, d in self._runs_of(e)}
        return [d for d in (*self.config.datasets, *self.config.corpora) if d in used]

    @property
    def corpora(self) -> list[str]:
        """Corpora that the study uses."""
        return [d for d in self.datasets if d in self.config.corpora]

    def _blocks(self, experiment: str, family: str, dataset: str) -> list[tuple[int, int]]:
        run = self._run(experiment, family)
        size = run.block or self._block(experiment, family, dataset)
        starts = range(0, run.replicates, size)
        return [(start, min(start + size, run.replicates)) for start in starts]

    def _block(self, experiment: str, family: str, dataset: str) -> int:
        """Replicates of a job that takes as long as the configuration says."""
        run, largest = self._run(experiment, family), None
        if experiment == "student_output" and family != "lm":
            largest = 10  # classifiers are few
        if experiment == "decomposition":
            largest = {"lm": 1}.get(family, 4)  # levels are few, and each has many students
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
            dataset,
            self.config.language.model_dump(),
            trained,
            self.config.job_minutes,
            largest,
        )

    def _examples(self) -> list[Job]:
        jobs = []
        for dataset in self.datasets:
            if dataset in self.config.corpora:
                chosen = self.config.corpora[dataset].model_dump()
                chosen |= {"dataset": dataset, "kind": self.config.kind_of(dataset)}
                if chosen["kind"] == "wordnet" and chosen["path"]:
                    chosen |= {"files": source_digest(chosen["path"])}
                path = f"examples/{dataset}.parquet"
                jobs.append(Job(path, "examples", chosen, ("kduq.data.corpora.reading",)))
                continue
            settings = {"dataset": dataset, **self.config.datasets[dataset].model_dump()}
            settings["task"] = self.config.task_of(dataset)
            jobs.append(
                Job(f"examples/{dataset}.parquet", "examples", settings, ("kduq.examples.tabular",))
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
                    ("kduq.teacher.tabular", families.module(family, task)),
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
        modules = ("kduq.teacher.text",)
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
        common = self._common(experiment, family, dataset)
        jobs, students = [], []
        for start, stop in self._blocks(experiment, family, dataset):
            block = f"{start:06d}-{stop:06d}"
            span = {**common, "start": start, "stop": stop}
            responses = f"{root}/responses/{block}.parquet"
            students.append(f"{root}/students/{block}.parquet")
            jobs.append(
                Job(
                    responses,
                    "responses",
                    {**span, "responses": draws, "noisy": noisy},
                    ("kduq.responses.tabular",),
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
                    (
                        "kduq.students.tabular",
                        "kduq.teacher.tabular",
                        families.module(family, task),
                    ),
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
                (f"kduq.estimates.{task}", "kduq.teacher.tabular", families.module(family, task)),
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
        common = self._common(experiment, family, dataset)
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
        for start, stop in self._blocks(experiment, family, dataset):
            block = f"{start:06d}-{stop:06d}"
            span = {**common, "start": start, "stop": stop}
            responses = f"{root}/responses/{block}.parquet"
            students.append(f"{root}/students/{block}.parquet")
            drawn = {**span, "responses": 1, "noisy": True, "factor": FACTORS[0]}
            examples = {"examples": made_from["examples"]}
            modules = ("kduq.responses.tabular",)
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
                    (
                        "kduq.students.tabular_factorial",
                        "kduq.teacher.tabular",
                        families.module(family, task),
                    ),
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
                ("kduq.estimates.decomposition", "kduq.teacher.tabular"),
                {**made_from, "students": students},
            )
        )
        return jobs

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
        common = self._common(experiment, family, corpus)
        jobs: list[Job] = []
        students: list[str] = []
        losses: list[str] = []
        for start, stop in self._blocks(experiment, family, corpus):
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
                    ("kduq.responses.text",),
                    {"examples": examples, "teacher": [f"{teacher}/teacher.parquet"]},
                )
            )
            trained = span | {"model": model, "conditions": cells, "ask": self._asked(model)}
            module = "kduq.students.text"
            if levels:
                # A block does not depend on the number of noise levels.
                inner = {factor: n for factor, n in levels.items() if factor != FACTORS[0]}
                trained, module = trained | {"levels": inner}, "kduq.students.text_factorial"
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
            modules = ("kduq.estimates.decomposition", "kduq.data.corpus")
            return [*jobs, Job(path, "estimates", estimated, modules, made_from)]
        shared = self.config.language.embedding_model
        estimated |= {"embedding_model": shared, "embedding_files": source_digest(shared)}
        made_from |= {"teacher": [f"{teacher}/answers.parquet"]}
        modules = ("kduq.estimates.text", "kduq.families.lm.embeddings")
        return [*jobs, Job(path, "estimates", estimated, modules, made_from)]

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
        return [Job("plan.parquet", "plan", settings, ("kduq.sample_size",), made_from)]


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
