"""What an alignment leaves for other tools, and for itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from txm2sem.aligning.document import itk_transform, read_field, write_field
from txm2sem.errors import UserError
from txm2sem.registration.evidence import Correlation
from txm2sem.registration.pair import PairAlignment
from txm2sem.registration.transforms import Field, mapped, turned

TO_TXM = turned(7, 1.2, True, np.array([40.0, 60.0]), np.array([50.0, 44.0]))
FIELD = Field(
    np.array([10.0, 60.0, 110.0]), np.array([0.0, 50.0, 100.0]), np.random.default_rng(0).normal(0, 2, (3, 3, 2))
)
POINT = np.array([[88.0, 64.0]])
"""On the grid of the displacements in a `.tfm`, (row, column)."""


def _values(text: str, name: str) -> list[np.ndarray]:
    lines = [line.removeprefix(name).split() for line in text.splitlines() if line.startswith(name)]
    return [np.array(line, float) for line in lines]


def test_an_affine_transform_leads_from_the_txm_to_the_sem() -> None:
    text = itk_transform(TO_TXM, None, (128, 120))
    assert text.startswith("#Insight Transform File V1.0\n")
    (affine,) = _values(text, "Parameters:")
    x, y = affine[:4].reshape(2, 2) @ POINT[0, ::-1] + affine[4:]
    assert mapped(TO_TXM, np.array([[y, x]]))[0] == pytest.approx(POINT[0], abs=1e-5)


def test_displacements_come_before_it_and_reach_over_the_whole_txm() -> None:
    text = itk_transform(TO_TXM, FIELD, (128, 121))
    assert [line for line in text.splitlines() if line.startswith("Transform:")] == [
        "Transform: CompositeTransform_double_2_2",  # applies the last of its parts first
        "Transform: AffineTransform_double_2_2",
        "Transform: DisplacementFieldTransform_double_2_2",
    ]
    columns, rows, *rest = _values(text, "FixedParameters:")[1]
    assert (columns, rows, rest) == (16, 17, [0, 0, 8, 8, 1, 0, 0, 1])
    affine, displacement = _values(text, "Parameters:")
    x, y = POINT[0, ::-1] + displacement.reshape(int(rows), int(columns), 2)[11, 8]
    back = affine[:4].reshape(2, 2) @ (x, y) + affine[4:]
    assert mapped(TO_TXM, back[None, ::-1]) == pytest.approx(POINT + FIELD.at(POINT), abs=1e-4)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("field", [None, FIELD])
def test_itk_maps_points_of_the_txm_to_where_they_come_from(field: Field | None, mirror: bool, tmp_path: Path) -> None:
    itk = pytest.importorskip("SimpleITK", reason="needs SimpleITK, of the extra `engines`")
    shape, middle = (128, 121), np.array([50.0, 44.0])
    to_txm = turned(7, 1.2, mirror, middle, middle)
    (tmp_path / "slice.tfm").write_text(itk_transform(to_txm, field, shape))
    transform = itk.ReadTransform(str(tmp_path / "slice.tfm"))
    nothing = Correlation(0, 0, 0)
    found = PairAlignment(shape, to_txm, field, to_txm, False, nothing, nothing, True, True, "")
    points = np.random.default_rng(1).uniform(25, 75, (50, 2))
    reached = found.map(points)
    back = np.array([transform.TransformPoint(point)[::-1] for point in reached[:, ::-1].tolist()])
    # Between the displacements of the file it is linear.
    assert back == pytest.approx(points, abs=0.1 if field is not None else 1e-5)


def test_a_field_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_field(tmp_path / "field.npz", FIELD)
    read = read_field(tmp_path / "field.npz")
    for name, array in vars(FIELD).items():
        np.testing.assert_array_equal(getattr(read, name), array)
    content = (tmp_path / "field.npz").read_bytes()
    (tmp_path / "field.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"field\.npz"):
        read_field(tmp_path / "field.npz")
