"""Write volumes larger than memory, block by block, with their physical size and where they come from."""

from txm2sem.data.writers.headered import write_metaimage, write_nrrd
from txm2sem.data.writers.ome_tiff import write_ome_tiff
from txm2sem.data.writers.ome_zarr import (
    Channel,
    Description,
    Label,
    VoxelArray,
    build_pyramid,
    channel_windows,
    create_image,
    create_labels,
    create_scratch,
    open_array,
    stored_files,
)

__all__ = [
    "Channel",
    "Description",
    "Label",
    "VoxelArray",
    "build_pyramid",
    "channel_windows",
    "create_image",
    "create_labels",
    "create_scratch",
    "open_array",
    "stored_files",
    "write_metaimage",
    "write_nrrd",
    "write_ome_tiff",
]
