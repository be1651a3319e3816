"""Apply a trained model: to single images, to whole volumes."""
