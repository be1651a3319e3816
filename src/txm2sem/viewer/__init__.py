"""What napari is given (`pip install txm2sem[napari]`): readers, sample data, and panels; `napari.yaml` names them."""
