"""Made-up people, rendered as captures.

sample_person ─▶ Person ─ build ─▶ Body: surfaces, strands, textures ─ render ─▶ views ─ write ─▶ a capture
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
