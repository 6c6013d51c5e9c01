"""One name for NumPy arrays whose shape and type a docstring or a name says."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Array"]

Array = np.ndarray[Any, Any]
