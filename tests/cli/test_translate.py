"""Single images through the command line: translated without any training, or with a model of the user's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data.readers.compound import write_txm
from data_roots import write_slice
from numpy.typing import NDArray
from PIL import Image

from cli.calls import Program
from cli.volumes import IDENTITY, write_identity, write_network
from txm2sem.applying.images import ImageTranslator
from txm2sem.applying.images.translator import Translated
from txm2sem.tiling import Tiling, choose_tiling

MATCH = "--txm_range 0,255 --grey match"
"""A checkpoint of the original code, as `IDENTITY`, does not say with which range it was trained."""


def txm(shape: tuple[int, int] = (70, 90), seed: int = 0) -> NDArray[np.uint8]:
    """Return a smooth 8-bit image with a corner that was not imaged, of sides that are no multiples of 16."""
    y, x = np.indices(shape)
    image: NDArray[np.uint8] = np.rint(120 + 50 * np.sin(x / 9 + seed) * np.cos(y / 7)).astype(np.uint8)
    image[:20, :20] = 0
    return image


@pytest.mark.draws
def test_an_image_is_translated_before_any_training(program: Program) -> None:
    write_slice(Path("txm.tif"), txm(), resolution=(2e5, 2e5), resolutionunit=3)
    outcome = program("translate txm.tif predicted.tif")
    assert outcome.status == 0, outcome.err
    for words in ("output:  predicted.tif", "picture: predicted.tif_report.png", "MODEL_CARD.md", "brought to"):
        assert words in outcome.out
    predicted = tifffile.imread("predicted.tif")
    assert (predicted.shape, str(predicted.dtype)) == ((70, 90), "uint8")
    assert (predicted[:17, :17] == 0).all()
    assert (predicted[30:] > 0).all()
    assert predicted[30:].std() > 1
    with tifffile.TiffFile("predicted.tif") as file:
        page: Any = file.pages.first
        assert (page.resolution, int(page.resolutionunit)) == ((2e5, 2e5), 3)
    with Image.open("predicted.tif_report.png") as picture:
        assert picture.width > 800
        assert len(np.unique(np.asarray(picture))) > 50
    assert sorted(path.name for path in Path().iterdir()) == ["predicted.tif", "predicted.tif_report.png", "txm.tif"]


@pytest.mark.parametrize(
    ("name", "convert"),
    [
        ("txm.tif", lambda grey: np.where(grey == 0, 0, 9000 + 150.0 * grey).astype(np.uint16)),
        ("txm.png", lambda grey: np.where(grey == 0, 0, 9000 + 150.0 * grey).astype(np.uint16)),
        ("txm.png", lambda grey: np.where(grey == 0, 0, 60 + grey / 2).astype(np.uint8)),
        ("txm.tif", lambda grey: np.where(grey == 0, 0, 0.3 + 1e-4 * grey).astype(np.float32)),
    ],
)
def test_another_type_and_contrast_gives_nearly_the_same(
    program: Program, name: str, convert: Callable[[NDArray[np.uint8]], NDArray[Any]]
) -> None:
    write_slice(Path("plain.tif"), txm())
    image = convert(txm())
    if name.endswith(".png"):
        Image.fromarray(image).save(name)
    else:
        write_slice(Path(name), image)
    for source, out in (("plain.tif", "one.tif"), (name, "two.tif")):
        outcome = program(f"translate {source} {out}")
        assert outcome.status == 0, outcome.err
    one, two = (tifffile.imread(out).astype(int) for out in ("one.tif", "two.tif"))
    assert one.std() > 5
    assert np.abs(one - two).max() <= 2


def test_a_volume_in_one_file_is_translated_slice_by_slice(program: Program) -> None:
    volume = np.stack([txm(seed=seed) for seed in range(3)])
    write_txm(Path("scan.txm"), volume.astype(np.uint16) * 100, pixel_size=0.05)
    for z, image in enumerate(volume):
        write_slice(Path(f"slices/{z:03d}.tif"), image.astype(np.uint16) * 100)
    for source in ("scan.txm", "slices"):
        outcome = program(f"translate {source} {Path(source).stem}_out")
        assert outcome.status == 0, outcome.err
    for name in ("000.tif", "001.tif", "002.tif"):
        np.testing.assert_array_equal(tifffile.imread(f"scan_out/{name}"), tifffile.imread(f"slices_out/{name}"))
    with tifffile.TiffFile("scan_out/001.tif") as file:
        assert file.pages.first.resolution == pytest.approx((2e5, 2e5))  # of a centimetre: 50 nm
    assert len(list(Path("scan_out").iterdir())) == 3


def test_grey_values_can_be_left_as_they_are(program: Program) -> None:
    write_slice(Path("txm.tif"), txm())
    assert program("translate txm.tif match.tif").status == 0
    outcome = program("translate txm.tif as_is.tif --grey as_is")
    assert outcome.status == 0, outcome.err
    assert "grey:    as they are" in outcome.out
    assert not np.array_equal(tifffile.imread("match.tif"), tifffile.imread("as_is.tif"))

    write_slice(Path("other.tif"), txm().astype(np.uint16) * 100)
    outcome = program("translate other.tif other_predicted.tif --grey as_is")
    assert outcome.status == 1
    assert "--txm_range 0,255" in outcome.err
    assert "--grey match" in outcome.err


def _write_folder() -> dict[str, NDArray[np.uint8]]:
    """Write a folder of images of several names and sizes, and return them."""
    images = {"b.tif": txm(), "a2.tif": txm((48, 64), 1), "first.tiff": txm((33, 100), 2)}
    for name, image in images.items():
        write_slice(Path("scan") / name, image)
    Image.fromarray(txm(seed=3)).save("scan/d.png")
    Path("scan/notes.txt").write_text("not an image")
    return images | {"d.png": txm(seed=3)}


def test_outputs_of_one_name_do_not_block_each_other(program: Program) -> None:
    write_slice(Path("txm.tif"), txm())
    write_slice(Path("scan/000.tif"), txm())
    write_identity()
    volume = f"volume scan predicted.ome.zarr {IDENTITY} --voxel_size 32"
    commands = ("translate txm.tif predicted.tif", "translate scan predicted", volume, volume.replace("zarr", "tif"))
    for words in commands:
        outcome = program(words)
        assert outcome.status == 0, outcome.err
    reports = {path.name.removeprefix("predicted") for path in Path().glob("predicted*_report.png")}
    assert reports == {".tif_report.png", "_report.png", ".ome.zarr_report.png", ".ome.tif_report.png"}


def test_a_folder_keeps_names_and_sizes_and_has_one_contrast(program: Program) -> None:
    images = _write_folder()
    outcome = program("translate scan out")
    assert outcome.status == 0, outcome.err
    assert Path("out_report.png").exists()
    assert not Path("out.partial").exists()
    assert sorted(path.name for path in Path("out").iterdir()) == ["a2.tif", "b.tif", "d.tif", "first.tif"]
    for name, image in images.items():
        assert tifffile.imread(Path("out") / f"{Path(name).stem}.tif").shape == image.shape

    # A folder that has a brighter image, too, is matched as one: the others come out darker.
    write_slice(Path("scan/e.tif"), np.where(txm() == 0, 0, txm() + 60).astype(np.uint8))
    assert program("translate scan brighter").status == 0
    assert tifffile.imread("brighter/b.tif").mean() < tifffile.imread("out/b.tif").mean() - 1


def test_an_interrupted_folder_goes_on_where_it_stopped(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_folder()
    assert program("translate scan whole").status == 0
    translated: list[int] = []
    translate = ImageTranslator.__call__

    def stop_after_two(translator: ImageTranslator, image: NDArray[Any], position: int) -> Translated:
        if len(translated) == 2:
            raise KeyboardInterrupt
        translated.append(image.size)
        return translate(translator, image, position)

    with monkeypatch.context() as patch:
        patch.setattr(ImageTranslator, "__call__", stop_after_two)
        outcome = program("translate scan out")
    assert outcome.status == 130
    assert "goes on" in outcome.err
    assert not Path("out").exists()
    assert len(list(Path("out.partial/images").glob("*.tif"))) == 2

    outcome = program("translate scan out --grey as_is")
    assert outcome.status == 1
    assert "out.partial holds a part of another output: its grey is auto, but here it is as_is" in outcome.err

    first = Path("out.partial/images/a2.tif").stat().st_mtime_ns
    outcome = program("translate scan out")
    assert outcome.status == 0, outcome.err
    assert "2 of them are done" in outcome.out
    assert Path("out/a2.tif").stat().st_mtime_ns == first
    for path in Path("whole").iterdir():
        np.testing.assert_array_equal(tifffile.imread(Path("out") / path.name), tifffile.imread(path))
    assert {path.name for path in Path("out").iterdir()} == {path.name for path in Path("whole").iterdir()}


def test_an_own_model_takes_grey_values_as_they_are(program: Program) -> None:
    write_identity()
    image = txm()
    write_slice(Path("txm.tif"), image)
    outcome = program(f"translate txm.tif predicted.tif {IDENTITY}")
    assert outcome.status == 0, outcome.err
    assert "identity (epoch latest)" in outcome.out
    assert "MODEL_CARD" not in outcome.out
    np.testing.assert_array_equal(tifffile.imread("predicted.tif"), image)


def test_an_own_model_matches_the_contrast_of_its_training_slices(program: Program, images: Path) -> None:
    write_identity()
    write_slice(Path("txm.tif"), txm().astype(np.uint16) * 20)
    outcome = program(f"translate txm.tif no.tif {IDENTITY} {MATCH} --dataroot elsewhere")
    assert outcome.status == 1
    assert "--dataroot" in outcome.err
    assert program(f"translate txm.tif predicted.tif {IDENTITY} {MATCH}").status == 0
    trained = np.concatenate([tifffile.imread(path).ravel() for path in (images / "train" / "txm").iterdir()])
    predicted = tifffile.imread("predicted.tif")
    found, expected = (np.percentile(values[values > 0], (5, 95)) for values in (predicted, trained))
    np.testing.assert_allclose(found, expected, atol=1)

    # It is kept beside the checkpoint: the training slices are needed once.
    shutil.rmtree(images)
    assert program(f"translate txm.tif again.tif {IDENTITY} {MATCH}").status == 0
    np.testing.assert_array_equal(tifffile.imread("again.tif"), predicted)
    Path("checkpoints/identity/txm_contrast.json").write_text("{}")
    outcome = program(f"translate txm.tif damaged.tif {IDENTITY} {MATCH}")
    assert outcome.status == 1
    assert "txm_contrast.json is damaged" in outcome.err


@pytest.mark.parametrize("shape", [(1, 40), (5, 200), (33, 16)])
def test_images_may_be_smaller_than_what_the_network_takes(program: Program, shape: tuple[int, int]) -> None:
    write_slice(Path("txm.tif"), np.random.default_rng(0).integers(50, 200, shape).astype(np.uint8))
    outcome = program("translate txm.tif predicted.tif")
    assert outcome.status == 0, outcome.err
    assert tifffile.imread("predicted.tif").shape == shape


def test_tiles_cannot_be_seen(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    write_slice(Path("txm.tif"), txm((600, 700)))
    assert program("translate txm.tif whole.tif").status == 0
    grids = []

    def choose_small(shape: tuple[int, int], halo: int, multiple: int, largest_area: float) -> Tiling | None:
        tiling = choose_tiling(shape, halo, multiple, min(largest_area, 400 * 400))
        grids.append(tiling.grid if tiling else None)
        return tiling

    monkeypatch.setattr("txm2sem.applying.volume.plan.choose_tiling", choose_small)
    assert program("translate txm.tif again.tif").status == 0
    assert not grids  # it surely fits whole
    monkeypatch.setattr("txm2sem.applying.volume.plan.Demand.fits_whole", lambda *_: False)
    assert program("translate txm.tif tiles.tif").status == 0
    assert grids
    assert grids[-1] not in (None, (1, 1))
    whole, tiles = (tifffile.imread(name).astype(int) for name in ("whole.tif", "tiles.tif"))
    assert whole.std() > 5
    assert np.abs(whole - tiles).max() <= 1


def _write(name: str, image: NDArray[Any]) -> None:
    write_slice(Path(name), image)


def _colour() -> None:
    write_slice(Path("t.tif"), np.zeros((40, 40, 3), np.uint8), photometric="rgb")


def _two_alike() -> None:
    _write("scan/a.tif", txm())
    Image.fromarray(txm()).save("scan/a.png")


def _two_types() -> None:
    _write("scan/a.tif", txm())
    _write("scan/b.tif", txm().astype(np.uint16))


FAULTS = [
    pytest.param(lambda: None, "txm.tif out.tif", ["there is no txm.tif"], id="nothing there"),
    pytest.param(lambda: Path("scan").mkdir(), "scan out", ["scan has no images", "nothing"], id="empty folder"),
    pytest.param(lambda: Path("v.zarr/0").mkdir(parents=True), "v.zarr out", ["no images", "txm2sem volume v.zarr"],
                 id="volume in Zarr"),
    pytest.param(lambda: _write("v.tif", np.ones((3, 40, 40), np.uint8)), "v.tif out.tif",
                 ["has 3 pages", "txm2sem volume v.tif"], id="volume"),
    pytest.param(lambda: Path("v.h5").touch(), "v.h5 out.tif", ["v.h5", "txm2sem volume v.h5"], id="volume in HDF5"),
    pytest.param(_colour, "t.tif out.tif", ["not a grey image"], id="colour"),
    pytest.param(lambda: _write("t.tif", np.zeros((40, 40), np.uint8)), "t.tif out.tif",
                 ["contrast", "there are none"], id="black"),
    pytest.param(lambda: _write("t.tif", np.full((40, 40), 7, np.uint8)), "t.tif out.tif",
                 ["contrast", "nearly all are 7"], id="no contrast"),
    pytest.param(lambda: _write("t.tif", np.full((40, 40), np.nan, np.float32)), "t.tif out.tif", ["NaN"], id="NaN"),
    pytest.param(_two_alike, "scan out", ["two images called a"], id="names alike"),
    pytest.param(_two_types, "scan out", ["uint16", "uint8", "one type"], id="two types"),
    pytest.param(lambda: _write("t.tif", txm()), "t.tif out.png", ["out.png", ".tif"], id="suffix"),
    pytest.param(lambda: _write("scan/t.tif", txm()), "scan out.tif", ["out.tif", "new folder"], id="folder to file"),
    pytest.param(lambda: _write("t.tif", txm()), "t.tif out.tif --name mine", ["checkpoints/mine"], id="no model"),
    pytest.param(lambda: _write("t.tif", txm()), "t.tif out.tif --epoch best", ["--epoch", "--name"], id="no name"),
    pytest.param(lambda: _write("t.tif", txm()), "t.tif out.tif --ngf 8", ["--ngf 8", "contradicts"], id="other net"),
    pytest.param(lambda: _write("t.tif", txm()), "t.tif out.tif --memory 1kB", ["too little", "crop"], id="memory"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "words", "expected"), FAULTS)
def test_what_is_wrong_is_said_before_anything_is_written(
    program: Program, write: Callable[[], None], words: str, expected: list[str]
) -> None:
    write()
    before = sorted(Path().rglob("*"))
    outcome = program("translate", words)
    assert outcome.status == 1
    assert outcome.err.startswith("txm2sem translate: error: ")
    for part in expected:
        assert part in outcome.err
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "txm.tif predicted.tif"),
        ("txm.tif", "a file to write"),
        ("a.tif b.tif c.tif", "found 3 names"),
        ("a.tif b.tif --grey matched", "did you mean match?"),
        ("a.tif b.tif --gray match", "--grey"),
    ],
)
def test_a_command_line_that_is_not_understood_has_status_2(program: Program, words: str, expected: str) -> None:
    outcome = program("translate", words)
    assert outcome.status == 2
    assert expected in outcome.err


@pytest.mark.parametrize("there", ["out.tif", "out.tif_report.png"])
def test_nothing_is_overwritten(program: Program, there: str) -> None:
    _write("txm.tif", txm())
    Path(there).write_text("mine")
    outcome = program("translate txm.tif out.tif")
    assert outcome.status == 1
    assert f"{there} exists and is not overwritten" in outcome.err
    assert Path(there).read_text() == "mine"


def test_a_folder_with_anything_in_it_is_refused(program: Program) -> None:
    _write("scan/txm.tif", txm())
    outcome = program("translate scan scan")
    assert outcome.status == 1
    assert "scan exists" in outcome.err
    Path("empty").mkdir()
    assert program("translate scan empty").status == 0
    assert Path("empty/txm.tif").exists()


@pytest.mark.parametrize(
    ("options", "words", "expected"),
    [
        ({"context_slices": 1}, "--context_slices 1 --input_nc 3", "slices above and below"),
        ({"norm": "instance"}, "--norm instance", "statistics of its own"),
    ],
)
def test_models_that_single_images_do_not_suit_are_refused(
    program: Program, options: dict[str, Any], words: str, expected: str
) -> None:
    changes = {"input_nc": 3} if "context_slices" in options else options
    write_network("own", model="feedforward", netG="resnet_6blocks", downsample_factor=1, no_dropout=True, **changes)
    _write("txm.tif", txm())
    own = "--name own --model feedforward --netG resnet_6blocks --ngf 4 --gpu_ids -1"
    outcome = program(f"translate txm.tif out.tif {own} {words}")
    assert outcome.status == 1
    assert expected in outcome.err
    assert "txm2sem volume" in outcome.err
