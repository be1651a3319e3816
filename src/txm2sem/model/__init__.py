"""A trained model: what happens between grey values in and grey values out."""

from txm2sem.model.predictor import Predictor, batch_statistics, frozen_statistics

__all__ = ["Predictor", "batch_statistics", "frozen_statistics"]
