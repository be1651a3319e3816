"""Folders of runs that are done, written without training anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from txm2sem.course import append_losses, append_scores
from txm2sem.files import json_text, write_text
from txm2sem.metrics import Continuity, Summary
from txm2sem.options import MODEL_DEFAULTS, TestCommand, TrainCommand, override, to_mapping
from txm2sem.runs import RunPaths, write_options
from txm2sem.scoring.card import scorecard
from txm2sem.scoring.continuity import PREDICTION, TRUTH, TXM, continuity_values
from txm2sem.scoring.document import scores_document
from txm2sem.scoring.phases import Phases

PATCHES, SIDE = 14, 32

Images = NDArray[np.uint8]


def write_run(root: Path, name: str = "run", *, noise: float = 10.0, tested: bool = True, **options: Any) -> RunPaths:
    """Write the folders of a translation run below `root`; `noise` is the error of its predictions [grey levels]."""
    paths = RunPaths.of(name, root / "checkpoints", root / "results")
    places = {"checkpoints_dir": root / "checkpoints", "results_dir": root / "results"}
    values = {**MODEL_DEFAULTS["srgan"], "model": "srgan", "ngf": 4, "patch_size": SIDE, "name": name, "niter": 1}
    values |= {"dataroot": root / "images", "num_train": 4, **places, **options}
    trained = override(TrainCommand(), values)
    write_options(paths.options, to_mapping(trained))
    for epoch in range(3):
        for patch in (2, 4) if epoch else ():
            append_losses(paths, epoch, patch, {"G_L1": 9.5 - epoch, "D_real": 0.5})
        append_scores(paths, epoch, {"PSNR": Summary(15.0 + epoch, 0.5), "SSIM": Summary(0.3, 0.01)})
    write_text(paths.network("latest", "G"), "")
    if tested:
        command = override(TestCommand(), {**to_mapping(trained), "phase": "test", "eval": True})
        write_test(paths, noise, to_mapping(command))
    return paths


def images(noise: float) -> tuple[Images, Images, Images]:
    """Return TXM, SEM and predictions, (N, H, W); patch 0 is predicted best."""
    rng = np.random.default_rng(0)
    rock = gaussian_filter(rng.standard_normal((PATCHES, SIDE, SIDE)), (0, 2, 2))
    sem = np.clip(120 + 200 * rock + rng.normal(0, 5, rock.shape), 1, 255).astype(np.uint8)
    txm = np.clip(120 - 40 * gaussian_filter(rock, (0, 2, 2)), 1, 255).astype(np.uint8)
    errors = noise * (1 + np.arange(PATCHES))[:, None, None] / PATCHES * rng.standard_normal(rock.shape)
    return txm, sem, np.clip(sem + errors, 0, 255).astype(np.uint8)


def write_test(paths: RunPaths, noise: float, options: dict[str, Any]) -> None:
    """Write what a test of patches with these options leaves: images, and the scorecard over two slices."""
    txm, sem, predicted = images(noise)
    for folder, stack in (("txm", txm), ("sem", sem), ("sem_fake", predicted)):
        for index, image in enumerate(stack):
            write_png(paths.image(folder, index), image)
    kinds = {f"model {paths.name}": predicted, "raw TXM": txm, "constant": np.full_like(sem, 120)}
    kinds["linear fit"] = np.clip(240 - txm.astype(int), 0, 255).astype(np.uint8)
    slices = [8 + index % 2 for index in range(PATCHES)]
    phases = Phases((1, 0, 2), (90.0, 150.0), 0.0, 0.9)
    scores = scorecard(kinds, sem, slices=slices, phases=phases)
    about = {"model": paths.name, "epoch": "latest", "split": "test"}
    write_text(paths.scores(".json"), json_text(scores_document(scores, about, ["a note"]), options=options))
    write_text(paths.evaluation, "(epoch: latest) PSNR=20.0±0.1, SSIM=0.5±0.01\n")


def write_png(path: Path, image: Images) -> None:
    """Write a PNG file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def write_cube(paths: RunPaths, *, change: float = 2.0, side: int = 12) -> Images:
    """Write what a test on a cube leaves; the TXM is 8 z + 3 y + x, and the prediction, returned, `change` times it."""
    z, y, x = np.indices((side, side, side))
    txm = (8 * z + 3 * y + x).astype(np.uint8)
    predicted: Images = np.clip(change * txm, 0, 255).astype(np.uint8)
    for content, volume in (("pred", predicted), ("txm", txm)):
        path = paths.volume_stack(content, "test")
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, volume, imagej=True, metadata={"axes": "ZYX"})
    measured = {name: Continuity.of(volume, 4) for name, volume in ((TXM, txm), (PREDICTION, predicted), (TRUTH, txm))}
    first = {"z": 3, "row": 20, "column": 40}
    options = to_mapping(override(TestCommand(), {"name": paths.name, "dataset_mode": "txm2sem3d", "eval": True}))
    values = {"epoch": "latest", "size": side, "first": first, "volumes": continuity_values(measured)}
    write_text(paths.continuity("test", ".json"), json.dumps(values | {"options": options}))
    return predicted


def write_trust(paths: RunPaths, suffix: str = "") -> None:
    """Write what a test leaves that measures how far predictions can be trusted; the TXM is darker than predicted."""
    for index in range(PATCHES):
        for name, value in (("uncertainty", 4.0), ("contradiction", -5.0)):
            path = paths.numbers(f"{name}{suffix}", index)
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, np.full((SIDE, SIDE), value, np.float32))
    write_png(paths.calibration_figure, np.zeros((8, 8), np.uint8))
    content = {
        "format": 1,
        "uncertainty": {"method": "dropout", "samples": 8, "validation": {"coverage": 0.68}},
        "in_words": {"uncertainty": ["error 9.0", "95 % hold 94.0 %"], "guard": ["1.2 % contradict"]},
        "guard": {"threshold": 3.5},
        "novelty": {"threshold": 2.0, "distances": [1.0] * PATCHES, "flagged": [PATCHES - 1]},
    }
    write_text(paths.trust_report, json.dumps(content))
