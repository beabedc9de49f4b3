"""The doctor of a TACO download: what is missing in it, and what disagrees."""

from hoibench.datasets.taco.doctor.diagnosis import diagnose
from hoibench.datasets.taco.doctor.report import Check, Diagnosis, Inventory, render

__all__ = ["Check", "Diagnosis", "Inventory", "diagnose", "render"]
