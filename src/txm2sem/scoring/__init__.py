"""Scores: images in, numbers out, and the one document of them that everything else shows."""
