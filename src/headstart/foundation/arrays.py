"""The type alias ``Array``: a NumPy array whose shape and dtype are documented where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Array"]

Array = np.ndarray[Any, Any]
