"""How images and volumes are translated, and slices repaired."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from data_roots import write_slice
from repair_roots import write_repair_root

from cli.flags.data import Seen
from cli.flags.table import Bench, row
from cli.volumes import IDENTITY, NETWORK, SEGMENTS, rock, voxels, write_identity, write_network, write_run
from txm2sem.applying.images import ImageTranslator
from txm2sem.applying.volume.opening import OpenVolume
from txm2sem.data.readers import open_volume
from txm2sem.errors import UserError
from txm2sem.filling.network import fill
from txm2sem.model import Predictor
from txm2sem.options import GeneratorOptions
from txm2sem.repairing.folder import FolderRepair

SHAPE = (4, 24, 32)


def opened(bench: Bench, words: str) -> OpenVolume:
    """Return a volume of `SHAPE` with the model that words name."""
    write_identity()
    write_network(norm="batch")
    return OpenVolume(bench.command("volume", words), open_volume(rock(SHAPE)))


def plan(bench: Bench, source: str, words: str, status: int = 0) -> dict[str, str]:
    """Return the lines of a volume's plan by what they begin with; errors are one, too."""
    outcome = bench.run(f"volume {source} out.ome.zarr {IDENTITY} --dry_run {words}", status=status)
    lines = dict(line.split(":", 1) for line in outcome.out.splitlines())
    return {name: text.strip() for name, text in lines.items()} | {"error": outcome.err}


# -- volumes ----------------------------------------------------------------------------------------------------------


@row("volume", "dataset", "axes", "roi")
def _(bench: Bench, command: str) -> None:
    write_identity()
    with h5py.File("scan.h5", "w") as file:
        file["one/data"] = rock(SHAPE)
        file["other"] = rock((5, 16, 16))
    assert "2 x 24 x 30 voxels" in plan(bench, "scan.h5", "--voxel_size 32 --dataset one/data --roi 1:3,:,2:")["input"]
    words = "--voxel_size 32 --dataset one/data --axes xyz"
    assert "32 x 24 x 4 voxels" in plan(bench, "scan.h5", words)["input"]


