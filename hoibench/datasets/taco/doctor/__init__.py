"""The diagnosis of a TACO download, which finds missing, damaged and inconsistent files."""

from hoibench.datasets.taco.doctor.diagnosis import diagnose
from hoibench.datasets.taco.doctor.report import Check, Diagnosis, Inventory, format_diagnosis

__all__ = ["Check", "Diagnosis", "Inventory", "diagnose", "format_diagnosis"]
