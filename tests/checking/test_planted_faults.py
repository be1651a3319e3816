"""A sound phantom has no warnings; each fault that is planted in it is found, and told where it is and what to do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from moved_pairs import two_images
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, rotate, shift

from txm2sem.checking import CheckReport, Finding, check_data_root
from txm2sem.checking.alignment import measure_alignment
from txm2sem.checking.resolution import Resolution, judge_resolution
from txm2sem.checking.sources import SlicePixels
from txm2sem.errors import UserError
from txm2sem.metrics import Spectrum
from txm2sem.options import DataOptions, PhantomOptions
from txm2sem.phantoms import write_phantom
from txm2sem.registration import align_pair

pytestmark = pytest.mark.usefixtures("blank_pictures")  # tests/cli/test_check.py looks at them

OPTIONS = DataOptions(patch_size=64, num_test=4)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "images"
    write_phantom(folder, PhantomOptions(size=192, depth=40, train_slices=3, val_slices=1, test_slices=1))
    shutil.rmtree(folder / "test" / "txm_full_stack")
    shutil.rmtree(folder / "test" / "sem_full_stack")
    return folder


@pytest.fixture
def images(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sound, tmp_path / "images")
    return tmp_path / "images"


def check(images: Path, options: DataOptions = OPTIONS) -> CheckReport:
    return check_data_root(images, options)


def slices(images: Path, folder: str) -> list[Path]:
    return sorted(path for split in ("train", "val", "test") for path in (images / split / folder).iterdir())


def place(path: Path) -> str:
    return f"{path.parents[1].name} {path.stem}"


def change(path: Path, how: Callable[[NDArray[Any]], NDArray[Any]]) -> str:
    tifffile.imwrite(path, how(tifffile.imread(path)), photometric="minisblack")
    return place(path)


def serious(report: CheckReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.level != "note"]


def only(report: CheckReport, level: str, kind: str) -> Finding:
    """Return the one serious finding there is."""
    (finding,) = serious(report)
    assert (finding.level, finding.kind) == (level, kind)
    return finding


def test_a_sound_phantom_is_ready(images: Path) -> None:
    before = {path: path.read_bytes() for path in images.rglob("*.tif")}
    report = check(images)
    assert not serious(report)
    assert re.fullmatch(
        r"ready to train, about [0-9.]+ (s|min|h|days) here, as busy as it is now \(.+\)", report.verdict.words
    )
    assert report.verdict.seconds == pytest.approx(json.loads(report.paths.numbers.read_text())["seconds"], rel=1e-6)
    assert report.verdict.command == (
        f"txm2sem train --recipe translate --dataroot {images} --name images --patch_size 64 --num_test 4"
    )
    assert {path: path.read_bytes() for path in images.rglob("*.tif")} == before
    assert report.measures.scores is not None
    assert set(report.measures.scores.scores) >= {"raw TXM", "constant", "linear fit"}


def test_a_sharper_txm_is_to_be_downsampled_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_phantom(tmp_path / "images", PhantomOptions(size=192, depth=40, train_slices=3, test_slices=1, blur=1.0))
    measured = check(tmp_path / "images").measures.resolution
    assert measured is not None
    assert measured.factor == 2


def test_a_shifted_slice_is_found_with_its_vector(images: Path) -> None:
    where = change(slices(images, "txm")[1], lambda txm: np.roll(txm, (3, 0), (0, 1)))
    report = check(images)
    finding = only(report, "warning", "shifted")
    assert finding.where == where
    (found,) = [pair.whole for at, pair in report.measures.pairs.items() if str(at) == where]
    assert found is not None
    assert (found.rows, found.columns) == pytest.approx((3, 0), abs=0.5)
    assert "down" in finding.text
    assert "3 warnings" not in report.verdict.words
    assert "1 warning" in report.verdict.words


def test_a_shift_of_all_slices_is_one_finding_with_the_command_that_mends_it(images: Path) -> None:
    for path in slices(images, "txm"):
        change(path, lambda txm: np.roll(txm, (3, -2), (0, 1)))
    report = check(images)
    finding = only(report, "warning", "shifted")
    assert not finding.where
    assert [pair.off for pair in report.measures.pairs.values()] == pytest.approx([np.hypot(3, 2)] * 5, abs=0.5)
    assert report.verdict.command == f"txm2sem align {images} images_aligned"
    assert not serious(check(images, DataOptions(patch_size=64, num_test=4, y_misalign=3, x_misalign=-2)))


def test_a_pair_that_is_confirmed_where_it_lies_counts_as_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a search was made, which says why it has kept the start."""
    txm, sem = two_images(5, 192)
    as_it_is = align_pair(txm, sem, transform="none")
    answers = iter([replace(as_it_is, confident=False), replace(as_it_is, reason="kept")])
    monkeypatch.setattr("txm2sem.registration.align_pair", lambda *_, **__: next(answers))
    measured = measure_alignment(SlicePixels({"txm": txm, "sem": sem}, {}, {}))
    assert (measured.confirmed, measured.away, measured.reason) == (True, 0, "")