@row("volume", "voxel_size", "dtype", "grey_range")
def _(bench: Bench, command: str) -> None:
    write_identity()
    tifffile.imwrite("scan.tif", rock(SHAPE), photometric="minisblack")
    bench.run(f"volume scan.tif out.ome.zarr {IDENTITY} --voxel_size 50,32,32 --dtype uint16 --grey_range 0,510")
    written = voxels("out.ome.zarr")
    assert written.dtype == np.uint16
    assert np.abs(written / 65535 * 510 - rock(SHAPE)).max() < 1.01
    scales = json.loads(Path("out.ome.zarr/zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]["datasets"]
    assert scales[0]["coordinateTransformations"][0]["scale"][-3:] == pytest.approx([50, 32, 32])


@row("volume", "missing")
def _(bench: Bench, command: str) -> None:
    write_identity()
    with h5py.File("scan.h5", "w") as file:
        data = file.create_dataset("data", SHAPE, np.uint8, chunks=(1, 24, 32))
        data[:3] = rock(SHAPE)[:3]
    assert "--missing black" in plan(bench, "scan.h5", "--voxel_size 32", status=1)["error"]
    assert "25.00%" in plan(bench, "scan.h5", "--voxel_size 32 --missing black")["note"]


@row("volume", "truth")
def _(bench: Bench, command: str) -> None:
    write_identity()
    for name, shape in (("scan", SHAPE), ("sem", SHAPE), ("other", (4, 24, 30))):
        tifffile.imwrite(f"{name}.tif", rock(shape), photometric="minisblack")
    assert "expected the same voxels" in plan(bench, "scan.tif", "--voxel_size 32 --truth other.tif", 1)["error"]
    out = bench.run(f"volume scan.tif out.ome.zarr {IDENTITY} --voxel_size 32 --truth sem.tif").out
    assert "PSNR" in out


@row("volume", "z_blend")
def _(bench: Bench, command: str) -> None:
    write_identity()
    tifffile.imwrite("scan.tif", rock(SHAPE), photometric="minisblack")
    across = [name for name in plan(bench, "scan.tif", "--voxel_size 32 --z_blend") if name.startswith("across")]
    assert across == ["across y", "across x", "across z"]


@row("volume", "statistics")
def _(bench: Bench, command: str) -> None:
    words = (f"{NETWORK} --norm batch --statistics {kind}" for kind in ("frozen", "volume"))
    assert [opened(bench, word).estimates_statistics for word in words] == [False, True]


@row("volume", "backend")
def _(bench: Bench, command: str) -> None:
    with pytest.raises(UserError, match="--backend openvino is not there for --netG linearfilt"):
        opened(bench, f"{IDENTITY} --backend openvino")
    with pytest.raises(UserError, match="--backend openvino is not there for --netG textured_unet"):
        opened(bench, f"{NETWORK} --netG textured_unet --backend openvino")


@row("volume", "halo")
def _(bench: Bench, command: str) -> None:
    assert [opened(bench, f"{IDENTITY} --halo {halo}").halo for halo in (-1, 0, 3)] == [7, 0, 3]


@row("volume", "memory", "workers")
def _(bench: Bench, command: str) -> None:
    write_identity()
    tifffile.imwrite("scan.tif", rock(SHAPE), photometric="minisblack")
    found = plan(bench, "scan.tif", "--voxel_size 32 --memory 9GB --workers 2")["memory"]
    assert "for 2 processes and this one" in found
    assert "9.0 GB in all" in found


@row("volume", "scheduler")
def _(bench: Bench, command: str) -> None:
    write_identity()
    tifffile.imwrite("scan.tif", rock(SHAPE), photometric="minisblack")
    assert "shared by all workers" in plan(bench, "scan.tif", "--voxel_size 32 --scheduler tcp://127.0.0.1:1")["time"]


@row("volume", "dry_run")
def _(bench: Bench, command: str) -> None:
    write_identity()
    tifffile.imwrite("scan.tif", rock(SHAPE), photometric="minisblack")
    plan(bench, "scan.tif", "--voxel_size 32")
    assert not list(Path().glob("out*"))


@row("volume translate", "probabilities")
def _(bench: Bench, command: str) -> None:
    write_run("phases", SEGMENTS, seg_mode="txm")
    write_slice(Path("scan/000.tif"), rock((1, 24, 32))[0])
    places = {"volume": "scan {}.tif --voxel_size 32", "translate": "scan/000.tif {}.tif"}[command]
    for out, switch in (("labels", ""), ("both", "--probabilities")):
        bench.run(command, places.format(out), "--name phases --gpu_ids -1", switch)
        assert len(list(Path().glob(f"{out}*_probabilities.tif"))) == bool(switch)


# -- images -----------------------------------------------------------------------------------------------------------


@row("translate", "grey")
def _(bench: Bench, command: str) -> None:
    for grey, matched in (("auto", True), ("match", True), ("as_is", False)):
        asked = bench.command(command, f"--grey {grey} --gpu_ids -1")
        assert (ImageTranslator(asked, [rock((1, 64, 64))[0]], "the image").match is not None) == matched


@row("translate", "memory")
def _(bench: Bench, command: str) -> None:
    tifffile.imwrite("scan.tif", rock((1, 64, 64))[0], photometric="minisblack")
    assert "--memory" in bench.run("translate scan.tif out.tif --gpu_ids -1 --memory 1MB", status=1).err
    bench.run("translate scan.tif out.tif --gpu_ids -1 --memory 3GB")


# -- slices -----------------------------------------------------------------------------------------------------------


def repair(bench: Bench, words: str) -> FolderRepair:
    """Return a repair of the test slices of a small data root."""
    if not Path("images").exists():
        write_repair_root(Path("images"), splits=["test"])
    return FolderRepair(bench.command("repair", words), Path("images/test/sem"), Path("out"))


@row("repair", "txm", "charge")
def _(bench: Bench, command: str) -> None:
    found = repair(bench, "--txm images/test/txm --charge images/test/charge")
    assert found.txm is not None
    assert found.charge is not None
    assert found.txm.paths[0].parent == Path("images/test/txm")
    assert found.charge.paths[0].parent == Path("images/test/charge")
    assert (found.saturation, found.dilation) == (None, 0)


@row("repair", "saturation", "dilation")
def _(bench: Bench, command: str) -> None:
    found = repair(bench, "--saturation 200 --dilation 5")
    assert (found.saturation, found.dilation) == (200, 5)
    assert (repair(bench, "").saturation, repair(bench, "").dilation) == (255, 2)


@row("repair", "min_area", "texture")
def _(bench: Bench, command: str) -> None:
    write_repair_root(Path("images"), splits=["test"], slices=1)
    before = tifffile.imread("images/test/sem/000.tif")
    roughness = []
    for out, words in {
        "plain": "--min_area 1",
        "none": "--min-area 5000",
        "textured": "--min_area 1 --texture",
    }.items():
        bench.run(f"repair images/test/sem {out}", words)
        mask = tifffile.imread(f"{out}/charge/000.tif") > 0
        assert mask.any() == (out != "none")
        after = tifffile.imread(f"{out}/000.tif")
        assert np.array_equal(after[~mask], before[~mask])
        roughness.append(np.diff(after[:36, :36].astype(float)).std())
    assert roughness[0] < roughness[2]


@row("repair", "tiles")
def _(bench: Bench, command: str) -> None:
    seen = Seen()
    asked = bench.command(command, "--name run --patch_size 32 --tiles 3")
    plane = np.zeros((96, 96), np.float32)
    predictor = Predictor(seen, GeneratorOptions(netG="linearfilt"))
    fill(predictor, plane, plane, plane == 0, asked.data, asked.repair.tiles)
    assert max(len(batch) for batch in seen.batches) == 3
