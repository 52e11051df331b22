"""A digest of exactly the code that a job runs.

The digest of an entry module covers the module and every module of this repository that it imports, directly
or not, wherever the import statement stands. It is taken over the syntax tree without docstrings: comments,
layout and documentation leave it unchanged, any other edit changes it.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple


def code_digest(modules: Iterable[str], root: Path) -> str:
    """Return 16 hexadecimal digits for the code reachable from `modules` in the repository at `root`.

    `modules` are dotted names such as `shared.study.runner`. Raises `ModuleNotFoundError` for a name that
    is no file below `root`, and `SyntaxError` for a file that does not parse.
    """
    digest = hashlib.sha256()
    for module in sorted(import_closure(modules, root)):
        digest.update(f"{module}:{_read(module_file(module, root)).fingerprint}\n".encode())
    return digest.hexdigest()[:16]


def import_closure(modules: Iterable[str], root: Path) -> set[str]:
    """Return `modules` and every module of the repository at `root` that running them can import.

    Raises as `code_digest` does.
    """
    entries = list(modules)
    for module in entries:
        if module_file(module, root) is None:
            raise ModuleNotFoundError(f"{root} has no module {module}")
    closure: set[str] = set()
    waiting = entries
    while waiting:
        name = waiting.pop()
        for module in _with_packages(name):
            if module not in closure and (file := module_file(module, root)):
                closure.add(module)
                package = module if file.name == "__init__.py" else module.rpartition(".")[0]
                waiting += [_absolute(imported, package) for imported in _read(file).imports]
    return closure


def module_file(module: str, root: Path) -> Path | None:
    """Return the file of `module` below `root`, or None where it is not part of the repository."""
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _with_packages(name: str) -> Iterator[str]:
    """Yield a, a.b and a.b.c for a.b.c: packages run first, and c may be a thing inside the module a.b."""
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _absolute(name: str, package: str) -> str:
    """Resolve a relative import such as `..rl.gae` against the package that holds the importing module."""
    level = len(name) - len(name.lstrip("."))
    if level == 0:
        return name
    ancestors = package.split(".")
    return ".".join([*ancestors[: len(ancestors) - level + 1], name[level:]])


class _Code(NamedTuple):
    fingerprint: str
    imports: frozenset[str]


def _read(file: Path) -> _Code:
    return _parse(file.read_text(), str(file))


@cache
def _parse(source: str, filename: str) -> _Code:
    tree = ast.parse(source, filename)
    imports = frozenset(_imported_names(tree))
    fingerprint = hashlib.sha256(ast.dump(_WithoutDocstrings().visit(tree)).encode()).hexdigest()
    return _Code(fingerprint, imports)


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            separator = "." if node.module else ""
            yield from (f"{origin}{separator}{alias.name}" for alias in node.names)


class _WithoutDocstrings(ast.NodeTransformer):
    """Drop every bare string statement: docstrings, and the descriptions under fields."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node
