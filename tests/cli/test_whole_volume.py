"""`txm2sem volume` as users call it: what it reads, writes, says and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import ngff_zarr
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from run_folders import write_run

from cli.calls import Program
from cli.volumes import IDENTITY, NETWORK, rock, voxels, write_identity, write_network, write_scan
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.reporting.stored import open_display
from txm2sem.tiling import Tiling

SHAPE = (40, 50, 70)
SIZE = "--voxel_size 32"


@pytest.fixture
def scan(program: Program) -> Path:
    """Return a folder of 8-bit slices in the current folder, beside the checkpoint of `IDENTITY`."""
    write_identity()
    return write_scan(rock(SHAPE))


# -- output ----------------------------------------------------------------------------------------------------------


def test_every_voxel_arrives_at_its_place_and_the_result_opens_elsewhere(program: Program, scan: Path) -> None:
    done = program("volume scan out.ome.zarr", IDENTITY, "--voxel_size 32,30,28")
    assert done.status == 0, done.err
    np.testing.assert_array_equal(voxels("out.ome.zarr"), rock(SHAPE))
    image = ngff_zarr.from_ngff_zarr("out.ome.zarr", validate=True).images[0]
    np.testing.assert_array_equal(np.asarray(image.data), rock(SHAPE))
    assert image.scale == {"z": 32, "y": 30, "x": 28}
    assert not Path("out.ome.zarr.partial").exists()


@pytest.mark.draws
def test_a_tiff_stack_has_the_same_voxels_and_their_size(program: Program, scan: Path) -> None:
    assert program("volume scan out.ome.tif", IDENTITY, "--voxel_size 32,30,28").status == 0
    with tifffile.TiffFile("out.ome.tif") as file:
        np.testing.assert_array_equal(file.asarray(), rock(SHAPE))
        assert 'PhysicalSizeZ="32.0"' in (file.ome_metadata or "")
    assert not Path("out.ome.tif.partial").exists()


@pytest.mark.parametrize("name", ["out.nrrd", "out.mhd"])
def test_other_programs_formats_have_the_same_voxels_and_their_size(program: Program, scan: Path, name: str) -> None:
    done = program(f"volume scan {name}", IDENTITY, "--voxel_size 32,30,28")
    assert done.status == 0, done.err
    reader = open_volume(VolumeInput(name))
    np.testing.assert_array_equal(reader[:], rock(SHAPE))
    assert reader.voxel_size == pytest.approx((32, 30, 28))
    again = open_display(Path(name))
    assert again.shape == SHAPE
    np.testing.assert_array_equal(next(iter(again.channels.values()))(2), rock(SHAPE)[2])
    assert {path.name for path in Path().glob("out*")} == {
        *(name, *(["out.raw"] if name == "out.mhd" else [])),
        *(f"{name}_report{suffix}" for suffix in (".txt", ".json", ".png")),
    }


def test_voxels_beside_a_header_do_not_take_the_place_of_others(program: Program, scan: Path) -> None:
    Path("out.raw").write_bytes(b"mine")
    refused = program("volume scan out.mhd", IDENTITY, SIZE)
    assert refused.status == 1
    assert "out.raw" in refused.err
    assert Path("out.raw").read_bytes() == b"mine"


@pytest.mark.draws
def test_the_report_has_continuity_and_a_picture_and_the_file_its_origin(program: Program, scan: Path) -> None:
    done = program("volume scan out.ome.zarr", IDENTITY, SIZE, "--truth scan")
    assert "ratio to TXM" in done.out
    assert Path("out.ome.zarr_report.png").stat().st_size > 10_000
    report = json.loads(Path("out.ome.zarr_report.json").read_text())
    continuity = report["scores"]["continuity"]
    assert continuity["prediction"] == continuity["txm"] == continuity["truth"]
    assert continuity["prediction"]["adjacent_difference_of_txm"] == 1
    assert report["scores"]["ssim"]["mean"] == 1
    attributes: dict[str, Any] = zarr.open_group("out.ome.zarr").attrs.asdict()
    origin = attributes["txm2sem"]
    assert origin["model"] == "identity (epoch latest)"
    assert len(origin["model_sha256"]) == len(origin["input_sha256_of_metadata"]) == 64
    assert origin["options"]["netG"] == "linearfilt"
    assert origin["scores"] == report["scores"]


@pytest.mark.parametrize(("dtype", "white"), [("uint16", 65535), ("float32", 255)])
def test_other_dtypes_span_the_models_grey_range(program: Program, scan: Path, dtype: str, white: int) -> None:
    assert program("volume scan out.ome.zarr", IDENTITY, SIZE, f"--dtype {dtype}").status == 0
    result = voxels("out.ome.zarr")
    assert result.dtype == dtype
    np.testing.assert_allclose(result / white, rock(SHAPE) / 255, atol=1e-5 if dtype == "uint16" else 1e-6)


def test_the_grey_range_is_the_same_for_every_slice_and_clips(program: Program, scan: Path) -> None:
    assert program("volume scan out.ome.zarr", IDENTITY, SIZE, "--grey_range 50,150").status == 0
    expected = np.clip(np.rint((rock(SHAPE).astype(float) - 50) / 100 * 255), 0, 255)
    assert np.abs(voxels("out.ome.zarr").astype(float) - expected).max() <= 1


def test_a_region_lies_where_it_was_cut_from(program: Program, scan: Path) -> None:
    assert program("volume scan out.ome.zarr", IDENTITY, SIZE, "--roi 5:25,10:,:64").status == 0
    np.testing.assert_array_equal(voxels("out.ome.zarr"), rock(SHAPE)[5:25, 10:, :64])
    image = ngff_zarr.from_ngff_zarr("out.ome.zarr").images[0]
    assert image.translation == {"z": 160, "y": 320, "x": 0}


@pytest.mark.draws
def test_the_place_is_that_of_the_txm_in_both_formats(program: Program, scan: Path) -> None:
    place = [-5000.0, 1234.0, 777.0]
    ngff_zarr.to_ngff_zarr(
        "txm.ome.zarr",
        ngff_zarr.to_multiscales(
            ngff_zarr.to_ngff_image(
                rock(SHAPE),
                dims=["z", "y", "x"],
                scale=dict.fromkeys("zyx", 32.0),
                translation=dict(zip("zyx", place, strict=True)),
                axes_units=dict.fromkeys("zyx", "nanometer"),
            ),
            scale_factors=[],
        ),
        version="0.4",
    )
    assert program("volume txm.ome.zarr out.ome.zarr", IDENTITY).status == 0
    image = ngff_zarr.from_ngff_zarr("out.ome.zarr").images[0]
    assert image.translation == dict(zip("zyx", place, strict=True))
    assert program("volume txm.ome.zarr part.ome.tif", IDENTITY, "--roi 5:25,10:,:64").status == 0
    with tifffile.TiffFile("part.ome.tif") as file:
        planes = tifffile.xml2dict(file.ome_metadata or "")["OME"]["Image"]["Pixels"]["Plane"]
    assert len(planes) == 20
    expected = {"X": 777, "Y": 1234 + 10 * 32, "Z": -5000 + (5 + 19) * 32}
    assert {axis: planes[19][f"Position{axis}"] for axis in "XYZ"} == expected
    assert planes[19]["TheZ"] == 19


# -- input -----------------------------------------------------------------------------------------------------------


def test_what_is_not_stored_is_refused_or_said(program: Program, scan: Path) -> None:
    array: Any = zarr.create_array("txm.zarr", shape=SHAPE, chunks=(10, 50, 70), dtype="uint8")
    array[:30] = rock(SHAPE)[:30]
    refused = program("volume txm.zarr out.ome.zarr", IDENTITY, SIZE)
    assert (refused.status, "25.00%" in refused.err) == (1, True)
    done = program("volume txm.zarr out.ome.zarr", IDENTITY, SIZE, "--missing black")
    assert (done.status, "25.00%" in done.out) == (0, True)
    assert json.loads(Path("out.ome.zarr_report.json").read_text())["input_absent_share"] == 0.25
    expected = rock(SHAPE)
    expected[30:] = 0
    np.testing.assert_array_equal(voxels("out.ome.zarr"), expected)


@pytest.mark.parametrize("value", [0, 9])
@pytest.mark.parametrize("what", ["input", "truth"])
def test_a_volume_that_shows_nothing_is_refused_before_any_work(
    program: Program, scan: Path, value: int, what: str
) -> None:
    np.save("empty.npy", np.full(SHAPE, value, np.uint8))
    words = "empty.npy out.ome.zarr" if what == "input" else "scan out.ome.zarr --truth empty.npy"
    refused = program(f"volume {words} --dry_run", IDENTITY, SIZE)
    assert refused.status == 1
    assert f"empty.npy has the value {value} everywhere" in refused.err


def test_what_it_writes_it_reads_with_voxel_size_and_axes(program: Program, scan: Path) -> None:
    program("volume scan first.ome.zarr", IDENTITY, "--voxel_size 32,30,28")
    program("volume first.ome.zarr second.ome.tif", IDENTITY)
    done = program("volume second.ome.tif third.zarr", IDENTITY)
    assert "32 x 30 x 28 nm" in done.out
    np.testing.assert_array_equal(voxels("third.zarr"), rock(SHAPE))


def test_axes_can_be_said(program: Program, scan: Path) -> None:
    np.save("turned.npy", rock(SHAPE).transpose(2, 1, 0))
    assert program("volume turned.npy out.ome.zarr", IDENTITY, SIZE, "--axes xyz").status == 0
    np.testing.assert_array_equal(voxels("out.ome.zarr"), rock(SHAPE))


def test_sixteen_bits_keep_their_range(program: Program) -> None:
    write_identity()
    write_scan(rock(SHAPE, "uint16"))
    refused = program("volume scan out.ome.zarr", IDENTITY, SIZE)
    assert refused.status == 1
    assert "pass --txm_range LOW,HIGH" in refused.err
    ranges = "--txm_range 0,65535 --sem_range 0,65535 --dtype uint16"
    assert program("volume scan out.ome.zarr", IDENTITY, SIZE, ranges).status == 0
    assert np.abs(voxels("out.ome.zarr").astype(int) - rock(SHAPE, "uint16")).max() <= 1


# -- tiles -----------------------------------------------------------------------------------------------------------


def cut_into_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut every plane into 2 x 3 tiles, as if there were little memory."""
    monkeypatch.setattr(
        "txm2sem.applying.volume.plan.choose_tiling",
        lambda shape, halo, multiple, largest_area: Tiling(shape, (2, 3), halo, multiple),
    )


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("network", NETWORK),
        ("resnet", "--name resnet --model feedforward --netG resnet_6blocks --ngf 4 --gpu_ids -1"),
        ("instance", "--name instance --model feedforward --netG resnet_6blocks --ngf 4 --norm instance --gpu_ids -1"),
        ("unet", "--name unet --model pix2pix --netG unet_128 --ngf 4 --gpu_ids -1"),
    ],
)
def test_tiles_give_what_whole_planes_give(
    program: Program, monkeypatch: pytest.MonkeyPatch, model: str, options: str
) -> None:
    """Of any generator, with statistics of training or, with instance norm, with those estimated on the volume."""
    write_network()
    resnet: dict[str, Any] = {
        "model": "feedforward",
        "netG": "resnet_6blocks",
        "downsample_factor": 1,
        "no_dropout": True,
    }
    write_network("resnet", **resnet)
    write_network("instance", **resnet, norm="instance")
    write_network("unet", init_gain=0.1, model="pix2pix", netG="unet_128", downsample_factor=1)
    side = 1152 if model == "unet" else 240
    write_scan(rock((2, side, side)), "wide")
    whole = program("volume wide whole.ome.zarr", options, SIZE, "--dtype float32 --patch_size 128")
    assert "1 x 1 tiles" in whole.out
    assert ("estimated on this volume" in whole.out) == (model == "instance")
    cut_into_tiles(monkeypatch)
    tiled = program("volume wide tiled.ome.zarr", options, SIZE, "--dtype float32 --patch_size 128")
    assert "2 x 3 tiles" in tiled.out
    expected, found = voxels("whole.ome.zarr"), voxels("tiled.ome.zarr")
    # 1e-4 of the networks' range from -1 to 1, which is that of 255 grey values.
    assert np.abs(found - expected).max() < 1e-4 * 127.5
    assert expected.std() > 1


