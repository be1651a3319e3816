"""What napari is given (extra `napari`): readers, sample data, and panels; `napari.yaml` names them."""
