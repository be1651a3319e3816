"""Which module belongs to which model."""

from __future__ import annotations

from txm2sem.training.adversarial import AdversarialModule
from txm2sem.training.regression import RegressionModule
from txm2sem.training.repair import RepairModule
from txm2sem.training.segmentation import SegmentationModule
from txm2sem.training.translation import TranslationModule

MODELS: dict[str, type[TranslationModule]] = {
    "feedforward": RegressionModule,
    "srcnn": RegressionModule,
    "pix2pix": AdversarialModule,
    "srgan": AdversarialModule,
    "repair": RepairModule,
    "segmentation": SegmentationModule,
}
"""The module of each `--model`."""
