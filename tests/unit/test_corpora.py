import csv
import gzip
import json
import math
import re
from collections import Counter

import pandas as pd
import pytest
from configurations import checked
from kduq.data.corpora import CORPUS_KINDS, ambiguous_facts
from kduq.data.corpora import wordnet as wordnet_kind
from kduq.errors import UserError
from kduq.examples import text as examples

DEFAULTS = {
    "dataset": "mine",
    "path": None,
    "prompt": None,
    "references": None,
    "questions": None,
    "wordings": 3,
    "test_fraction": 0.25,
    "seed": 7,
}
#: Outer whitespace goes, all else stays.
AWKWARD = 'naïve "quoted", it\'s\n\n– 漢字 🦜\u2028end;  two  spaces\tNA'
#: A line separator of Unicode ends no line of JSON or CSV, not even outside quotes.
SEPARATED = "one\u2028two"
ROWS = [
    {"prompt": "Who sings?", "references": [AWKWARD, "None", SEPARATED]},
    {"prompt": "Who  dances?", "references": "1.0"},
    {"prompt": "Who plays?", "references": ["Ada ", "\nBen"]},
    {"prompt": "Who laughs?", "references": ["Cy"]},
]


def chosen(kind, **settings):
    return examples.Settings(**(DEFAULTS | {"kind": kind} | settings))


def prepare(kind, **settings):
    return examples.prepare(chosen(kind, **settings))


def facts(**settings):
    return prepare("ambiguous_facts", **settings)


def same(a, b):
    return all(list(a[column]) == list(b[column]) for column in a)


def refused(message, kind, **settings):
    with pytest.raises(UserError, match=message) as caught:
        prepare(kind, **settings)
    assert "\n" not in str(caught.value)


def write(path, rows):
    """One set of rows in each of the three formats; in CSV an answer is a row."""
    if path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
    elif path.suffix == ".parquet":
        listed = [row | {"references": as_list(row["references"])} for row in rows]
        pd.DataFrame(listed).to_parquet(path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["prompt", "references"])
            for row in rows:
                writer.writerows([row["prompt"], a] for a in as_list(row["references"]) or [""])
    return str(path)


def as_list(value):
    return [value] if isinstance(value, str) else value


def bioasq(tmp_path, questions):
    path = tmp_path / "bioasq.json"
    path.write_text(json.dumps({"questions": questions}))
    return str(path)


FOUR = [{"body": f"Question {n}?", "ideal_answer": [f"Answer {n}."]} for n in range(4)]


def test_every_corpus_has_the_columns_of_the_artifact(tmp_path):
    found = [facts(questions=40), prepare("file", path=write(tmp_path / "x.jsonl", ROWS))]
    for columns in found:
        rows = len(columns["prompt"])
        assert {len(column) for column in columns.values()} == {rows}
        assert columns["prompt_id"].dtype == columns["question"].dtype == "int32"
        assert columns["prompt_id"].tolist() == list(range(rows))
        assert set(columns["split"]) == {"train", "test"}
        assert all(columns["references"])
        assert all(len(set(answers)) == len(answers) for answers in columns["references"])


