"""Artefacts: findings, one diagnosis each, and the checks that make them."""

from headstart.doctor.data import check_data
from headstart.doctor.findings import Finding

__all__ = ["Finding", "check_data"]
