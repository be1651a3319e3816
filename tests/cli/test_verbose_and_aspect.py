"""`--verbose` of both commands, and the shape of saved images."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.calls import SRGAN, TINY_TRAINING, Program
from txm2sem.testing.images import stretch


def test_verbose_prints_networks_device_and_images(program: Program, images: Path) -> None:
    quiet = program("train --name quiet", SRGAN, TINY_TRAINING)
    outcome = program("train --name run --verbose", SRGAN, TINY_TRAINING)
    assert outcome.status == 0, outcome.err
    for network in "GD":
        assert re.search(
            rf"^\[Network {network}\] Total number of parameters : 0\.\d{{3}} M$", outcome.out, re.MULTILINE
        )
    assert "Conv2d(" in outcome.out
    assert re.search(r"^device: CPU, \d+ threads, fp32$", outcome.out, re.MULTILINE)
    for split in ("train", "val"):
        line = f"images/{split}: 2 charge, 2 highdensity, 2 lowdensity, 2 sem, 2 txm"
        assert line in outcome.out
    assert "[Network" not in quiet.out
    assert ", fp32" not in quiet.out

    # A test prints more when it is asked to, not because its training was.
    assert "[Network" not in program("test --name run").out
    outcome = program("test --name run --verbose")
    assert outcome.status == 0, outcome.err
    trained = re.search(r"\[Network G\].*", program("train --name again --verbose", SRGAN, TINY_TRAINING).out)
    assert trained
    assert trained[0] in outcome.out
    assert "images/test: 2 charge" in outcome.out


@pytest.mark.usefixtures("trained")
def test_the_aspect_ratio_stretches_saved_images_and_no_score(program: Program) -> None:
    scores = []
    for ratio, shape in ((1, (32, 32)), (2, (64, 32)), (0.5, (32, 64))):
        assert program(f"test --name run --eval --aspect_ratio {ratio}").status == 0
        for folder in ("txm", "sem_fake", "charge"):
            assert np.asarray(Image.open(f"results/run/{folder}/000.png")).shape == shape
        scores.append(Path("results/run/eval_metrics.txt").read_text())
    assert len(set(scores)) == 1
    for wrong in ("0", "101", "nan"):
        outcome = program(f"test --name run --aspect_ratio {wrong}")
        assert outcome.status == 2
        assert "aspect_ratio" in outcome.err


@pytest.mark.parametrize(("ratio", "shape"), [(1.5, (15, 8)), (0.25, (10, 32)), (1.0, (10, 8))])
def test_stretching_keeps_grey_levels_masks_and_classes(ratio: float, shape: tuple[int, int]) -> None:
    image = np.full((10, 8), 77, np.uint8)
    mask = np.arange(80).reshape(10, 8) % 8 < 4
    assert np.array_equal(stretch(image, ratio), np.full(shape, 77, np.uint8))
    stretched = stretch(mask, ratio)
    assert stretched.dtype == np.bool_
    assert stretched.shape == shape
    assert stretched[:, : shape[1] // 2].all()
    assert not stretched[:, shape[1] // 2 :].any()
    classes = stretch(np.where(mask, 2, 255).astype(np.int32), ratio)
    assert np.array_equal(classes, np.where(stretched, 2, 255))
