"""Training that forgives misalignment: displacements of slices are found, and only the generator is left of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from data_roots import write_data_root
from torch import Tensor

from txm2sem.errors import UserError
from txm2sem.options import MODEL_DEFAULTS, TrainCommand, override
from txm2sem.runs import RunPaths
from txm2sem.training.fit import fit
from txm2sem.training.forgiveness import Displacements, deformed

SMALL = {"model": "feedforward", "netG": "linearfilt", "patch_size": 32, "num_test": 1, "num_threads": 0}
SMALL |= {"gpu_ids": "-1", "no_html": True, "all_orientations": True, "batch_size": 4, "name": "run"}

TRUE = {"000.tif": (3.0, -2.0), "001.tif": (-2.0, 0.0)}
"""By how many rows and columns the training slices are displaced."""


def train(folder: Path, **options: Any) -> tuple[RunPaths, list[str]]:
    """Train on slices whose SEM is their TXM, displaced; return the run and its lines."""
    if not (folder / "images").exists():
        root = write_data_root(folder / "images", masks=False)
        for split in ("train", "val", "test"):
            for path in sorted((root / split / "txm").iterdir()):
                row, column = TRUE[path.name] if split == "train" else (0, 0)
                moved = np.roll(tifffile.imread(path), (-int(row), -int(column)), (0, 1))
                tifffile.imwrite(root / split / "sem" / path.name, moved)
    places = {"dataroot": folder / "images", "checkpoints_dir": folder / "checkpoints"}
    lines: list[str] = []
    paths = fit(override(TrainCommand(), {**MODEL_DEFAULTS["feedforward"], **SMALL, **places, **options}), lines.append)
    return paths, lines


def displacements(shape: tuple[int, int] = (96, 130), slices: int = 3) -> Displacements:
    """Return displacements of up to 8 pixels, of all sizes."""
    found, random = Displacements([""] * slices, shape, 8.0), torch.Generator().manual_seed(0)
    for grid in found.grids:
        torch.nn.init.normal_(grid, std=0.2, generator=random)
    return found


def place(number: int, row: int, column: int, height: int = 24, width: int = 24) -> Tensor:
    """Return where the pixels of a patch lie, (1, 3, H, W)."""
    return torch.from_numpy(
        np.mgrid[number : number + 1, row : row + height, column : column + width].swapaxes(0, 1).astype(np.float32)
    )


def test_an_image_is_deformed_to_where_it_is_displaced() -> None:
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(9.0), indexing="ij")
    image = torch.stack([rows, columns])[None]
    displacement = torch.stack([0.25 + 0.1 * columns, -0.5 - 0.1 * rows])[None]
    expected = image + displacement
    expected[:, 0].clamp_(0, 7)
    expected[:, 1].clamp_(0, 8)
    assert torch.allclose(deformed(image, displacement), expected, atol=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_a_slice_is_displaced_in_one_way_however_a_patch_of_it_is_turned(mirrored: bool, turns: int) -> None:
    found = displacements()

    def oriented(image: Tensor) -> Tensor:
        return (image.flip(-1) if mirrored else image).rot90(turns, (-2, -1))

    where, image = place(1, 40, 70), torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(1))
    upright, turned = (
        deformed(seen, found(lies)) for seen, lies in ((image, where), (oriented(image), oriented(where)))
    )
    assert torch.allclose(turned, oriented(upright), atol=1e-4)
    assert not torch.allclose(upright, image, atol=0.1)
    assert torch.allclose(found(oriented(where)[..., ::2, ::2]), found(oriented(where))[..., ::2, ::2] / 2, atol=1e-4)


def test_displacements_belong_to_their_slice_and_stay_within_the_largest() -> None:
    found = displacements()
    with torch.no_grad():
        for grid in found.grids:
            grid[2] = 0
    assert not found(place(2, 0, 0)).any()
    values = found(torch.cat([place(0, 0, 0, 96, 130), place(1, 0, 0, 96, 130)]))
    assert 4 < values.abs().max() <= 8


def test_what_comes_from_beyond_a_patch_does_not_count() -> None:
    found = Displacements([""], (64, 64), 5.0)
    with torch.no_grad():
        found.grids[0][0] = torch.atanh(torch.tensor([1.5, -2.5]) / 5)[:, None, None] / 20 * 5
    assert torch.allclose(found(place(0, 8, 8))[0, :, 3, 5], torch.tensor([1.5, -2.5]), atol=1e-5)
    known = found.known(place(0, 8, 8))[0, 0]
    expected = torch.zeros(24, 24, dtype=torch.bool)
    expected[:22, 3:] = True
    assert torch.equal(known, expected)


def test_training_finds_displacements_and_leaves_a_network_without_them(tmp_path: Path) -> None:
    paths, lines = train(tmp_path, forgive=6.0, num_train=480, niter=1, niter_decay=0, lr=5e-3)
    document = json.loads(paths.displacements.read_text())
    found = {name: (slice_["row"], slice_["column"]) for name, slice_ in document["slices"].items()}
    assert found.keys() == TRUE.keys()
    assert np.abs(np.array([found[name] for name in TRUE]) - np.array(list(TRUE.values()))).max() < 0.5
    assert document["slices"]["000.tif"]["length"] == pytest.approx(np.hypot(3, 2), abs=0.5)
    assert any("000.tif by 3." in line for line in lines)
    assert {path.name for path in paths.checkpoints.glob("latest_net_*")} == {"latest_net_G.pth"}
    without, _ = train(tmp_path, name="plain", num_train=4, niter=1, niter_decay=0)
    keys = [torch.load(run.network("latest", "G"), weights_only=True).keys() for run in (paths, without)]
    assert keys[0] == keys[1]
    assert not without.displacements.exists()


def test_a_resumed_run_has_the_same_displacements_and_weights(tmp_path: Path) -> None:
    small: dict[str, Any] = {"forgive": 4.0, "num_train": 8, "niter_decay": 0, "accumulate": 2, "lambda_img_grad": 1e-3}
    whole, _ = train(tmp_path, **small, niter=2)
    train(tmp_path, **small, niter=1, name="parts")
    parts, _ = train(tmp_path, **small, niter=2, name="parts", continue_train=True)
    states = [torch.load(paths.state, weights_only=True)["networks"] for paths in (whole, parts)]
    for name, network in states[0].items():
        assert all(torch.equal(value, states[1][name][key]) for key, value in network.items()), name
    assert all(value.any() for value in states[0]["displacements"].values())
    assert whole.displacements.read_text() == parts.displacements.read_text()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"forgive": 2.0, "all_orientations": False}, "all_orientations"),
        ({"forgive": 2.0, "aligned": False}, "independent places"),
        ({"forgive": -1.0}, "0 or more"),
        ({"forgive": 65.0}, "64 or less"),
    ],
)
def test_what_cannot_be_forgiven_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UserError, match=match):
        override(TrainCommand(), {**SMALL, **options})


def test_state_of_other_slices_is_refused(tmp_path: Path) -> None:
    small: dict[str, Any] = {"forgive": 4.0, "num_train": 4, "niter_decay": 0}
    paths, _ = train(tmp_path, **small, niter=1)
    before = paths.network("latest", "G").read_bytes()
    for name in ("txm", "sem"):
        (tmp_path / "images/train" / name / "001.tif").unlink()
    with pytest.raises(UserError, match="options that the run was started with"):
        train(tmp_path, **small, niter=2, continue_train=True)
    assert paths.network("latest", "G").read_bytes() == before
