from .predictor import (
    Predictor as Predictor,
    batch_statistics as batch_statistics,
    frozen_statistics as frozen_statistics,
)
