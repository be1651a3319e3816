"""Apply trained networks."""

from txm2sem.inference.predictor import Predictor, batch_statistics, frozen_statistics

__all__ = ["Predictor", "batch_statistics", "frozen_statistics"]
