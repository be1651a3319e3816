"""Checkpoints of the original code reproduce their recorded scores and pictures through `txm2sem test`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from txm2sem.cli.main import main


@pytest.mark.usefixtures("blank_pictures", "no_scorecard")
@pytest.mark.parametrize("name", ["feedforward", "srcnn", "pix2pix", "srgan"])
def test_recorded_checkpoints_reproduce_their_scores(
    name: str, reference: Path, shale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = json.loads((reference / "evaluation" / "metrics.json").read_text())[name]
    words = ["test", "--name", name, *recorded["arguments"].split()]
    words += ["--dataroot", str(shale), "--checkpoints_dir", str(reference / "evaluation"), "--gpu_ids", "-1"]
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0

    line = (tmp_path / "results" / name / "eval_metrics.txt").read_text().splitlines()[0]
    psnr, psnr_error, ssim, ssim_error = map(float, re.findall(r"\d+\.\d+", line))
    # The original code truncates to 8 bits where this one rounds: half a grey level, a few hundredths of a decibel.
    assert psnr == pytest.approx(recorded["psnr"], abs=0.05)
    assert ssim == pytest.approx(recorded["ssim"], abs=0.002)
    assert psnr_error == pytest.approx(recorded["psnr_stderr"], abs=0.005)
    assert ssim_error == pytest.approx(recorded["ssim_stderr"], abs=0.0005)

    pictures = sorted((reference / "evaluation" / name / "sem_fake").iterdir())
    assert pictures
    for picture in pictures:
        expected = np.asarray(Image.open(picture)).astype(int)
        found = np.asarray(Image.open(tmp_path / "results" / name / "sem_fake" / picture.name)).astype(int)
        # Rounding against truncation again, and a float32 that lands on either side of a step.
        assert np.abs(found - (expected if expected.ndim == 2 else expected[..., 0])).max() <= 1
