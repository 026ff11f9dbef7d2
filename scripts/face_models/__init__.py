"""Puts the networks that find faces into the package: `python -m scripts.face_models`."""
