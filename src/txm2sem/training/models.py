"""Which module belongs to which model."""

from __future__ import annotations

from txm2sem.training.modules import AdversarialModule, RegressionModule, TranslationModule

MODELS: dict[str, type[TranslationModule]] = {
    "feedforward": RegressionModule,
    "srcnn": RegressionModule,
    "pix2pix": AdversarialModule,
    "srgan": AdversarialModule,
}
"""The module of each `--model`."""