@pytest.mark.draws
def test_seams_are_measured_and_a_narrow_halo_shows_in_them(
    program: Program, monkeypatch: pytest.MonkeyPatch, scan: Path
) -> None:
    write_network()
    write_scan(rock((4, 240, 240)), "wide")
    cut_into_tiles(monkeypatch)
    assert program("volume wide exact.ome.zarr", NETWORK, SIZE).status == 0
    scores = json.loads(Path("exact.ome.zarr_report.json").read_text())["scores"]
    assert scores["seams"]["across_z"] == pytest.approx(1, abs=1e-4)
    assert program("volume wide narrow.ome.zarr", NETWORK, SIZE, "--halo 0").status == 0
    scores = json.loads(Path("narrow.ome.zarr_report.json").read_text())["scores"]
    assert abs(scores["seams"]["across_z"] - 1) > 1e-4


# -- plan ------------------------------------------------------------------------------------------------------------


def test_a_dry_run_prints_the_plan_and_writes_nothing(program: Program, scan: Path) -> None:
    before = sorted(Path().iterdir())
    done = program("volume scan out.ome.zarr", IDENTITY, SIZE, "--dry_run")
    assert done.status == 0
    for line in ("input:", "model:", "output:", "across z:", "memory:", "disk:", "time:"):
        assert line in done.out
    assert sorted(Path().iterdir()) == before


