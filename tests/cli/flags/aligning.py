"""How slices of two instruments are laid upon each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

import h5py
import numpy as np
import pytest
import tifffile
from matplotlib.figure import Figure
from two_instruments import BAR, SIZE, motion, write_instruments

from cli.flags.table import Bench, row
from txm2sem.aligning.document import Alignment, SliceAlignment, read_alignment
from txm2sem.aligning.inputs import FEWEST_SLICES, Inputs, open_instruments
from txm2sem.aligning.placing import Placing
from txm2sem.errors import UserError
from txm2sem.registration.evidence import Correlation

NONE = Correlation(0.0, 0.0, 0.0)


def aligned(bench: Bench, words: str, name: str = "images") -> Alignment:
    """Align what is in the current folder."""
    bench.run(f"align txm sem {name} {words}", status=3)  # one slice is too few for all splits
    return read_alignment(Path(name) / "alignment.json")


def only(found: Alignment) -> SliceAlignment:
    """Return the only slice."""
    (one,) = found.slices.values()
    return one


@row("align", "charge", "lowdensity", "highdensity")
def _(bench: Bench, command: str) -> None:
    written = write_instruments(Path(), [motion(right=6)])
    for name in ("lowdensity", "highdensity"):
        written.charge.rename(name) if name == "highdensity" else Path(name).mkdir()
    mask = np.zeros((SIZE + BAR, SIZE), np.uint8)
    mask[100:110, 40:60] = 1
    tifffile.imwrite("lowdensity/003.tif", mask)
    Path("charge").mkdir()
    tifffile.imwrite("charge/003.tif", mask * 7)
    aligned(bench, "--charge charge --lowdensity lowdensity --highdensity highdensity --transform shift --mirror no")
    for name, middle in {"charge": (104.5, 55.5), "lowdensity": (104.5, 55.5), "highdensity": (69.5, 110.5)}.items():
        image = tifffile.imread(f"images/train/{name}/003.tif")
        assert np.argwhere(image == 255).mean(axis=0) == pytest.approx(middle, abs=1)


@row("align", "transform", "search_angle")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion(25, 1.0, 3, 3)])
    words = "--mirror no --transform"
    shifted, far, turned = (
        only(aligned(bench, f"{words} {asked}", name))
        for name, asked in {"one": "shift", "two": "rigid --search_angle 2", "three": "rigid --search_angle 30"}.items()
    )
    assert (shifted.turn, far.confident) == (0, False)
    assert turned.turn == pytest.approx(25, abs=0.3)
    assert turned.scale == pytest.approx(1)


@row("align", "quarter_turns", "mirror")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion(90)])
    words = "--transform rigid --mirror"
    assert not only(aligned(bench, f"{words} no", "one")).confident
    assert only(aligned(bench, f"{words} no --quarter_turns", "two")).turn == pytest.approx(90, abs=0.3)
    mirrored = only(aligned(bench, f"{words} yes --quarter_turns", "three"))
    assert not mirrored.confident


@row("align", "txm_voxel_size", "sem_pixel_size")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion()], nm=None)
    found = aligned(bench, "--txm_voxel_size 99,40,40 --sem_pixel_size 40 --transform rigid --mirror no")
    assert list(found.txm_pixel_size) == [40, 40]
    assert only(found).confident
    refused = bench.run("align txm sem other --txm_voxel_size 40 --sem_pixel_size 4000", status=1)
    assert "sizes contradict" in refused.err


@row("align", "landmarks")
def _(bench: Bench, command: str) -> None:
    written = write_instruments(Path(), [motion(60, 1, 9, 5)])
    true = written.truth[0]
    places = np.hstack([true.points[::300, ::-1], true.truth[::300, ::-1]])
    lines = [f"Pt-{index},true,{','.join(map(str, row))}" for index, row in enumerate(places)]
    Path("marks.csv").write_text("\n".join(lines))
    without = only(aligned(bench, "--transform rigid --mirror no", "one"))
    begun = only(aligned(bench, "--transform rigid --mirror no --landmarks marks.csv", "two"))
    instead = only(aligned(bench, "--transform none --landmarks marks.csv", "three"))
    assert (without.confident, without.landmarks) == (False, ())
    for found in (begun, instead):
        assert found.confident
        assert found.turn == pytest.approx(60, abs=0.3)
        assert len(found.landmarks) == len(lines)
        assert max(found.landmarks) < 1.5


@row("align", "keep_bar")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion()])
    without, kept = (
        aligned(bench, f"--transform none {words}", name) for name, words in {"one": "", "two": "--keep_bar"}.items()
    )
    assert (only(without).bar, only(kept).bar) == (f"the last {BAR} rows", "")


@row("align", "figures")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion(right=6)])
    with patch.object(Placing, "planes", lambda placing, slices: Figure()):
        aligned(bench, "--transform shift --mirror no --figures pdf")
    assert Path("images/alignment/planes.pdf").read_bytes().startswith(b"%PDF-")
    assert Path("images/alignment/planes.png").exists()


@row("align", "val", "test")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion(right=step) for step in range(1, 6)])
    bench.run("align txm sem images --val 1 --test 2 --transform shift --mirror no")
    splits = [one.split for one in read_alignment(Path("images/alignment.json")).slices.values()]
    assert splits == ["train", "train", "val", "test", "test"]


# -- a volume ---------------------------------------------------------------------------------------------------------


def opened(bench: Bench, words: str, place: str = "txm") -> Inputs:
    """Return what would be aligned."""
    return open_instruments(Path(place), Path("sem"), bench.command("align", words).align)


@row("align", "txm_is")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion(right=step) for step in range(FEWEST_SLICES)])
    assert opened(bench, "").volume is None
    whole = opened(bench, "--txm_is volume").volume
    assert whole is not None
    assert whole.shape == (FEWEST_SLICES, SIZE, SIZE)
    next(Path("sem").iterdir()).unlink()
    assert opened(bench, "").volume is not None
    with pytest.raises(UserError, match="same numbers"):
        opened(bench, "--txm_is pairs")


@row("align", "dataset", "axes")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion()])
    with h5py.File("scan.h5", "w") as file:
        file["small"] = np.ones((9, 100, 100), np.uint8)
        file["turned"] = np.ones((100, 120, 9), np.uint8)
    volume = opened(bench, "--dataset turned --axes xyz", "scan.h5").volume
    assert volume is not None
    assert volume.shape == (9, 120, 100)


@row("align", "spacing")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion(right=step) for step in range(FEWEST_SLICES)])
    words = "--txm_is volume --txm_voxel_size 40 --spacing"
    found = SliceAlignment(
        "", "", (SIZE, SIZE), "", (), "", 0, 0, 1, False, False, NONE, NONE, True, True, "", (), (), ""
    )
    slices = {
        f"{number:03d}": replace(found, to_txm=((0.0, 0.0, 2.0 * number), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
        for number in range(3, 3 + FEWEST_SLICES)
    }
    steps = []
    for spacing in (0, 100):
        options = bench.command("align", f"{words} {spacing}").align
        geometry = Placing(open_instruments(Path("txm"), Path("sem"), options), options).geometry(slices)
        assert geometry is not None
        steps.append(geometry.step[0])
    assert steps == pytest.approx([2, 2.5])


@row("align", "tilt")
def _(bench: Bench, command: str) -> None:
    write_instruments(Path(), [motion(right=step) for step in range(FEWEST_SLICES)])
    asked = []

    def stop(*arguments: object, tilt: float, **named: object) -> NoReturn:
        asked.append(tilt)
        raise UserError("enough")

    with patch("txm2sem.aligning.placing.find_slice", stop):
        bench.run("align txm sem images --txm_is volume --tilt 7", status=1)
    assert asked == [7]
