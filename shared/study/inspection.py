"""What classes and functions exist and which arguments they take, read from the source without importing it.

Importing a learner takes seconds (it brings torch); a mistake in `replication.yaml` has to be refused
at once.
"""

import ast
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from shared.study.digest import module_file
from shared.study.errors import unknown

Definition = ast.ClassDef | ast.FunctionDef


class Found(NamedTuple):
    """A definition and the module that holds it."""

    module: str
    node: Definition


class Arguments(NamedTuple):
    """Names that may be given, in order, and those that must be."""

    names: tuple[str, ...]
    required: frozenset[str]


class Source:
    """The modules below `root`; `shared` falls back to `home`, the repository of this file."""

    def __init__(self, root: Path):
        self.roots = (root, Path(__file__).resolve().parents[2])

    def find(self, name: str) -> Found:
        """Return the definition of `package.module:Class`; raise `LookupError` with a sentence if none."""
        module, _, attribute = name.partition(":")
        if self._file(module) is None:
            raise LookupError(f"there is no file {module.replace('.', '/')}.py")
        try:
            found = self._resolve(module, attribute.split("."))
        except SyntaxError as error:
            raise LookupError(f"{error.filename}, line {error.lineno}: {error.msg}") from error
        if found is None:
            sentence = unknown("name", attribute, self._defined(module))
            raise LookupError(f"{sentence} in {module.replace('.', '/')}.py")
        return found

    def config_arguments(self, learner: str) -> Arguments:
        """Return the fields of a learner's nested `Config`; raise `LookupError` where it has none."""
        found = self._member(self.find(learner), "Config")
        if found is None or not isinstance(found.node, ast.ClassDef):
            raise LookupError(f"the class {learner.partition(':')[2]} has no nested class Config")
        return self._fields(found)

    def constructor_arguments(self, name: str) -> Arguments | None:
        """Return the arguments of a class, or None if its source cannot tell (`**kwargs`, a foreign base)."""
        found = self.find(name)
        init = self._member(found, "__init__")
        if init is None:
            decorators = getattr(found.node, "decorator_list", [])
            return self._fields(found) if any("dataclass" in ast.unparse(d) for d in decorators) else None
        arguments = init.node.args
        if arguments.kwarg:
            return None
        positional = [a.arg for a in arguments.args[1:]]
        without_default = positional[: max(len(positional) - len(arguments.defaults), 0)]
        keyword = [a.arg for a in arguments.kwonlyargs]
        without_default += [a for a, d in zip(keyword, arguments.kw_defaults, strict=True) if d is None]
        return Arguments((*positional, *keyword), frozenset(without_default))

    def _file(self, module: str) -> Path | None:
        return next((file for root in self.roots if (file := module_file(module, root))), None)

    def _body(self, module: str) -> list[ast.stmt]:
        file = self._file(module)
        return _parse(file, file.stat().st_mtime_ns).body if file else []

    def _defined(self, module: str) -> list[str]:
        return [n.name for n in self._body(module) if isinstance(n, Definition) and not n.name.startswith("_")]

    def _resolve(self, module: str, parts: list[str]) -> Found | None:
        """Follow `parts` from the top of `module` through classes, aliases and imports of this repository."""
        first, rest = parts[0], parts[1:]
        for node in self._body(module):
            if isinstance(node, Definition) and node.name == first:
                found = Found(module, node)
                for part in rest:
                    found = found and self._member(found, part)
                return found
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == first for t in node.targets):
                alias = _dotted(node.value)
                return self._resolve(module, alias + rest) if alias and alias[0] != first else None
            if isinstance(node, ast.ImportFrom | ast.Import):
                found = self._imported(module, node, first, rest)
                if found:
                    return found
        return None

    def _imported(self, module: str, node: ast.ImportFrom | ast.Import, first: str, rest: list[str]) -> Found | None:
        for alias in node.names:
            if (alias.asname or alias.name) != first:
                continue
            if isinstance(node, ast.Import):
                return self._resolve(alias.name, rest) if rest else None
            origin = _origin(module, node)
            if self._file(f"{origin}.{alias.name}"):
                return self._resolve(f"{origin}.{alias.name}", rest) if rest else None
            return self._resolve(origin, [alias.name, *rest])
        return None

    def _member(self, found: Found, name: str) -> Found | None:
        """Return the definition `name` inside a class or one of its bases."""
        if not isinstance(found.node, ast.ClassDef):
            return None
        for node in found.node.body:
            if isinstance(node, Definition) and node.name == name:
                return Found(found.module, node)
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                alias = _dotted(node.value)
                return self._resolve(found.module, alias) if alias else None
        inherited = (self._member(base, name) for base in self._bases(found))
        return next((member for member in inherited if member), None)

    def _bases(self, found: Found) -> list[Found]:
        names = [_dotted(base) for base in found.node.bases]
        bases = [self._resolve(found.module, name) for name in names if name]
        return [base for base in bases if base and isinstance(base.node, ast.ClassDef)]

    def _fields(self, found: Found) -> Arguments:
        """Return the annotated fields of a pydantic model or dataclass, bases first."""
        fields: dict[str, bool] = {}
        for base in reversed(self._bases(found)):
            inherited = self._fields(base)
            fields |= {name: name in inherited.required for name in inherited.names}
        for node in found.node.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                name = node.target.id
                if not name.startswith("_") and "ClassVar" not in ast.unparse(node.annotation):
                    fields[name] = not _has_default(node.value)
        return Arguments(tuple(fields), frozenset(name for name, required in fields.items() if required))


@lru_cache(maxsize=512)
def _parse(file: Path, modified_ns: int) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def _dotted(node: ast.expr) -> list[str]:
    """Return `["a", "b"]` for the expression `a.b`, and an empty list for anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return [*head, node.attr] if head else []
    return []


def _origin(module: str, node: ast.ImportFrom) -> str:
    """Return the absolute name of the module that an import statement takes names from."""
    parents = module.split(".")[: -node.level] if node.level else []
    return ".".join([*parents, *([node.module] if node.module else [])])


def _has_default(value: ast.expr | None) -> bool:
    """Say whether the right-hand side of a field gives a default; `Field(...)` may or may not."""
    if not (isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1].lower() == "field"):
        return value is not None
    named = any(keyword.arg in ("default", "default_factory") for keyword in value.keywords)
    positional = bool(value.args) and not (isinstance(value.args[0], ast.Constant) and value.args[0].value is Ellipsis)
    return named or positional
