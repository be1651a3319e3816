from .geometry import Geometry as Geometry, find_again as find_again, geometry_of as geometry_of
from .pair import PairAlignment as PairAlignment, align_pair as align_pair
from .planes import Plane as Plane, Pyramid as Pyramid
from .volume import PlaneAlignment as PlaneAlignment, find_slice as find_slice
