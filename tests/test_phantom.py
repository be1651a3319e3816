"""The phantom: what it promises about its rock, its images and its files."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from txm2sem.data.images import open_image
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.errors import UserError
from txm2sem.options import PhantomOptions
from txm2sem.phantoms import Material, Phantom, render_phantom, write_phantom
from txm2sem.phantoms.fields import highest, smooth_noise
from txm2sem.phantoms.levels import to_levels
from txm2sem.phantoms.txm import ATTENUATION, BLACK_LEVEL, CONTRAST, RECONSTRUCTION_BLUR
from txm2sem.phantoms.write import aligned_slices

OPTIONS = PhantomOptions(size=112, depth=24, train_slices=3, val_slices=1, test_slices=2, seed=5)
CLEAN = replace(OPTIONS, photons=1e9, artefacts=0)
"""No noise and no artefacts in the TXM."""


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return render_phantom(OPTIONS)


@pytest.fixture(scope="module")
def clean() -> Phantom:
    return render_phantom(CLEAN)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "images"
    write_phantom(folder, OPTIONS)
    return folder


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _facts(folder: Path) -> Any:
    return json.loads((folder / "phantom.json").read_text())


def _equal(a: Phantom, b: Phantom) -> dict[str, bool]:
    return {f.name: np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)}


# Files


def test_same_options_give_the_same_bytes(root: Path, tmp_path: Path) -> None:
    write_phantom(tmp_path / "again", OPTIONS)
    assert _bytes(tmp_path / "again") == _bytes(root)


def test_another_seed_gives_another_rock(phantom: Phantom) -> None:
    other = render_phantom(replace(OPTIONS, seed=6))
    assert _equal(phantom, other) == {
        "labels": False,
        "txm": False,
        "sem": False,
        "charge": False,
        "field_of_view": True,
        "faces": True,
    }


def test_layout(root: Path) -> None:
    numbers = {"train": ["000", "002", "005"], "val": ["003"], "test": ["001", "004"]}
    facts = _facts(root)
    for split, expected in numbers.items():
        assert [n for n, slice_ in facts["aligned_slices"].items() if slice_["split"] == split] == expected
        for name in ("txm", "sem", "charge", "lowdensity", "highdensity"):
            assert sorted(p.name for p in (root / split / name).iterdir()) == [f"{n}.tif" for n in expected]
    for name in ("txm_full_stack", "sem_full_stack"):
        assert sorted(p.name for p in (root / "test" / name).iterdir()) == [f"{z:03d}.tif" for z in range(24)]
    assert sorted(p.name for p in root.iterdir()) == ["phantom.json", "slice_positions.csv", "test", "train", "val"]
    assert [p.name for p in root.parent.iterdir()] == ["images"]


def test_images_are_8_bit_and_compressed(root: Path) -> None:
    for path in root.rglob("*.tif"):
        with tifffile.TiffFile(path) as file:
            assert file.pages[0].dtype == np.uint8
            assert file.pages[0].shape == (112, 112)
            assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE


def test_files_say_how_large_pixels_are_and_stacks_how_far_their_slices_lie_apart(root: Path) -> None:
    side = _facts(root)["voxel_size_nm"]
    files = list(root.rglob("*.tif"))
    assert {open_image(path).pixel_size.side for path in files} == {side}
    for name in ("txm_full_stack", "sem_full_stack"):
        assert open_volume(VolumeInput(root / "test" / name)).voxel_size == (side, side, side)
    # Aligned slices are no neighbours.
    assert open_volume(VolumeInput(root / "val" / "txm")).voxel_size is None
    # ImageJ asks the tags for the size in plane, and the words for the unit and for z.
    with tifffile.TiffFile(root / "test" / "txm_full_stack" / "003.tif") as file:
        assert file.imagej_metadata is not None
        assert (file.imagej_metadata["unit"], file.imagej_metadata["spacing"]) == ("um", side / 1000)


def test_aligned_slices_are_those_of_the_volume(root: Path, phantom: Phantom) -> None:
    for number, place in _facts(root)["aligned_slices"].items():
        z, folder = place["z"], root / place["split"]
        for name in ("txm", "sem"):
            image = tifffile.imread(folder / name / f"{number}.tif")
            np.testing.assert_array_equal(image, tifffile.imread(root / "test" / f"{name}_full_stack" / f"{z:03d}.tif"))
            np.testing.assert_array_equal(image, np.rint(np.minimum(getattr(phantom, name)[z], 255)))
        inside = phantom.field_of_view
        truth = {
            "charge": phantom.charge[z],
            "lowdensity": np.isin(phantom.labels[z], (Material.PORE, Material.ORGANIC)) & inside,
            "highdensity": np.isin(phantom.labels[z], (Material.HEAVY, Material.PYRITE)) & inside,
        }
        for name, mask in truth.items():
            np.testing.assert_array_equal(tifffile.imread(folder / name / f"{number}.tif"), 255 * mask)


def test_the_table_says_where_aligned_slices_lie(root: Path) -> None:
    lines = (root / "slice_positions.csv").read_text().splitlines()
    assert lines[0] == "number,z"
    positions = [tuple(map(int, line.split(","))) for line in lines[1:]]
    assert positions == [(int(number), place["z"]) for number, place in _facts(root)["aligned_slices"].items()]


def test_facts(root: Path, phantom: Phantom) -> None:
    facts = _facts(root)
    inside = phantom.labels[:, phantom.field_of_view]
    for material in Material:
        assert facts["phase_fractions"][material.name.lower()] == pytest.approx((inside == material).mean())
    assert facts["porosity"] == facts["phase_fractions"]["pore"]
    inner = phantom.field_of_view & (phantom.sem > 0)
    for name, mask in (("low_density", phantom.low_density()), ("high_density", phantom.high_density())):
        assert facts[name] == pytest.approx(mask[inner].mean())
    assert facts["charged_fraction"] == pytest.approx(phantom.charge[:, phantom.field_of_view].mean())
    assert facts["seed"] == 5
    assert facts["options"] == asdict(OPTIONS)
    assert facts["shape"] == [24, 112, 112]
    assert facts["voxel_size_nm"] > 0
    assert facts["grey_values"]["sem"]["pore"] < facts["grey_values"]["sem"]["pyrite"]


def test_what_is_returned_is_what_is_in_the_file(tmp_path: Path) -> None:
    facts = write_phantom(tmp_path / "images", replace(OPTIONS, size=40, depth=12))
    assert facts == _facts(tmp_path / "images")


def test_16_bits_use_a_part_of_the_range(tmp_path: Path, phantom: Phantom) -> None:
    facts = write_phantom(tmp_path / "images", replace(OPTIONS, bits=16))
    for name, low, high in (("txm", 20000, 42000), ("sem", 4000, 45000)):
        volume = tifffile.imread(sorted((tmp_path / "images" / "test" / f"{name}_full_stack").iterdir()))
        assert volume.dtype == np.uint16
        inside = volume[:, phantom.field_of_view]
        assert not volume[:, ~phantom.field_of_view].any()
        assert inside.min() >= low
        assert np.percentile(inside, 90) <= high
        # Finer than 8 bits, and the same image.
        assert np.unique(inside).size > 2000
        grey = getattr(phantom, name)[:, phantom.field_of_view]
        assert np.corrcoef(inside.ravel(), grey.ravel())[0, 1] > 0.9999
        assert low < facts["grey_values"][name]["quartz"] < high
    assert tifffile.imread(tmp_path / "images" / "train" / "charge" / "000.tif").dtype == np.uint8


@pytest.mark.parametrize("unaligned", [False, True])
def test_an_empty_folder_is_filled_and_another_refused(tmp_path: Path, unaligned: bool) -> None:
    small = replace(OPTIONS, size=40, depth=12, unaligned=unaligned)
    folder = tmp_path / "new" / "images"
    folder.mkdir(parents=True)
    write_phantom(folder, small)
    before = _bytes(folder)
    with pytest.raises(UserError, match=r"images exists and is not overwritten"):
        write_phantom(folder, small)
    assert _bytes(folder) == before
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file exists and is not overwritten"):
        write_phantom(tmp_path / "file", small)


@pytest.mark.parametrize("unaligned", [False, True])
@pytest.mark.parametrize(("error", "raised"), [(KeyboardInterrupt, KeyboardInterrupt), (OSError, UserError)])
def test_interrupted_writing_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    raised: type[BaseException],
    unaligned: bool,
) -> None:
    written: list[Path] = []
    write = tifffile.imwrite

    def stop_at_the_tenth(path: Path, *args: Any, **kwargs: Any) -> None:
        if len(written) == 10:
            raise error
        write(path, *args, **kwargs)
        written.append(path)

    monkeypatch.setattr(tifffile, "imwrite", stop_at_the_tenth)
    with pytest.raises(raised):
        write_phantom(tmp_path / "images", replace(OPTIONS, size=40, depth=12, unaligned=unaligned))
    assert len(written) == 10
    assert not list(tmp_path.iterdir())


def test_progress_goes_from_0_to_1(tmp_path: Path) -> None:
    told: list[float] = []
    write_phantom(tmp_path / "images", replace(OPTIONS, size=40, depth=12), lambda done, _: told.append(done))
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)


@given(
    counts=st.tuples(*[st.integers(0, 12)] * 3).filter(any),
    spare=st.integers(0, 50),
)
def test_aligned_slices_are_spread_with_gaps(counts: tuple[int, int, int], spare: int) -> None:
    train, val, test = counts
    depth = 2 * sum(counts) + spare
    options = PhantomOptions(depth=depth, train_slices=train, val_slices=val, test_slices=test)
    aligned = aligned_slices(options)
    splits = [split for split, _ in aligned]
    assert [splits.count(split) for split in ("train", "val", "test")] == [train, val, test]
    z = np.array([z for _, z in aligned])
    assert z.min() >= 0
    assert z.max() < depth
    gaps = np.diff(z)
    assert (gaps >= 2).all()
    assert not gaps.size or np.ptp(gaps) <= 1


@given(grey=st.floats(1, 2000, width=32), more=st.floats(0, 100, width=32))
def test_levels_rise_with_the_grey_value_and_0_is_only_outside(grey: float, more: float) -> None:
    for name in ("txm", "sem"):
        for bits in (8, 16):
            outside, low, high = to_levels(np.array([0, grey, grey + more], np.float32), name, bits)
            assert outside == 0 < low <= high


# Options


def test_too_few_slices_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    options = replace(OPTIONS, depth=11)
    for act in (lambda: render_phantom(options), lambda: write_phantom(tmp_path / "images", options)):
        with pytest.raises(UserError, match=r"--depth: expected at least 12 slices.*6 aligned.*found 11"):
            act()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["porosity", "organic", "pyrite"])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_shares_are_met_and_grains_stay(phantom: Phantom, name: str, share: float) -> None:
    other = render_phantom(replace(OPTIONS, **{name: share}))  # type: ignore[arg-type]
    material = {"porosity": Material.PORE, "organic": Material.ORGANIC, "pyrite": Material.PYRITE}[name]
    assert other.fractions()[material] == pytest.approx(share, abs=0.002)
    grains = (Material.CLAY, Material.QUARTZ, Material.CARBONATE)
    both = np.isin(phantom.labels, grains) & np.isin(other.labels, grains)
    np.testing.assert_array_equal(phantom.labels[both], other.labels[both])


def test_defaults_meet_their_shares(phantom: Phantom) -> None:
    fractions = phantom.fractions()
    assert fractions[Material.PORE] == pytest.approx(OPTIONS.porosity, abs=1e-5)
    assert fractions[Material.ORGANIC] == pytest.approx(OPTIONS.organic, abs=1e-5)
    assert phantom.charge[:, phantom.field_of_view].mean() == pytest.approx(OPTIONS.charging, abs=1e-5)
    assert sum(fractions.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "value", "changes"),
    [
        ("blur", 4.0, {"txm"}),
        ("photons", 50.0, {"txm"}),
        ("artefacts", 0.0, {"txm", "sem"}),
        ("charging", 0.1, {"sem", "charge"}),
    ],
)
def test_an_option_of_the_images_changes_what_it_names(
    phantom: Phantom, name: str, value: float, changes: set[str]
) -> None:
    other = render_phantom(replace(OPTIONS, **{name: value}))  # type: ignore[arg-type]
    assert {part for part, same in _equal(phantom, other).items() if not same} == changes


def test_fewer_photons_are_noisier(clean: Phantom) -> None:
    def noise(photons: float) -> float:
        noisy = render_phantom(replace(CLEAN, photons=photons))
        return float((noisy.txm - clean.txm)[:, clean.field_of_view].std())

    # Poisson noise falls as the square root of the counts.
    assert noise(1600) / noise(6400) == pytest.approx(2, rel=0.1)


def _spectrum(volume: NDArray[np.float32], low: float, high: float) -> float:
    """Mean power of the slices' middle between two frequencies [1/pixel]."""
    middle = volume[:, 24:88, 24:88]
    power = np.abs(np.fft.fft2((middle - middle.mean()) * np.outer(np.hanning(64), np.hanning(64)))) ** 2
    frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64))
    return float(power[:, (frequency >= low) & (frequency < high)].mean())


