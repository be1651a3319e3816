"""Real SEM slices as the phantom's TXM sees them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root, write_slice
from numpy.typing import NDArray

from txm2sem.cli.main import main
from txm2sem.data import AlignedSlices
from txm2sem.data.images import open_image
from txm2sem.errors import UserError
from txm2sem.imaging import image_slices
from txm2sem.options import DataOptions, PhantomOptions
from txm2sem.phantoms import Material
from txm2sem.phantoms.seen import see_slice
from txm2sem.phantoms.sem import GREY
from txm2sem.phantoms.txm import ATTENUATION, BLACK_LEVEL, CONTRAST

OPTIONS = PhantomOptions(seed=3)
CLEAN = replace(OPTIONS, photons=1e9, artefacts=0, blur=0)
SHAPE = (64, 80)

Image = NDArray[np.float32]


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data root that has no TXM; slices are 0 around and have zeros within."""
    monkeypatch.chdir(tmp_path)
    root = write_data_root(Path("images"), slices=2, size=SHAPE)
    for path in root.glob("*/sem/*"):
        image = tifffile.imread(path)
        image[:5], image[:, 70:], image[30:33, 40:44] = 0, 0, 0
        write_slice(path, image)
    for folder in root.glob("*/txm"):
        shutil.rmtree(folder)
    return root


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def see(sem: Any, options: PhantomOptions, charge: Any = None) -> Image:
    known = np.asarray(sem, np.float32)
    none = np.zeros(known.shape, np.bool_)
    return see_slice(known, none if charge is None else charge, options, np.random.default_rng(0))


def patches(seed: int = 0) -> Image:
    """Return a slice of square grains of all materials' greys."""
    grains = np.random.default_rng(seed).choice(list(GREY.values()), (8, 10))
    return np.asarray(np.kron(grains, np.ones((8, 8))), np.float32)


def test_the_new_data_root_has_the_same_sem_and_masks_and_a_txm(images: Path) -> None:
    before = content(images)
    facts = image_slices("seen", images, OPTIONS)
    made = content(Path("seen"))
    assert {name: data for name, data in made.items() if "txm" not in name and name != "phantom.json"} == before
    assert json.loads(made["phantom.json"]) == facts
    assert facts["slices"] == {"train": [0, 1], "val": [0, 1], "test": [0, 1]}
    assert facts["options"]["seed"] == 3
    assert content(images) == before
    for phase in ("train", "val", "test"):
        slices = AlignedSlices.open(Path("seen"), phase, DataOptions())
        assert (len(slices), slices.shape, slices.has_densities) == (2, SHAPE, True)
        whole = (slice(None), slice(None))
        txm, sem = slices.image("txm", 0, *whole), slices.image("sem", 0, *whole)
        # Dark pores are seen as others are, and tell nothing by their zeros.
        assert np.array_equal(np.argwhere(txm == 0), [(y, x) for y in range(64) for x in range(80) if y < 5 or x >= 70])
        assert np.array_equal(slices.valid(0, *whole), (sem != 0) & ~slices.mask("charge", 0, *whole))


def test_the_same_seed_gives_the_same_bytes_whatever_else_is_there(images: Path) -> None:
    image_slices("one", images, OPTIONS)
    image_slices("two", images, OPTIONS)
    image_slices("other", images, replace(OPTIONS, seed=4))
    one, two, other = (content(Path(name)) for name in ("one", "two", "other"))
    assert one == two
    assert not any(one[name] == other[name] for name in one if "txm" in name)
    # A slice looks the same in another split, and without the others.
    shutil.rmtree(images / "test")
    for path in images.glob("val/*/000.tif"):
        path.unlink()
    for path in images.glob("train/*/001.tif"):
        path.rename(path.parents[2] / "val" / path.parent.name / "001.tif")
    image_slices("moved", images, OPTIONS)
    assert content(Path("moved"))["val/txm/001.tif"] == one["train/txm/001.tif"]


