"""Points that people have marked, as other tools save them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from txm2sem.aligning.landmarks import MarkedPoints, read_landmarks
from txm2sem.errors import UserError
from txm2sem.registration.transforms import mapped, turned

TO_TXM = turned(12, 0.8, False, np.array([50.0, 60.0]), np.array([70.0, 40.0]))
SEM = np.array([[10.0, 20.0], [80.0, 30.0], [40.0, 90.0]])


def bigwarp(sem: np.ndarray, txm: np.ndarray) -> str:
    places = np.hstack([sem[:, ::-1], txm[:, ::-1]])
    lines = [
        ",".join([f'"Pt-{index}"', '"true"', *(f'"{value}"' for value in row)]) for index, row in enumerate(places)
    ]
    return "\n".join([*lines, '"Pt-9","false","Infinity","Infinity","1.0","2.0"']) + "\n"


def napari(points: np.ndarray) -> str:
    axes = ",".join(f"axis-{axis}" for axis in range(points.shape[1]))
    return "\n".join([f"index,{axes}", *(f"{index}.0,{','.join(map(str, row))}" for index, row in enumerate(points))])


def test_points_of_bigwarp_are_read_and_inactive_ones_are_not(tmp_path: Path) -> None:
    txm = mapped(TO_TXM, SEM)
    (tmp_path / "slice_007.csv").write_text(bigwarp(SEM, txm))
    found = read_landmarks(tmp_path, [3, 7])
    assert list(found) == [7]
    assert found[7].sem == pytest.approx(SEM)
    assert found[7].start() == pytest.approx(TO_TXM)
    assert list(read_landmarks(tmp_path / "slice_007.csv", [3])) == [3]  # the only slice


def test_layers_of_napari_are_paired_and_told_apart_by_slice(tmp_path: Path) -> None:
    txm = mapped(TO_TXM, SEM)
    of_slices = np.repeat([0, 1], 3)[:, None]
    (tmp_path / "sem.csv").write_text(napari(np.hstack([of_slices, np.vstack([SEM, SEM + 1])])))
    (tmp_path / "txm.csv").write_text(napari(np.vstack([txm, txm])))
    found = read_landmarks(tmp_path, [3, 7])
    assert found[3].sem == pytest.approx(SEM)
    assert found[7].sem == pytest.approx(SEM + 1)
    assert found[7].txm == pytest.approx(txm)


def test_a_mirrored_start_is_found_where_points_tell_it() -> None:
    flipped = turned(12, 0.8, True, np.array([50.0, 60.0]), np.array([70.0, 40.0]))
    marks = MarkedPoints(Path("marks.csv"), SEM, mapped(flipped, SEM))
    assert marks.start() == pytest.approx(flipped)
    two = MarkedPoints(Path("marks.csv"), SEM[:2], mapped(flipped, SEM[:2])).start()
    assert np.linalg.det(two[:2, :2]) > 0


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("3.csv", "", "is empty"),
        ("3.csv", "a,b,c\n", "expected 6 columns"),
        ("3.csv", '"Pt-0","true","a","1","2","3"\n', "expected numbers"),
        ("3.csv", '"Pt-0","true","Infinity","1","2","3"\n', "in one image only"),
        ("9.csv", bigwarp(SEM, SEM), "of no slice"),
        ("sem.csv", napari(SEM), "txm.csv"),
        ("note.txt", "", "no .csv"),
    ],
)
def test_what_is_no_pair_of_points_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=words):
        read_landmarks(tmp_path, [3, 7])


def test_points_outside_of_their_images_are_refused() -> None:
    marks = MarkedPoints(Path("marks.csv"), SEM, mapped(TO_TXM, SEM))
    marks.check((100, 100), (120, 120))
    for sem, txm, words in (((100, 50), (120, 120), "of the SEM"), ((100, 100), (40, 120), "of the TXM")):
        with pytest.raises(UserError, match=words):
            marks.check(sem, txm)
    with pytest.raises(UserError, match="1 pairs"):
        MarkedPoints(Path("marks.csv"), SEM[:1], SEM[:1]).check((100, 100), (100, 100))
