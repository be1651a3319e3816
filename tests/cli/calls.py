"""Words that the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from txm2sem.cli.parsing import parse
from txm2sem.options import Command

TINY = "--gpu_ids -1 --ngf 4 --patch_size 32 --num_test 3"
TINY_TRAINING = f"{TINY} --num_threads 0 --ndf 4 --num_train 4 --niter 1 --niter_decay 1"
SRGAN = "--model srgan --netG sr_resnet_6blocks --downsample_factor 2"


@dataclass(frozen=True)
class Outcome:
    """What a call of the program came to."""

    status: int
    out: str
    err: str


Program = Callable[..., Outcome]
TrainOnce = Callable[..., None]

AnyCommand = TypeVar("AnyCommand", bound=Command)


def options_of(base: AnyCommand, words: Sequence[str]) -> AnyCommand:
    """Return the options that words give."""
    return parse(base, words, "txm2sem")[1]
