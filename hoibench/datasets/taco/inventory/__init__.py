"""What a copy of TACO holds of each sequence, and how two copies differ."""
