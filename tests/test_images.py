import json
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space import images
from space.errors import SpaceError
from space.files import read_json_or_empty
from tests.foreign_files import as_png, png_chunks


def picture(rows=37, cols=53, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, cols)).astype(np.uint8)


def test_round_trip_keeps_pixels_and_texts(tmp_path):
    path = tmp_path / "G1_L01.png"
    images.write_png(path, picture(), 15.96, "G1_L01.mrc", note="Grüße µm", map="ab-1")
    array, info = images.read_png(path)
    assert np.array_equal(array, picture())
    assert info["pixel_nm"] == 15.96
    assert info["source"] == "G1_L01.mrc"
    assert info["note"] == "Grüße µm"
    assert images.read_png_text(path)["map"] == "ab-1"
    assert images.read_png_text(path)["note"] == "Grüße µm"
    assert [p.name for p in tmp_path.iterdir()] == ["G1_L01.png"]  # no temporary file stays


def test_a_large_picture_is_not_held_twice_by_numpy(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_STRIP_PX", 100_000, raising=False)
    path, drawn = tmp_path / "large.png", np.tile(picture(1, 2000), (2000, 1))
    images.write_png(path, drawn, 10.0, "x")
    monkeypatch.setattr(images, "_read_stable", lambda path: path.read_bytes())
    images.read_png(path)
    tracemalloc.start()
    try:
        array, _ = images.read_png(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(array, drawn)
    assert peak < 1.5 * array.nbytes


@given(part=st.floats(0.0, 0.999), zeros=st.booleans())
def test_half_copied_map_is_never_read_as_whole(tmp_path_factory, part, zeros):
    folder = tmp_path_factory.mktemp("copy")
    whole = folder / "whole.png"
    images.write_png(whole, picture(), 10.0, "x")
    data = whole.read_bytes()
    end = int(len(data) * part)
    copy = folder / "copy.png"
    # Some programs give the file its final size first and fill it later.
    copy.write_bytes(data[:end] + (bytes(len(data) - end) if zeros else b""))
    assert not images.is_whole_png(copy)
    assert images.read_png_text(copy) == {}
    with pytest.raises(SpaceError):
        images.read_png(copy)


def test_damage_inside_is_noticed(tmp_path):
    path = tmp_path / "a.png"
    images.write_png(path, picture(), 10.0, "x")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    assert not images.is_whole_png(path)


def test_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    images.write_png(path, picture(), 10.0, "x")
    states = iter([images.FileState(1, 1), images.FileState(2, 2)])
    monkeypatch.setattr(images, "file_state", lambda p: next(states))
    with pytest.raises(SpaceError, match="changed"):
        images.read_png(path)


def test_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    from PIL import Image

    path = tmp_path / "a.png"
    images.write_png(path, picture(), 10.0, "x")
    before = path.read_bytes()

    def broken(self, target, **kwargs):
        target.write_bytes(b"\x89PNG half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        images.write_png(path, picture(seed=1), 10.0, "x")
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "array", [np.zeros((3, 3), np.int16), np.zeros((2, 3, 3), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_only_grey_8_bit_is_written(tmp_path, array):
    with pytest.raises(SpaceError):
        images.write_png(tmp_path / "a.png", array, 10.0, "x")


@pytest.mark.parametrize("pixel_nm", [0.0, -1.0, float("nan")])
def test_pixel_size_must_be_positive(tmp_path, pixel_nm):
    with pytest.raises(SpaceError):
        images.write_png(tmp_path / "a.png", picture(), pixel_nm, "x")


def test_pixel_size_from_json_beside(tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    assert "pixel_nm" not in images.read_png(path)[1]
    images.write_json_beside(path, {"pixel_nm": 2.283})
    assert images.read_png(path)[1]["pixel_nm"] == 2.283
    images.json_path(path).write_text('{"pixel_nm": 2.', encoding="utf-8")
    assert images.read_json_beside(path) == {}


def test_colour_becomes_grey_and_16_bit_is_refused(tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.fromarray(np.dstack([picture()] * 3)).save(path)
    assert np.array_equal(images.read_png(path)[0], picture())
    Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(path)
    with pytest.raises(SpaceError, match="8 bits"):
        images.read_png(path)


def test_fingerprint_follows_content(tmp_path):
    a, b, c = (tmp_path / f"{n}.png" for n in "abc")
    images.write_png(a, picture(seed=0), 10.0, "x")
    images.write_png(b, picture(seed=0), 10.0, "x")
    changed = picture(seed=0)
    changed[3, 4] ^= 1
    images.write_png(c, changed, 10.0, "x")
    assert images.fingerprint(a) == images.fingerprint(b) != images.fingerprint(c)
    assert images.fingerprint(tmp_path / "none.png") == ""


def test_json_beside_is_whole(tmp_path):
    path = tmp_path / "G1_L01.png"
    images.write_json_beside(path, {"a": [1, 2]})
    assert json.loads((tmp_path / "G1_L01.json").read_text(encoding="utf-8")) == {"a": [1, 2]}


def with_chunks(path, chunks):
    """Put chunks into a PNG file, before its pixels."""
    whole = png_chunks(path.read_bytes())
    path.write_bytes(as_png([whole[0], *chunks, *whole[1:]]))


def test_texts_that_are_packed_a_thousandfold_stay_small_however_many(tmp_path):
    path = tmp_path / "a.png"
    images.write_png(path, np.zeros((9, 9), np.uint8), 2.0, "test")
    bomb = zlib.compress(b"a" * 900_000)
    with_chunks(path, [(b"zTXt", b"k%d\0\0" % n + bomb) for n in range(500)])
    assert sum(len(text) for text in images.read_png_text(path).values()) <= 1_000_000
    with pytest.raises(SpaceError, match="cannot be decoded"):
        images.read_png(path)


def test_no_more_texts_are_read_than_anybody_writes(tmp_path):
    path = tmp_path / "a.png"
    images.write_png(path, np.zeros((9, 9), np.uint8), 2.0, "test")
    with_chunks(path, [(b"tEXt", b"k%d\0x" % n) for n in range(5000)])
    assert len(images.read_png_text(path)) == 100


def test_a_picture_of_endless_empty_chunks_is_refused(tmp_path):
    path = tmp_path / "a.png"
    images.write_png(path, np.zeros((9, 9), np.uint8), 2.0, "test")
    whole = path.read_bytes()
    empty = as_png([(b"teSt", b"")])[8:]
    path.write_bytes(whole[:33] + empty * 600_000 + whole[33:])
    assert "more than 500000 chunks" in images.png_problem(path.read_bytes())


def test_what_follows_the_end_of_a_picture_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    images.write_png(path, np.zeros((9, 9), np.uint8), 2.0, "test")
    texts = images.read_png_text(path)
    path.write_bytes(path.read_bytes() + bytes(3_000_000))
    assert images.read_png_text(path) == texts


@pytest.mark.parametrize(
    ("colour", "told"), [(0, "cannot be decoded"), (6, "million pixels of RGBA")]
)
def test_memory_for_a_picture_is_limited_with_its_colours(tmp_path, colour, told):
    path = tmp_path / "a.png"
    images.write_png(path, np.zeros((9, 9), np.uint8), 2.0, "test")
    (_, header), *rest = png_chunks(path.read_bytes())
    size = (20_000).to_bytes(4, "big") + (6_000).to_bytes(4, "big")  # 120 million
    path.write_bytes(as_png([(b"IHDR", size + bytes([8, colour]) + header[10:]), *rest]))
    with pytest.raises(SpaceError, match=told):
        images.read_png(path)


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"[1, 2]", b"null", b"\xff\xfe", b"1" * 9])
def test_a_json_file_without_a_whole_table_counts_as_empty(tmp_path, content):
    path = tmp_path / "a.json"
    assert read_json_or_empty(path) == {}
    path.write_bytes(content)
    assert read_json_or_empty(path) == {}
    path.write_bytes(b'{"a": 1}')
    assert read_json_or_empty(path) == {"a": 1}
