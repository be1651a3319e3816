"""Generators and discriminators: pure modules whose state dicts carry the names of the original code."""

from txm2sem.networks.blocks import initialise
from txm2sem.networks.chain import Chain
from txm2sem.networks.discriminators import DISCRIMINATORS, build_discriminator, check_judged_size
from txm2sem.networks.footprint import KEPT_BYTES, most_bytes_per_pixel, peak_bytes
from txm2sem.networks.generators import GENERATORS, build_generator, check_patch_size, size_multiple, smallest_side
from txm2sem.networks.layers import convolutions
from txm2sem.networks.receptive_field import receptive_field

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "KEPT_BYTES",
    "Chain",
    "build_discriminator",
    "build_generator",
    "check_judged_size",
    "check_patch_size",
    "convolutions",
    "initialise",
    "most_bytes_per_pixel",
    "peak_bytes",
    "receptive_field",
    "size_multiple",
    "smallest_side",
]
