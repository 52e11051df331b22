from pathlib import Path

import pytest

from shared.analysis.published import COLUMNS, load_published
from shared.study.errors import StudyError

REPOSITORY = Path(__file__).resolve().parents[3]
GOOD = {
    "paper": "RL2", "figure": "table1", "environment": "BernoulliBandit", "method": "RL2", "setting": "n=10;k=5",
    "metric": "total_reward", "value": "6.7", "kind": "table", "source": "Table 1", "note": "one, with a comma",
}  # fmt: skip


def write(root: Path, *rows: dict, header: str = ",".join(COLUMNS)) -> Path:
    folder = root / "data/published"
    folder.mkdir(parents=True)
    lines = [header, *(",".join(f'"{row.get(column, "")}"' for column in COLUMNS) for row in rows)]
    (folder / "toy.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def test_good_file_is_read_with_line_numbers(tmp_path):
    table = load_published("toy", write(tmp_path, GOOD, GOOD | {"low": "6.6", "high": "6.8", "spread": "ci95"}))
    assert table["line"].tolist() == [2, 3]
    assert table["value"].tolist() == [6.7, 6.7]
    assert table["low"].isna().tolist() == [True, False]
    assert table["x_name"].tolist() == ["", ""]
    assert table["note"][0] == "one, with a comma"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "digitized"}, "line 3, column 'kind': unknown kind 'digitized'; .* 'digitised'"),
        ({"spread": "ci59"}, "line 3, column 'spread': .* 'ci95'"),
        ({"value": "6,7"}, "line 3, column 'value': '6,7' is not a number"),
        ({"value": ""}, "line 3, column 'value': must not be empty"),
        ({"value": "nan"}, "line 3, column 'value': 'nan' is not finite"),
        ({"source": " "}, "line 3, column 'source': must not be empty"),
        ({"seeds": "2.5"}, "line 3, column 'seeds': must be a positive whole number"),
        ({"x_name": "iteration"}, "line 3, column 'x_value': x_name and x_value"),
        ({"low": "6.6"}, "line 3, column 'low': low and high"),
        ({"low": "6.8", "high": "6.9"}, "line 3, column 'low': 6.8 is above the value 6.7"),
        ({"low": "6.5", "high": "6.6"}, "line 3, column 'high': 6.6 is below the value 6.7"),
    ],
)
def test_malformed_entry_is_named_by_file_line_and_column(tmp_path, change, message):
    with pytest.raises(StudyError, match=r"data/published/toy.csv, " + message):
        load_published("toy", write(tmp_path, GOOD, GOOD | change))


def test_row_with_missing_field_is_refused(tmp_path):
    root = write(tmp_path, GOOD)
    with (root / "data/published/toy.csv").open("a") as file:
        file.write("RL2,table1\n")
    with pytest.raises(StudyError, match="line 3: 2 fields where the 17 columns"):
        load_published("toy", root)


def test_unknown_and_missing_columns_are_refused(tmp_path):
    with pytest.raises(StudyError, match="line 1: unknown column 'metrics'; the nearest valid name is 'metric'"):
        load_published("toy", write(tmp_path / "a", header=",".join(COLUMNS).replace("metric", "metrics")))
    with pytest.raises(StudyError, match="line 1: column 'note' must appear once, found 0"):
        load_published("toy", write(tmp_path / "b", header=",".join(COLUMNS[:-1])))
    with pytest.raises(StudyError, match="line 1: the columns must be, in this order"):
        load_published("toy", write(tmp_path / "c", header=",".join(reversed(COLUMNS))))


def test_missing_file_and_wrong_encoding_are_refused(tmp_path):
    with pytest.raises(StudyError, match=r"data/published/toy.csv does not exist"):
        load_published("toy", tmp_path)
    root = write(tmp_path, GOOD)
    (root / "data/published/toy.csv").write_bytes(b"paper\xff")
    with pytest.raises(StudyError, match="not UTF-8 text: byte 5"):
        load_published("toy", root)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "data/published").glob("*.csv")), ids=lambda path: path.stem)
def test_shipped_files_are_well_formed(path):
    assert len(load_published(path.stem, REPOSITORY)) > 0
