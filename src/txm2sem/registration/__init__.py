"""Register a SEM image to a TXM image of the same rock, or find it in a volume, and say whether to believe it."""

from txm2sem.registration.geometry import Geometry, find_again, geometry_of
from txm2sem.registration.pair import PairAlignment, align_pair
from txm2sem.registration.planes import Plane, Pyramid
from txm2sem.registration.volume import PlaneAlignment, find_slice

__all__ = [
    "Geometry",
    "PairAlignment",
    "Plane",
    "PlaneAlignment",
    "Pyramid",
    "align_pair",
    "find_again",
    "find_slice",
    "geometry_of",
]
