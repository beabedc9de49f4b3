"""The imports of ``python -m hoibench.run``, made by ``fork_server`` before it forks."""

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
