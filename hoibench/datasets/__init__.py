"""Data sets: TACO in its real layout, synthetic clips written in that layout, and folders of videos without truth."""
