"""Targets of the lane of text: one function per stage, with the same names as for tables."""

from dataclasses import replace
from typing import Any, cast

from kduq.answers import settings as answers_settings
from kduq.artifacts.files import folder_digest
from kduq.conditions import LEVEL_COLUMNS, Condition
from kduq.config.study import Config
from kduq.embeddings import settings as embeddings_settings
from kduq.estimates import settings as estimates_settings
from kduq.estimates.metrics import of_task
from kduq.examples import settings as examples_settings
from kduq.families.lm.settings import EmbeddingModel, LanguageModelSettings
from kduq.responses import settings as responses_settings
from kduq.stage import StageSettings
from kduq.students import settings as students_settings
from kduq.study import paths
from kduq.study.run import Run
from kduq.study.target import Target
from kduq.targets import settings as targets_settings
from kduq.targets.methods import METHODS
from kduq.teacher import settings as teacher_settings


def examples(config: Config, dataset: str) -> list[Target]:
    """The prompts of a corpus."""
    corpus, kind = config.corpora[dataset], config.kind_of(dataset)
    settings = examples_settings.TextSettings(
        **corpus.model_dump(exclude={"kind", "matching"}),
        kind=kind.name,
        dataset=dataset,
        files=folder_digest(corpus.path) if kind.needs == "folder" else None,
    )
    modules = ("kduq.examples.text", kind.read.__module__)
    return [Target(paths.examples(dataset), "examples", settings, modules)]


def teacher(config: Config, name: str, dataset: str) -> list[Target]:
    """A teacher, its loss curve, and its own answers to the evaluated prompts."""
    model = cast(LanguageModelSettings, config.teachers[name])
    common: dict[str, Any] = {"teacher": name, "dataset": dataset, "seed": config.seed}
    settings = teacher_settings.TextSettings(
        **common, model=model, source_files=folder_digest(model.source)
    )
    answering = answers_settings.TextSettings(**common, evaluation=_evaluation(config, model))
    examples = {"examples": [paths.examples(dataset)]}
    table, modules = paths.teacher(name, dataset), ("kduq.teacher.text",)
    losses = paths.teacher(name, dataset, "losses")
    # A pretrained model that is not trained has no losses.
    points = None if model.steps else 0
    return [
        Target(table, "teacher", settings, modules, examples),
        Target(losses, "losses", settings, modules, examples, points, "teacher"),
        Target(
            paths.teacher(name, dataset, "answers"),
            "answers",
            answering,
            ("kduq.answers.text",),
            {**examples, "teacher": [table]},
        ),
    ]


def responses(config: Config, run: Run, shard: tuple[int, int]) -> list[Target]:
    """The teacher's answers that the students of a shard learn from.

    In a design of splits they are no artifact.
    """
    return [] if run.has_own_teachers else _responses(config, run, shard)


def _responses(config: Config, run: Run, shard: tuple[int, int]) -> list[Target]:
    numbers: dict[float, int] = {}
    for cell in run.conditions:
        temperature = responses_settings.answer_temperature(cell)
        numbers[temperature] = max(numbers.get(temperature, 0), cell.k or 1)
    model = cast(LanguageModelSettings, config.teachers[run.settings.teacher])
    settings = responses_settings.TextSettings(
        **_of_shard(config, run, shard),
        temperatures=sorted(numbers.items()),
        decoding=config.language.decoding,
        max_length=model.max_length,
    )
    inputs = {
        "examples": [paths.examples(run.key.dataset)],
        "teacher": [paths.teacher(run.settings.teacher, run.key.dataset)],
    }
    path = run.key.file("responses", shard)
    return [Target(path, "responses", settings, ("kduq.responses.text",), inputs)]


def students(config: Config, run: Run, shard: tuple[int, int]) -> list[Target]:
    """What the students of a shard are taught, the students themselves, and their answers."""
    if run.has_own_teachers:
        return _splits(config, run, shard)
    return [
        target
        for part, conditions in run.parts.items()
        for stage in (_targets, _trained, _answers)
        for target in stage(config, run, shard, part, conditions)
    ]