def test_verbose_shows_network_and_device(program: Program, scan: Path) -> None:
    silent = program("volume scan out.ome.zarr", IDENTITY, SIZE, "--dry_run")
    done = program("volume scan out.ome.zarr", IDENTITY, SIZE, "--dry_run --verbose")
    for text in ("Conv2d(1, 1, kernel_size=(15, 15)", "[Network G] Total number of parameters", "device: CPU"):
        assert text in done.out
        assert text not in silent.out


def test_too_little_memory_is_said_with_what_is_needed(program: Program, scan: Path) -> None:
    done = program("volume scan out.ome.zarr", IDENTITY, SIZE, "--memory 1MB")
    assert done.status == 1
    assert "--memory 1.0 MB is too little" in done.err
    assert "expected about" in done.err


# -- z ---------------------------------------------------------------------------------------------------------------


def test_z_blend_of_the_identity_is_the_identity(program: Program, scan: Path) -> None:
    done = program("volume scan out.ome.zarr", IDENTITY, SIZE, "--z_blend")
    assert "across y:" in done.out
    # Passes across y and x are kept in half precision: 11 bits of 8.
    assert np.abs(voxels("out.ome.zarr").astype(int) - rock(SHAPE)).max() <= 1


def test_z_blend_wants_cubic_voxels(program: Program, scan: Path) -> None:
    done = program("volume scan out.ome.zarr", IDENTITY, "--voxel_size 64,32,32 --z_blend")
    assert done.status == 1
    assert "voxels as long as wide" in done.err