def test_blur_lowers_the_resolution(clean: Phantom) -> None:
    sharper = render_phantom(replace(CLEAN, blur=1.25))
    bands = np.array([0.05, 0.10, 0.15])
    loss = [_spectrum(clean.txm, f, f + 0.03) / _spectrum(sharper.txm, f, f + 0.03) for f in bands]
    # A Gaussian of standard deviation s keeps exp(-(2 pi f s)^2) of the power.
    expected = -((2 * np.pi * (bands + 0.015)) ** 2) * (2.5**2 - 1.25**2)
    np.testing.assert_allclose(np.log(loss), expected, rtol=0.35)


def test_the_txm_resolves_less_than_the_sem(clean: Phantom) -> None:
    fall = {
        n: _spectrum(getattr(clean, n), 0.1, 0.15) / _spectrum(getattr(clean, n), 0.01, 0.05) for n in ("txm", "sem")
    }
    assert fall["txm"] < 0.2 * fall["sem"]


# Images


def test_without_noise_the_txm_is_the_blurred_attenuation(clean: Phantom) -> None:
    attenuation = np.array([ATTENUATION[material] for material in Material])[clean.labels]
    blur = (CLEAN.blur, *[np.hypot(CLEAN.blur, RECONSTRUCTION_BLUR)] * 2)
    expected = BLACK_LEVEL + CONTRAST * ndimage.gaussian_filter(attenuation, blur, mode="nearest")
    error = (clean.txm - expected)[:, clean.field_of_view]
    # What is left is the variation of density within a material.
    assert abs(error.mean()) < 1
    assert error.std() < 4


