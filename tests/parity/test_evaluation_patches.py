from __future__ import annotations

import json
from pathlib import Path

import pytest

from txm2sem.data import AlignedSlices, evaluation_locations
from txm2sem.options import DataOptions


@pytest.mark.parametrize("patch_size", [128, 256])
def test_patches_are_those_of_the_original_code(shale: Path, reference: Path, patch_size: int) -> None:
    recorded = json.loads((reference / "evaluation" / "test_patches.json").read_text())[str(patch_size)]
    slices = AlignedSlices.open(shale, "test", DataOptions())
    found = [
        {"row": location.row, "col": location.column, "slice": slices.names[location.slice_index]}
        for location in evaluation_locations(slices, patch_size, len(recorded))
    ]
    assert found == recorded
