"""A synthetic shale with its TXM and SEM images, from one seed: data whose truth is known at every voxel.

`rock` makes the materials, `txm` and `sem` make their images, `render` puts the three together in memory, and
`write` stores them as a data root. Nothing here copies a real sample; grey values, noise, blur and the size of
structures follow a Vaca Muerta shale imaged at 32 nm per voxel.
"""

from txm2sem.phantoms.render import Phantom, render_phantom
from txm2sem.phantoms.rock import Material
from txm2sem.phantoms.write import write_phantom

__all__ = ["Material", "Phantom", "render_phantom", "write_phantom"]
