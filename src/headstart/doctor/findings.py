"""Artefacts: a finding is one diagnosis: what was measured, why it hurts, what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One diagnosis.

    Attributes:
        code: Stable code, ``D`` and three digits.
        title: One line.
        severity: ``info``, ``warning`` or ``error``.
        measured: The numbers behind it.
        why: Why it matters.
        advice: What to do.
    """

    code: str
    title: str
    severity: str
    measured: str
    why: str
    advice: str

    def to_json(self) -> dict[str, str]:
        """Plain values, as findings.json holds them."""
        return asdict(self)
