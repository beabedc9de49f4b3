"""The ablations of Tables 3 and 4 of the SyncMV4D paper: their rows as data, and their training."""
