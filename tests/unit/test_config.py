import pytest
from configurations import checked, default, merged
from kduq.conditions import Condition
from kduq.config import messages
from kduq.config import study as config
from kduq.errors import UserError
from kduq.experiments import EXPERIMENTS
from kduq.study.study import Study


def test_the_schema_file_is_in_step():
    assert config.SCHEMA_FILE.read_text(encoding="utf-8") == config.schema()


@pytest.mark.parametrize("name", [None, "smoke", "paper", "paper-lm"])
def test_every_study_that_is_shipped_is_valid(name):
    assert checked(*([name] if name else [])).study == (name or "default")


def test_the_paper_study_can_be_run_for_regression_alone():
    part, whole = checked("paper", "only/regression"), checked("paper")
    assert part.study == "paper"
    wanted = {
        (name, family): run
        for name, grid in whole.experiments.model_dump(exclude_none=True).items()
        for family, run in grid["families"].items()
        if family in ("linear", "mlp") and name != "student_output"
    }
    assert wanted == {
        (name, family): run
        for name, grid in part.experiments.model_dump(exclude_none=True).items()
        for family, run in grid["families"].items()
    }


def test_a_part_of_the_paper_study_makes_the_whole_ones_artifacts():
    part = Study(checked("paper", "only/regression", "only/boston_housing"))
    whole = Study(checked("paper", "only/regression"))
    # What gathers all runs is another's; a run itself is the same.
    runs = {path: target.config for path, target in part.targets.items() if "/" in path}
    runs = {path: value for path, value in runs.items() if not path.startswith("figures/")}
    assert {path.split("/")[2] for path in runs if "/estimates" in path} == {"boston_housing"}
    assert len(runs) > 150
    assert runs.items() <= {path: target.config for path, target in whole.targets.items()}.items()


def test_the_paper_study_has_the_papers_replicates():
    experiments = checked("paper").experiments.model_dump()
    for name, grid in experiments.items():
        if grid is None or name in OTHERS:
            continue  # the paper has one student there, or none
        for family in ("linear", "mlp"):
            run = grid["families"].get(family)
            assert run is None or run["replicates"] == (10000 if name == "student_init" else 1000)


#: Experiments in which the paper has one student per cell, or which it does not have.
OTHERS = (
    "student_output",
    "predictive_distribution",
    "decomposition",
    "study_variance",
    "replication",
)
OFF = dict.fromkeys(
    [
        "teacher_noise",
        "student_init",
        "bootstrap",
        "student_output",
        "variance_aware",
        "fixed_initialisation",
        "decomposition",
        "study_variance",
        "predictive_distribution",
        "replication",
    ]
)


def run(**keys):
    return {"experiments": {"teacher_noise": {"families": {"mlp": keys}}}}


