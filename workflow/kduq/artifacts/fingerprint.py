"""Fingerprints of library code: what a stage's output depends on, comments left out."""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
#: Comments and white space of C++; no string of ours holds "//", "/*" or a space that counts.
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


def _imports(tree: ast.AST) -> set[str]:
    """Modules of this package that a syntax tree imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    root = PACKAGE.name
    return {n for n in found if n.startswith(f"{root}.") and _module_file(n) is not None}


def _strip_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
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
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports = frozenset(_imports(tree))
    _strip_docstrings(tree)
    source = ast.unparse(tree)
    compiled = file.with_suffix(".cpp")
    if compiled.is_file():
        plain = _CPP_BLANK.sub(" ", compiled.read_text(encoding="utf-8"))
        source += "".join(f"\n{line.strip()}" for line in plain.splitlines() if line.strip())
    return source, imports


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size


def fingerprint(*modules: str) -> str:
    """Fingerprint of modules and of all that they import from this package.

    Parameters
    ----------
    *modules : str
        Dotted names, for example ``"kduq.students.tabular", "kduq.families.mlp", "scripts.students"``.
        Of an entry script its own code counts, and nothing that it imports.

    Returns
    -------
    str
        16 hexadecimal digits. Comments, docstrings and layout do not change them; any other
        change of the code, here or in an imported module of the package, does. A module's C++
        source, which has its name, is part of it.

    Raises
    ------
    ModuleNotFoundError
        If a name is not a module of this package.
    """
    pending, seen = sorted(modules), {}
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        file = _module_file(name)
        if file is None:
            raise ModuleNotFoundError(f"{name} is not a module of {PACKAGE.name}")
        sources = (file, file.with_suffix(".cpp"))
        stamps = tuple(_stamp(source) for source in sources if source.is_file())
        source, imports = _parse(file, stamps)
        seen[name] = source
        # What an entry script imports beside the modules named reads and writes files.
        if name.startswith(f"{PACKAGE.name}."):
            pending.extend(imports)
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(f"{name}\0{seen[name]}\0".encode())
    return digest.hexdigest()[:16]
