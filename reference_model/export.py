"""``python -m reference_model.export``: publish a trained model: weights in float16 and a model card."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.exit_codes import to_exit_code
from reference_model.command_line import create_output_folder

PROGRAM = "python -m reference_model.export"


@dataclass(frozen=True)
class ExportOptions:
    """Write a trained model as it is published: OUT/model with weights in float16, and OUT/README.md, the model card.

    A model that this command wrote to OUT is replaced; of its card, what follows the head Limits is kept, since it is written by hand. Its recorded
    results, OUT/results, are deleted: python -m reference_model.evaluate makes new ones.
    """

    run: Path
    """Folder of the finished training."""

    cache: tuple[Path, ...]
    """Its latent caches."""

    out: Path
    """Folder to write: a new or empty one, or one that this command wrote."""

    iterations: int | None = None
    """Publish the model after this many iterations, RUN/model-ITERATIONS. Default: the finished one, RUN/model."""

    preset: str = "micro"
    """The preset that was trained."""


def export_command(arguments: Sequence[str]) -> int:
    """Publish the model that the command line names, and return the exit code, 0."""
    options = parse(ExportOptions, arguments, PROGRAM)
    import shutil

    from hoibench.store import write_bytes
    from reference_model.cache import LatentCache
    from reference_model.loading.model_folder import CHECKPOINTS, METADATA_FILE
    from reference_model.loading.saved_model import load_model, save_model
    from reference_model.publishing.model_card import LIMITS, build_model_card
    from reference_model.training.run_folder import RunFolder

    run, model = RunFolder(options.run), options.out / "model"
    settings = run.read_settings()
    trained = run.model if options.iterations is None else run.model_after(options.iterations)
    if not trained.is_dir():
        found = ", ".join(sorted(path.name for path in run.path.glob(f"{run.model.name}*"))) or "no model yet"
        raise FileNotFoundError(
            f"{trained}: no such model, {run.path} has {found}: continue the training to its end, or give --iterations N for model-N"
        )
    caches = [LatentCache(folder) for folder in options.cache]
    if set(settings.caches.values()) != {cache.settings.id for cache in caches}:
        raise ValueError(f"--cache {' '.join(map(str, options.cache))}: the training used others; give its --cache")
    if options.out.is_dir() and any(options.out.iterdir()) and not (model / METADATA_FILE).is_file():
        raise FileExistsError(f"--out {options.out} has other contents than a published model: give another folder")
    create_output_folder(options.out)
    save_model(model, load_model(trained).model.half(), trained)
    iterations = options.iterations or settings.training.iterations
    is_shipped = options.out.resolve() == CHECKPOINTS.resolve() / options.preset
    card = build_model_card(options.preset, model, run, iterations, caches, is_shipped=is_shipped)
    page = options.out / "README.md"
    _, head, by_hand = (page.read_text("utf-8") if page.is_file() else "").partition(f"\n{LIMITS}\n")
    if head:
        card = f"{card.partition(head)[0]}{head}{by_hand}"
    write_bytes(page, card.encode())
    shutil.rmtree(options.out / "results", ignore_errors=True)
    Console(emoji=False).out(str(options.out), highlight=False)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the export command with readable errors, and return its exit code (0 done, 1 crash, 2 usage, 130 interrupted)."""
    logging.captureWarnings(True)
    return to_exit_code(export_command, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
