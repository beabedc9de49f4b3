"""The data set ``synthetic``: generated two-handed scenes, rendered, written in the file layout of TACO, and read by the reader of TACO."""
