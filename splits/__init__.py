"""The shipped splits of the data sets, as JSONL files with recorded hashes, and the scripts that generate them."""