def test_what_is_outside_the_sample_and_not_0_is_warned_of(images: Path) -> None:
    """As 16-bit data with an offset have it."""
    rng = np.random.default_rng(0)
    for folder, offset, scale, noise in (("txm", 21000, 37, 6), ("sem", 5200, 91, 25)):
        for path in slices(images, folder):
            grey = scale * tifffile.imread(path).astype(np.float64) + offset
            tifffile.imwrite(path, (grey + rng.normal(0, noise, grey.shape)).astype(np.uint16))
    report = check(images)
    found = {finding.kind: finding for finding in serious(report)}
    assert {kind: found[kind].level for kind in found} == {"background": "warning", "resolution": "warning"}
    assert "docs/slices.md" in found["background"].advice
    assert "\n## Outside the sample\n" in (Path(__file__).parents[2] / "docs" / "slices.md").read_text()
    assert report.measures.resolution is not None
    assert report.measures.resolution.coherent_period < report.measures.resolution.floor_period / 2
    # The rim of the sample is at the same place in all slices, which is no leak.
    assert report.measures.compared == 0
    assert "No slices were compared" in report.paths.page.read_text()


def test_a_slice_that_lies_little_more_than_a_pixel_off_is_noted_alone(images: Path) -> None:
    change(slices(images, "txm")[1], lambda txm: np.roll(txm, (1, 1), (0, 1)))
    report = check(images)
    assert not serious(report)
    (note,) = (finding for finding in report.findings if finding.kind == "shifted")
    assert "txm2sem align" in note.advice
    assert report.verdict.command.startswith("txm2sem train")


def test_an_agreement_beyond_the_noise_is_not_claimed_and_advice_names_its_models() -> None:
    flat = Spectrum(np.array([0.1, 0.5]), np.ones(2))
    usual = Resolution(flat, flat, flat, coherent_period=6, floor_period=9, lost={}, factor=4)
    (note,) = judge_resolution(usual, None)
    (warning,) = judge_resolution(replace(usual, coherent_period=4), None)
    assert (note.level, warning.level) == ("note", "warning")
    assert all(word in note.advice for word in ("--downsample_factor 4", "srcnn", "srgan"))
    assert "--downsample_factor" not in warning.advice


@pytest.mark.parametrize("offset", [(0, 0), (21, -35)])
def test_an_area_of_a_training_slice_in_a_test_slice_is_a_problem(images: Path, offset: tuple[int, int]) -> None:
    source, target = sorted((images / "train" / "txm").iterdir())[0], next((images / "test" / "txm").iterdir())
    for folder in ("txm", "sem", "charge", "lowdensity", "highdensity"):
        copied = tifffile.imread(source.parents[1] / folder / source.name)[70:150, 60:140]
        path = target.parents[1] / folder / target.name
        image = tifffile.imread(path)
        image[70 + offset[0] : 150 + offset[0], 60 + offset[1] : 140 + offset[1]] = copied
        tifffile.imwrite(path, image, photometric="minisblack")
    finding = only(check(images), "problem", "shared")
    assert finding.where == f"{place(source)}, {place(target)}"
    expected = "at the same place" if offset == (0, 0) else f"({-offset[0]}, {-offset[1]})"
    assert expected in finding.text
    assert "learning by heart" in finding.advice


def test_a_txm_that_is_another_slices_is_told_from_a_leak(images: Path) -> None:
    first, second = slices(images, "txm")[:2]
    shutil.copy(first, second)
    findings = serious(check(images))
    assert [finding.kind for finding in findings if finding.level == "problem"] == ["shared"]
    assert "the SEM is different" in findings[0].text


@pytest.mark.parametrize(("folder", "value"), [("txm", 90), ("sem", 0)])
def test_a_blank_slice_is_a_problem(images: Path, folder: str, value: int) -> None:
    where = change(slices(images, folder)[1], lambda image: np.full_like(image, value))
    report = check(images)
    blank = [finding for finding in report.findings if finding.kind == "blank"]
    assert [finding.where for finding in blank] == [where]
    assert ("black" if value == 0 else "blank") in blank[0].text
    assert report.verdict.words.startswith("not ready to train")
    assert "uncovered" not in {finding.kind for finding in report.findings}


