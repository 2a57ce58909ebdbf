"""Stage ``report``: one self-contained page, verdicts first."""

import base64
import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import yaml

from kduq import artifacts
from kduq.answers import GREEDY
from kduq.artifacts import files
from kduq.artifacts.canonical import canonical_json
from kduq.artifacts.schemas import CONDITION
from kduq.data.corpus import Corpus, spaced
from kduq.figures import FIGURES
from kduq.report.settings import ReportSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "page", "render", "run", "sample_answers"]

_FOLDER = Path(__file__).parents[2] / "report"
_VERDICTS = ("supported", "contradicted", "inconclusive")
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
        PNG files by the names of the figures.
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
    captions = {name: _caption(name) for name in figures}
    number = claims.groupby("claim").cumcount() + 1
    anchors = "claim-" + claims["claim"].astype(str) + "-" + number.astype(str)
    checks = claims["kind"] == "check"
    judged = claims[~checks]
    overview = _overview(judged)
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
        claims=_rows(judged.assign(anchor=anchors[~checks])),
        checks=_rows(claims[checks].assign(anchor=anchors[checks])),
        overview=overview,
        reasons=_reasons(claims),
        tally=Counter(claim["verdict"] for claim in overview),
        totals=totals.to_dict("records"),
        figures={name: base64.b64encode(data).decode() for name, data in figures.items()},
        captions=captions,
        samples=samples,
        provenance=provenance,
        # "<" could end the script element that contains the text.
        embedded=canonical_json(provenance).replace("<", "\\u003c"),
    )


def _caption(figure: str) -> str:
    """Caption of a figure: its file, or, where it has none, the question that it answers."""
    file = _FOLDER / f"{figure}.rst"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else FIGURES[figure].question


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
    environment.filters["worded"] = _worded
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


def _rows(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of verdicts with None in place of a missing reason."""
    reasons = [reason if isinstance(reason, str) else None for reason in claims["reason"]]
    table = claims.assign(reason=pd.Series(reasons, claims.index, object))
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _overview(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """Verdict of each claim and counts of its rows, one entry per number of a claim."""
    overview = []
    for number, rows in claims.groupby("claim"):
        counts = rows["verdict"].value_counts()
        overview.append(
            {
                "number": number,
                "section": rows["section"].iloc[0],
                "statements": list(dict.fromkeys(rows["statement"])),
                "verdict": _verdict(set(rows["verdict"])),
                "counts": ", ".join(f"{counts[v]} {v}" for v in _VERDICTS if v in counts),
            }
        )
    return overview


def _verdict(verdicts: set[str]) -> str:
    """Verdict of a claim from those of its rows: supported if all are, mixed if they differ."""
    decided = verdicts - {"inconclusive"}
    if len(verdicts) == 1:
        return next(iter(verdicts))
    return "mixed" if len(decided) > 1 else f"partly {next(iter(decided))}"


def _reasons(claims: pd.DataFrame) -> dict[str, list[str]]:
    """Sentences of the quality gate, each once, by data set whose models fail it.

    Runs of one data set share a teacher, and therefore the sentences about it.
    """
    withheld = claims[claims["p_adjusted"].isna() & claims["reason"].notna()]
    reasons: dict[str, dict[str, None]] = {}
    for dataset, reason in zip(withheld["dataset"], withheld["reason"], strict=True):
        reasons.setdefault(dataset, {}).update(dict.fromkeys(_SENTENCE_END.split(reason)))
    return {dataset: list(sentences) for dataset, sentences in reasons.items()}


def _number(value: float) -> str:
    """Three significant digits; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:.3g}"


def _probability(value: float) -> str:
    """A p-value: two significant digits, or that it is tiny; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:.2g}" if value >= _TINY else "< 0.001"


def _share(value: float) -> str:
    """A share in percent; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _exact(value: float) -> str:
    """All digits, for sorting; empty for NaN."""
    return "" if math.isnan(value) else repr(float(value))


def _worded(statement: str) -> str:
    """A claim's statement with methods in words and a capital letter."""
    words = statement.replace("variance_weighting_oracle", "variance weighting by the oracle")
    words = words.replace("variance_weighting", "variance weighting")
    words = words.replace("multi_response", "multi-response")
    return words[:1].upper() + words[1:]


def _shown(text: str) -> str:
    """Text of a model, shortened, with visible control characters."""
    lines = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n"))
    cut = lines if len(lines) <= _LETTERS_SHOWN else f"{lines[:_LETTERS_SHOWN]}…"
    return cut.translate(_VISIBLE)


def _source(text: str) -> str:
    """Hash by which a content security policy allows an inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
