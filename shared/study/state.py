"""A learner's state as bytes: the same bytes for the same state, and read back without executing code.

`torch.load(weights_only=True)` reads every state written here. States of numbers and text alone, as baselines have
them, are written in torch's older format of plain pickles, without importing torch: there are many such jobs, and
the import would take longer than their work. Numpy arrays travel as tensors under a marker. Everything is copied,
so that neither shared memory nor shared objects show in the bytes.
"""

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from shared.study.errors import StudyError

_ARRAY = "__array__"
_SCALAR = "__scalar__"

# torch.serialization: what precedes and follows the object in the older format.
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_SYSTEM = {
    "protocol_version": _PROTOCOL_VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
_ZIP = b"PK"


def to_bytes(state: Any) -> bytes:
    """Serialise nested dicts, lists and tuples of tensors, numpy arrays, numbers, strings and None.

    All come back as they are, except that numpy's integers and double-precision numbers return as Python's.
    Raises `StudyError` that says where in `state` something else lies.
    """
    encoded = _encode(state, "state")
    if not _holds_tensors(encoded):
        parts = (_MAGIC_NUMBER, _PROTOCOL_VERSION, _SYSTEM, encoded, [])
        return b"".join(pickle.dumps(part, protocol=2) for part in parts)
    import torch

    buffer = io.BytesIO()  # a file would leave its name in the bytes
    torch.save(encoded, buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Any:
    """Return what `to_bytes` was given, tensors on the CPU; raise some `Exception` for damaged bytes."""
    buffer = io.BytesIO(content)
    if content.startswith(_ZIP):
        import torch

        return _decode(torch.load(buffer, weights_only=True, map_location="cpu"))
    parts = [_PlainUnpickler(buffer).load() for _ in range(4)]
    if parts[:2] != [_MAGIC_NUMBER, _PROTOCOL_VERSION]:
        raise ValueError("this is no saved state")
    return _decode(parts[3])


def read_state(path: Path) -> Any:
    """Read a `model.pt`; raise `StudyError` naming it where it is missing or damaged."""
    try:
        return from_bytes(path.read_bytes())
    except Exception as error:  # torch, zip and pickle raise many kinds for damaged bytes
        raise StudyError(f"{path} cannot be read: {error}") from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads numbers, text and containers; whatever would import or call something is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"a saved state must not name code, but this one names {module}.{name}")


def _encode(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {_key(key, where): _encode(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{where}[{index}]") for index, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, np.ndarray):
        return {_ARRAY: _tensor(value, where)}
    if isinstance(value, np.bool | np.integer | np.float64):
        # Equal numbers: whether one went through numpy depends on what a learner did since it was restored.
        return value.item()
    if isinstance(value, np.floating):
        return {_SCALAR: (sys.intern(value.dtype.name), value.item())}
    if isinstance(value, str):
        return sys.intern(str(value))  # pickle writes a second equal string in full, the same one as a reference
    if value is None or isinstance(value, bool | int | float):
        return value
    if _is_tensor(value):
        import torch

        return value.detach().cpu().clone(memory_format=torch.contiguous_format)
    raise StudyError(f"a checkpoint cannot hold {where}, which is of type {type(value).__name__}")


def _key(key: Any, where: str) -> Any:
    if isinstance(key, str):
        return sys.intern(str(key))
    if isinstance(key, int):
        return key
    raise StudyError(f"a checkpoint cannot hold {where}: its key {key!r} is neither text nor an integer")


def _tensor(array: np.ndarray, where: str) -> Any:
    import torch

    try:
        return torch.from_numpy(np.array(array, order="C"))
    except TypeError as error:
        raise StudyError(f"a checkpoint cannot hold {where}, an array of type {array.dtype}") from error


def _is_tensor(value: Any) -> bool:
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def _holds_tensors(encoded: Any) -> bool:
    if isinstance(encoded, dict):
        return any(map(_holds_tensors, encoded.values()))
    if isinstance(encoded, list | tuple):
        return any(map(_holds_tensors, encoded))
    return _is_tensor(encoded)


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return value[_ARRAY].numpy()
        if value.keys() == {_SCALAR}:
            name, number = value[_SCALAR]
            return np.dtype(name).type(number)
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_decode(item) for item in value)
    return value
