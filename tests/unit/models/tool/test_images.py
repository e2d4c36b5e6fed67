"""Images in a folder: each is a row, in the order of their paths; one that can't be read is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from slurmtf.models.scoring import find_files  # noqa: E402
from slurmtf.models.tool.batches import Scorer, iterate_pieces, read_blocks, score_block  # noqa: E402
from slurmtf.models.tool.drawing import Spec  # noqa: E402
from slurmtf.models.tool.readers import BadRow, get_format  # noqa: E402

GREY = np.array([[0, 50, 255], [10, 20, 30]], np.uint8)
COLOR = np.stack([GREY, GREY + 100, 255 - GREY], axis=-1)


@pytest.mark.parametrize(
    ("pixels", "mode", "name", "expected"),
    [
        (GREY, "L", "one.png", GREY),
        (COLOR, "RGB", "one.png", COLOR),
        (COLOR, "RGB", "ONE.BMP", COLOR),
        (COLOR, "RGBA", "one.png", np.concatenate([COLOR, np.full((2, 3, 1), 255, np.uint8)], axis=-1)),
        (GREY, "1", "one.png", np.stack([np.where(GREY > 127, 255, 0)] * 3, axis=-1)),
        (COLOR, "P", "one.png", COLOR),
    ],
)
def test_an_image_becomes_its_pixels(pixels: Any, mode: str, name: str, expected: Any, tmp_path: Path) -> None:
    given = {"P": {"palette": Image.Palette.ADAPTIVE}, "1": {"dither": Image.Dither.NONE}}.get(mode, {})
    path = tmp_path / name
    Image.fromarray(pixels).convert(mode, **given).save(path)
    rows: Any = get_format(str(path)).rows(str(path), 0)(1)
    assert [list(row) for row in rows] == [[""]]
    assert np.array_equal(rows[0][""], expected)


def row_of(path: Path) -> Any:
    (row,) = get_format(str(path)).rows(str(path), 0)(1)
    return row


def test_sixteen_bit_grey_is_not_truncated(tmp_path: Path) -> None:
    pixels = np.array([[0, 255, 256], [1000, 40_000, 65_535]], np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    found = row_of(tmp_path / "deep.png")[""]
    assert (found.tolist(), found.dtype) == (pixels.tolist(), np.uint16)


@pytest.mark.parametrize(("mode", "size", "expected"), [("L", (), 70), ("RGB", (3,), [70, 20, 200]), ("CMYK", (4,), None)])
def test_a_jpeg_becomes_its_pixels_within_its_loss(mode: str, size: tuple[int, ...], expected: Any, tmp_path: Path) -> None:
    plain = np.broadcast_to(np.array([70, 20, 200, 0][: size[0]] if size else 70, np.uint8), (16, 16, *size))
    Image.fromarray(plain, mode).save(tmp_path / "one.JPG", quality=95)
    found = row_of(tmp_path / "one.JPG")[""]
    assert found.shape == ((16, 16, 3) if size else (16, 16))
    if expected is not None:
        assert np.abs(found.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("name", ["moving.gif", "moving.png"])
def test_an_animation_is_not_read_as_one_frame(name: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (0, 100, 200)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    found = row_of(tmp_path / name)
    assert isinstance(found, BadRow)
    assert "3 frames" in found.why


def test_images_of_phones_are_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((size, size, 3), 80, np.uint8)) for size in (16, 8)]
    frames[0].save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=frames[1:])
    assert row_of(tmp_path / "phone.jpg")[""].shape == (16, 16, 3)


def test_an_oversized_image_is_a_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((100, 100), np.uint8)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert isinstance(row_of(tmp_path / "large.png"), BadRow)


@pytest.mark.parametrize("kept", [0, 8, 20, 40, 60])
@pytest.mark.parametrize("name", ["torn.png", "torn.jpg", "torn.gif", "torn.bmp"])
def test_a_truncated_image_is_a_bad_row(name: str, kept: int, tmp_path: Path) -> None:
    path = tmp_path / name
    Image.fromarray(COLOR).save(path)
    path.write_bytes(path.read_bytes()[:kept])
    assert isinstance(row_of(path), BadRow) or kept >= 60


def sums(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    assert inputs["image"].dtype == np.float32
    return {"sum": inputs["image"].sum(axis=(1, 2, 3))}


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_a_folder_is_scored_in_order_and_other_files_are_named(batch: int, tmp_path: Path) -> None:
    for number in (3, 0, 2, 4):
        Image.fromarray(np.full((2, 2), number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(b"torn")
    files = [str(path) for path in find_files([str(tmp_path)])]
    scorer = Scorer(sums, {"image": Spec((None, 2, 2, 1), "float32")})
    good, bad = list[tuple[int, float]](), list[dict[str, Any]]()
    for parts in read_blocks(list(iterate_pieces([1] * 5, files, 0, 5)), 4):
        answers, failed = score_block(parts, scorer, batch, lambda _: None)
        good += [pair for one in answers for pair in zip(one["row"].tolist(), one["sum"].tolist(), strict=True)]
        bad += failed
    assert good == [(0, 0.0), (2, 8.0), (3, 12.0), (4, 16.0)]
    assert [(one["file"], one["row"]) for one in bad] == [(files[1], 0)]