def test_facts_depend_on_the_seed_alone():
    assert same(facts(), facts())
    assert facts()["prompt"] != facts(seed=8)["prompt"]
    assert facts()["references"] != facts(seed=8)["references"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fewer_facts_are_the_first_of_more(seed):
    many, few = facts(seed=seed, questions=300), facts(seed=seed, questions=100)
    assert same(few, {name: column[:300] for name, column in many.items()})


def test_wordings_change_no_answer():
    two, five = facts(wordings=2), facts(wordings=5)
    assert two["references"][::2] == five["references"][::5]
    assert two["probabilities"][::2] == five["probabilities"][::5]


@pytest.mark.parametrize("seed", [0, 1])
def test_no_two_facts_share_a_wording(seed):
    prompts = facts(seed=seed, wordings=5)["prompt"]
    assert len(set(prompts)) == len(prompts) == 5 * ambiguous_facts.QUESTIONS
    assert ambiguous_facts.QUESTIONS >= 400
    assert not any("{" in prompt for prompt in prompts)


def test_nobody_appears_in_two_topics():
    # Else a name would be asked about in one topic and answered with what is true in another.
    prompts = facts(wordings=5)["prompt"]
    professors = {name for p in prompts for name in re.findall(r"Professor (\w+ \w+)", p)}
    assert len(professors) == ambiguous_facts.THINGS
    assert not [p for p in prompts if "Professor" not in p and any(n in p for n in professors)]


def test_held_out_wordings_ask_questions_that_have_training_wordings():
    found = pd.DataFrame(facts(test_fraction=0.3)).groupby("question")["split"].apply(list)
    assert set(map(tuple, found)) == {("train",) * 3, ("train", "train", "test")}
    held_out = sum(splits[-1] == "test" for splits in found)
    assert abs(held_out - 0.3 * len(found)) <= 1


def test_facts_have_known_distributions_of_every_shape():
    found = facts()
    shapes = Counter()
    pairs = list(zip(found["references"], found["probabilities"], strict=True))[::3]
    for answers, probabilities in pairs:
        assert len(answers) == len(probabilities) <= 6
        assert math.isclose(sum(probabilities), 1, abs_tol=1e-12)
        assert sorted(probabilities, reverse=True) == probabilities
        assert all(1 <= len(answer.split()) <= 6 for answer in answers)
        if len(answers) <= 2:
            shapes["certain" if len(answers) == 1 else f"pair {probabilities[0]:.1f}"] += 1
        else:
            shapes["uniform" if len(set(probabilities)) == 1 else f"tail {len(answers)}"] += 1
    wanted = {"certain", "uniform", *(f"pair {p}" for p in (0.5, 0.6, 0.7, 0.8, 0.9))}
    assert set(shapes) == wanted | {f"tail {n}" for n in (3, 4, 5, 6)}
    n = len(pairs)
    for shape in ("certain", "uniform"):
        share = ambiguous_facts.SHAPES[shape]
        assert abs(shapes[shape] - n * share) < 4 * math.sqrt(n * share * (1 - share))


def test_wordings_of_a_fact_have_the_same_answers():
    found = facts()
    pairs = zip(found["question"], map(tuple, found["references"]), strict=True)
    assert len(set(pairs)) == ambiguous_facts.QUESTIONS


def test_answers_of_a_fact_are_answers_of_others():
    # Else no answer could be taken for another question's.
    asked = Counter(answer for row in facts()["references"][::3] for answer in row)
    assert sum(count > 1 for count in asked.values()) > 0.95 * len(asked)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"questions": 5000}, r"corpora\.mine\.questions: 5000 found; allowed are 1 to"),
        ({"test_fraction": 1e-6}, "give 1848 training and 0 test prompts; allowed are at least 2"),
    ],
)
def test_facts_that_cannot_be_had_are_refused(settings, message):
    refused(message, "ambiguous_facts", **settings)


def test_an_unknown_kind_is_refused():
    refused(
        "'poems' is not a known kind of corpus; allowed: ambiguous_facts, erring_facts", "poems"
    )


@pytest.mark.parametrize(
    ("corpus", "line"),
    [
        ({"kind": "poems"}, "kind: found 'poems'; allowed: ambiguous_facts, erring_facts, mi"),
        ({"kind": "ambiguous_facts", "wordings": 1}, "wordings: found 1; input should be greater"),
        ({"kind": "ambiguous_facts", "wordings": 6}, "wordings: found 6; input should be less"),
        ({"kind": "wordnet", "test_fraction": 0.0}, "test_fraction: found 0.0; input should be gr"),
        ({"kind": "bioasq"}, "path: missing; a corpus of kind bioasq needs a file;"),
        ({}, "path: missing; a corpus of kind file needs a file; kinds that need none:"),
        ({"kind": "chatterbot", "path": "x"}, "path: found a value, but chatterbot is built in;"),
        ({"kind": "bioasq", "path": "x", "prompt": "q"}, "prompt: found a value, but only kind"),
    ],
)
def test_settings_of_a_corpus_that_cannot_be_are_refused_with_the_configuration(corpus, line):
    with pytest.raises(UserError) as caught:
        checked({"corpora": {"mine": corpus}})
    assert str(caught.value).startswith(f"corpora.mine.{line}")
    assert len(str(caught.value).splitlines()) == 1