def test_rings_are_round(clean: Phantom) -> None:
    options = replace(CLEAN, pyrite=0)
    shade = render_phantom(replace(options, artefacts=1)).txm - render_phantom(options).txm
    # Adjacent slices share the rock and the shading, not the rings.
    change = np.diff(shade, axis=0)[:, clean.field_of_view]
    offset = np.arange(112) - 55.5
    radius = np.hypot(offset[:, None], offset).astype(int)[clean.field_of_view]
    profiles = np.array([np.bincount(radius, difference) / np.bincount(radius) for difference in change])
    assert profiles[:, radius].var(axis=1).mean() > 0.15 * change.var(axis=1).mean()


def test_curtains_are_vertical(phantom: Phantom) -> None:
    curtains = phantom.sem - render_phantom(replace(OPTIONS, artefacts=0)).sem
    middle = curtains[:, 40:72, 40:72]
    assert middle.std() > 1
    assert np.abs(middle - np.median(middle, axis=1, keepdims=True)).mean() < 0.3 * middle.std()


def test_charging_saturates_its_region_and_nothing_far_from_it(phantom: Phantom) -> None:
    calm = render_phantom(replace(OPTIONS, charging=0))
    assert not calm.charge.any()
    assert np.median(phantom.sem[phantom.charge]) > 220
    # The glow of what is charged outside the field of view reaches in, so its rim is left out.
    near = ndimage.binary_dilation(phantom.charge | ~phantom.field_of_view, np.ones((3, 3, 3)), iterations=9)
    np.testing.assert_allclose(phantom.sem[~near], calm.sem[~near], atol=1e-3)
    # It happens where matter conducts badly.
    near_low_density = ndimage.binary_dilation(phantom.labels <= Material.ORGANIC, iterations=3)
    assert near_low_density[phantom.charge].mean() > 1.2 * near_low_density.mean()


