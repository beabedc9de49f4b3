"""Atomic writes, hashes, provenance, and readers for untrusted files."""

from hoibench.store.atomic import atomic_write, remove_temporary_files, sync, write_bytes
from hoibench.store.hashes import array_digest, canonical_json, sampled_digest, sha256_file, sha256_json
from hoibench.store.json_file import read_json, write_json
from hoibench.store.npz import ArrayLimits, read_npz, write_npz

__all__ = [
    "ArrayLimits",
    "array_digest",
    "atomic_write",
    "canonical_json",
    "read_json",
    "read_npz",
    "remove_temporary_files",
    "sampled_digest",
    "sha256_file",
    "sha256_json",
    "sync",
    "write_bytes",
    "write_json",
    "write_npz",
]
