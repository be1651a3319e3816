"""A synthetic shale with its TXM and SEM images, from one seed: data whose truth is known at every voxel.

`rock` makes the materials, `txm` and `sem` make their images, `faces` cuts oblique slices out of those, `render` puts
all of it together in memory, and `write` stores it as a data root, or as two `instruments` leave it. Nothing here
copies a real sample; grey values, noise, blur and the size of structures follow a Vaca Muerta shale imaged at 32 nm per
voxel.
"""

from txm2sem.phantoms.faces import Distortion, Face, Pose
from txm2sem.phantoms.render import Phantom, render_phantom
from txm2sem.phantoms.rock import Material
from txm2sem.phantoms.write import write_phantom

__all__ = ["Distortion", "Face", "Material", "Phantom", "Pose", "render_phantom", "write_phantom"]