def test_chatterbot_merges_answers_and_keeps_to_what_answers_the_prompt(capsys):
    found = prepare("chatterbot")
    assert "list no turns: 1\n" in capsys.readouterr().err
    answers = dict(zip(found["prompt"], found["references"], strict=True))
    assert len(answers) == len(found["prompt"]) > 700
    assert set(found["probabilities"]) == {None}
    assert all(" ".join(prompt.split()) == prompt for prompt in answers)
    # Several conversations that open alike.
    assert {"Hi", "Greetings!"} <= set(answers["Hello"])
    # A conversation that lists alternatives, and one of turns, of which the third is no answer.
    assert len(answers["Are you sad"]) >= 4
    assert "How are you doing?" not in answers["Hello"]
    assert answers["What is your favorite book?"] == ["I can't read."]
    test = (found["split"] == "test").sum()
    assert test == round(0.25 * len(answers))
    assert same(found, prepare("chatterbot"))
    few = prepare("chatterbot", questions=20)
    assert few["prompt"] == found["prompt"][:20] != prepare("chatterbot", seed=8)["prompt"][:20]


def wordnet_folder(
    tmp_path, counts="bank%1:14:00:: 1 20\nbank%1:17:01:: 2 3\nbank%2:40:00:: 3 9\n"
):
    """A database in WordNet's format with words of our own."""
    glosses = {
        1: ("14", "Bank", 'a house that keeps money; a lender; "she works at the bank"'),
        2: ("17", "bank", "the edge of a river"),
        3: ("17", "bank", " ".join(["long"] * 13)),
        4: ("17", "bank", 'as in "bank and turn"'),
        5: ("17", "bank", "a row of like things"),
        6: ("06", "unseen", "something nobody saw"),
        7: ("06", "unseen", "something nobody counted"),
        8: ("06", "single", "only one meaning"),
    }
    licence = "  1 This is where the licence stands.  \n"
    (tmp_path / "data.noun").write_text(
        licence
        + "".join(
            f"{n:08} {place} n 02 other 0 {word} 0 000 | {gloss}  \n"
            for n, (place, word, gloss) in glosses.items()
        )
    )
    offsets = {"bank": [1, 2, 3, 4, 5], "single": [8], "unseen": [6, 7], "two_words": [1, 2]}
    (tmp_path / "index.noun").write_text(
        licence
        + "".join(
            f"{word} n {len(n)} 1 @ {len(n)} 2 {' '.join(f'{i:08}' for i in n)}  \n"
            for word, n in offsets.items()
        )
    )
    (tmp_path / "cntlist.rev").write_text(counts)
    return str(tmp_path)


def test_wordnet_keeps_short_counted_senses_and_smooths_their_counts(tmp_path):
    message = "1 prompts give 1 training and 0 test"
    refused(message, "wordnet", path=wordnet_folder(tmp_path))
    (entry,) = CORPUS_KINDS["wordnet"].read("mine", chosen("wordnet", path=str(tmp_path)))
    assert entry.prompt == "What does 'Bank' mean?"
    assert entry.answers == [
        "a house that keeps money; a lender",
        "the edge of a river",
        "a row of like things",
    ]
    assert entry.probabilities == pytest.approx([21 / 26, 4 / 26, 1 / 26])


def test_a_wordnet_that_is_missing_or_damaged_is_named(tmp_path):
    missing = r"no 'data\.noun', 'index\.noun', 'cntlist\.rev' of WordNet 3\.0 in .*apt-get install"
    refused(missing + r" wordnet-base; .* corpora\.mine\.path", "wordnet", path=str(tmp_path))
    folder = wordnet_folder(tmp_path, counts="bank%1:14:00:: one\n")
    refused("not a WordNet 3.0 database, or damaged", "wordnet", path=folder)