MISTAKES = [
    ({"sed": 1}, "sed: unknown key; allowed: study, seed, data_cache,"),
    (
        {"students": {"mlp_16": {"epoch": 3}}},
        "students.mlp_16.epoch: unknown key; allowed: family, epochs",
    ),
    (run(replicates=-5), "experiments.teacher_noise.families.mlp.replicates: found -5;"),
    (run(shard=3), "experiments.teacher_noise.families.mlp.shard: found 3; an even number"),
    (
        {"experiments": {"variance_aware": {"k": [1, 0]}}},
        "experiments.variance_aware.k.1: found 0; input should be greater than 0",
    ),
    ({"teachers": {"x": {"family": "mpl"}}}, "teachers.x.family: found 'mpl'; allowed: "),
    (
        {"experiments": {"teacher_noise": {"alpha": [True]}}},
        "experiments.teacher_noise.alpha.0: found True; a number is needed",
    ),
    (
        {"experiments": {"teacher_noise": {"families": {"cnn": {}}}}},
        "experiments.teacher_noise.families.cnn: unknown key; allowed: linear, mlp",
    ),
    (
        {"experiments": {"teacher_noise": {"datasets": ["bostn_housing"]}}},
        "experiments.teacher_noise.datasets.0: found 'bostn_housing'; allowed: boston_housing,",
    ),
    (run(teacher="nobody"), "experiments.teacher_noise.families.mlp.teacher: found 'nobody';"),
    (run(student="ols"), "experiments.teacher_noise.families.mlp.student: found 'ols', which is"),
    (
        {"experiments": {"variance_aware": {"method": ["avg"]}}},
        "experiments.variance_aware.method.0: found 'avg'; allowed: single, averaging,",
    ),
    (
        {"experiments": {"variance_aware": {"teacher_weight": [0.5, 1.5]}}},
        "experiments.variance_aware.teacher_weight.1: found 1.5; input should be less than or "
        "equal to 1",
    ),
    (
        {"experiments": {"variance_aware": {"k": [1, 5]}}},
        "experiments.variance_aware.weight_k: found [3]; numbers from the key k above 1 are needed",
    ),
    (
        {"experiments": {"predictive_distribution": {"families": {"mlp": {"student": "mlp_16"}}}}},
        "experiments.predictive_distribution.families.mlp.student: found 'mlp_16', which predicts",
    ),
    (
        {"experiments": {"predictive_distribution": {"families": {"linear": {}}}}},
        "experiments.predictive_distribution.families.linear: unknown key; allowed: mlp",
    ),
    (
        {"teachers": {"mlp_128_slow": {"head": "gaussian"}}},
        "teachers.mlp_128_slow.head: found 'gaussian', but experiments.bootstrap.families.mlp uses",
    ),
    (
        {
            "students": {"classifier_64": {"head": "gaussian"}},
            "experiments": {"replication": None},
        },
        "students.classifier_64.head: found 'gaussian', but experiments.student_output.families",
    ),
    (
        {"experiments": {"replication": {"classification": {"datasets": ["diabetes"]}}}},
        "experiments.replication.classification.datasets.0: found 'diabetes', which is for",
    ),
    (
        {"experiments": {"replication": {"families": {"linear": {"splits": 2}}}}},
        "experiments.replication.families.linear.splits: found 2; input should be greater",
    ),
    (
        {"experiments": {"predictive_distribution": {"k": [1, 3]}}},
        "experiments.predictive_distribution.k.0: found 1; input should be greater than 1",
    ),
    (
        {"experiments": {"teacher_noise": {"datasets": ["digits"]}}},
        "experiments.teacher_noise.datasets.0: found 'digits', which is for classification;",
    ),
    (
        {"experiments": {"student_output": {"datasets": ["diabetes"]}}},
        "experiments.student_output.datasets.0: found 'diabetes', which is for regression;",
    ),
    (
        {"experiments": {"student_output": {"optional_datasets": ["wine"]}}},
        "experiments.student_output.optional_datasets.0: found 'wine', which is not downloaded;",
    ),
    (
        {"experiments": {"student_output": {"label_source": ["soft", "argmax"]}}},
        "experiments.student_output.label_source.1: found 'argmax'; allowed: hard, sampled,",
    ),
    (
        {"datasets": {"digits": {"task": "regression"}}},
        "datasets.digits.task: found 'regression'; digits is for classification;",
    ),
    (
        {"students": {"mlp_64": {"batch_size": 32}}},
        "students.mlp_64.batch_size: found a value, but experiments.bootstrap.families.mlp",
    ),
    (
        {"experiments": {"decomposition": {"families": {"mlp": {"student": "mlp_64"}}}}},
        "students.mlp_64.shared_init: found true, but experiments.decomposition.families.mlp",
    ),
    (
        {
            "experiments": {
                "variance_aware": {"families": {"lm": {"temperature_by_corpus": {"fact": [1]}}}}
            }
        },
        "experiments.variance_aware.families.lm.temperature_by_corpus.fact: found 'fact'; allowed:",
    ),
    (
        {"experiments": {"fixed_initialisation": {"families": {"mlp": {"student": "mlp_16"}}}}},
        "students.mlp_16.shared_init: found false, but experiments.fixed_initialisation.families",
    ),
    (
        {"experiments": {"decomposition": {"families": {"linear": {"levels": {"noise": 2}}}}}},
        "experiments.decomposition.families.linear.levels.noise: found 2; input should be greater",
    ),
    ({"datasets": {"mnist": {"path": "x.csv"}}}, "datasets.mnist.target: missing;"),
    ({"datasets": {"wine": None}}, "datasets.wine: found None; a table of keys is needed"),
    (
        {"experiments": {"bootstrap": {"families": {"linear": {"replicates": 1}}}}},
        "experiments.bootstrap.families.linear.replicates: found 1;",
    ),
    (
        # Shards are named by six digits.
        {"experiments": {"bootstrap": {"families": {"linear": {"replicates": 10**9}}}}},
        "experiments.bootstrap.families.linear.replicates: found 1000000000;",
    ),
    (
        {
            "experiments": {
                "variance_aware": {
                    "families": {
                        "lm": {"method": ["averaging"], "k": [1], "single_temperature": []}
                    }
                }
            }
        },
        "experiments.variance_aware.families.lm: the grid has no cell",
    ),
    (
        {"experiments": {"teacher_noise": {"families": {"lm": {"corpora": ["facts"]}}}}},
        "experiments.teacher_noise.families.lm.corpora.0: found 'facts'; allowed: ambiguous_facts",
    ),
    (
        {"teachers": {"gpt_128": {"source": "gpt2"}}},
        "teachers.gpt_128: found",
    ),
    ({"teachers": {"gpt_128": {"heads": 5}}}, "teachers.gpt_128: found"),
    ({"corpora": {"mine": {}}}, "corpora.mine.path: missing;"),
    ({"corpora": {"chatterbot": {"path": "x"}}}, "corpora.chatterbot.path: found a value, but"),
    (
        {"students": {"gpt_64": {"steps": 0}}},
        "students.gpt_64: found",
    ),
    (
        {"students": {"mlp_16": {"learning_rate": 1e38}}},
        "students.mlp_16.learning_rate: found 1e+38",
    ),
    ({"datasets": {"diabetes": {"path": "x.csv"}}}, "datasets.diabetes.path: found a value, but"),
    ({"datasets": {"mine": {"path": "x.csv"}}}, "datasets.mine.target: missing;"),
    (
        {"datasets": {"mine": {"path": "x{1}.csv", "target": "y"}}},
        "datasets.mine.path: found 'x{1}.csv'; the name of a file is needed, without { and }",
    ),
    ({"corpora": {"mine": {"path": ""}}}, "corpora.mine.path: found ''; the name of a file is"),
    ({"experiments": OFF}, "experiments: nothing is switched on; give at least one of teacher_"),
    ({"study": "../x"}, "study: found '../x'; allowed: letters"),
    ({"sample_size": {"width": 0}}, "sample_size.width: found 0; input should be greater than 0"),
    (
        {"sample_size": {"target": "media"}},
        "sample_size.target: found 'media'; allowed: mean, variance; did",
    ),
    (
        {"sample_size": {"cost": 1}},
        "sample_size.cost: unknown key; allowed: target, width, cost_student,",
    ),
    ({"statistics": {"confidence": 2}}, "statistics.confidence: found 2; input should be less"),
    ({"experiments": {"teacher_noise": {"alpha": [1, 1.0]}}}, "experiments.teacher_noise.alpha:"),
]


