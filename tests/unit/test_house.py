"""The house as it is drawn: who imports whom, who is known by name, and what is said of it."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from kduq.artifacts.fingerprint import PACKAGE
from kduq.data.corpora import CORPUS_KINDS
from kduq.data.datasets import DATASETS
from kduq.experiments import EXPERIMENTS
from kduq.families import FAMILIES

ROOT = PACKAGE.parents[1]
#: The rooms of the road in its order: none imports a later one.
ROAD = (
    "examples",
    "teacher",
    "responses",
    "targets",
    "students",
    "answers",
    "embeddings",
    "estimates",
    "claims",
    "figures",
    "report",
)
#: Rooms and modules that all others stand on: they import none of the road's.
BELOW = (
    "artifacts",
    "conditions",
    "config",
    "data",
    "errors",
    "experiments",
    "families",
    "registry",
    "sample_size",
    "seeds",
    "stage",
    "statistics",
)
#: Rooms above the road, which may import all of it; no other imports them.
ABOVE = ("reading", "runtime", "study")
#: Whatever the room, these may be imported by whoever needs them, since they import none of it.
LEAVES = ("kduq.study.paths",)
#: What one module may import beyond its room's rule: the whole configuration is made of settings,
#: and of what registries list.
MORE = {"kduq.config.study": ("kduq.claims", "kduq.claims.settings", "kduq.figures.settings")}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Import:
    """One module of the library imports another, at its top or inside a function."""

    source: str
    target: str
    line: int

    def __str__(self) -> str:
        place = MODULES[self.source].relative_to(ROOT)
        return f"{place}:{self.line} imports {self.target}"


def statements(tree: ast.AST):
    """All nodes but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from statements(other)
        else:
            yield node
            yield from statements(node)


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    found = []
    for node in statements(tree_of(module)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            targets = [name if name in MODULES else node.module for name in names]
        else:
            continue
        found += [Import(module, t, node.lineno) for t in targets if t.split(".")[0] == "kduq"]
    return tuple(dict.fromkeys(found))


def room_of(module: str) -> str:
    """The room of a module; the library's own __init__ is the door, in no room."""
    return module.split(".")[1] if "." in module else ""


def is_allowed(found: Import) -> bool:
    """The rule of the house, for one import."""
    source, target = room_of(found.source), room_of(found.target)
    if source == target or source in (*ABOVE, "") or target in (*BELOW, ""):
        return True
    if found.target in LEAVES:
        return True
    if source in ROAD and target in ROAD:
        return ROAD.index(target) < ROAD.index(source)
    return found.target in MORE.get(found.source, ())


def listed(lines) -> str:
    return "\n".join(map(str, lines))


def test_every_module_has_a_place_in_the_house():
    rooms = {room_of(module) for module in MODULES} - {""}
    assert rooms == {*ROAD, *BELOW, *ABOVE}


def test_no_room_imports_what_comes_later():
    wrong = [found for m in MODULES for found in imports_of(m) if not is_allowed(found)]
    assert not wrong, listed(wrong)


def test_what_everyone_may_import_imports_nothing_of_the_library():
    for leaf in LEAVES:
        assert not imports_of(leaf), listed(imports_of(leaf))


def test_what_one_module_may_import_beyond_the_rule_it_does_import():
    for module, allowed in MORE.items():
        assert set(allowed) <= {found.target for found in imports_of(module)}


def circles(edges: dict[str, set[str]]) -> list[str]:
    """A circle of every group of things that reach each other."""

    def reached(start: str) -> set[str]:
        seen, pending = set(), [start]
        while pending:
            for target in edges.get(pending.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    pending.append(target)
        return seen

    reach = {thing: reached(thing) for thing in edges}
    groups = {
        frozenset(other for other in reach[thing] if thing in reach.get(other, ()))
        for thing in reach
        if thing in reach[thing]
    }
    return [" <-> ".join(sorted(group)) for group in groups]


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b <-> c"]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_rooms_of_the_road_import_each_other_in_no_circle():
    edges = {room: set() for room in ROAD}
    for module in MODULES:
        for found in imports_of(module):
            source, target = room_of(found.source), room_of(found.target)
            if source in ROAD and target in ROAD and source != target:
                edges[source].add(target)
    assert not circles(edges), listed(circles(edges))


def test_modules_import_each_other_in_no_circle():
    edges = {module: {found.target for found in imports_of(module)} for module in MODULES}
    assert not circles(edges), listed(circles(edges))


def after_running(code: str) -> set[str]:
    """Names of all modules that a process has imported in the end."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("room", ["claims", "figures"])
def test_claims_and_figures_need_no_library_that_trains(room):
    modules = [module for module in MODULES if room_of(module) == room]
    found = after_running("\n".join(f"import {module}" for module in modules))
    assert {f"kduq.{room}", *modules} <= found
    assert not found & {"torch", "transformers", "sklearn"}


PLANNING = """
import yaml
from kduq.config.study import check
from kduq.study.study import Study
study = Study(check(yaml.safe_load(open("config.yaml"))))
assert len(study.targets) > 100
"""


@pytest.mark.parametrize(
    "code", ["import kduq.study.study", PLANNING], ids=["imported", "a study planned"]
)
def test_a_study_is_planned_without_heavy_libraries(code):
    found = after_running(code)
    assert "kduq.study.study" in found
    assert not found & {"torch", "transformers", "sklearn", "scipy.stats", "matplotlib"}


#: Registered names, with the places where each may be known: its own file or folder.
OWN = {
    name: (f"{folder}/{name}.py", f"{folder}/{name}/")
    for registry, folder in (
        (FAMILIES, "families"),
        (EXPERIMENTS, "experiments"),
        (CORPUS_KINDS, "data/corpora"),
        (DATASETS, "data/datasets"),
    )
    for name in registry
}
REGISTRIES = (
    "families/__init__.py",
    "families/registry.py",
    "experiments/__init__.py",
    "data/corpora/__init__.py",
    "data/datasets/__init__.py",
)
#: Names that are also words of another vocabulary, told by its other words, or by the attribute
#: that holds one of them.
HOMONYMS = {
    "bootstrap": ({"noise", "initialisation", "decoding"}, "factor"),
    "file": ({"folder", "nothing"}, "needs"),
    "linear": ({"cosine", "constant"}, "schedule"),
}
#: Constants of a thing's own file that hold it.
THINGS = ("FAMILY", "EXPERIMENT", "KIND", "DATASET")


def texts(node: ast.AST, constants: dict[str, list[str]]) -> list[str]:
    """Texts that an expression compares with: one, or those of a tuple, list or set."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [text for part in node.elts for text in texts(part, constants)]
    if isinstance(node, ast.Name):
        return constants.get(node.id, [])
    return []


def constants_of(tree: ast.Module) -> dict[str, list[str]]:
    """Texts behind the names that a module gives to them."""
    found: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = texts(node.value, {})
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id] = texts(node.value, {})
    return found


def is_name_of_a_thing(node: ast.AST) -> bool:
    """Whether an expression reads ``FAMILY.name`` or the like."""
    if not (isinstance(node, ast.Attribute) and node.attr == "name"):
        return False
    holder = node.value
    return (getattr(holder, "id", None) or getattr(holder, "attr", None)) in THINGS


def dispatches(tree: ast.Module):
    """Line and name of every comparison with a registered name, and of every such key of a dict."""
    constants = constants_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            compared = [text for side in sides for text in texts(side, constants)]
            if any(map(is_name_of_a_thing, sides)):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Match):
            sides = [node.subject]
            values = [part for part in ast.walk(node) if isinstance(part, ast.MatchValue)]
            compared = [text for part in values for text in texts(part.value, constants)]
        elif isinstance(node, ast.Dict):
            sides, compared = [], [text for key in node.keys if key for text in texts(key, {})]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
            sides, compared = [], [keyword.arg for keyword in node.keywords if keyword.arg]
        else:
            continue
        attributes = {getattr(side, "attr", getattr(side, "id", "")) for side in sides}
        for name in sorted(set(compared) & set(OWN)):
            others, attribute = HOMONYMS.get(name, (set(), None))
            if not (others & set(compared) or attribute in attributes):
                yield node.lineno, name