def test_the_installed_wordnet():
    if not (wordnet_kind.WORDNET / "data.noun").is_file():
        pytest.skip(f"no WordNet in {wordnet_kind.WORDNET}: apt-get install wordnet-base")
    found = prepare("wordnet")
    assert 3500 < len(found["prompt"]) < 4500
    assert len(set(found["prompt"])) == len(found["prompt"])
    for answers, probabilities in zip(found["references"], found["probabilities"], strict=True):
        assert 2 <= len(answers) == len(probabilities) <= 6
        assert math.isclose(sum(probabilities), 1, abs_tol=1e-12)
        assert min(probabilities) > 0
        assert all(1 <= len(a.split()) <= wordnet_kind.DEFINITION_WORDS for a in answers)
        assert not any('"' in answer for answer in answers)
    assert prepare("wordnet", questions=30)["prompt"] == found["prompt"][:30]
    assert prepare("wordnet", seed=8)["prompt"][:30] != found["prompt"][:30]


def test_bioasq_takes_ideal_answers_and_else_exact_ones(tmp_path):
    questions = [
        {"body": "A?", "ideal_answer": ["One.", " Two. "], "exact_answer": "yes"},
        {"body": "B?", "ideal_answer": AWKWARD},
        {"body": "C?", "ideal_answer": [" "], "exact_answer": [["x", "y"], ["z"], "x"]},
        {"body": "D?", "exact_answer": "no"},
    ]
    found = prepare("bioasq", path=bioasq(tmp_path, questions))
    assert found["prompt"] == ["A?", "B?", "C?", "D?"]
    assert found["references"] == [["One.", "Two."], [AWKWARD], ["x", "y", "z"], ["no"]]
    assert found["probabilities"] == [None] * 4
    assert Counter(found["split"]) == {"train": 3, "test": 1}


def test_bioasq_drops_and_merges_with_one_line_each(tmp_path, capsys):
    path = bioasq(
        tmp_path,
        [
            *FOUR,
            {"body": " Question\n 1? ", "ideal_answer": ["Another.", "Answer 1."]},
            {"body": "Nobody knows?", "ideal_answer": []},
            {"body": "Nobody knows this?", "exact_answer": None},
        ],
    )
    found = prepare("bioasq", path=path)
    assert found["prompt"] == [f"Question {n}?" for n in range(4)]
    assert found["references"][1] == ["Answer 1.", "Another."]
    assert capsys.readouterr().err.splitlines() == [
        f"{path}: questions merged because they repeat an earlier one: 1",
        f"{path}: questions dropped because they have no answer: 2",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"questions": [\n  {"body": }\n]}', r"line 2, column 12: not valid JSON \(Expecting"),
        ('{"data": []}', "no list under the key 'questions'"),
        ("[]", "no list under the key 'questions'"),
        ('{"questions": [{"ideal_answer": "x"}]}', r"questions\[0\]: no key 'body'"),
        ('{"questions": [{"body": null}]}', r"questions\[0\]: 'body' holds nothing; allowed"),
        ('{"questions": [{"body": [4]}]}', r"questions\[0\]: 'body' holds .*4.*; allowed"),
        (
            '{"questions": [{"body": "A?", "exact_answer": [["x", {"y": 7}]]}]}',
            "'exact_answer' holds .*; allowed are texts, numbers, .*such as exact_answer.y",
        ),
        (
            '{"questions": [{"body": "A?", "ideal_answer": "bird \\ud83e"}]}',
            r"'ideal_answer' holds half a surrogate pair, \\ud83e",
        ),
    ],
)
def test_bioasq_that_is_broken_is_refused_at_its_place(tmp_path, text, message):
    path = tmp_path / "bioasq.json"
    path.write_text(text)
    refused(message, "bioasq", path=str(path))
    refused(r"bioasq\.json", "bioasq", path=str(path))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_answers_survive_every_format(tmp_path, suffix, capsys):
    found = prepare("file", path=write(tmp_path / f"x{suffix}", ROWS))
    assert found["prompt"] == ["Who sings?", "Who  dances?", "Who plays?", "Who laughs?"]
    assert found["references"] == [[AWKWARD, "None", SEPARATED], ["1.0"], ["Ada", "Ben"], ["Cy"]]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_rows_are_dropped_and_merged_with_one_line_each(tmp_path, suffix, capsys):
    more = [
        {"prompt": "Who  laughs?", "references": ["Dee", "Cy"]},
        {"prompt": "Who knows?", "references": []},
    ]
    path = write(tmp_path / f"x{suffix}", ROWS + more)
    found = prepare("file", path=path)
    assert found["prompt"][3:] == ["Who laughs?"]
    assert found["references"][3] == ["Cy", "Dee"]
    assert found["probabilities"][3] == [2 / 3, 1 / 3]
    assert capsys.readouterr().err.splitlines() == [
        f"{path}: rows merged because they repeat an earlier one: 1",
        f"{path}: rows dropped because they have no answer: 1",
        f"{path}: questions with an answer that comes several times: 1; the shares of the answers "
        "are taken as their probabilities, in every question",
    ]


