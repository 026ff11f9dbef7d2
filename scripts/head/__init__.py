"""Makes the parametric head that ships with the package."""
