"""MotionCrafter: point maps and scene flow of a video."""
