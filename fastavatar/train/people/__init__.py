"""Made-up people, rendered as captures.

seed, number ─ sample ─▶ MadeUpPerson ─ build ─▶ Figure ─ render ─▶ pictures ─ write ─▶ a capture
                                       paint, hair, shirt ┘       light, cameras ┘
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
