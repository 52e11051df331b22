"""Reading `replication.yaml` without YAML's two traps: a key given twice, and `1e-3` read as a word."""

import re
from pathlib import Path
from typing import Any

import yaml

from shared.study.errors import StudyError

_Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """A safe loader that reads every decimal number as a number."""


# YAML 1.1 wants a dot and a signed exponent; people write 1e-3 and 4e6.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_yaml(root: Path, file: Path) -> dict[str, Any]:
    """Return the mapping in `root / file`; raise `StudyError` naming file, line and column of a mistake."""
    try:
        data = _parse((root / file).read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise StudyError(f"{file}{place}: {error.problem}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StudyError(f"{file}: cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise StudyError(f"{file}: must hold a mapping that begins with 'paper:'")
    return data


def _parse(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_duplicates(node, set())  # before merge keys are resolved: what they bring may be overridden
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_duplicates(node: yaml.Node, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, seen)
    elif isinstance(node, yaml.MappingNode):
        written = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in written:
                problem = f"the key '{key.value}' is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            written.add(key.value if isinstance(key, yaml.ScalarNode) else None)
            _refuse_duplicates(value, seen)
