"""Which module belongs to which model."""

from __future__ import annotations

from txm2sem.training.modules import AdversarialModule, RegressionModule, TranslationModule
from txm2sem.training.repair import RepairModule
from txm2sem.training.segmentation import SegmentationModule

MODELS: dict[str, type[TranslationModule]] = {
    "feedforward": RegressionModule,
    "srcnn": RegressionModule,
    "pix2pix": AdversarialModule,
    "srgan": AdversarialModule,
    "repair": RepairModule,
    "segmentation": SegmentationModule,
}
"""The module of each `--model`."""
