"""Photos and the masks that say where the person is in them."""