def test_both_images_see_the_phases_in_their_order(clean: Phantom) -> None:
    calm = ~clean.charge & clean.field_of_view
    sem = [np.median(clean.sem[calm & (clean.labels == material)]) for material in Material]
    assert sem == sorted(sem)
    # The TXM has clay above quartz, the SEM below.
    deep = {m: ndimage.binary_erosion(clean.labels == m, iterations=4) for m in (Material.CLAY, Material.QUARTZ)}
    txm = {material: np.median(clean.txm[mask & clean.field_of_view]) for material, mask in deep.items()}
    assert txm[Material.CLAY] > txm[Material.QUARTZ]


def test_nothing_is_seen_outside_the_field_of_view(phantom: Phantom) -> None:
    outside = ~phantom.field_of_view
    assert 0.65 < phantom.field_of_view.mean() < 0.72
    for volume in (phantom.txm, phantom.sem):
        assert volume.dtype == np.float32
        assert not volume[:, outside].any()
        assert volume[:, phantom.field_of_view].min() >= 1
    assert phantom.sem.max() <= 255
    for mask in (phantom.charge, phantom.low_density(), phantom.high_density()):
        assert not mask[:, outside].any()


def test_grey_values_resemble_those_of_a_real_shale() -> None:
    phantom = render_phantom(PhantomOptions(size=256, depth=24))
    for volume, mean, spread in ((phantom.txm, 131, 38), (phantom.sem, 99, 40)):
        values = np.minimum(volume[:, phantom.field_of_view], 255)
        assert values.mean() == pytest.approx(mean, abs=20)
        assert values.std() == pytest.approx(spread, abs=15)