# -- normalisation ---------------------------------------------------------------------------------------------------


def test_batch_norm_is_estimated_where_asked(program: Program, scan: Path) -> None:
    write_network()
    program("volume scan frozen.ome.zarr", NETWORK, SIZE)
    program("volume scan volume.ome.zarr", NETWORK, SIZE, "--statistics volume --patch_size 48")
    assert (voxels("frozen.ome.zarr") != voxels("volume.ome.zarr")).mean() > 0.5


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("volume scan out.ome.zarr", "does not say how large its voxels are; pass --voxel_size"),
        ("volume scan out.ome.zarr --voxel_size 0", "--voxel_size"),
        ("volume scan out.ome.zarr --voxel_size 1,2", "--voxel_size 1,2"),
        ("volume scan out.png --voxel_size 32", "expected a name that ends with one of .ome.zarr"),
        ("volume missing out.ome.zarr --voxel_size 32", "missing"),
        ("volume scan out.ome.zarr --voxel_size 32 --roi 30:50", "--roi 30:50"),
        ("volume scan out.ome.zarr --voxel_size 32 --memory lots", "expected a size such as 8GB"),
        ("volume scan out.ome.zarr --voxel_size 32 --dtype float32 --grey_range 0,1", "leave it out"),
        ("volume scan out.ome.zarr --voxel_size 32 --workers 2 --scheduler tcp://x:1", "pass one of them"),
        ("volume scan out.ome.zarr --voxel_size 32 --truth empty", "empty"),
        ("volume scan out.ome.zarr --voxel_size 32 --txm_range 1000,2000", "the model was trained with --txm_range"),
    ],
)
def test_bad_input_is_an_error_before_anything_is_written(
    program: Program, scan: Path, words: str, message: str
) -> None:
    before = sorted(Path().iterdir())
    done = program(words, IDENTITY)
    assert done.status == 1
    assert message in done.err
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"007.tif": None}, "these are missing: 7;"),
        ({"x7.tif": rock((1, 50, 70))[0]}, "are both slice 7"),
        ({"007.tif": rock((1, 50, 60))[0]}, "007.tif is 50 x 60 uint8"),
        ({"007.tif": rock((1, 50, 70), "uint16")[0]}, "007.tif is 50 x 70 uint16"),
        ({"007.tif": np.zeros((50, 70, 3), np.uint8)}, "is not a grey image"),
    ],
    ids=["missing", "twice", "size", "dtype", "colour"],
)
def test_slices_that_do_not_make_a_volume_are_refused(
    program: Program, scan: Path, changes: dict[str, NDArray[Any] | None], message: str
) -> None:
    for name, image in changes.items():
        (scan / name).unlink(missing_ok=True)
        if image is not None:
            tifffile.imwrite(scan / name, image)
    before = sorted(Path().iterdir())
    done = program("volume scan out.ome.zarr", IDENTITY, SIZE)
    assert done.status == 1
    assert message in done.err
    assert sorted(Path().iterdir()) == before