def _targets(
    config: Config, run: Run, shard: tuple[int, int], part: str, conditions: list[Condition]
) -> list[Target]:
    """What the students of a shard are taught."""
    model = cast(LanguageModelSettings, config.students[run.settings.student])
    # At k = 1 every method selects the one response.
    methods = [METHODS[str(c.method)] for c in conditions if c.k != 1]
    pilot = targets_settings.Pilot(
        model=model,
        source_files=folder_digest(model.source),
        decoding=config.language.decoding,
    )
    settings = targets_settings.TextSettings(
        **_of_shard(config, run, shard),
        conditions=conditions,
        embedding=_embedding(config) if any(m.embeds for m in methods) else None,
        pilot=pilot if any(m.pilots or m.has_prior for m in methods) else None,
    )
    modules = dict.fromkeys(METHODS[str(c.method)].select.__module__ for c in conditions)
    inputs = {
        "examples": [paths.examples(run.key.dataset)],
        "responses": [run.key.file("responses", shard)],
    }
    path = run.key.file("targets", shard, part)
    return [Target(path, "targets", settings, ("kduq.targets.text", *modules), inputs)]


def _trained(
    config: Config, run: Run, shard: tuple[int, int], part: str, conditions: list[Condition]
) -> list[Target]:
    """The students of a shard, with their loss curves and, where they are kept, their weights."""
    model = cast(LanguageModelSettings, config.students[run.settings.student])
    common = _of_shard(config, run, shard) | {
        "model": model,
        "source_files": folder_digest(model.source),
        "conditions": conditions,
    }
    if run.levels:
        module = "kduq.students.text_factorial"
        trained = {f: n for f, n in run.inner_levels.items() if f in LEVEL_COLUMNS}
        settings: StageSettings = students_settings.TextFactorialSettings(**common, levels=trained)
    else:
        module, settings = "kduq.students.text", students_settings.TextSettings(**common)
    inputs = {
        "examples": [paths.examples(run.key.dataset)],
        "targets": [run.key.file("targets", shard, part)],
    }
    students = run.key.file("students", shard, part)
    files = {students: "students", run.key.file("losses", shard, part): "losses"}
    if config.language.keep_models:
        files[paths.weights(students)] = "students"
    return [
        Target(path, stage, settings, (module,), inputs, script="students")
        for path, stage in files.items()
    ]


def _answers(
    config: Config,
    run: Run,
    shard: tuple[int, int],
    part: str,
    conditions: list[Condition],  # noqa: ARG001 (they are in the table of the students)
) -> list[Target]:
    """The answers of the students of a shard."""
    model = cast(LanguageModelSettings, config.students[run.settings.student])
    evaluation = _evaluation(config, model)
    if run.levels:
        evaluation = evaluation.model_copy(update={"draws": run.levels["decoding"]})
    settings = answers_settings.StudentsSettings(
        **_of_shard(config, run, shard), evaluation=evaluation
    )
    # Weights are no input: without them the students are trained again, and are the same.
    inputs = {
        "examples": [paths.examples(run.key.dataset)],
        "targets": [run.key.file("targets", shard, part)],
        "students": [run.key.file("students", shard, part)],
    }
    path = run.key.file("answers", shard, part)
    return [Target(path, "answers", settings, ("kduq.answers.students",), inputs)]