def _correlation(volume: NDArray[np.float32], axis: int, lag: int) -> float:
    middle = np.moveaxis(volume[:, 24:88, 24:88], axis, 0)
    return float(np.corrcoef(middle[lag:].ravel(), middle[:-lag].ravel())[0, 1])


@pytest.mark.parametrize("name", ["txm", "sem"])
def test_continuous_along_z(phantom: Phantom, name: str) -> None:
    volume = getattr(phantom, name)
    along_z = [_correlation(volume, 0, lag) for lag in (1, 3, 6, 12)]
    assert along_z == sorted(along_z, reverse=True)
    assert along_z[0] > 0.8
    # Within a slice beds cross y quickly and follow x; z is in between, less the noise that slices do not share.
    for lag in (3, 6):
        assert _correlation(volume, 0, lag) > _correlation(volume, 1, lag) - 0.1


# Fields


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), sigma=st.tuples(*[st.floats(0.7, 40)] * 3), side=st.integers(1, 40))
def test_noise_is_finite_and_of_its_shape(seed: int, sigma: tuple[float, float, float], side: int) -> None:
    field = smooth_noise(np.random.default_rng(seed), (side, 20, 30), sigma)
    assert field.shape == (side, 20, 30)
    assert field.dtype == np.float32
    assert np.isfinite(field).all()


def test_noise_has_the_moments_and_smoothness_asked_for() -> None:
    sigmas = (2.0, 3.0, 1.2)
    field = smooth_noise(np.random.default_rng(0), (120, 200, 150), sigmas)
    assert field.mean() == pytest.approx(0, abs=0.04)
    assert field.std() == pytest.approx(1, abs=0.04)
    # White noise smoothed by a Gaussian has the autocorrelation exp(-(lag / 2 sigma)^2).
    for axis, sigma in enumerate(sigmas):
        moved = np.moveaxis(field, axis, 0)
        assert (moved[2:] * moved[:-2]).mean() == pytest.approx(np.exp(-((2 / (2 * sigma)) ** 2)), abs=0.04)
    across_the_seam = (field[:, -1] * field[:, 0]).mean()
    assert across_the_seam == pytest.approx(np.exp(-((1 / 6) ** 2)), abs=0.15)


@given(share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_highest_leaves_its_share(share: float, seed: int) -> None:
    field = np.random.default_rng(seed).permutation(600).reshape(6, 10, 10).astype(np.float32)
    inside = np.arange(100).reshape(10, 10) % 3 > 0
    mask = highest(field, inside, share)
    assert mask[:, inside].sum() == round(share * 6 * inside.sum())
    assert not mask.any() or field[mask].min() > np.max(field[~mask], initial=-1)
