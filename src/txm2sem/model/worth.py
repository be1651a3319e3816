"""What the predictions of a model are good for, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txm2sem.options import ADVERSARIAL_MODELS

if TYPE_CHECKING:  # what says how good something is waits for no network
    from txm2sem.model.model import Model


def worth_of(model: Model, draws: int = 0) -> str:
    """Return what to do with what a model predicts, and what not.

    Args:
        model: the model.
        draws: that are written beside their mean.
    """
    if model.is_shipped:
        return (
            "Look at it, and measure nothing in it: the model that comes along knows one shale, and was not tested on "
            "this one. A few aligned slices train one that is yours."
        )
    if model.segments:
        return (
            "Take fractions from expected shares, not from counted labels: txm2sem measure does, of the TXM with "
            "--name, or of this with --probabilities here."
        )
    if draws:
        return "Look at the mean; measure the draws, of which txm2sem measure takes means and intervals."
    if model.options.draws_noise or model.options.draws_grain:
        return "It is one of many images that fit the TXM: look at what is alike in several, and trust no single pore."
    if model.options.model in ADVERSARIAL_MODELS:
        return (
            "Look at it: what is finer than the TXM resolves is made up, to look like a SEM. Take fractions from a "
            "model of recipe phases, sizes and intervals from draws of recipe sample."
        )
    return (
        "Look at it: it is the mean of what is possible, and smoother than a SEM. Take fractions from a model of "
        "recipe phases, sizes and intervals from draws of recipe sample."
    )