def test_an_empty_cell_of_csv_is_no_answer(tmp_path, capsys):
    path = write(tmp_path / "x.csv", [*ROWS, {"prompt": "Who knows?", "references": " "}])
    assert len(prepare("file", path=path)["prompt"]) == 4
    assert capsys.readouterr().err == f"{path}: rows dropped because they have no answer: 1\n"


def test_columns_are_named_in_the_settings(tmp_path):
    rows = [{"q": row["prompt"], "a": row["references"]} for row in ROWS]
    path = write(tmp_path / "x.jsonl", rows)
    found = prepare("file", path=path, prompt="q", references="a")
    assert found["references"][3] == ["Cy"]
    message = r"no column 'prompt'; there are 'q', 'a'; correct corpora\.mine\.prompt"
    refused(message, "file", path=path)


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path):
    path = tmp_path / "x.csv"
    write(path, ROWS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(prepare("file", path=str(path))["prompt"]) == 4


def test_the_split_is_a_permutation_of_the_seed(tmp_path):
    rows = [{"prompt": f"Question {n}?", "references": str(n)} for n in range(40)]
    path = write(tmp_path / "x.jsonl", rows)
    found, other = prepare("file", path=path), prepare("file", path=path, seed=8)
    assert same(found, prepare("file", path=path))
    assert found["prompt"] == other["prompt"] == [row["prompt"] for row in rows]
    assert list(found["split"]) != list(other["split"])
    assert (found["split"] == "test").sum() == (other["split"] == "test").sum() == 10
    assert found["question"].tolist() == list(range(40))
    assert prepare("file", path=path, questions=8)["prompt"] == found["prompt"][:8]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b'{"prompt": "A?", "references": "a"}\n{"prompt":\n', "line 2, column 11: not"),
        ("x.jsonl", b"1\n", "line 1: not a JSON object"),
        ("x.json", b"[1]\n", "row 0: not a JSON object"),
        ("x.jsonl", b'{"prompt": " ", "references": "a"}\n', "line 1: 'prompt' holds \" \""),
        (
            "x.jsonl",
            b'{"prompt": "A?", "references": {"text": 3}}\n',
            "'references' holds .*; allowed are texts, .* name one of its keys, such as refer",
        ),
        ("x.jsonl", b'{"prompt": "A?", "prompt": "B?"}\n', 'line 1: key "prompt" is there twice'),
        ("x.jsonl", b'{"prompt": "A?", "references": NaN}\n', "line 1: NaN is no JSON; write null"),
        ("x.csv", b"prompt,references,prompt\nA?,a,B?\n", "column 'prompt' is named more than on"),
        ("x.csv", b"prompt;references\nA?;a\n", 'set corpora.mine.separator: ";"'),
        ("x.csv", b"prompt,references\nA?,['a' 'b']\n", "looks like a list but cannot be read"),
        ("x.jsonl", b'{"messages": "A?"}\n', "'messages' holds something else; allowed is"),
        (
            "x.jsonl",
            b'{"messages": [{"role": "user", "content": "A?"}]}\n',
            "'messages' holds the turns user; allowed is",
        ),
        ("x.jsonl", b"\n", "0 prompts give 0 training and 0 test prompts"),
        (
            "x.jsonl",
            b"\xff\xfe",
            "byte 0 is not UTF-8; name its encoding, as in corpora.mine.encoding: utf-16",
        ),
        ("x.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
        ("x.csv", b"prompt,references\nA?,yes, no\n", "line 2: not as many cells as columns"),
        ("x.csv", b"prompt,references\nA?\n", r"not as many cells as columns \('prompt', 'refer"),
        ("x.csv", b'prompt,references\nA?,"yes\nB?,no\n', "row from line 2 on: not valid CSV"),
        ("x.csv", b"prompt,answer\nA?,yes\n", "no column 'references'; there are 'prompt', 'answ"),
        ("x.csv", b"prompt,references\n,yes\n", "'prompt' holds nothing; allowed is the text"),
        ("x.txt", b"", r"a corpus is a file ending in \.jsonl, .*\.csv or \.tsv"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_at_its_place(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    refused(message, "file", path=str(tmp_path / name))


@pytest.mark.parametrize("name", ["no.jsonl", "no.parquet", "no.csv", "no.tsv.gz", "no.JSON"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    message = f"{name}: no such file; correct corpora.mine.path"
    refused(message, "file", path=str(tmp_path / name))


PLAIN = [{"prompt": f"Question {n}?", "references": [f"a{n}", f"b{n}"]} for n in range(6)]


def lines(rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def cells(separator, answers):
    rows = [separator.join((row["prompt"], a)) for row in PLAIN for a in answers(row)]
    return "\n".join([f"prompt{separator}references", *rows])


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        ("x.ndjson", lines(PLAIN), {}),
        ("x.JSONL", lines(PLAIN), {}),
        ("x.jsonl.gz", lines(PLAIN), {}),
        ("x.json", json.dumps(PLAIN, indent=1), {}),
        ("x.jsonl", json.dumps(PLAIN), {}),
        ("x.json", lines(PLAIN), {}),
        ("x.tsv", cells("\t", lambda row: row["references"]), {}),
        ("x.csv", "sep=;\r\n" + cells(";", lambda row: row["references"]), {}),
        ("x.csv", cells("|", lambda row: row["references"]), {"separator": "|"}),
        ("x.CSV", cells("\t", lambda row: [str(row["references"])]), {"separator": "\t"}),
        ("x.tsv", cells("\t", lambda row: [json.dumps(row["references"])]), {}),
        (
            "x.jsonl",
            lines({"data": {"q": r["prompt"]}, "a": {"text": r["references"]}} for r in PLAIN),
            {"prompt": "data.q", "references": "a.text"},
        ),
        (
            "x.jsonl",
            lines(
                {"data.q": r["prompt"], "a": [{"text": a} for a in r["references"]]} for r in PLAIN
            ),
            {"prompt": "data.q", "references": "a.text"},
        ),
        (
            "x.jsonl",
            lines(
                {
                    "messages": [
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": r["prompt"]},
                        {"role": "assistant", "content": r["references"]},
                    ]
                }
                for r in PLAIN
            ),
            {},
        ),
        (
            "x.jsonl",
            lines(
                {
                    "conversations": [
                        {"from": "human", "value": r["prompt"]},
                        {"from": "gpt", "value": r["references"]},
                    ]
                }
                for r in PLAIN
            ),
            {},
        ),
        (
            "x.jsonl",
            lines(
                {
                    "messages": [
                        {"role": "user", "content": [{"type": "text", "text": r["prompt"]}]},
                        {"role": "assistant", "content": r["references"]},
                    ]
                }
                for r in PLAIN
            ),
            {},
        ),
    ],
)
def test_shapes_that_people_have_are_read(tmp_path, name, content, keys):
    path = tmp_path / name
    compressed = gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()
    path.write_bytes(compressed)
    found = prepare("file", path=str(path), **keys)
    assert found["prompt"] == [row["prompt"] for row in PLAIN]
    assert found["references"] == [row["references"] for row in PLAIN]
    assert found["probabilities"] == [None] * 6


def test_text_in_another_encoding_is_read_with_its_key(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(cells(",", lambda row: [f"é{a}" for a in row["references"]]), "utf-16")
    refused("corpora.mine.encoding: utf-16", "file", path=str(path))
    refused("'utf-61'; allowed are Python's names", "file", path=str(path), encoding="utf-61")
    assert prepare("file", path=str(path), encoding="utf-16")["references"][0] == ["éa0", "éb0"]


def test_a_folder_of_parts_is_a_corpus(tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    refused("this folder has no file ending in .parquet", "file", path=str(parts))
    pd.DataFrame(PLAIN[:4]).to_parquet(parts / "0.parquet")
    pd.DataFrame(PLAIN[4:]).to_parquet(parts / "1.parquet")
    assert prepare("file", path=str(parts))["references"] == [row["references"] for row in PLAIN]


def test_numbers_and_truth_values_are_answers_as_they_are_written(tmp_path):
    path = tmp_path / "x.jsonl"
    answers = ["3", "3.10", "true", "[1, 2.50]", "null", "1e400"]
    path.write_text(
        "".join(f'{{"prompt": {n}, "references": {a}}}\n' for n, a in enumerate(answers))
    )
    found = prepare("file", path=str(path))
    assert found["prompt"] == ["0", "1", "2", "3", "5"]
    assert found["references"] == [["3"], ["3.10"], ["true"], ["1", "2.50"], ["1e400"]]
    table = {"prompt": list("abcd"), "references": [1.5, 2.0, float("nan"), -3.0]}
    pd.DataFrame(table).to_parquet(tmp_path / "x.parquet")
    found = prepare("file", path=str(tmp_path / "x.parquet"))
    assert found["references"] == [["1.5"], ["2.0"], ["-3.0"]]


def test_lists_in_a_cell_are_answers(tmp_path):
    lists = ["[1, 2.50]", "[]", "[true, null]", "[True, None]", "['a', 3]", "[x]", "[[1]]", "['a']"]
    path = tmp_path / "x.tsv"
    path.write_text("prompt\treferences\n" + "".join(f"{n}?\t{a}\n" for n, a in enumerate(lists)))
    found = prepare("file", path=str(path))
    assert found["prompt"] == ["0?", "2?", "3?", "4?", "5?", "6?", "7?"]
    assert found["references"] == [
        ["1", "2.50"],
        ["true"],
        ["true"],
        ["a", "3"],
        ["[x]"],
        ["[[1]]"],
        ["a"],
    ]


def test_a_path_of_keys_that_no_row_has_is_named(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(lines({"prompt": f"{n}?", "a": {"text": "x"}} for n in range(6)))
    message = (
        r"x.jsonl: no row has an answer in 'a\.txt'; correct corpora\.mine\.references "
        r"\('a' has the keys 'text'\); did you mean 'a\.text'\?"
    )
    refused(message, "file", path=str(path), references="a.txt")


def test_answers_that_come_several_times_keep_their_shares(tmp_path, capsys):
    rows = [{"prompt": "A?", "references": ["x", "y", "x", "x"]}, *PLAIN]
    path = write(tmp_path / "x.jsonl", rows)
    found = prepare("file", path=path)
    assert found["references"][0] == ["x", "y"]
    assert found["probabilities"] == [[0.75, 0.25]] + [[0.5, 0.5]] * 6
    assert "questions with an answer that comes several times: 1" in capsys.readouterr().err
    found = prepare("file", path=write(tmp_path / "x.csv", rows))
    assert found["probabilities"][0] == [0.75, 0.25]


def test_all_faulty_rows_are_listed_at_once(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(lines([{"prompt": " ", "references": {"a": n}} for n in range(7)] + PLAIN))
    with pytest.raises(UserError) as caught:
        prepare("file", path=str(path))
    told = str(caught.value).splitlines()
    assert len(told) == 6
    assert told[-1] == f"{path}: and 2 more rows with such a fault; correct them too"


def test_a_corpus_too_small_for_the_settings_is_refused(tmp_path):
    path = bioasq(tmp_path, FOUR)
    refused(
        r"corpora\.mine\.questions: 5 found; the corpus has 4", "bioasq", path=path, questions=5
    )
    counts = "4 prompts give 1 training and 3 test prompts; allowed are at least 2 and at least 1"
    refused(counts, "bioasq", path=path, test_fraction=0.75)
    refused("4 training and 0 test", "bioasq", path=path, test_fraction=0.1)