def test_only_its_own_file_and_the_registries_know_a_thing_by_its_name():
    wrong = []
    for module, path in MODULES.items():
        place = path.relative_to(PACKAGE).as_posix()
        if place in REGISTRIES:
            continue
        for line, name in dispatches(tree_of(module)):
            if not place.startswith(OWN.get(name, ("\0",))):
                wrong.append(f"{path.relative_to(ROOT)}:{line} asks for {name}")
    assert not wrong, listed(wrong)


@pytest.mark.parametrize(
    "code",
    [
        "x == 'lm'",
        "'mlp' != x.family",
        "x in ('linear', 'mlp')",
        "x not in ['wordnet', 'y']",
        "match x:\n    case 'mnist' | 'other':\n        pass",
        "{'linear': f, 'other': g}[x]",
        "TABLE = {'decomposition': 1}",
        "dict(softmax=1)[x]",
        "NAMES = ('covtype', 'x')\nx in NAMES",
        "x == mlp.FAMILY.name",
        "x == 'bootstrap'",
        "x.kind == 'file'",
    ],
)
def test_a_question_for_a_name_is_found(code):
    assert len(list(dispatches(ast.parse(code)))) >= 1


@pytest.mark.parametrize(
    "code",
    [
        "x == 'text'",
        "runs_of('teacher_noise')",
        "kind.needs == 'file'",
        "{'noise': 1, 'bootstrap': 2}[factor]",
        "{'linear': left, 'cosine': 2}[schedule]",
        "FAMILIES['lm']",
    ],
)
def test_what_asks_for_no_name_is_let_be(code):
    assert list(dispatches(ast.parse(code))) == []


