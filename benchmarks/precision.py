"""Loss curves of training in float32 and in bf16, with the terms that need digits: gradient and Jacobian penalty.

    txm2sem phantom phantom
    python benchmarks/precision.py --dataroot phantom --figure docs/precision.png [--patches 1500]

Trains two SRGANs (WGAN-GP with the gradient penalty, and the Jacobian penalty) on the same patches, with the same
dropout masks and projections, and draws and prints their losses, as means over windows of the training.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from txm2sem.course import Course

OPTIONS = (
    "--model srgan --netG sr_resnet_6blocks --ngf 32 --downsample_factor 2 --patch_size 128 --norm instance "
    "--gan_mode wgangp --lambda_gp 10 --lambda_img_grad 1e-4 --niter 1 --niter_decay 0 --print_freq 1 --num_test 10 "
    "--no_html --num_threads 0 --gpu_ids -1"
)
LABELS = {
    "G_GAN": "generator, adversarial",
    "G_L1": "generator, L1",
    "G_jacobian": "generator, Jacobian penalty",
    "D_real": "discriminator, real",
    "D_fake": "discriminator, predicted",
    "D_gp": "discriminator, gradient penalty",
}
COLOURS = {"fp32": "#0072B2", "bf16": "#E69F00"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True)
    parser.add_argument("--patches", type=int, default=1500)
    parser.add_argument("--windows", type=int, default=15)
    parser.add_argument("--figure", type=Path, help="PNG to draw the curves to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        losses = {precision: train(arguments, precision, Path(name)) for precision in COLOURS}
    print(f"means of the last third of {arguments.patches} patches, with the standard error over windows")
    print(f"{'':<14}" + "".join(f"{precision:>20}" for precision in COLOURS))
    for term in LABELS:
        cells = []
        for curves in losses.values():
            last = curves[term][-len(curves[term]) // 3 :]
            cells.append(f"{last.mean():.4g} ± {last.std(ddof=1) / np.sqrt(len(last)):.2g}")
        print(f"{term:<14}" + "".join(f"{cell:>20}" for cell in cells))
    if arguments.figure:
        draw(losses, arguments.patches // arguments.windows, arguments.figure)
    return 0


def train(arguments: argparse.Namespace, precision: str, folder: Path) -> dict[str, NDArray[np.float64]]:
    """Return the losses by name, each as means over the windows."""
    words = [
        *(str(Path(sys.executable).with_name("txm2sem")), "train", "--dataroot", str(arguments.dataroot)),
        *("--name", precision, "--precision", precision, "--num_train", str(arguments.patches)),
        *("--checkpoints_dir", str(folder), "--results_dir", str(folder / "results"), *OPTIONS.split()),
    ]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return {
        curve.name: np.array([part.mean() for part in np.array_split(curve.values, arguments.windows)])
        for curve in Course.read(folder / precision / "course.jsonl", arguments.patches).losses
    }


def draw(losses: dict[str, dict[str, NDArray[np.float64]]], width: int, path: Path) -> None:
    figure, axes = plt.subplots(2, 3, figsize=(10, 5), layout="constrained", sharex=True)
    for (term, label), axis in zip(LABELS.items(), axes.flat, strict=True):
        for (precision, curves), style in zip(losses.items(), ("-", "--"), strict=True):
            seen = width * (np.arange(len(curves[term])) + 0.5)
            axis.plot(seen, curves[term], style, color=COLOURS[precision], label=precision, linewidth=2)
        axis.set_title(label, fontsize=10)
    axes[0, 0].legend(frameon=False)
    figure.supxlabel("training patches", fontsize=10)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