def _exchange(images: Path, splits: tuple[str, ...]) -> None:
    for split in splits:
        (images / split / "txm").rename(images / split / "was_txm")
        (images / split / "sem").rename(images / split / "txm")
        (images / split / "was_txm").rename(images / split / "sem")


@pytest.mark.parametrize("folder", ["txm", "sem"])
def test_a_slice_with_less_noise_than_the_others_is_warned_of(images: Path, folder: str) -> None:
    path = slices(images, folder)[1]
    where = change(path, lambda image: np.where(image, gaussian_filter(image, 1.0), 0))
    finding = only(check(images), "warning", "noise")
    assert not finding.where
    assert f"the noise of the {folder.upper()}" in finding.text
    assert where in finding.text


@pytest.mark.parametrize("charge", [True, False])
def test_exchanged_folders_are_a_problem(images: Path, charge: bool) -> None:
    _exchange(images, ("train", "val", "test"))
    if not charge:
        for split in ("train", "val", "test"):
            shutil.rmtree(images / split / "charge")
    (finding,) = [finding for finding in check(images).findings if finding.level == "problem"]
    assert finding.kind == "swapped"
    assert "5 of 5 slices" in finding.text


def test_folders_exchanged_in_one_split_are_told_from_the_others(images: Path) -> None:
    _exchange(images, ("test",))
    (finding,) = [finding for finding in check(images).findings if finding.level == "problem"]
    assert finding.kind == "swapped"
    assert finding.where.startswith("test")


def _invert(image: NDArray[Any]) -> NDArray[Any]:
    return np.where(image > 0, np.maximum(255 - image, 1), 0).astype(image.dtype)


def test_one_inverted_txm_is_a_problem(images: Path) -> None:
    where = change(slices(images, "txm")[2], _invert)
    finding = only(check(images), "problem", "inverted")
    assert finding.where == where
    assert "it is the TXM" in finding.advice


def test_all_txm_inverted_is_a_warning_with_masks_and_a_note_without(images: Path) -> None:
    for path in slices(images, "txm"):
        change(path, _invert)
    finding = only(check(images), "warning", "inverted")
    assert "it is the TXM" in finding.advice
    for split in ("train", "val", "test"):
        shutil.rmtree(images / split / "lowdensity")
    report = check(images)
    assert not serious(report)
    assert "opposite contrast in all slices" in next(f.text for f in report.findings if f.kind == "inverted")


def test_masks_that_contradict_are_warned_of(images: Path) -> None:
    path = slices(images, "highdensity")[0]
    low = tifffile.imread(path.parents[1] / "lowdensity" / path.name)
    where = change(path, lambda high: np.maximum(high, low))
    assert only(check(images), "warning", "masks").where == where


def test_a_file_that_cannot_be_read_does_not_stop_the_check(images: Path) -> None:
    path = slices(images, "sem")[0]
    path.write_bytes(path.read_bytes()[:1000])
    report = check(images)
    (finding,) = serious(report)
    assert (finding.level, finding.kind, finding.where) == ("problem", "unreadable", place(path))
    assert len(report.measures.pairs) == 4


def test_a_slice_that_is_changed_while_it_is_checked_is_named(images: Path) -> None:
    (last,) = (images / "test" / "txm").iterdir()
    shutil.copy(min((images / "train" / "txm").iterdir()), last)

    def empty_it(done: float, task: str) -> None:
        if task == f"slice {place(last)}":
            last.write_bytes(b"")

    with pytest.raises(UserError, match=str(last)):
        check_data_root(images, OPTIONS, progress=empty_it)
    assert not (images.parent / "images_check").exists()


def test_a_slice_that_is_missing_or_of_another_size_is_a_problem(images: Path) -> None:
    slices(images, "sem")[1].unlink()
    where = change(slices(images, "lowdensity")[2], lambda mask: mask[:-8])
    report = check(images)
    assert {finding.kind for finding in serious(report)} == {"missing", "size"}
    assert [finding.where for finding in serious(report) if finding.kind == "size"] == [where]


def test_turned_and_shifted_slices_are_one_finding_with_how_far_they_are_off(images: Path) -> None:
    for path in slices(images, "txm"):
        change(path, lambda txm: shift(rotate(txm, 1.5, reshape=False, order=1), (6, -9), order=1))
    report = check(images)
    kinds = [finding.kind for finding in serious(report)]
    assert (kinds.count("shifted"), kinds.count("shared")) == (1, 0)
    found = [pair.alignment.away for pair in report.measures.pairs.values() if pair.alignment and pair.alignment.away]
    assert found
    assert found == pytest.approx([np.hypot(6, 9)] * len(found), abs=1.5)
    assert "align" in report.verdict.command


