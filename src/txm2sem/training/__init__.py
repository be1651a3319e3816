"""Training with PyTorch Lightning, which only this package knows."""
