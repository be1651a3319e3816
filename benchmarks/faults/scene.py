"""What the campaigns act on: small data, a trained run, volumes of every format, and commands in processes to kill."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import tifffile
import torch
import zarr
from numpy.typing import NDArray
from PIL import Image

import txm2sem
from txm2sem.cli.main import main

# A forked process need not import anything again.
for _module in pkgutil.walk_packages(txm2sem.__path__, "txm2sem."):
    import_module(_module.name)

SECONDS = 120
"""How long a command may take; the longest takes a tenth of it undisturbed."""

MEMORY = 6 * 2**30
"""Address space that a command may have [bytes]; PyTorch alone has two thirds of it, mostly not in use."""

TINY = "--gpu_ids -1 --num_threads 0 --ngf 4 --num_test 2 --patch_size 32"
TRAIN = f"--model feedforward --netG resnet_6blocks {TINY} --num_train 8 --niter 2 --niter_decay 0 --save_latest_freq 4"
VOLUME = "--name run --voxel_size 32 --gpu_ids -1"


@dataclass(frozen=True)
class Verdict:
    """How a try ended.

    Attributes:
        row: of the table.
        seed: that makes it again.
        outcome: in a few words.
        well: whether that is how it should end.
        what: was done.
        said: on the console.
    """

    row: str
    seed: int
    outcome: str
    well: bool
    what: str = ""
    said: str = ""


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit status, or minus the signal that ended it, and what it printed."""

    status: int
    said: str


def run(
    words: Sequence[str], place: Path, before: Callable[[], None] = lambda: None, kill_after: float | None = None
) -> Ended:
    """Run a command in a forked process, which has all libraries already, in the current folder `place`.

    Args:
        words: of the command.
        place: current folder.
        before: called in the process, first.
        kill_after: seconds after which the process is killed, if it is still there.
    """
    console = place.parent / f"{place.name}.console"
    pid = os.fork()
    if pid == 0:
        _be_the_command(words, place, console, before)
    limit = SECONDS if kill_after is None else kill_after
    started, status = time.monotonic(), 0
    while True:
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)
            break
        if time.monotonic() - started > limit:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            status = -signal.SIGKILL
            break
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what it has started must not outlive it
    said = console.read_text(errors="replace")
    return Ended(status, said if kill_after is not None or status != -signal.SIGKILL else f"{said}\nno end")


def _be_the_command(words: Sequence[str], place: Path, console: Path, before: Callable[[], None]) -> None:
    status = 70
    try:
        os.setpgrp()
        descriptor = os.open(console, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for standard in (1, 2):
            os.dup2(descriptor, standard)
        sys.stdout, sys.stderr = (os.fdopen(standard, "w", closefd=False) for standard in (1, 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.chdir(place)
        torch.set_num_threads(1)
        before()
        try:
            status = main(list(words))
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else 1
        except BaseException:
            traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Scene:
    """A folder of its own for every try, filled from templates that are made once.

    Args:
        folder: where everything is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fresh(self, *templates: Path) -> Path:
        """Return a new folder with copies of what some folders hold."""
        place = self.folder / "try"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for template in templates:
            shutil.copytree(template, place, dirs_exist_ok=True, symlinks=True)
        return place

    def make(self, name: str, *commands: str, templates: Sequence[Path] = ()) -> Path:
        """Return a new template, made by commands, which must succeed."""
        place = self.folder / name
        place.mkdir()
        for template in templates:
            shutil.copytree(template, place, dirs_exist_ok=True)
        for words in commands:
            ended = run(words.split(), place)
            if ended.status:
                raise RuntimeError(f"txm2sem {words}: {ended}")
        return place

    @cached_property
    def images(self) -> Path:
        """`images`: a data root."""
        return self.make("images", "phantom images --size 96 --depth 40 --train_slices 3")

    @cached_property
    def trained(self) -> Path:
        """`images`, and the run `run`, trained and tested."""
        return self.make(
            "trained",
            f"train --name run {TRAIN}",
            "test --name run --eval --gpu_ids -1",
            templates=[self.images],
        )

    @cached_property
    def volumes(self) -> Path:
        """A volume of 6 x 40 x 48 voxels in every format, each a file or folder of its own."""
        place = self.folder / "volumes"
        place.mkdir()
        z, y, x = np.mgrid[0:6, 0:40, 0:48]
        # Grey values of the phantom that the run was trained on, so that a volume is translated to its end.
        write_volumes(place, (10 + 20 * z + y + x + 8 * ((x * y) % 7)).astype(np.uint16))
        return place


def write_volumes(place: Path, volume: NDArray[np.uint16]) -> None:
    """Write a volume in every format that is read without further packages."""
    for number, image in enumerate(volume):
        (place / "slices").mkdir(exist_ok=True)
        tifffile.imwrite(place / "slices" / f"{number:03d}.tif", image, compression="zlib")
    tifffile.imwrite(place / "stack.tif", volume, photometric="minisblack")
    scale = {"unit": "nm", "spacing": 40.0}
    tifffile.imwrite(
        place / "imagej.tif", volume, imagej=True, resolution=(0.02, 0.02), metadata={"axes": "ZYX", **scale}
    )
    sizes = {f"PhysicalSize{axis}": 40.0 for axis in "XYZ"} | {f"PhysicalSize{axis}Unit": "nm" for axis in "XYZ"}
    tifffile.imwrite(place / "volume.ome.tif", volume, ome=True, metadata={"axes": "ZYX", **sizes})
    with h5py.File(place / "volume.h5", "w") as file:
        data = file.create_dataset("data", data=volume, chunks=(2, 20, 24), compression="gzip")
        data.attrs["element_size_um"] = (0.04, 0.04, 0.04)
    np.save(place / "volume.npy", volume)
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    transforms = [{"type": "scale", "scale": [40.0, 40.0, 40.0]}]
    multiscales = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transforms}]}]
    for form in (2, 3):
        group = zarr.open_group(place / f"zarr{form}.ome.zarr", mode="w", zarr_format=form)
        group.create_array("0", shape=volume.shape, chunks=(2, 20, 24), dtype="uint16")[...] = volume
        if form == 2:
            group.attrs["multiscales"] = [{"version": "0.4", **multiscales[0]}]
        else:
            group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    Image.fromarray(volume[0]).save(place / "image.png")
    tifffile.imwrite(place / "image.tif", volume[0], resolution=(2.5e5, 2.5e5), resolutionunit="CENTIMETER")
