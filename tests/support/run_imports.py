"""All that ``python -m hoibench.run`` imports on its way, for the processes that ``fork_server`` forks."""

import av  # noqa: F401
import cv2  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.parquet  # noqa: F401
import scipy.spatial  # noqa: F401
import torch  # noqa: F401

import hoibench.evaluation.plan
import hoibench.evaluation.run
import hoibench.run  # noqa: F401
import leaderboard.build  # noqa: F401
