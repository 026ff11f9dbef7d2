"""The space that the network works in: a unit sphere about head and shoulders."""

CENTER_M, RADIUS_M = (0.0, -0.1, -0.06), 0.42
"""The unit sphere, head frame: it holds head and shoulders of each of 30 people of the parametric head.

A point x in metres is (x − `CENTER_M`) / `RADIUS_M` in it. It is the same for everybody, because a network
that looks at a photo has to learn sizes, too.
"""
