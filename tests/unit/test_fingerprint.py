"""Fingerprints, of a small package of the same shape and of the library itself."""

import shutil
import subprocess
import sys

import pytest
from kduq.artifacts import fingerprint as module
from kduq.artifacts.fingerprint import PACKAGE

#: A package: what each module consists of, by its path from the folder `workflow`.
FILES = {
    "scripts/students.py": "from kduq import artifacts, families, students\n",
    "kduq/settings.py": (
        "from kduq.layout import WIDTH\n"
        "from kduq.keys import Keys\n"
        "class Settings:\n"
        "    keys: Keys\n"
        "    def width(self, keys: Keys) -> int:\n"
        "        return WIDTH\n"
    ),
    "kduq/layout.py": "WIDTH = 1\n",
    "kduq/keys.py": "Keys = dict\n",
    "kduq/students.py": (
        '"""Docstring."""\n'
        "from kduq.settings import Settings as Own\n"
        "from typing import TYPE_CHECKING\n"
        "from kduq.config import Settings\n"
        "if TYPE_CHECKING:\n"
        "    from kduq.notation import Notation\n"
        "def train():\n"
        "    from kduq import seeds\n"
        "    return seeds.ROOT\n"
    ),
    "kduq/seeds.py": "ROOT = 1\n",
    "kduq/notation.py": "Notation = int\n",
    "kduq/unused.py": "VALUE = 1\n",
    "kduq/artifacts/__init__.py": "from kduq.artifacts import tables\n",
    "kduq/artifacts/tables.py": "from kduq import formats\n",
    "kduq/formats.py": "VALUE = 1\n",
    "kduq/config.py": "Settings = dict\n",
    "kduq/families/__init__.py": "from kduq.families import linear, mlp\n",
    "kduq/families/linear.py": "SLOPE = 1\n",
    "kduq/families/linear.cpp": "int slope = 1;\n",
    "kduq/families/linear.hpp": "int width = 1;\n",
    "kduq/families/mlp.py": "from kduq.families import layers\n",
    "kduq/families/layers.py": "WIDTH = 16\n",
}


@pytest.fixture
def package(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copy(module.__file__, tmp_path / "kduq/artifacts/fingerprint.py")
    (tmp_path / "kduq/__init__.py").touch()
    return tmp_path


def fingerprints(package, family="kduq.families.linear"):
    code = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('f', 'kduq/artifacts/fingerprint.py')\n"
        "f = importlib.util.module_from_spec(spec); spec.loader.exec_module(f)\n"
        "print(f.fingerprint('scripts.students', *sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, family],
        cwd=package,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("scripts/students.py", "families", "families, seeds"),
        ("kduq/students.py", "seeds.ROOT", "seeds.ROOT + 1"),
        ("kduq/seeds.py", "1", "2"),  # imported inside a function
        ("kduq/settings.py", "return WIDTH", "return 2 * WIDTH"),
        ("kduq/layout.py", "1", "2"),
        ("kduq/families/linear.py", "1", "2"),
        ("kduq/families/linear.cpp", "1", "2"),
        ("kduq/families/linear.hpp", "1", "2"),
    ],
)
def test_code_that_makes_the_output_counts(package, file, old, new):
    before = fingerprints(package)
    (package / file).write_text(FILES[file].replace(old, new, 1))
    assert fingerprints(package) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("kduq/students.py", "Docstring.", "Another."),
        ("kduq/students.py", "def train", "# a comment\n\n\ndef train"),
        ("kduq/students.py", "    from kduq.notation import Notation", "    import json"),
        ("kduq/families/linear.cpp", "int slope", "// a comment\nint   slope"),
        ("kduq/notation.py", "int", "str"),  # for type checkers alone
        ("kduq/unused.py", "1", "2"),
        ("kduq/keys.py", "dict", "list"),  # types of settings, whose values are parameters
        ("kduq/config.py", "dict", "list"),
        ("kduq/artifacts/tables.py", "formats", "seeds"),
        ("kduq/formats.py", "1", "2"),  # imported by a room that only reads and writes
        ("kduq/families/__init__.py", "linear, mlp", "linear, mlp, layers"),
        ("kduq/families/mlp.py", "layers", "linear"),
        ("kduq/families/layers.py", "16", "32"),  # another family's
    ],
)
def test_anything_else_does_not(package, file, old, new):
    before = fingerprints(package)
    (package / file).write_text(FILES[file].replace(old, new, 1))
    assert fingerprints(package) == before


def test_each_family_has_its_own_fingerprint(package):
    before = fingerprints(package, "kduq.families.mlp")
    assert before != fingerprints(package)
    (package / "kduq/families/layers.py").write_text("WIDTH = 32\n")
    assert fingerprints(package, "kduq.families.mlp") != before


def test_the_order_of_modules_does_not_count_and_unknown_ones_are_refused():
    names = ("kduq.families.mlp", "kduq.families.linear")
    script = "scripts.students"
    assert module.fingerprint(script, *names) == module.fingerprint(script, *reversed(names))
    with pytest.raises(ModuleNotFoundError, match=r"scripts\.nothing"):
        module.fingerprint("scripts.nothing")


def test_every_entry_script_has_a_fingerprint_free_of_the_rooms_that_read_write_and_plan():
    scripts = sorted(path.stem for path in (PACKAGE.parent / "scripts").glob("*.py"))
    assert "students" in scripts
    for name in scripts:
        modules = module.closure(f"scripts.{name}")
        assert f"scripts.{name}" in modules
        assert not modules & set(module.SKIPPED)
        rooms = tuple(f"{room}." for room in ("kduq.artifacts", "kduq.runtime", "kduq.study"))
        assert not [name for name in modules if name.startswith(rooms)]


def test_the_path_of_seeds_counts_and_the_keys_of_another_family_do_not():
    for lane in ("tabular", "text"):
        for stage in ("teacher", "responses", "students"):
            modules = module.closure(f"scripts.{stage}", f"kduq.{stage}.{lane}")
            assert {"kduq.stage", "kduq.seeds"} <= modules
            assert ("kduq.families.lm.settings" in modules) == (lane == "text")


def test_targets_of_a_method_depend_on_its_own_code_alone():
    def modules_of(method):
        return module.closure("scripts.targets", "kduq.targets.text", method)

    single, averaging = (modules_of(f"kduq.targets.methods.{m}") for m in ("plain", "averaging"))
    own = {"kduq.targets.methods.averaging", "kduq.targets.selection"}
    assert averaging - single == own
