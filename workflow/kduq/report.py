"""Stage ``report``: one self-contained page, verdicts first."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from kduq.artifacts import canonical_json

_FOLDER = Path(__file__).parent.parent / "report"


def render(
    settings: dict[str, Any],
    claims: pd.DataFrame,
    estimates: pd.DataFrame,
    figures: dict[str, bytes],
    made_by: dict[str, Any],
) -> str:
    """Render the page.

    Parameters
    ----------
    settings : dict
        study: the whole configuration; left_out: data sets that were not downloaded.
    claims, estimates : pandas.DataFrame
        The tables of those names.
    figures : dict of str to bytes
        PNG files by the names of the figures.
    made_by : dict
        Provenance, shown and embedded.

    Returns
    -------
    str
        HTML that opens from disk without a network.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = _number
    counts = estimates[estimates["metric"].isin(["diverged_count", "rank_deficient_count"])]
    keys = ["experiment", "family", "dataset", "metric"]
    totals = counts.groupby(keys, sort=False, as_index=False)[["estimate", "n_students"]].sum()
    captions = {
        name: (_FOLDER / f"{name}.rst").read_text(encoding="utf-8").strip() for name in figures
    }
    return environment.get_template("report.html.j2").render(
        study=settings["study"],
        left_out=settings["left_out"],
        config=json.dumps(settings["study"], indent=1),
        claims=claims.to_dict("records"),
        reasons=_reasons(claims),
        verdicts=claims["verdict"].value_counts().to_dict(),
        totals=totals.to_dict("records"),
        figures={name: base64.b64encode(data).decode() for name, data in figures.items()},
        captions=captions,
        made_by=made_by,
        # "<" would end the script element that holds the text.
        embedded=canonical_json(made_by).replace("<", "\\u003c"),
    )


def _reasons(claims: pd.DataFrame) -> list[tuple[str, str]]:
    """Data sets whose models fail the quality gate, with the reason, each pair once."""
    failed = claims[claims["reason"].notna()]
    pairs = zip(failed["dataset"], failed["reason"], strict=True)
    return list(dict.fromkeys(pairs))


def _number(value: float) -> str:
    """Three significant digits; a dash where there is no value."""
    if math.isnan(value):
        return "–"
    return f"{value:.3g}"
