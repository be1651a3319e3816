"""Register a SEM image to a TXM image of the same rock, and say whether to believe it."""

from txm2sem.registration.pair import PairAlignment, align_pair

__all__ = ["PairAlignment", "align_pair"]