@pytest.mark.parametrize(("overlay", "line"), MISTAKES, ids=[line[:40] for _, line in MISTAKES])
def test_a_mistake_gives_one_line_with_the_keys_path(overlay, line):
    with pytest.raises(UserError) as caught:
        config.check(merged(default(), overlay))
    assert str(caught.value).startswith(line)
    assert len(str(caught.value).splitlines()) == 1


RENAMED = [
    (run(block=4), "experiments.teacher_noise.families.mlp.block: renamed; write it as shard"),
    (
        {"experiments": {"student_output": {"if_fetched": ["mnist"]}}},
        "experiments.student_output.if_fetched: renamed; write it as optional_datasets",
    ),
    ({"plan": {"width": 0.1}}, "plan: renamed; write it as sample_size"),
    (
        {"students": {"gpt_64": {"tokens_per_pass": 4096}}},
        "students.gpt_64.tokens_per_pass: renamed; write it as tokens_per_microbatch",
    ),
]


@pytest.mark.parametrize(("overlay", "line"), RENAMED, ids=[line[-20:] for _, line in RENAMED])
def test_an_old_key_gives_one_line_with_the_new_one(overlay, line):
    with pytest.raises(UserError) as caught:
        config.check(merged(default(), overlay))
    assert str(caught.value) == line


