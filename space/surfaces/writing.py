"""Surfaces as files: a mesh for each part, a table as CSV and JSON, a picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from space.files import atomic_path, write_bytes_atomic, write_text_atomic
from space.surfaces.extraction import Surface
from space.surfaces.options import FORMATS
from space.surfaces.picture import draw

TABLE_JSON, TABLE_CSV, PICTURE = "surfaces.json", "surfaces.csv", "surfaces.png"


def write_surface(surface: Surface, folder: Path, formats: Iterable[str]) -> list[Path]:
    """Write one surface in these formats, in nm; return the files."""
    import trimesh

    mesh = trimesh.Trimesh(surface.vertices_nm, surface.faces, process=False)
    written = []
    for kind in formats:
        data: Any = mesh.export(file_type=kind)
        path = folder / f"{surface.name}.{kind}"
        write_bytes_atomic(path, data.encode("ascii") if isinstance(data, str) else data)
        written.append(path)
    return written


def write_tables(
    surfaces: Iterable[Surface], folder: Path, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the tables, the one in JSON last: it says that all is there. Return what it holds."""
    rows = [one.to_dict() for one in surfaces]
    text = io.StringIO()
    if rows:
        table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    write_text_atomic(folder / TABLE_CSV, text.getvalue())
    found = {"format": "SPACEtomo surfaces 1", **about, "parts": rows}
    write_text_atomic(folder / TABLE_JSON, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found


def write_picture(surfaces: list[Surface], folder: Path) -> Path:
    """Write a picture of all surfaces."""
    path = folder / PICTURE
    with atomic_path(path) as temporary:
        draw(surfaces).save(temporary)
    return path


def clear(folder: Path) -> None:
    """Remove the table of an earlier run, and its meshes, so that nothing is left of them."""
    from space.files import read_json_or_empty, remove_if_possible

    earlier = read_json_or_empty(folder / TABLE_JSON).get("parts", [])
    remove_if_possible(folder / TABLE_JSON)
    for row in earlier if isinstance(earlier, list) else []:
        name = row.get("name") if isinstance(row, dict) else None
        if isinstance(name, str) and Path(name).name == name:
            for kind in FORMATS:
                remove_if_possible(folder / f"{name}.{kind}")
