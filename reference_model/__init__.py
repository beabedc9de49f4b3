"""SyncMV4D: the reference model of hoibench, after the paper (arXiv 2511.19319), whose code and weights were never released."""
