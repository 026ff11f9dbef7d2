"""The published weights: where they come from, where they lie, and how they are read safely."""
