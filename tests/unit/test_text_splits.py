"""Designs of splits on text: every split has its own corpus, teacher and students."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from configurations import checked
from drawn_figures import OneTable, drawn, settings_of
from kduq import artifacts
from kduq.answers import text_splits as models
from kduq.artifacts import schemas
from kduq.claims import CLAIMS, hypothesis, replicated
from kduq.claims.evidence import Evidence
from kduq.claims.settings import ClaimsSettings
from kduq.conditions import Condition
from kduq.data.corpus import Corpus, corpora_of_splits
from kduq.embeddings import text_splits as embeddings
from kduq.estimates import answers as arranged
from kduq.estimates import text as text_estimates
from kduq.estimates import text_splits as estimates
from kduq.estimates.groups import of_split, parts_of
from kduq.examples.text import prepare
from kduq.experiments import EXPERIMENTS
from kduq.figures import FIGURES
from kduq.stage import Inputs, Outputs
from kduq.study.paths import RunKey
from kduq.study.study import Study

ONLY = {name: None for name in EXPERIMENTS if name != "replication"}
SMALL = {
    "corpora": {"ambiguous_facts": {"wordings": 2}},
    "language": {"prompts": 8, "draws": 3},
    "teachers": {"gpt_128_short": {"width": 16, "vocabulary": 400, "steps": 20}},
    "students": {"gpt_64_short": {"width": 16, "vocabulary": 400, "steps": 10}},
}


def study(**lm):
    """A study of nothing but language models on several splits."""
    families = {"linear": None, "mlp": None, "lm": {"corpora": ["ambiguous_facts"], **lm}}
    overlay = {"replication": {"classification": None, "families": families}}
    return Study(checked(SMALL | {"experiments": ONLY | overlay}))


TINY = {"splits": 3, "questions": 8, "students_per_split": 3, "k": 3, "method": ["multi_response"]}


def shard_settings(number=0, whole=None):
    """Settings of the shard that begins with a split."""
    targets = (whole or study(**TINY)).targets.values()
    return next(t.settings for t in targets if t.stage == "losses" and t.settings.start == number)


def split(settings, number):
    counted = []
    tables = models.models_of_split(settings.named(number), counted.append)
    assert sum(counted) == 1 + 2 * 3
    return tables


@pytest.fixture(scope="module")
def two():
    """Two splits of one shard."""
    settings = shard_settings()
    return [split(settings, number) for number in settings.replicates]


def test_splits_share_nothing_and_do_not_depend_on_their_shard(two):
    first, second = two
    assert first["examples"]["prompt"] != second["examples"]["prompt"]
    seeds = [seed for tables in two for seed in tables["students"]["seed"]]
    # One seed per replicate, which its two conditions share.
    assert len(set(seeds)) == 2 * 3
    names = [shard_settings().named(n).teacher.path for n in (0, 1)]
    assert names[0] != names[1]
    other = shard_settings().model_copy(update={"start": 1, "stop": 2})
    again = split(other, 1)
    assert again["answers"]["text"] == second["answers"]["text"]
    assert list(again["students"]["seed"]) == list(second["students"]["seed"])


def test_the_teacher_and_all_students_answer_every_evaluated_prompt(two):
    answers = pd.DataFrame(two[0]["answers"])
    sizes = answers.groupby(["label_source", "method", "replicate"], dropna=False).size()
    # Eight prompts, each with a greedy and three sampled answers.
    assert sizes.tolist() == [8 * 4] * (2 * 3 + 1)
    assert answers["label_source"].iloc[0] == "truth"
    students = pd.DataFrame(two[0]["students"])
    assert students["method"].tolist() == ["single"] * 3 + ["multi_response"] * 3
    assert students["replicate"].tolist() == [0, 1, 2] * 2


def test_a_corpus_that_is_not_generated_has_other_held_out_prompts(tmp_path):
    path = tmp_path / "faq.csv"
    rows = "".join(f"question {i},answer {i}\n" for i in range(40))
    path.write_text(f"prompt,references\n{rows}")
    settings = shard_settings()
    corpus = settings.corpus.model_copy(
        update={"kind": "file", "path": str(path), "dataset": "faq", "questions": None}
    )
    settings = settings.model_copy(update={"corpus": corpus})
    drawn_corpora = [prepare(settings.named(number).corpus) for number in (0, 1, 1)]
    assert drawn_corpora[0]["prompt"] == drawn_corpora[1]["prompt"]
    held_out = [set(np.flatnonzero(c["split"] == "test")) for c in drawn_corpora]
    assert len(held_out[0]) == len(held_out[1]) == 10
    assert held_out[0] != held_out[1] == held_out[2]


def written(folder, whole):
    """All artifacts of the run of a study, built without Snakemake."""
    found = {}
    for target in whole.targets.values():
        stages = ("answers", "embeddings", "estimates")
        if not target.path.startswith("replication/") or target.stage not in stages:
            continue
        module = {"answers": models, "embeddings": embeddings, "estimates": estimates}[target.stage]
        names = [target.stage]
        if target.stage == "answers":
            names += ["students", "losses", "examples"]
        paths = {name: folder / target.path.replace("answers", name) for name in names}
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        inputs = Inputs({role: [folder / p for p in ps] for role, ps in target.inputs.items()})
        provenance = artifacts.provenance(target.stage, target.config, "0", {})
        outputs = Outputs({name: str(path) for name, path in paths.items()}, lambda p=provenance: p)
        module.run(target.settings, inputs, outputs)
        found |= {str(path.relative_to(folder)): path for path in paths.values()}
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    whole = study(**TINY)
    folder = tmp_path_factory.mktemp("run")
    return whole, folder, written(folder, whole)


def test_estimates_over_splits_are_those_of_the_splits(run):
    whole, folder, files = run
    (target,) = [t for t in whole.targets.values() if t.script == "" and t.stage == "estimates"]
    table = pd.read_parquet(files[target.path])
    settings = target.settings
    inputs = Inputs({role: [folder / p for p in paths] for role, paths in target.inputs.items()})
    examples = corpora_of_splits(inputs.read_all("examples").table.to_pydict())
    assert sorted(examples) == [0, 1, 2]
    assert all(isinstance(corpus, Corpus) for corpus in examples.values())
    own = pd.read_parquet(inputs.paths["answers"][0])
    assert own["split_number"].unique().tolist() == [0, 1]

    # The ordinary estimates of each split, from its answers alone.
    texts = arranged.DistinctTexts(inputs.read("embeddings"))
    values = []
    for number, corpus in examples.items():
        evaluated = corpus.evaluated(settings.prompts)
        answers = inputs.read_all("answers", rows=artifacts.rows_where(split_number=number))
        columns = texts.columns(answers)
        source = np.array(answers.table.column("label_source").to_pylist())
        draw, method = columns["draw"], np.array(answers.table.column("method").to_pylist())

        def of(mask, evaluated=evaluated, columns=columns):
            return arranged.answers_from(columns, np.flatnonzero(mask), evaluated)

        found = text_estimates.estimate(
            settings.model_copy(update={"metrics": []}),
            corpus,
            [texts.embeddings(corpus.references[i]) for i in evaluated],
            evaluated,
            of((source == "truth") & (draw >= 0)),
            of((source == "truth") & (draw < 0)),
            [
                (
                    dataclasses.replace(
                        of((method == c.method) & (draw >= 0)),
                        greedy=of((method == c.method) & (draw < 0)).texts[:, :, 0],
                    ),
                    0,
                    3,
                )
                for c in settings.conditions
            ],
        )
        found = pd.DataFrame(found)
        mask = (found["metric"] == "intra_variance_ratio") & (found["method"] == "single")
        values.append(found[mask].set_index("group")["estimate"])
    rows = table[
        (table["metric"] == "replicated_intra_variance_ratio") & (table["method"] == "single")
    ].set_index("group")
    for group in ("all", "train", "test"):
        expected = [v[group] for v in values]
        shown = rows.loc[[of_split(n, group) for n in range(3)], "estimate"]
        np.testing.assert_allclose(shown, expected, rtol=1e-9)
        assert rows.loc[group, "estimate"] == pytest.approx(np.mean(expected))
        error = np.std(expected, ddof=1) / np.sqrt(3)
        assert rows.loc[group, "se"] == pytest.approx(error)
        assert rows.loc[group, "ci_high"] - rows.loc[group, "estimate"] == pytest.approx(
            4.302653 * error, rel=1e-5
        )
        assert rows.loc[group, "n_students"] == 9
    teacher = table[(table["role"] == "teacher") & (table["metric"] == "predictive_entropy")]
    teacher = teacher.set_index("group")["estimate"]
    assert teacher["train"] == pytest.approx(
        np.mean([teacher[of_split(n, "train")] for n in range(3)])
    )


def test_tables_of_a_shard_have_numbers_of_splits(run):
    whole, _, files = run
    tables = {p: artifacts.read(f, p.split("/")[3]) for p, f in files.items() if "/00000" in p}
    assert len(tables) == 2 * 4
    for artifact in tables.values():
        assert artifact.table.column_names[0] == "split_number"
    targets = whole.targets
    assert {targets[path].script for path in tables} == {"answers"}


def test_groups_of_splits_are_read_as_they_are_written():
    for number, group in ((0, "all"), (7, "train"), (123, "test")):
        assert parts_of(of_split(number, group)) == (number, group)
    assert of_split(7) == "split_07"
    assert parts_of("all") == (None, "all")
    assert parts_of("split") == (None, "split")


SINGLE = {"label_source": "sampled", "temperature": 1.0, "method": "single", "k": 1}
REMEDY = SINGLE | {"method": "averaging", "k": 5}
ALL = SINGLE | {"method": "multi_response", "k": 5}
LM = {"experiment": "replication", "family": "lm", "dataset": "ambiguous_facts"}


def made_up(values, metric, role="student", group="train", **condition):
    """Estimates on splits, with an error of a fiftieth."""
    keys = dict.fromkeys(schemas.CONDITION) | condition
    return pd.DataFrame(
        [
            LM
            | keys
            | {"group": of_split(i, group), "role": role, "metric": metric, "n_students": 4}
            | {"estimate": v, "se": 0.02, "ci_low": v - 0.04, "ci_high": v + 0.04}
            for i, v in enumerate(values)
        ]
    )


def teachers(outside, ceiling=0.9):
    """Teachers with some share of answers outside the support, otherwise good."""
    n = len(outside)
    values = {
        "true_entropy": [1.0] * n,
        "predictive_entropy": [1.0] * n,
        "hallucination_rate": outside,
        "entropy_rank_correlation_ceiling": [ceiling] * n,
    }
    return pd.concat([made_up(v, metric, "teacher") for metric, v in values.items()])


def curves(last=()):
    """Loss curves of one student per split; those named have not converged."""
    parts = [
        pd.DataFrame({"split_number": i, "replicate": 0, "step": np.arange(40), "loss": 1.0})
        for i in range(6)
    ]
    for i in last:
        parts[i]["loss"] = np.linspace(9, 0, 40)
    return pd.concat(parts)


def judged(*tables, losses=None):
    config = checked()
    settings = ClaimsSettings(
        margins=config.claims.model_dump(),
        confidence=0.95,
        bootstrap_draws=200,
        seed=1,
        gate=config.gate,
    )
    losses = {RunKey(**LM): curves() if losses is None else losses}
    evidence = Evidence(settings, pd.concat(tables), [], None, losses)
    tests = [test for claim in replicated.CLAIMS for test in claim.tests(evidence)]
    return pd.DataFrame(hypothesis.judge(tests, 0.95))


GOOD = [0.01] * 6
INTRA = [0.2, 0.25, 0.3, 0.22, 0.28, 0.24]


def test_claims_of_language_models_are_those_of_one_teacher_with_their_margins():
    metrics = {
        "replicated_intra_variance_ratio": (INTRA, SINGLE),
        "replicated_inter_variance_ratio": ([0.7, 0.8, 0.75, 0.72, 0.78, 0.74], SINGLE),
        "replicated_total_variance_ratio": ([0.95, 1.05, 1.0, 0.98, 1.02, 1.0], SINGLE),
        "replicated_similarity_to_reference_difference": ([0.1, 0.11, 0.12] * 2, REMEDY),
        "replicated_systematic_noise_difference": ([-0.1, -0.11, -0.12] * 2, REMEDY),
        "replicated_hallucination_rate_difference": ([0.1, 0.11, 0.12] * 2, REMEDY),
        "replicated_entropy_slope": ([0.7, 0.8, 0.75] * 2, ALL),
        "replicated_entropy_rank_correlation": ([0.05, 0.08, 0.1] * 2, SINGLE),
        "replicated_inter_student_variance_change": ([-0.5, -0.45, -0.4] * 2, ALL),
    }
    table = [made_up(v, m, **condition) for m, (v, condition) in metrics.items()]
    rows = judged(teachers(GOOD), *table)
    assert rows["claim"].tolist() == [8, 8, 9, 9, 9, 10, 10, 11, 12]
    assert rows["statistic"].str.contains("taught prompts, over splits").all()
    assert rows["n_splits"].eq(6).all()
    against = rows["statistic"].str.contains("hallucination")
    assert rows["verdict"][~against].eq("supported").all()
    assert rows["verdict"][against].tolist() == ["contradicted"]
    found = rows.set_index("statement")
    alone = found.loc["Students of one answer per prompt vary less in their own answers"]
    assert alone["estimate"] == pytest.approx(np.mean(INTRA))
    assert (alone["threshold"], alone["margin"]) == pytest.approx((1, 0.1))
    half = 2.570582 * np.std(INTRA, ddof=1) / np.sqrt(6)
    assert alone["ci_high"] - alone["estimate"] == pytest.approx(half, rel=1e-5)
    share = found.loc["Students of one answer per prompt differ from each other"]
    assert (share["threshold"], share["margin"]) == pytest.approx((0, 0.05))
    change = found.loc["multi_response lowers inter-student variance compared with single"]
    assert (change["threshold"], change["margin"]) == pytest.approx((0, 1 - 1 / 1.1))
    slope = found.loc["A student of 5 answers per prompt reflects the teacher's uncertainty"]
    assert (slope["threshold"], slope["margin"]) == pytest.approx((0.4, 0.2))
    sections = {claim.number: claim.section for claim in CLAIMS.values()}
    assert [sections[n] for n in rows["claim"]] == rows["section"].tolist()


def test_a_split_that_does_not_pass_the_gate_is_left_out_and_counted():
    table = made_up([0.2, 0.25, 0.3, 0.22, 5.0, 0.24], "replicated_intra_variance_ratio", **SINGLE)
    outside = [0.01, 0.01, 0.01, 0.01, 0.3, 0.01]
    (row,) = judged(teachers(outside), table).to_dict("records")
    assert (row["n_splits"], row["n_splits_left_out"], row["n_splits_agreeing"]) == (5, 1, 5)
    assert row["estimate"] == pytest.approx(np.mean([0.2, 0.25, 0.3, 0.22, 0.24]))
    assert (row["verdict"], row["n_students"]) == ("supported", 20)
    # Students that have not converged count as well.
    (row,) = judged(teachers(GOOD), table, losses=curves(last=[0, 4])).to_dict("records")
    assert (row["n_splits"], row["n_splits_left_out"]) == (4, 2)


def test_a_run_of_which_too_few_splits_pass_has_no_verdict():
    table = made_up(INTRA, "replicated_intra_variance_ratio", **SINGLE)
    outside = [0.01, 0.3, 0.3, 0.3, 0.3, 0.01]
    (row,) = judged(teachers(outside), table).to_dict("records")
    assert row["verdict"] == "inconclusive"
    assert row["reason"].startswith("Only 2 of 6 splits pass the quality gate, fewer than 3. Split")
    assert row["estimate"] == pytest.approx(np.mean(INTRA))


def test_rows_where_nothing_can_be_seen_are_withheld():
    table = [
        made_up([0.99] * 6, "replicated_similarity_to_reference", **SINGLE),
        made_up([0.001] * 6, "replicated_similarity_to_reference_difference", **REMEDY),
        made_up([0.1] * 6, "replicated_entropy_slope", **SINGLE),
    ]
    reasons = judged(teachers(GOOD, 0.3), *table)["reason"].tolist()
    assert all(reason.startswith("Nothing can be seen here") for reason in reasons)
    assert len(reasons) == 2
    room = made_up([0.7] * 6, "replicated_similarity_to_reference", **SINGLE)
    verdicts = judged(teachers(GOOD), room, *table[1:])["verdict"].tolist()
    assert verdicts == ["contradicted", "supported"]


def test_a_figure_shows_taught_and_held_out_prompts_of_every_split():
    metric, name = "replicated_intra_variance_ratio", "replication_text_variance"
    held_out = [v + 0.1 for v in INTRA]
    table = pd.concat(
        [made_up(INTRA, metric, **SINGLE), made_up(held_out, metric, group="test", **SINGLE)]
    )
    margins = checked().claims.model_dump()
    assert drawn(name, table, margins=margins)[1].startswith(b"%PDF")
    prepared = FIGURES[name].prepare(settings_of(name, margins=margins), OneTable(table))
    (ax,) = prepared.draw().axes
    filled, hollow = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(filled.get_xdata(), INTRA)
    np.testing.assert_allclose(hollow.get_xdata(), held_out)
    assert hollow.get_markerfacecolor() == "white"
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    np.testing.assert_allclose([band.x0, band.x1], [0.9, 1.1])
    # A claim of another figure is not shown.
    other = FIGURES["replication_text_stability"]
    prepared = other.prepare(settings_of(other.name, margins=margins), OneTable(table))
    assert not any(ax.lines for ax in prepared.draw().axes)


def test_more_splits_leave_the_jobs_that_are_there():
    def targets(splits):
        return {
            path: target.config
            for path, target in study(**(TINY | {"splits": splits})).targets.items()
            if path.startswith("replication/") and "/0000" in path
        }

    few, many = targets(4), targets(8)
    assert few.items() <= many.items()
    assert len(few) == 2 * 4
    assert len(many) == 4 * 4


def test_splits_have_no_teacher_of_their_own_among_the_artifacts():
    whole = study(**TINY)
    stages = {target.stage for target in whole.targets.values()}
    assert not stages & {"teacher", "responses", "targets"}
    assert whole.targets["claims.parquet"].inputs["losses"] == [
        f"replication/lm/ambiguous_facts/losses/{shard}.parquet"
        for shard in ("000000-000002", "000002-000003")
    ]
    assert whole.exemplary_text_run is None
    figures = {Path(path).stem for path in whole.artifacts_of("replication") if "figures/" in path}
    assert {f"replication_text_{n}" for n in ("variance", "remedies", "stability")} < figures


def test_conditions_are_one_answer_and_the_methods():
    config = checked()
    (table,) = [t for _, e, t in config.grids("replication") if e.task == "regression"]
    cells = EXPERIMENTS["replication"].cells(table, table.families.lm)
    assert cells[0] == Condition(**SINGLE)
    assert [c.method for c in cells[1:]] == table.families.lm.method
    assert {c.k for c in cells[1:]} == {table.families.lm.k}