def test_a_model_that_is_not_there_is_an_error(program: Program, scan: Path) -> None:
    done = program("volume scan out.ome.zarr --name absent", SIZE)
    assert done.status == 1
    assert "there is no checkpoint checkpoints/absent/latest_net_G.pth" in done.err


def test_an_output_that_exists_is_kept(program: Program, scan: Path) -> None:
    Path("out.ome.zarr").mkdir()
    Path("out.ome.zarr/mine").touch()
    done = program("volume scan out.ome.zarr", IDENTITY, SIZE)
    assert done.status == 1
    assert "exists and is not overwritten" in done.err


def test_places_are_asked_for(program: Program, scan: Path) -> None:
    assert program("volume scan", IDENTITY).status == 2
    done = program("volume a.tif b.tif out.ome.zarr", IDENTITY)
    assert done.status == 2
    assert "put a pattern in quotes" in done.err


def test_models_that_do_not_translate_txm_are_refused(program: Program, scan: Path) -> None:
    done = program("volume scan out.ome.zarr --name identity --model repair", SIZE)
    assert done.status == 1
    assert "--model repair does not learn from --dataset_mode txm2sem" in done.err


def test_it_ends_with_what_the_volume_is_good_for_and_what_to_mind(program: Program, scan: Path) -> None:
    known = Path("checkpoints/identity/txm_noise.json")
    untested, noisy = "has no test of the model", "the noise of this TXM"
    for noise, kinds in ((None, [untested]), (60.0, [untested, noisy])):
        if noise is not None:
            known.write_text(json.dumps({"txm_noise": noise}))
        out = program(f"volume scan {noise}.ome.zarr", IDENTITY, SIZE).out.splitlines()
        (place,) = (number for number, line in enumerate(out) if line.startswith("verdict:"))
        assert "Look at it" in out[place]
        assert [text in line for text, line in zip(kinds, out[place + 1 :], strict=True)] == [True] * len(kinds)


def test_a_model_whose_test_was_bad_is_nothing_to_build_on(program: Program, scan: Path) -> None:
    write_run(Path("tests"), "identity", noise=200.0)
    shutil.copytree("tests/results", "results")
    out = program("volume scan out.ome.zarr", IDENTITY, SIZE).out
    assert "verdict:    Build nothing on it" in out
    assert "- Not better than predictions without a model" in out
