"""Fingerprints of the code that a stage's output depends on, without comments.

A stage's code is its entry script, the modules that are named beside it (those of its family, which
are imported by name), and all modules of this package that these import, except `SKIPPED`. Of a
module named ``settings`` the types of its fields are not followed: a key of one family's models
changes no other family's students.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Folder of this package.
PACKAGE = Path(__file__).parents[1]
#: Packages that read, write and plan. They change no number: what they decide (settings, schema,
#: paths) is in a job's parameters beside the fingerprint.
_ROOMS = (
    "kduq.artifacts",
    "kduq.config",
    "kduq.errors",
    "kduq.runtime",
    "kduq.study",
)
#: Registries, which import every member by name. A new member changes none of the others.
_REGISTRIES = (
    "kduq.claims",
    "kduq.data.corpora",
    "kduq.data.datasets",
    "kduq.experiments",
    "kduq.estimates.metrics",
    "kduq.families",
    "kduq.families.registry",
    "kduq.figures",
    "kduq.registry",
    "kduq.targets.methods",
)
#: Modules that belong to no fingerprint, and whose imports are not followed. Of `_ROOMS` this
#: includes the modules inside; of `_REGISTRIES` only the package's own ``__init__``.
SKIPPED = (*_ROOMS, *_REGISTRIES)
#: Comments and white space of C++. No string literal in our sources contains "//", "/*" or spaces.
_CPP_BLANK = re.compile(r"//[^\n]*|/\*.*?\*/|[ \t]+", re.DOTALL)


def _module_file(name: str) -> Path | None:
    """File of a module of this package or of an entry script, None if the name is not one."""
    root, *parts = name.split(".")
    base = (PACKAGE if root == PACKAGE.name else PACKAGE.parent / root).joinpath(*parts)
    for candidate in (
        base.with_suffix(".py") if parts else base / "__init__.py",
        base / "__init__.py",
    ):
        if candidate.is_file():
            return candidate
    return None


def _is_skipped(name: str) -> bool:
    return name in _REGISTRIES or any(name == r or name.startswith(f"{r}.") for r in _ROOMS)


class _Names(ast.NodeVisitor):
    """Collects the names that code uses other than as types."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        self.used.add(node.id)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        pass

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.decorator_list, node.args, *node.body):
            self.visit(part)


#: Fields of a statement that hold further statements.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements of a tree, without their expressions: most of a tree is expressions."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        for block in _BLOCKS:
            pending.extend(getattr(node, block, ()))


def _imports(tree: ast.AST, types: bool = True) -> set[str]:
    """Modules of this package that a syntax tree imports, at its top or inside functions.

    Those that it imports only for the types of fields and arguments count if ``types`` is true.
    """
    imported: set[str] = set()
    names = _Names()
    if not types:
        names.visit(tree)
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            used = [a.name for a in node.names if types or (a.asname or a.name) in names.used]
            imported.update(f"{node.module}.{name}" for name in used)
            if used:
                imported.add(node.module)
    root = PACKAGE.name
    own = {name for name in imported if name.startswith(f"{root}.") and not _is_skipped(name)}
    return {name for name in own if _module_file(name) is not None}


class _WithoutTypeChecking(ast.NodeTransformer):
    """Removes what only a type checker reads: the bodies of ``if TYPE_CHECKING:``."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for block in _BLOCKS:
            kept: list[ast.AST] = []
            for part in getattr(node, block, ()):
                left = self.visit(part)
                kept.extend(left if isinstance(left, list) else [left])
            if kept:
                setattr(node, block, kept)
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        checking = ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        return (node.orelse or [ast.Pass()]) if checking else node


def _strip_docstrings(tree: ast.AST) -> None:
    for node in _statements(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            node.body = node.body[1:] or [ast.Pass()]


@cache
def _parse(file: Path, _stamps: tuple[tuple[int, int], ...]) -> tuple[str, frozenset[str]]:
    tree = _WithoutTypeChecking().visit(ast.parse(file.read_text(encoding="utf-8")))
    # The type of a setting says which values are allowed; the values are in a job's parameters.
    imports = frozenset(_imports(tree, types=file.stem != "settings"))
    _strip_docstrings(tree)
    source = ast.unparse(tree)
    for compiled in _compiled_sources(file):
        plain = _CPP_BLANK.sub(" ", compiled.read_text(encoding="utf-8"))
        source += "".join(f"\n{line.strip()}" for line in plain.splitlines() if line.strip())
    return source, imports


def _compiled_sources(file: Path) -> list[Path]:
    """C++ sources of a module: files of its name."""
    return [f for f in (file.with_suffix(s) for s in (".cpp", ".hpp")) if f.is_file()]


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size


def fingerprint(script: str, *modules: str) -> str:
    """Return the fingerprint of a stage's code.

    Parameters
    ----------
    script : str
        Entry script of the stage, for example ``"scripts.students"``.
    *modules : str
        Modules that it imports by name, for example ``"kduq.families.mlp"``. They count even if
        they are among `SKIPPED`, as do their imports.

    Returns
    -------
    str
        16 hexadecimal digits. Comments, docstrings, layout and imports for type checkers do not
        change them. Any other change of the script, of the modules or of what these import from
        this package does, whether the import is at the top of a file or inside a function. A C++
        source or header of the same name belongs to its module. The order of ``modules`` does not
        matter.

    Raises
    ------
    ModuleNotFoundError
        If a name is neither an entry script nor a module of this package.
    """
    sources = _sources(script, *modules)
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(f"{name}\0{sources[name]}\0".encode())
    return digest.hexdigest()[:16]


def closure(script: str, *modules: str) -> set[str]:
    """Return the names of all modules that a fingerprint covers.

    Parameters
    ----------
    script, *modules : str
        As of `fingerprint`.

    Returns
    -------
    set of str
        Dotted names.
    """
    return set(_sources(script, *modules))


def _sources(*names: str) -> dict[str, str]:
    """Code of modules and of all that they import, by name."""
    pending, sources = list(names), dict[str, str]()
    while pending:
        name = pending.pop()
        if name in sources:
            continue
        file = _module_file(name)
        if file is None:
            raise ModuleNotFoundError(f"{name} is not a module of {PACKAGE.name}")
        stamps = tuple(_stamp(part) for part in (file, *_compiled_sources(file)))
        sources[name], imports = _parse(file, stamps)
        pending.extend(imports)
    return sources
