"""Reports, and the synthetic data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from measuring.volumes import phases, write
from repair_roots import write_repair_root
from run_folders import write_run

from cli.flags.table import Bench, row
from cli.volumes import IDENTITY, rock, write_identity
from txm2sem.measures import read_measures, sentences
from txm2sem.phantoms import Face, Material, Phantom, render_phantom


@row("check report compare", "output")
def _(bench: Bench, command: str) -> None:
    for name in ("one", "two"):
        write_run(Path(), name)
    page = {"check": "mine", "report": "mine.html", "compare": "mine.html"}[command]
    words = {
        "check": f"check {bench.images} --num_test 2 --patch_size 32",
        "report": "report one",
        "compare": "compare one two",
    }[command]
    bench.run(words, f"--output {page}")
    assert Path(page).exists()
    assert (
        not list(Path().glob("images_check*")) + list(Path().glob("compare*")) + list(Path().glob("results/*/*.html"))
    )


@row("test volume repair check", "figures")
def _(bench: Bench, command: str) -> None:
    write_identity()
    tifffile.imwrite("scan.tif", rock((4, 24, 32)), photometric="minisblack")
    if command == "test":
        bench.trained()
    if command == "repair":
        write_repair_root(Path("images"), splits=["test"], slices=1)
    words, figure = {
        "test": ("test --name run --gpu_ids -1 --num_test 1", "results/run/scores"),
        "volume": (f"volume scan.tif out.tif {IDENTITY} --voxel_size 32", "out.tif_report"),
        "repair": ("repair images/test/sem out", "out/before_after"),
        "check": ("check images --num_test 2 --patch_size 32 --output out", "out/figures/*"),
    }[command]
    assert command != "check" or bench.images
    assert "expected one of png, svg, pdf" in bench.run(words, "--figures eps", status=2).err
    assert not list(Path().glob(f"{figure}.png"))
    bench.run(words, "--figures pdf")
    written = list(Path().glob(f"{figure}.pdf"))
    assert written
    assert {path.read_bytes()[:5] for path in written} == {b"%PDF-"}
    assert {path.with_suffix(".png") for path in written} == set(Path().glob(f"{figure}.png"))


@row("report compare measure", "figures")
def _(bench: Bench, command: str) -> None:
    write(phases((12, 16, 18)))
    for name in ("one", "two"):
        write_run(Path(), name)
    words, folder = {
        "report": ("report one", "results/one/report_figures"),
        "compare": ("compare one two", "compare_figures"),
        "measure": ("measure labels.tif out --diffusion_side 0 --longest 8", "out/figures"),
    }[command]
    assert "expected one of none, png, svg, pdf" in bench.run(words, "--figures eps", status=2).err
    said = bench.run(words, "--figures svg").out
    assert Path(folder).name in next(line for line in said.splitlines() if line.startswith("figures:"))
    written = list(Path(folder).iterdir())
    assert {path.suffix for path in written} == {".png", ".svg"}
    assert {path.stem for path in written if path.suffix == ".svg"} == {path.stem for path in written}


# -- phantom ----------------------------------------------------------------------------------------------------------

SMALL = "--size 48 --depth 12 --train_slices 2 --val_slices 1 --test_slices 1"


def phantom(bench: Bench, words: str = "") -> Phantom:
    """Return a small phantom."""
    return render_phantom(bench.command("phantom", f"{SMALL} {words}").phantom)


@row("phantom", "size", "depth", "train_slices", "val_slices", "test_slices", "bits")
def _(bench: Bench, command: str) -> None:
    bench.run(f"phantom out {SMALL} --bits 16")
    facts = json.loads(Path("out/phantom.json").read_text())
    assert facts["shape"] == [12, 48, 48]
    splits = [item["split"] for item in facts["aligned_slices"].values()]
    assert [splits.count(split) for split in ("train", "val", "test")] == [2, 1, 1]
    assert tifffile.imread("out/train/txm/000.tif").dtype == np.uint16


@row("phantom", "seed")
def _(bench: Bench, command: str) -> None:
    one, other, third = (phantom(bench, f"--seed {seed}").txm for seed in (1, 1, 2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


@row("phantom", "porosity", "organic", "pyrite")
def _(bench: Bench, command: str) -> None:
    shares = {"porosity": (Material.PORE, 0.2), "organic": (Material.ORGANIC, 0.3), "pyrite": (Material.PYRITE, 0.1)}
    for option, (material, share) in shares.items():
        none, much = (phantom(bench, f"--{option} {value}").fractions()[material] for value in (0, share))
        assert none < 0.02
        assert much == pytest.approx(share, rel=0.5)


def _roughness(image: Any) -> float:
    return float(np.diff(np.asarray(image, float), axis=-1).std())


@row("phantom", "blur", "photons", "artefacts")
def _(bench: Bench, command: str) -> None:
    for option, (rough, smooth) in {"blur": (0, 8), "photons": (50, 100000), "artefacts": (4, 0)}.items():
        others = {"blur": "--photons 1e6", "photons": "", "artefacts": "--photons 1e6"}[option]
        found = [_roughness(phantom(bench, f"--{option} {value} {others}").txm) for value in (rough, smooth)]
        assert found[0] > found[1], option


@row("phantom", "contrast")
def _(bench: Bench, command: str) -> None:
    quiet = "--photons 1e9 --artefacts 0"
    faint, usual = (phantom(bench, f"{quiet} --contrast {value}") for value in (0.5, 1))
    spread = [made.txm[:, made.field_of_view].std() for made in (faint, usual)]
    assert spread[0] == pytest.approx(spread[1] / 2, rel=0.15)


@row("phantom", "sem_from")
def _(bench: Bench, command: str) -> None:
    said = bench.run(f"phantom seen --sem_from {bench.images} --contrast 0.5").out
    assert "--dataroot seen" in said
    for path in bench.images.glob("*/sem/*"):
        assert Path("seen", path.relative_to(bench.images)).read_bytes() == path.read_bytes()
    assert json.loads(Path("seen/phantom.json").read_text())["options"]["contrast"] == 0.5
    assert "--depth does nothing with --sem_from" in bench.run("phantom x --sem_from images --depth 9", status=1).err


@row("phantom", "charging")
def _(bench: Bench, command: str) -> None:
    shares = []
    for share in (0, 0.2):
        made = phantom(bench, f"--charging {share}")
        shares.append(made.charge[:, made.field_of_view].mean())
    assert shares == pytest.approx([0, 0.2], abs=0.05)


@row("phantom", "unaligned")
def _(bench: Bench, command: str) -> None:
    said = bench.run(f"phantom out {SMALL} --unaligned").out
    facts = json.loads(Path("out/phantom.json").read_text())
    assert sorted(path.name for path in Path("out/sem").iterdir()) == [f"00{number}.tif" for number in range(4)]
    assert tifffile.imread("out/txm.ome.tif").shape == tuple(facts["shape"])
    # What comes next is not to train: these are no aligned slices.
    assert "out/txm.ome.tif" in said
    assert "txm2sem train" not in said


@row("phantom", "turn", "tilt", "scale", "shift", "distortion")
def _(bench: Bench, command: str) -> None:
    off: dict[str, Callable[[Face], float]] = {
        "turn": lambda face: abs(face.pose.turn),
        "tilt": lambda face: face.pose.tilt,
        "scale": lambda face: abs(face.pose.scale - 1),
        "shift": lambda face: np.abs(np.array(face.pose.centre[1:]) - 23.5).max(),
        "distortion": lambda face: np.abs(face.field.displacement).max(),
    }
    none = {"turn": 0, "tilt": 0, "scale": 1, "shift": 0, "distortion": 0}
    for option, most in {"turn": 90, "tilt": 4, "scale": 2, "shift": 5, "distortion": 3}.items():
        words = " ".join(f"--{name} {most if name == option else value}" for name, value in none.items())
        for face in phantom(bench, f"--unaligned {words}").faces:
            found = {name: of(face) for name, of in off.items()}
            assert found.pop(option) > 0.02 * most, option
            assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-9), option
    outcome = bench.run("phantom out --tilt 3", status=1)
    assert "--tilt does nothing without --unaligned" in outcome.err
    assert not Path("out").exists()


@row("phantom", "invert_contrast")
def _(bench: Bench, command: str) -> None:
    dark, light = (phantom(bench, f"--unaligned {words}") for words in ("", "--invert_contrast"))
    high = dark.high_density()
    assert dark.sem[high].mean() > dark.sem.mean()
    assert light.sem[high].mean() < light.sem.mean()


# -- pages ------------------------------------------------------------------------------------------------------------


@row("report", "volume", "txm")
def _(bench: Bench, command: str) -> None:
    write_run(Path(), "one")
    write_identity()
    tifffile.imwrite("scan.tif", rock((4, 24, 32)), photometric="minisblack")
    Path("away").mkdir()
    bench.run(f"volume scan.tif away/out.ome.zarr {IDENTITY} --voxel_size 32")
    sizes = []
    for words in ("", "--volume away/out.ome.zarr", "--volume away/out.ome.zarr --txm scan.tif"):
        bench.run("report one", words, "--output page.html")
        sizes.append(Path("page.html").read_text().count('src="data:image'))
    assert sizes[0] < sizes[1] < sizes[2]


@row("report", "measures")
def _(bench: Bench, command: str) -> None:
    write_run(Path(), "one")
    write(phases((12, 20, 24)))
    bench.run("measure labels.tif rock --diffusion_side 0 --longest 4")
    bench.run("report one --output page.html --measures rock")
    text = Path("page.html").read_text(encoding="utf-8")
    found = read_measures(Path("rock"))
    assert found["notes"]  # of voxels without a size
    for said in [*found["notes"], *sentences(found)]:
        assert said in text
    assert "mean local thickness" in text
    assert "there is no away/measures.json" in bench.run("report one --measures away", status=1).err
