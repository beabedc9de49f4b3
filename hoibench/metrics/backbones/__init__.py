"""Detectors of local image features for the video metrics: SIFT and the ALIKED network, behind the interface ``Matcher``."""
