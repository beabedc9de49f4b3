"""Submissions: predictions that strangers hand in, read and checked within limits of time and memory."""