COVERED = (slice(20, 150), slice(40, 180))
"""What the SEM covers in slices of which it covers a part."""


def _cover(images: Path, windows: list[tuple[slice, slice]]) -> list[float]:
    """Let the SEM of each slice cover a window alone; return the share of what the TXM shows that is outside."""
    shares = []
    for path, window in zip(slices(images, "sem"), windows, strict=True):
        covered = np.zeros(tifffile.imread(path).shape, bool)
        covered[window] = True
        change(path, lambda sem, covered=covered: np.where(covered, np.maximum(sem, 1), 0))  # type: ignore[misc]
        shown = tifffile.imread(path.parents[1] / "txm" / path.name) != 0
        shares.append(float(np.count_nonzero(shown & ~covered) / np.count_nonzero(shown)))
    return shares


def test_a_sem_that_covers_a_part_of_the_txm_is_warned_of_and_left_out_by_the_command(images: Path) -> None:
    sparse = [COVERED, COVERED, (slice(40, 150), slice(60, 170)), COVERED, COVERED]
    expected = _cover(images, sparse)
    report = check(images)
    finding = only(report, "warning", "uncovered")
    assert not finding.where
    assert f"{np.mean(expected):.1%}" in finding.text
    assert f"{max(expected):.1%} ({place(slices(images, 'sem')[2])})" in finding.text
    numbers = json.loads(report.paths.numbers.read_text())
    found = [numbers["slices"][place(path)]["uncovered"] for path in slices(images, "sem")]
    assert found == pytest.approx(expected, abs=1e-6)
    assert report.verdict.command.split()[-3:] == ["--num_test", "4", "--ignore_charged"]
    # As who passes the option has it: the same command, the same scores, nothing to be warned of.
    given = check(images, replace(OPTIONS, ignore_charged=True))
    assert not serious(given)
    assert [finding.level for finding in given.findings if finding.kind == "uncovered"] == ["note"]
    assert given.verdict.command == report.verdict.command
    assert report.measures.scores is not None
    assert given.measures.scores is not None
    for name, scores in report.measures.scores.scores.items():
        np.testing.assert_array_equal(scores.psnr, given.measures.scores.scores[name].psnr)


def test_a_narrow_rim_without_sem_is_noted_and_dark_pixels_are_none(images: Path) -> None:
    for path in slices(images, "sem"):

        def with_pores(sem: NDArray[Any]) -> NDArray[Any]:
            sem[20:180:8, 20:180:8] = 0
            sem[60:66, 60:66] = 0
            return sem

        change(path, with_pores)
    report = check(images)
    assert "uncovered" not in {finding.kind for finding in report.findings}
    assert "--ignore_charged" not in report.verdict.command
    assert max(content.uncovered or 0 for content in report.measures.contents.values()) < 1e-3
    assert 0.01 < np.mean(_cover(images, [np.s_[:, :-20]] * 5)) < 0.05
    report = check(images)
    assert [finding.level for finding in report.findings if finding.kind == "uncovered"] == ["note"]
    assert "--ignore_charged" in report.verdict.command


def test_a_model_that_predicts_the_txm_may_see_sem_everywhere(images: Path) -> None:
    _cover(images, [COVERED] * 5)
    report = check(images, replace(OPTIONS, direction="BtoA"))
    assert "uncovered" not in {finding.kind for finding in report.findings}
    assert "--ignore_charged" not in report.verdict.command


def test_a_data_bar_is_a_problem_that_names_its_rows(images: Path) -> None:
    for number, path in enumerate(slices(images, "sem")):
        text = np.repeat(np.random.default_rng(number).random((12, 28)) < 0.6, 3, axis=1)

        def with_bar(sem: NDArray[Any], text: NDArray[np.bool_] = text) -> NDArray[Any]:
            sem[-24:] = 0
            sem[-18:-6, 10:94][text] = 255
            return sem

        change(path, with_bar)
    problems = [finding for finding in check(images).findings if finding.level == "problem"]
    assert [finding.kind for finding in problems] == ["bar"]
    assert "the last 24 rows" in problems[0].text


def test_a_check_that_is_cut_off_leaves_an_earlier_report_and_goes_on_anew(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = check(images)
    kept = first.paths.page.read_bytes()

    def full(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("txm2sem.checking.page.write_page", full)
        check(images)
    assert first.paths.page.read_bytes() == kept
    assert sorted(path.name for path in images.parent.iterdir()) == ["images", "images_check"]
    assert check(images).earlier is not None


def test_a_folder_without_splits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match="train, val and test"):
        check_data_root(tmp_path / "images")