def _splits(config: Config, run: Run, shard: tuple[int, int]) -> list[Target]:
    """Prompts, students, their loss curves and the answers of all models of a shard of splits.

    The settings of the stages on the way are those of a run on one corpus with one teacher.
    """
    each, dataset = (0, run.students_per_split), run.key.dataset
    (corpus,) = examples(config, dataset)
    if run.questions is not None:
        fewer = corpus.settings.model_copy(update={"questions": run.questions})
        corpus = replace(corpus, settings=fewer)
    steps = {
        "corpus": corpus,
        "teacher": teacher(config, run.settings.teacher, dataset)[0],
        "responses": _responses(config, run, each)[0],
        "targets": _targets(config, run, each, "", run.conditions)[0],
        "students": _trained(config, run, each, "", run.conditions)[0],
    }
    models = config.teachers[run.settings.teacher], config.students[run.settings.student]
    own, evaluation = (_evaluation(config, cast(LanguageModelSettings, m)) for m in models)
    settings = answers_settings.TextSplitSettings.model_validate(
        {
            **_of_shard(config, run, shard),
            **{name: step.settings for name, step in steps.items()},
            "own": own,
            "evaluation": evaluation,
        }
    )
    modules = ("kduq.answers.text_splits", *(m for step in steps.values() for m in step.modules))
    # The corpus is read again with the seed of each split; its file is an input of its examples.
    inputs = {"examples": [paths.examples(dataset)]}
    return [
        Target(
            run.key.file(stage, shard),
            stage,
            settings,
            tuple(dict.fromkeys(modules)),
            inputs,
            script="answers",
        )
        for stage in ("answers", "students", "losses", "examples")
    ]


def estimates(config: Config, run: Run) -> list[Target]:
    """The embeddings of a run's answers, and its estimates."""
    shared, dataset = config.language, run.key.dataset
    module = "text_splits" if run.has_own_teachers else "text"
    of_run: dict[str, Any] = {
        **run.key._asdict(),
        "seed": config.seed,
        "prompts": shared.prompts,
    }
    # In a design of splits, examples and teachers' answers are beside those of the students.
    texts = {
        "examples": run.files("examples") if run.has_own_teachers else [paths.examples(dataset)]
    }
    if not run.has_own_teachers:
        texts["teacher_answers"] = [paths.teacher(run.settings.teacher, dataset, "answers")]
    texts["answers"] = run.files("answers")
    embedding = embeddings_settings.TextSettings(**of_run, model=_embedding(config))
    common = of_run | {"confidence": config.statistics.confidence, "conditions": run.conditions}
    inputs = texts | {"students": run.files("students"), "embeddings": [run.key.embeddings]}
    if run.levels:
        modules: tuple[str, ...] = ("kduq.estimates.text_factorial",)
        settings: StageSettings = estimates_settings.TextFactorialSettings(
            **common, levels=run.levels
        )
    else:
        metrics = of_task(run.task)
        further = {metric.estimate.__module__ for metric in metrics}
        modules = (f"kduq.estimates.{module}", *sorted(further))
        common |= {
            "metrics": [metric.name for metric in metrics],
            "matching": config.corpora[dataset].matching or config.kind_of(dataset).matching,
            "training_steps": cast(
                LanguageModelSettings, config.teachers[run.settings.teacher]
            ).steps,
        }
        settings = (
            estimates_settings.TextSplitSettings(**common, splits=run.settings.total)
            if run.has_own_teachers
            else estimates_settings.TextSettings(**common)
        )
    return [
        Target(run.key.embeddings, "embeddings", embedding, (f"kduq.embeddings.{module}",), texts),
        Target(run.estimates, "estimates", settings, modules, inputs),
    ]


def _of_shard(config: Config, run: Run, shard: tuple[int, int]) -> dict[str, Any]:
    return {**run.key._asdict(), "seed": config.seed, "start": shard[0], "stop": shard[1]}


def _embedding(config: Config) -> EmbeddingModel:
    """The model by whose embeddings answers are compared."""
    source = config.language.embedding_model
    return EmbeddingModel(source=source, files=folder_digest(source))


def _evaluation(config: Config, model: LanguageModelSettings) -> answers_settings.Evaluation:
    """How a model answers the evaluated prompts."""
    shared = config.language
    return answers_settings.Evaluation(
        prompts=shared.prompts,
        draws=shared.draws,
        decoding=shared.decoding,
        max_length=model.max_length,
    )
