"""Print a constraints file for pip that allows only the lowest versions of the dependencies in pyproject.toml.

A dependency such as ``numpy>=2.0`` becomes ``numpy==2.0.*``: an index may hold no release of exactly that number.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def lowest(requirement: str) -> str:
    """Return the constraint of one requirement.

    Example:
        >>> lowest("keras>=3.15.1,<3.17")
        'keras==3.15.1.*'
    """
    match = re.match(r"([\w.-]+)[>=]=([\d.]+)", requirement)
    if match is None:
        raise ValueError(f"{requirement} has no lowest version")
    return f"{match[1]}=={match[2]}.*"


if __name__ == "__main__":
    for requirement in tomllib.loads(PROJECT.read_text("utf-8"))["project"]["dependencies"]:
        print(lowest(requirement))
