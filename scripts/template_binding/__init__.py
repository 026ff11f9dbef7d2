"""Binds the template of the embedded model to the parametric head."""
