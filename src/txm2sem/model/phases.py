"""What brings the probabilities of a segmentation model to mean what they say: kept beside its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txm2sem.data.classes import CLASSES
from txm2sem.files import interpreting, json_values, read_json, typed
from txm2sem.kept import weights_of
from txm2sem.metrics import ClassCalibration, ClassReliability
from txm2sem.model.first_stage import segmented_image
from txm2sem.options import DataOptions, ModelCommand
from txm2sem.runs import paths_of, trained_with
from txm2sem.scoring.table import better_text

FORMAT = 1
"""Raised when what is kept changes its meaning."""

SHAPING = ("patch_size", "gamma", "hist_eq", "x_misalign", "y_misalign", "txm_range", "sem_range", "sample_name")
"""Options of the training that change what its patches look like."""

MODEL = "model"
"""What the model is called beside segmentations without one."""

UNCHANGED = ClassCalibration.none(len(CLASSES))


@dataclass(frozen=True)
class PhaseCalibration:
    """What is known of the probabilities of a segmentation model, from its validation split.

    Attributes:
        identity: what it was fitted for: plain values by name.
        calibration: of its logits.
        fraction_error: standard deviation of the error of each class' expected fraction that comes from the
            calibration, absolute, 0 to 1: the standard error, over blocks in space, of the difference between the mean
            probability of the class and its true fraction, see `share_errors`.
        slices: of the split.
        raw, calibrated: what probabilities say there beside the truth, before and after.
        dice: mean Dice there of the model and of trivial segmentations, by name, `MODEL` first.
        training_shares: of the classes in the training slices, 0 to 1; (): not known.
    """

    identity: dict[str, Any]
    calibration: ClassCalibration
    fraction_error: tuple[float, ...]
    slices: int
    raw: ClassReliability
    calibrated: ClassReliability
    dice: dict[str, float]
    training_shares: tuple[float, ...] = ()

    @property
    def better(self) -> dict[str, Any] | None:
        """The segmentation without a model that has the largest mean Dice, where that is larger than the model's."""
        best = max(self.dice, key=lambda name: self.dice[name])
        found = {"name": best, "mean_dice": self.dice[best], "mean_dice_of_model": self.dice[MODEL]}
        return None if best == MODEL else found

    @property
    def warnings(self) -> list[str]:
        """What the user must know before all else."""
        return [] if self.better is None else [better_text(self.better)]

    @property
    def summary(self) -> str:
        """What it does, for people."""
        before, after = self.raw, self.calibrated
        slices = "1 slice" if self.slices == 1 else f"{self.slices} slices"
        return (
            f"probabilities are calibrated on the validation split ({slices}): "
            f"calibration error {before.calibration_error:.3f} -> {after.calibration_error:.3f}, "
            f"{before.bits_per_pixel:.3f} -> {after.bits_per_pixel:.3f} bits per pixel"
        )

    @classmethod
    def load(cls, path: Path, identity: dict[str, Any]) -> PhaseCalibration | None:
        """Read what was kept; None where it is not there, or was fitted for something else than `identity`.

        Raises:
            UserError: the file is something else.
        """
        if not path.exists():
            return None
        remedy = "remove it, and the next test finds it anew"
        with interpreting(path, "what is known of a model's probabilities", remedy):
            content = read_json(path, remedy)
            if content["identity"] != json_values(identity):
                return None
            # Earlier versions have not noted what was learned from.
            kept: PhaseCalibration = typed(cls, {"training_shares": [], **content})
            kept.check()
            return kept

    def check(self) -> None:
        """Check that the numbers can be what they stand for.

        Raises:
            ValueError: they cannot.
        """
        shares = (*self.fraction_error, *self.dice.values(), *self.training_shares)
        if not (
            min(self.calibration.scales) > 0
            and len(self.calibration.scales) == len(self.calibration.biases) == len(self.fraction_error) == len(CLASSES)
            and 0 <= min(shares) <= max(shares) <= 1
            and MODEL in self.dice
            and len(self.training_shares) in (0, len(CLASSES))
        ):
            raise ValueError("numbers out of their ranges")


def identity_of(command: ModelCommand, label: str, data: DataOptions) -> dict[str, Any]:
    """Return what a calibration belongs to: plain values by name.

    Args:
        command: the options.
        label: of the checkpoint.
        data: those that say what is segmented.
    """
    trained = trained_with(command).data
    return {
        "format": FORMAT,
        "checkpoint_sha256": weights_of(paths_of(command).network(label, "G")),
        "segments": segmented_image(command.run, data),
        **{name: getattr(trained, name) for name in SHAPING},
    }


def load_phases(command: ModelCommand, label: str, data: DataOptions) -> PhaseCalibration | None:
    """Return what is kept beside a checkpoint; None where nothing is, or only what belongs to another one.

    Arguments are those of `identity_of`.

    Raises:
        UserError: what is kept is damaged.
    """
    path = paths_of(command).phases(label, data.seg_mode)
    return PhaseCalibration.load(path, identity_of(command, label, data))