def test_every_place_that_may_know_a_name_is_there():
    for name, (file, folder) in OWN.items():
        assert (PACKAGE / file).is_file() or (PACKAGE / folder).is_dir(), name
    assert all((PACKAGE / place).is_file() for place in REGISTRIES)


def test_every_module_says_what_it_is():
    silent = [module for module in MODULES if not ast.get_docstring(tree_of(module))]
    assert not silent, listed(silent)


@cache
def repository() -> tuple[str, ...]:
    """Files of the repository, by their paths from its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout of git")
    return tuple(name for name in done.stdout.splitlines() if (ROOT / name).is_file())


def lines_of_texts():
    """Lines of everything that people read, with where each stands."""
    for name in repository():
        if name.endswith((".py", ".smk", ".md", ".yaml", ".j2")) or name == "Snakefile":
            text = (ROOT / name).read_text(encoding="utf-8")
            for number, line in enumerate(text.splitlines(), start=1):
                yield name, number, line


def named_documents(line: str) -> list[str]:
    """Documents that a line names: of another site they are not ours."""
    line = re.sub(r"https?://\S+", "", line)
    # In brackets, so that this file does not name what it looks for.
    plans = re.findall(r"\b(?:PROTOCO[L]|DESIG[N])\b", line)
    return [*plans, *re.findall(r"[\w./-]*\w\.md\b", line)]


def test_no_text_names_a_document_that_is_not_in_the_repository():
    known, wrong = set(repository()), []
    for name, number, line in lines_of_texts():
        for document in named_documents(line):
            beside = os.path.normpath(Path(name).parent / document)
            if not known & {os.path.normpath(document), beside}:
                wrong.append(f"{name}:{number} names {document}")
    assert not wrong, listed(wrong)


def test_documents_that_are_named_are_found():
    lost = f"see {'PROTOCO'}L and docs/{'a'}.{'m'}d"
    assert named_documents(lost) == ["PROTOCO" + "L", "docs/a." + "md"]
    assert named_documents("https://example.org/x." + "md") == []


def resolves(name: str) -> bool:
    """Whether a dotted name is a module of the library, or something in one."""
    module = name
    while module not in MODULES:
        module, dot, _ = module.rpartition(".")
        if not dot:
            return False
    rest = name[len(module) + 1 :]
    return (
        not rest
        or re.search(rf"\b{rest.split('.')[0]}\b", MODULES[module].read_text(encoding="utf-8"))
        is not None
    )


def test_what_texts_name_in_the_library_is_there():
    wrong = []
    for name, number, line in lines_of_texts():
        for dotted in re.findall(r"`(kduq(?:\.\w+)+)(?:\(\))?`", line):
            if not resolves(dotted):
                wrong.append(f"{name}:{number} names {dotted}")
    assert not wrong, listed(wrong)
