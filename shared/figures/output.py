"""Writers of figures and tables: whole files or none, and the same bytes for the same content."""

import io
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from shared.figures.tables import Table
from shared.figures.theme import theme
from shared.study.files import write_atomically


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write `<stem>.svg` and `<stem>.png`; return their paths."""
    return [
        _write(stem, "svg", _render(figure, "svg", {"Date": None, "Creator": None})),
        _write(stem, "png", _render(figure, "png", {"Software": None})),
    ]


def save_table(table: Table, stem: Path) -> list[Path]:
    """Write `<stem>.md`, `.csv`, `.tex` and `.html`; return their paths."""
    texts = {
        "md": table.to_markdown(),
        "csv": table.to_csv(),
        "tex": table.to_latex(),
        "html": table.to_html(),
    }
    return [_write(stem, suffix, text.encode()) for suffix, text in texts.items()]


def save_frame(frame: pd.DataFrame, stem: Path, title: str, caption: str = "") -> list[Path]:
    """Write `<stem>.csv`, to six digits, and `<stem>.md` and `.html` for reading; return their paths."""
    table = Table.from_frame(frame, title, caption)
    texts = {
        "csv": frame.to_csv(index=False, lineterminator="\n", float_format="%.6g"),
        "md": table.to_markdown(),
        "html": table.to_html(),
    }
    return [_write(stem, suffix, text.encode()) for suffix, text in texts.items()]


def _render(figure: Figure, form: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with theme():
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _write(stem: Path, suffix: str, content: bytes) -> Path:
    path = Path(f"{stem}.{suffix}")
    write_atomically(path, content)
    return path
