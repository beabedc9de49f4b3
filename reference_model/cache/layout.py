"""What lies where in the folder of a latent cache."""

from __future__ import annotations

from pathlib import Path

RECORD = "cache.json"
SUFFIX = ".safetensors"


def record_path(folder: Path) -> Path:
    """The file that says what the cache is made with."""
    return folder / RECORD


def views_folder(folder: Path) -> Path:
    """Where the clips are, a folder each, and in it one a cluster."""
    return folder / "views"


def text_folder(folder: Path) -> Path:
    """Where the embeddings are."""
    return folder / "text"


def has_views(folder: Path) -> bool:
    """Whether a view of any clip is there, whole or not."""
    return any(views_folder(folder).glob(f"*/*/[!.]*{SUFFIX}"))


def has_text(folder: Path) -> bool:
    """Whether the embedding of any prompt is there, whole or not."""
    return any(text_folder(folder).glob(f"[!.]*{SUFFIX}"))


def refuse_foreign(folder: Path) -> None:
    """Raise ValueError if a folder is none, or is no cache and holds other things than a cache would; hidden files do not count."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.exists() and not there.is_dir():
        raise ValueError(f"--out {folder}: {there} is a file, expected a folder: give another --out")
    if there != folder or record_path(folder).is_file():
        return
    ours = {RECORD, views_folder(folder).name, text_folder(folder).name}
    names = sorted(path.name for path in folder.iterdir() if path.name not in ours and not path.name.startswith("."))
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise ValueError(
            f"--out {folder} is no latent cache and holds other things ({names[0]}{more}): give a folder that is new or empty"
        )
