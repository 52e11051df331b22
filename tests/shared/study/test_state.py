"""A state comes back exactly, has one form in bytes, and cannot execute code."""

import io
import pickle
import random

import numpy as np
import pytest
import torch

from shared.study.errors import StudyError
from shared.study.seeds import generator_state, restore_generator
from shared.study.state import from_bytes, read_state, to_bytes

PLAIN = {
    "counts": [1, -3, 2**127 + 5],
    "small": np.float32(0.1),
    "nested": {"pair": (1.5, None), "empty": (), 3: "three", "yes": True},
}


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
    else:
        assert a == b


def test_numbers_and_text_come_back_with_their_types():
    assert_same(from_bytes(to_bytes(PLAIN)), PLAIN)


def test_numbers_look_alike_whether_or_not_numpy_made_them():
    assert to_bytes([np.float64(0.1), np.int64(-7), np.bool(True)]) == to_bytes([0.1, -7, True])


def test_torch_reads_plain_states_without_executing_code():
    assert torch.load(io.BytesIO(to_bytes({"a": [1, "x"], "b": 0.5})), weights_only=True) == {"a": [1, "x"], "b": 0.5}


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"],
)
def test_arrays_come_back_with_their_types(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    state = {"a": array, "scalar": np.array(array[1, 1]), "empty": array[:0], "strided": array[:, ::2].T}
    assert_same(from_bytes(to_bytes(state)), state)


def test_an_optimiser_comes_back_and_goes_on_alike():
    def steps(network, optimiser, n):
        for _ in range(n):
            optimiser.zero_grad()
            network(torch.ones(1, 2)).square().sum().backward()
            optimiser.step()

    def fresh():
        network = torch.nn.Linear(2, 2)
        return network, torch.optim.Adam(network.parameters(), lr=0.1)

    network, optimiser = fresh()
    steps(network, optimiser, 3)
    saved = to_bytes({"network": network.state_dict(), "optimiser": optimiser.state_dict()})
    steps(network, optimiser, 3)

    other, other_optimiser = fresh()
    state = from_bytes(saved)
    other.load_state_dict(state["network"])
    other_optimiser.load_state_dict(state["optimiser"])
    assert to_bytes({"network": other.state_dict(), "optimiser": other_optimiser.state_dict()}) == saved
    steps(other, other_optimiser, 3)
    assert torch.equal(network.weight, other.weight)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_generators_come_back(kind):
    rng = np.random.Generator(kind(3))
    rng.normal(size=3)
    rng.integers(10, dtype=np.int32)  # leaves half a word behind
    state = from_bytes(to_bytes(generator_state(rng)))
    expected = rng.normal(size=5)
    other = np.random.Generator(kind(4))
    restore_generator(other, state)
    assert (other.normal(size=5) == expected).all()


def test_python_generator_comes_back():
    rng = random.Random(1)
    state = from_bytes(to_bytes({"state": rng.getstate()}))["state"]
    expected = rng.random()
    rng.setstate(state)
    assert rng.random() == expected


def test_bytes_do_not_show_shared_objects_or_memory():
    name = "".join(["ada", "m"])  # an equal string that is another object
    base = torch.arange(4.0)
    shared = to_bytes({"a": "adam", "b": "adam", "x": base[:2], "y": base[2:]})
    apart = to_bytes({"a": name, "b": "adam", "x": torch.tensor([0.0, 1.0]), "y": torch.tensor([2.0, 3.0])})
    assert shared == apart


def test_what_cannot_be_held_is_named_with_its_place():
    for state, place in [
        ({"a": [1, {2}]}, r"state\['a'\]\[1\], which is of type set"),
        ({"a": np.array(["x"])}, r"state\['a'\], an array of type <U1"),
        ({"a": {(1, 2): 3}}, r"state\['a'\]: its key \(1, 2\)"),
    ]:
        with pytest.raises(StudyError, match=place):
            to_bytes(state)


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_state_cannot_execute_code(tmp_path, capsys):
    pickle.loads(pickle.dumps(Evil()))
    assert capsys.readouterr().out == "executed\n"  # the attack works on a plain unpickler
    head = [pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {}, Evil())]
    zipped = io.BytesIO()
    torch.save({"evil": Evil()}, zipped)
    for content in (b"".join(head), zipped.getvalue()):
        (tmp_path / "model.pt").write_bytes(content)
        with pytest.raises(StudyError, match="cannot be read"):
            read_state(tmp_path / "model.pt")
    assert capsys.readouterr().out == ""


def test_damaged_and_missing_files_are_named(tmp_path):
    model = tmp_path / "model.pt"
    with pytest.raises(StudyError, match=r"model\.pt cannot be read"):
        read_state(model)
    for content in (b"", b"PK", to_bytes(PLAIN)[:-20], pickle.dumps("x") * 4):
        model.write_bytes(content)
        with pytest.raises(StudyError, match=r"model\.pt cannot be read"):
            read_state(model)