def test_every_key_that_was_renamed_is_tested():
    assert {line.rsplit(" ", 1)[1] for _, line in RENAMED} == set(messages.RENAMED.values())


def test_every_mistake_is_listed():
    with pytest.raises(UserError) as caught:
        config.check(merged(default(), {"sed": 1} | run(replicates=-5, shard=3)))
    assert len(str(caught.value).splitlines()) == 3


def test_a_style_is_a_name_or_a_file_of_matplotlib(tmp_path):
    file = tmp_path / "mine.mplstyle"
    file.write_text("lines.linewidth: 3\n")
    for style in ("ggplot", str(file)):
        assert config.check(merged(default(), {"figures": {"style": style}})).figures.style == style
    for style in ("seaborn", str(tmp_path / "none.mplstyle")):
        with pytest.raises(UserError, match=r"figures\.style: found .*allowed are default, a file"):
            config.check(merged(default(), {"figures": {"style": style}}))


def test_a_style_files_content_is_part_of_what_is_drawn(tmp_path):
    file = tmp_path / "mine.mplstyle"
    chosen = merged(default(), {"figures": {"style": str(file)}})
    texts = []
    for width in (1, 2):
        file.write_text(f"lines.linewidth: {width}\n")
        texts.append(Study(config.check(chosen)).targets["figures/teacher_noise.png"].config)
    assert texts[0] != texts[1]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"erring_facts": [1, 2]}, {"ambiguous_facts": {1.5}, "erring_facts": {1, 2}}),
        (None, {"ambiguous_facts": {1.5}, "erring_facts": {1.5}}),
    ],
)
def test_a_corpus_may_have_temperatures_of_its_own(own, expected):
    base = default()
    lm = base["experiments"]["variance_aware"]["families"]["lm"]
    lm |= {"corpora": list(expected), "temperature": [1.5], "single_temperature": []}
    # Tables are merged, so that of the default study is taken away first.
    lm["temperature_by_corpus"] = own
    runs = Study(config.check(base)).runs_of("variance_aware", lane="text")
    found = {run.key.dataset: {c.temperature for c in run.conditions} for run in runs}
    assert found == expected


def test_without_noise_the_remedies_have_one_condition():
    grid = {
        "alpha": [0, 0.5],
        "k": [1, 3],
        "method": ["averaging", "pilot_mean"],
        "teacher_weight": [0.5],
    }
    table = checked({"experiments": {"variance_aware": grid}}).experiment("variance_aware")
    cells = EXPERIMENTS["variance_aware"].conditions(table)
    assert cells[0] == Condition(method="single", alpha=0, k=1)
    assert [(c.method, c.k, c.teacher_weight) for c in cells[1:]] == [
        ("averaging", 1, None),
        ("averaging", 3, None),
        ("pilot_mean", 1, None),
        ("pilot_mean", 3, None),
        ("fixed_weight", 3, 0.5),
    ]
