from .headered import write_metaimage as write_metaimage, write_nrrd as write_nrrd
from .ome_tiff import write_ome_tiff as write_ome_tiff
from .ome_zarr import (
    Channel as Channel,
    Description as Description,
    Label as Label,
    VoxelArray as VoxelArray,
    build_pyramid as build_pyramid,
    channel_windows as channel_windows,
    create_image as create_image,
    create_labels as create_labels,
    create_scratch as create_scratch,
    open_array as open_array,
    stored_files as stored_files,
)
