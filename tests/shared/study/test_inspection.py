"""Source code is understood without importing it: nested configs, inheritance, aliases, imports."""

import pytest

from shared.study.inspection import Source

FILES = {
    "p/__init__.py": "",
    "p/base.py": """
from pydantic import BaseModel, Field
from typing import ClassVar
class Base:
    class Config(BaseModel, extra="forbid"):
        rate: float
        size: int = 3
        grid: list[float] = Field(default_factory=list)
        bound: float = Field(gt=0)
        again: float = Field(..., gt=0)
        also: float = Field(2.0, gt=0)
        kind: ClassVar[str]
        _hidden: int
    def __init__(self, a, b=1, *, c, d=2): ...
""",
    "p/user.py": """
from p.base import Base as Parent
from . import base
import p.base as module
from pydantic import BaseModel
class Child(Parent):
    class Config(Parent.Config):
        size: int
        extra: str = "x"
class Grandchild(Child): ...
class Settings(BaseModel):
    depth: int
class Aliased:
    Config = Settings
class ByModule(base.Base): ...
class ByAlias(module.Base): ...
class Open:
    def __init__(self, a, **rest): ...
class Bare: ...
def draw(evidence): ...
Renamed = Child
""",
    "p/data.py": """
from dataclasses import dataclass
@dataclass(frozen=True)
class Family:
    arms: int
    pulls: int = 3
""",
    "p/broken.py": "def f(:\n",
}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "p").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return Source(tmp_path)


def test_fields_of_a_config_and_which_of_them_must_be_given(source):
    fields = source.config_arguments("p.base:Base")
    assert fields.names == ("rate", "size", "grid", "bound", "again", "also")
    assert fields.required == {"rate", "bound", "again"}


def test_inherited_and_overridden_fields(source):
    fields = source.config_arguments("p.user:Child")
    assert fields.names == ("rate", "size", "grid", "bound", "again", "also", "extra")
    assert "size" in fields.required
    assert source.config_arguments("p.user:Grandchild") == fields
    assert source.config_arguments("p.user:Renamed") == fields


@pytest.mark.parametrize("name", ["ByModule", "ByAlias", "Parent"])
def test_bases_are_found_through_every_kind_of_import(source, name):
    assert source.config_arguments(f"p.user:{name}") == source.config_arguments("p.base:Base")


def test_a_config_may_be_named_instead_of_nested(source):
    assert source.config_arguments("p.user:Aliased").names == ("depth",)


def test_constructor_arguments(source):
    arguments = source.constructor_arguments("p.user:Child")
    assert arguments.names == ("a", "b", "c", "d")
    assert arguments.required == {"a", "c"}
    assert source.constructor_arguments("p.data:Family") == (("arms", "pulls"), frozenset({"arms"}))
    assert source.constructor_arguments("p.user:Open") is None
    assert source.constructor_arguments("p.user:Bare") is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("p.nowhere:Base", "there is no file p/nowhere.py"),
        ("p.base:Bas", "the nearest valid name is 'Base'"),
        ("p.user:Bare", "the class Bare has no nested class Config"),
        ("p.user:draw", "has no nested class Config"),
        ("p.broken:f", "p/broken.py, line 1"),
    ],
)
def test_what_is_not_there_is_named(source, name, sentence):
    with pytest.raises(LookupError, match=sentence):
        source.config_arguments(name)
