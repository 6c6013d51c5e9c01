"""Artefacts: findings, one diagnosis each, and the checks that make them."""

from headstart.doctor.data import check_data
from headstart.doctor.findings import Finding
from headstart.doctor.pictures import check_pictures
from headstart.doctor.table import check_columns

__all__ = ["Finding", "check_columns", "check_data", "check_pictures"]
