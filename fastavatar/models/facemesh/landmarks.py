"""Which of Face Mesh's landmarks surround the eyes and the mouth."""

EYE_RINGS = {
    468: (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    473: (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
}
"""Landmark of each iris's centre → its eye's rim: from the outer corner along the lower lid, then the
upper."""
MOUTH_CORNERS = (78, 308)
UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
"""The inner lips, from the person's right to the left, between the corners they meet in."""