def test_pixels_are_as_large_as_the_sem_says(images: Path) -> None:
    path = images / "train/sem/000.tif"
    per_centimetre = (1e7 / 20, 1e7 / 25)
    write_slice(path, tifffile.imread(path), resolution=per_centimetre, resolutionunit="CENTIMETER")
    image_slices("seen", images, OPTIONS)
    sizes = [open_image(Path(f"seen/train/{name}/000.tif")).pixel_size.nanometres for name in ("sem", "txm")]
    assert sizes == [pytest.approx((25, 20))] * 2
    assert open_image(Path("seen/train/txm/001.tif")).pixel_size.nanometres is None


def test_without_blur_and_noise_grey_values_are_attenuations() -> None:
    sem = patches()
    seen = see(sem, CLEAN)
    middle = np.zeros((8, 8), np.bool_)
    middle[3:5, 3:5] = True
    inside = np.kron(np.ones((8, 10)), middle).astype(bool)
    for material in Material:
        found = seen[inside & (sem == GREY[material])]
        assert found == pytest.approx(BLACK_LEVEL + CONTRAST * ATTENUATION[material], abs=4)


def test_contrast_is_how_much_of_the_rock_is_seen() -> None:
    sem = patches()
    found = [
        np.corrcoef(see(sem, replace(OPTIONS, contrast=contrast)).ravel(), sem.ravel())[0, 1]
        for contrast in (0, 0.25, 1)
    ]
    assert abs(found[0]) < 0.05
    assert 0.05 < found[1] < found[2]
    flat = see(sem, replace(CLEAN, contrast=0))
    assert flat == pytest.approx(BLACK_LEVEL + CONTRAST * ATTENUATION[Material.CLAY], abs=0.1)


@pytest.mark.parametrize(("name", "rough", "smooth"), [("blur", 0, 5), ("photons", 50, 1e6), ("artefacts", 4, 0)])
def test_options_of_the_txm_mean_what_they_mean_in_a_phantom(name: str, rough: float, smooth: float) -> None:
    sem = patches() if name == "blur" else np.full(SHAPE, 92)
    one, other = (np.diff(see(sem, replace(CLEAN, **{name: value})), axis=1).std() for value in (rough, smooth))  # type: ignore[arg-type]
    assert one > 2 * other


def test_what_charge_shows_is_not_seen() -> None:
    charge = np.zeros(SHAPE, np.bool_)
    charge[20:40, 30:50] = True
    dark, bright = (np.where(charge, grey, patches()) for grey in (12, 255))
    assert np.array_equal(see(dark, OPTIONS, charge), see(bright, OPTIONS, charge))
    assert not np.array_equal(see(dark, OPTIONS), see(bright, OPTIONS))


def test_sixteen_bits_have_their_own_range(images: Path) -> None:
    for path in images.glob("*/sem/*"):
        image = tifffile.imread(path).astype(np.uint16)
        write_slice(path, np.where(image, 1000 + 20 * image, 0).astype(np.uint16))
    image_slices("seen", images, replace(CLEAN, bits=16))
    txm, sem = (tifffile.imread(f"seen/train/{name}/000.tif") for name in ("txm", "sem"))
    assert txm.dtype == np.uint16
    shown = (sem > 0) & (tifffile.imread("seen/train/charge/000.tif") == 0)
    assert np.corrcoef(txm[shown], sem[shown])[0, 1] > 0.7


def test_what_cannot_be_imaged_is_refused_and_nothing_is_written(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["phantom", "seen", "--sem_from", "nowhere"]) == 1
    assert "--sem_from nowhere: expected a data root" in capsys.readouterr().err
    for words, said in (
        ("--size 64", "--size does nothing with --sem_from"),
        ("--unaligned", "--unaligned does nothing"),
    ):
        assert main(["phantom", "seen", "--sem_from", "images", *words.split()]) == 1
        assert said in capsys.readouterr().err
    write_slice(images / "val" / "charge" / "001.tif", np.full(SHAPE, 255, np.uint8))
    with pytest.raises(UserError, match=r"val/sem/001.tif: every pixel that was imaged is charged"):
        image_slices("seen", images, OPTIONS)
    with pytest.raises(UserError, match="images"):
        image_slices("images", images, OPTIONS)
    assert sorted(path.name for path in Path().iterdir()) == ["images"]
    assert main(["phantom", "seen", "--sem_from", "images/train"]) == 1
