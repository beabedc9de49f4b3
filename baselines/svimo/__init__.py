"""SViMo, whose code is not published: stored predictions, or a program of the user."""
