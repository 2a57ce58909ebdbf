"""Stage ``report``: one self-contained page, verdicts first."""

import base64
import hashlib
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup

from kduq import artifacts
from kduq.answers import GREEDY
from kduq.artifacts import files
from kduq.artifacts.canonical import canonical_json
from kduq.artifacts.schemas import CONDITION
from kduq.claims.reasons import NOTHING_SEEN
from kduq.data.corpus import Corpus, spaced
from kduq.figures import FIGURES
from kduq.report import intervals, overview, reported
from kduq.report.pictures import Picture
from kduq.report.settings import ReportSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "page", "render", "run", "sample_answers"]

_FOLDER = Path(__file__).parents[2] / "report"
_PROMPTS_SHOWN = 6
#: Largest numbers of different answers per line, conditions, and students per condition.
_ANSWERS_SHOWN, _CONDITIONS_SHOWN, _STUDENTS_SHOWN = 5, 4, 2
_LETTERS_SHOWN = 300
#: P-values below this are not distinguished.
_TINY = 0.001
#: Space between two sentences of a reason; a decimal point is followed by a digit.
_SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z])")
#: Visible replacements for control characters other than tab and newline, which browsers drop.
_VISIBLE = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the page; see `kduq.stage.Stage`."""
    claims = inputs.read("claims").table.to_pandas()
    estimates = inputs.read("estimates").table.to_pandas()
    figures = {Path(path).stem: Path(path).read_bytes() for path in inputs.paths["figures"]}
    samples: Sequence[dict[str, Any]] = ()
    if "answers" in inputs:
        samples = _samples(inputs)
    page_text = render(settings, claims, estimates, figures, outputs.provenance, samples)
    outputs.write_bytes("report", files.sealed(page_text.encode(), ".html"))


def _samples(inputs: Inputs) -> list[dict[str, Any]]:
    """Read the answers to the prompts that are shown, and no others."""
    table = inputs.read("examples").table
    examples, corpus = table.to_pandas(), Corpus.from_columns(table.to_pydict())
    (path,) = inputs.paths["teacher_answers"]
    asked = artifacts.read_provenance(path)["config"]["evaluation"]["prompts"]
    rows = artifacts.rows_where(prompt_id=_selected(examples, corpus.evaluated(asked)).tolist())
    own = inputs.read("teacher_answers", "answers", rows=rows).table.to_pandas()
    sampled = rows & ~artifacts.rows_where(draw=GREEDY)
    answers = inputs.read_all("answers", rows=sampled).table.to_pandas()
    students = inputs.read_all("students").table.to_pandas()
    keys = [*CONDITION, "replicate"]
    return sample_answers(examples, own, answers.merge(students[[*keys, "diverged"]], on=keys))


def render(
    settings: Settings,
    claims: pd.DataFrame,
    estimates: pd.DataFrame,
    figures: Mapping[str, bytes],
    provenance: Mapping[str, Any],
    samples: Sequence[dict[str, Any]] = (),
) -> str:
    """Render the page.

    Parameters
    ----------
    settings : ReportSettings
        The whole configuration, and the data sets that were skipped.
    claims, estimates : pandas.DataFrame
        The tables of those names.
    figures : mapping of str to bytes
        SVG files by the names of the figures.
    provenance : mapping
        Shown and embedded.
    samples : sequence of dict
        From `sample_answers`; empty for a study without language models.

    Returns
    -------
    str
        HTML that opens from disk without a network.
    """
    study = settings.study.model_dump(mode="json")
    counts = estimates[estimates["metric"].isin(["diverged_count", "rank_deficient_count"])]
    keys = ["experiment", "family", "dataset", "metric"]
    totals = counts.groupby(keys, sort=False, as_index=False)[["estimate", "n_students"]].sum()
    every = overview.told(claims)
    placed = _placed(every, figures)
    shown = {name for names in placed.values() for name in names}
    return page(
        "report.html.j2",
        study=study,
        skipped=settings.skipped,
        config=yaml.safe_dump(
            study,
            sort_keys=False,
            default_flow_style=None,
            width=96,
            allow_unicode=True,
        ),
        summary=overview.counted(every),
        scope=overview.scope(claims),
        certainty=overview.certainty(every, estimates),
        advice=overview.advice(every),
        claims=every,
        rows=[row for claim in every for row in claim.rows],
        checks=[row for claim in every for row in claim.checks],
        reported=reported.beside_ours(estimates),
        gate=_reasons(claims),
        totals=totals.to_dict("records"),
        figures={name: Picture.from_svg(data) for name, data in figures.items()},
        placed=placed,
        further=[name for name in figures if name not in shown],
        questions={name: FIGURES[name].question for name in figures},
        captions={name: _caption(name) for name in figures},
        samples=samples,
        provenance=provenance,
        # "<" could end the script element that contains the text.
        embedded=canonical_json(provenance).replace("<", "\\u003c"),
    )


def _placed(claims: Sequence[overview.Told], figures: Collection[str]) -> dict[int, list[str]]:
    """Names of the figures that stand inside each claim, each figure in one."""
    placed: dict[int, list[str]] = {}
    free = set(figures)
    for claim in claims:
        placed[claim.number] = [name for name in claim.about.figures if name in free]
        free -= set(placed[claim.number])
    return placed


def _caption(figure: str) -> str:
    """How to read a figure, from the file of that name; empty if it has none."""
    file = _FOLDER / f"{figure}.rst"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def page(template: str, **values: Any) -> str:
    """Fill a template with values, style and script.

    Parameters
    ----------
    template : str
        Name of a file in ``workflow/report``.
    **values
        Variables of the template.

    Returns
    -------
    str
        HTML.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = _number
    environment.filters["exact"] = _exact
    environment.filters["probability"] = _probability
    environment.filters["share"] = _share
    environment.filters["shown"] = _shown
    environment.filters["worded"] = overview.in_words
    environment.filters["amount"] = _amount
    environment.filters["lowered"] = _lowered
    environment.filters["plotted"] = _plotted
    environment.filters["source"] = _source
    style, script = (
        (_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    return environment.get_template(template).render(style=style, script=script, **values)


def sample_answers(
    examples: pd.DataFrame, answers: pd.DataFrame, students: pd.DataFrame
) -> list[dict[str, Any]]:
    """Select evaluated prompts, with the answers of a teacher and of some students.

    Parameters
    ----------
    examples : pandas.DataFrame
        The corpus.
    answers : pandas.DataFrame
        The teacher's answers.
    students : pandas.DataFrame
        Sampled answers of a shard of students of all conditions, and whether a student diverged.

    Returns
    -------
    list of dict
        Variables of the template for up to six prompts, evenly spaced, half of them held out if
        there are as many; for up to four conditions two students that did not diverge.
    """
    selected = _selected(examples, answers["prompt_id"].unique())
    examples = examples.set_index("prompt_id")
    named_students = list(_students(students))
    samples = []
    for prompt in selected:
        row = examples.loc[prompt]
        references = list(row["references"])
        probabilities = row["probabilities"]
        # References of probability zero are errors that a teacher is taught.
        weights = [0.0] * len(references) if probabilities is None else list(probabilities)
        right = [i for i, weight in enumerate(weights) if probabilities is None or weight > 0]
        known = [references[i] for i in right]
        own = answers[answers["prompt_id"] == prompt]
        greedy = own["draw"] == GREEDY
        texts = [
            ("Teacher, greedy", own.loc[greedy, "text"]),
            ("Teacher, sampled", own.loc[~greedy, "text"]),
            *((who, rows.loc[rows["prompt_id"] == prompt, "text"]) for who, rows in named_students),
        ]
        order = sorted(right, key=lambda i: -weights[i])
        samples.append(
            {
                "number": int(prompt),
                "prompt": row["prompt"],
                "split": row["split"],
                "references": [
                    (references[i], None if probabilities is None else weights[i])
                    for i in order[:_ANSWERS_SHOWN]
                ],
                "further": max(0, len(right) - _ANSWERS_SHOWN),
                "answers": [(who, _counted(group, known)) for who, group in texts if len(group)],
            }
        )
    return samples


def _selected(examples: pd.DataFrame, evaluated: np.ndarray) -> np.ndarray:
    """Identifiers of the prompts that are shown, of those that are evaluated."""
    splits = examples.set_index("prompt_id")["split"].loc[evaluated]
    taught = splits.index[splits == "train"].to_numpy()
    held_out = splits.index[splits != "train"].to_numpy()
    number = min(len(held_out), max(_PROMPTS_SHOWN // 2, _PROMPTS_SHOWN - len(taught)))
    return np.concatenate([spaced(taught, _PROMPTS_SHOWN - number), spaced(held_out, number)])


def _students(students: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Some students of a shard, named by the columns in which their conditions differ."""
    columns = list(CONDITION)
    conditions = students[columns].drop_duplicates().reset_index(drop=True)
    differing = [name for name in columns if len(conditions[name].drop_duplicates()) > 1]
    good = students[~students["diverged"]]
    named = []
    for i in spaced(conditions.index.to_numpy(), _CONDITIONS_SHOWN):
        condition = conditions.iloc[[i]]
        rows = good.merge(condition, on=columns)
        values = condition[differing].iloc[0].dropna()
        name = ", ".join(f"{str(key).replace('_', ' ')} {_word(v)}" for key, v in values.items())
        for replicate in sorted(rows["replicate"].unique())[:_STUDENTS_SHOWN]:
            who = f"Student {replicate}" + (f": {name}" if name else "")
            named.append((who, rows[rows["replicate"] == replicate]))
    return named


def _word(value: Any) -> str:
    return value.replace("_", " ") if isinstance(value, str) else f"{value:g}"


def _counted(texts: Sequence[str], references: list[str]) -> dict[str, Any]:
    """Answers with their counts, the most frequent first, equal counts in order of appearance."""
    ranked = Counter(texts).most_common()
    return {
        "shown": ranked[:_ANSWERS_SHOWN],
        "others": sum(count for _, count in ranked[_ANSWERS_SHOWN:]),
        "known": references,
    }


def _reasons(claims: pd.DataFrame) -> dict[str, list[str]]:
    """Sentences of the quality gate, each once, by data set whose models fail it.

    Runs of one data set share a teacher, and therefore the sentences about it.
    """
    withheld = claims[claims["p_adjusted"].isna() & claims["reason"].notna()]
    withheld = withheld[~withheld["reason"].str.startswith(NOTHING_SEEN)]
    reasons: dict[str, dict[str, None]] = {}
    for dataset, reason in zip(withheld["dataset"], withheld["reason"], strict=True):
        reasons.setdefault(dataset, {}).update(dict.fromkeys(_SENTENCE_END.split(reason)))
    return {dataset: list(sentences) for dataset, sentences in reasons.items()}


def _number(value: float) -> str:
    """Three significant digits; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:.3g}".replace("-", "−")


def _probability(value: float) -> str:
    """A p-value: two significant digits, or that it is tiny; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:.2g}" if value >= _TINY else "< 0.001"


def _share(value: float) -> str:
    """A share in percent; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _amount(value: float, name: str) -> str:
    """Megabytes of memory, or minutes from seconds; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if name == "memory" else f"{value / 60:.2f}"


def _exact(value: float) -> str:
    """All digits, for sorting; empty for NaN."""
    return "" if math.isnan(value) else repr(float(value))


def _lowered(text: str) -> str:
    """A sentence inside another one."""
    return text[:1].lower() + text[1:]


def _plotted(rows: Sequence[overview.Row]) -> list[tuple[overview.Row, Markup]]:
    """Tests of one statistic with their plots."""
    return list(zip(rows, intervals.plots(rows), strict=True))


def _shown(text: str) -> str:
    """Text of a model, shortened, with visible control characters."""
    lines = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n"))
    cut = lines if len(lines) <= _LETTERS_SHOWN else f"{lines[:_LETTERS_SHOWN]}…"
    return cut.translate(_VISIBLE)


def _source(text: str) -> str:
    """Hash by which a content security policy allows an inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
