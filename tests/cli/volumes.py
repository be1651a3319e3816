"""Volumes and models for the tests of `txm2sem volume`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from data_roots import write_slice
from forks import Fork
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.cli.main import main
from txm2sem.networks import build_generator, initialise
from txm2sem.options import ModelOptions, TrainCommand, to_mapping
from txm2sem.runs import write_options

IDENTITY = "--name identity --model feedforward --netG linearfilt --gpu_ids -1"
"""A model that returns what it sees: what is written tells where it was read."""

NETWORK = "--name network --model srgan --netG sr_resnet_6blocks --ngf 4 --downsample_factor 2 --gpu_ids -1"


def write_identity() -> None:
    """Write the checkpoint that `IDENTITY` names, as the original code has them."""
    weight = torch.zeros(1, 1, 15, 15)
    weight[0, 0, 7, 7] = 1
    _save({"filter.weight": weight, "filter.bias": torch.zeros(1)}, "identity")


def write_network(name: str = "network", init_gain: float = 0.25, **changes: Any) -> None:
    """Write the checkpoint that `NETWORK` names, or one with other options: random weights that use the grey range."""
    options: dict[str, Any] = {
        "model": "srgan",
        "netG": "sr_resnet_6blocks",
        "ngf": 4,
        "downsample_factor": 2,
        "norm": "batch",
        **changes,
    }
    network = build_generator(ModelOptions(**options))
    initialise(network, init_gain=init_gain, generator=torch.Generator().manual_seed(0))
    _save(network.state_dict(), name)


SEGMENTS: dict[str, Any] = {
    "model": "segmentation",
    "netG": "resnet_6blocks",
    "output_nc": 3,
    "downsample_factor": 1,
    "no_dropout": True,
}
TRANSLATES: dict[str, Any] = {
    "model": "srgan",
    "netG": "sr_resnet_6blocks",
    "downsample_factor": 2,
    "no_dropout": True,
}


def write_run(name: str, options: dict[str, Any], **data: Any) -> None:
    """Write a trained run with random weights and its options: `SEGMENTS`, which tells all classes, or `TRANSLATES`."""
    write_network(name, init_gain=0.12, **options)
    model = ModelOptions(**{"ngf": 4, "norm": "batch", **options})
    known = to_mapping(TrainCommand(model=model)) | {"txm_range": "0,255", "sem_range": "10,200", "patch_size": 32}
    known["dataset_mode"] = "segmentation" if options["model"] == "segmentation" else "txm2sem"
    write_options(Path("checkpoints") / name / "options.yaml", known | data)


def _save(state: dict[str, torch.Tensor], name: str) -> None:
    path = Path("checkpoints") / name / "latest_net_G.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)


def rock(shape: tuple[int, int, int], dtype: str = "uint8") -> NDArray[Any]:
    """Return a smooth random volume (z, y, x) without 0."""
    noise = gaussian_filter(np.random.default_rng(0).standard_normal(shape), 2, mode="wrap")
    grey = (noise - noise.min()) / (noise.max() - noise.min())
    largest = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    return np.asarray(grey * largest * 0.9 + largest * 0.05, dtype)


def write_scan(volume: NDArray[Any], folder: Path | str = "scan") -> Path:
    """Write a volume as a folder of TIFF slices."""
    for number, image in enumerate(volume):
        write_slice(Path(folder) / f"{number:03d}.tif", image)
    return Path(folder)


def voxels(path: Path | str) -> NDArray[Any]:
    """Return the voxels of a translated OME-Zarr."""
    return np.asarray(zarr.open_array(Path(path) / "0", mode="r")[:])


def start(words: str) -> Fork:
    """Start `txm2sem volume` as a process of its own, in the current folder."""
    return Fork(partial(main, ["volume", *words.split()]), Path())
