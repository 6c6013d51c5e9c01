"""The result of a check: ``Finding``."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """A problem that the doctor found in the data, a column, the pictures or the results.

    Findings never stop a run. ``fit`` prints them at its end and writes them to ``findings.json`` and the report.

    Attributes:
        code: Stable code, ``D`` and three digits; ``docs/findings.md`` lists all of them.
        title: What was found, in one line.
        severity: ``info``, ``warning`` or ``error``.
        measured: The measured numbers, with examples.
        why: Why it matters.
        advice: What to do.

    Example:
        >>> finding = Finding("D109", "there is no test split", "info", "20 samples", "The score is optimistic.", "Add one.")
        >>> finding.code, finding.severity
        ('D109', 'info')
    """

    code: str
    title: str
    severity: str
    measured: str
    why: str
    advice: str

    def to_json(self) -> dict[str, str]:
        """Return the finding as an entry of ``findings.json``."""
        return asdict(self)
