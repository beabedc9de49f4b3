"""A model as diffusers and transformers store it: a folder with config.json and safetensors, in one file or in shards.

Their own loaders draw a missing tensor at random and only warn; here a model gets exactly its tensors, or an error lists every difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

REPOSITORY = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"
DOWNLOAD = f"hf download {REPOSITORY} --local-dir FOLDER"
_AGAIN = f"Copy or download it again; for Wan's: {DOWNLOAD}"

Shape = tuple[int, ...]


def part(folder: Path, name: str) -> Path:
    """A subfolder of a checkpoint.

    Raises:
        FileNotFoundError: it is not there; says what to download.
    """
    path = Path(folder) / name
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path}: no such folder. Expected a copy of {REPOSITORY}, with its subfolders transformer, vae, text_encoder and tokenizer: {DOWNLOAD}"
        )
    return path


def read_config(folder: Path) -> dict[str, Any]:
    """The object in config.json.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON object; names the file.
    """
    return _read_object(folder / "config.json")


@dataclass(frozen=True)
class Weights:
    """Tensors on disk, none of them read yet.

    Attributes:
        folder: where they lie.
        shapes: of each tensor, by file and name.
    """

    folder: Path
    shapes: Mapping[Path, Mapping[str, Shape]]

    def all_shapes(self) -> dict[str, Shape]:
        """The shape of every tensor by name."""
        return {name: shape for file in self.shapes.values() for name, shape in file.items()}

    def read(self, dtypes: Mapping[str, torch.dtype]) -> dict[str, Tensor]:
        """The tensors of these names, each in its dtype and in memory of its own.

        Raises:
            ValueError: a tensor holds NaN or infinity, or would in its dtype.
        """
        tensors = {}
        for path, shapes in self.shapes.items():
            with safe_open(path, framework="pt") as file:
                for name in filter(dtypes.__contains__, shapes):
                    # A copy, since what is read is mapped from the file: writing the file anew would change the model.
                    tensor = file.get_tensor(name).to(dtypes[name], copy=True)
                    # One NaN makes both extremes NaN; asking each number would need a copy, and takes far longer.
                    if not torch.stack(tensor.aminmax()).isfinite().all():
                        raise ValueError(
                            f"{path}: {name} holds NaN, infinity, or a number that {dtypes[name]} cannot hold. {_AGAIN}"
                        )
                    tensors[name] = tensor
        return tensors


def open_weights(folder: Path, stem: str) -> Weights:
    """The weights of a folder: those that ``STEM.safetensors.index.json`` lists, or ``STEM.safetensors``.

    Raises:
        FileNotFoundError: there are none, or shards are missing; names all of them.
        ValueError: a file is truncated or no safetensors, or the index and its shards disagree.
    """
    index = folder / f"{stem}.safetensors.index.json"
    single = folder / f"{stem}.safetensors"
    if index.is_file():
        return _open_shards(folder, index)
    if single.is_file():
        return Weights(folder, {single: _shapes(single)})
    raise FileNotFoundError(f"{folder} has neither {single.name} nor {index.name}. {_AGAIN}")


def _open_shards(folder: Path, index: Path) -> Weights:
    listed = _read_object(index).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) for name in listed.values()):
        raise ValueError(f"{index} has no weight_map from tensors to files. {_AGAIN}")
    shards = {name: folder / Path(name).name for name in sorted(set(listed.values()))}
    if missing := [name for name, path in shards.items() if not path.is_file()]:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of {len(shards)} shards that {index.name} lists: {', '.join(missing)}. {_AGAIN}"
        )
    weights = Weights(folder, {path: _shapes(path) for path in shards.values()})
    held = {(key, path.name) for path, keys in weights.shapes.items() for key in keys}
    wanted = {(key, Path(name).name) for key, name in listed.items()}
    if held != wanted:
        problems = [f"{key} is not in {name}, where the index has it" for key, name in sorted(wanted - held)]
        problems += [f"{key} in {name} is not in the index" for key, name in sorted(held - wanted)]
        raise ValueError(_listed(f"{index} and its shards are not of one checkpoint", problems) + f"\n{_AGAIN}")
    return weights


def _shapes(path: Path) -> dict[str, Shape]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 -- no mapping
    except SafetensorError as error:
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) is truncated or no safetensors file ({error}). {_AGAIN}"
        ) from error


def fill(
    model: nn.Module,
    weights: Weights,
    *,
    new: frozenset[str] = frozenset(),
    ignored: frozenset[str] = frozenset(),
    dtype: torch.dtype = torch.float32,
    in_fp32: Iterable[str] = (),
    hint: str = "",
) -> None:
    """Give a model on the meta device its parameters, so that no tensor is ever held twice.

    Args:
        model: whose parameters are replaced.
        weights: what the folder holds.
        new: parameters that the folder must not have; they get memory and no value.
        ignored: tensors that the folder may have beyond the model's.
        dtype: of parameters.
        in_fp32: components of dotted names whose parameters are float32 whatever ``dtype``.
        hint: a sentence that ends the error about names and shapes.

    Raises:
        ValueError: missing, extra or differing tensors, all listed; or NaN.
    """
    expected = {name: tuple(each.shape) for name, each in model.named_parameters()}
    inherited = {name: shape for name, shape in expected.items() if name not in new}
    stored = {name: shape for name, shape in weights.all_shapes().items() if name not in ignored}
    if problems := list(_differences(inherited, stored)):
        raise ValueError(_listed(f"{weights.folder} does not hold this model's weights", problems) + hint)
    fp32 = frozenset(in_fp32)
    dtypes = {name: torch.float32 if fp32.intersection(name.split(".")) else dtype for name in expected}
    tensors = weights.read({name: dtypes[name] for name in inherited})
    tensors |= {name: torch.empty(expected[name], dtype=dtypes[name]) for name in new}
    model.load_state_dict(tensors, strict=False, assign=True)  # compared above; tied parameters have two names there
    assert not any(each.is_meta for each in (*model.parameters(), *model.buffers()))


def _differences(expected: Mapping[str, Shape], stored: Mapping[str, Shape]) -> Iterable[str]:
    for name in sorted(expected.keys() - stored.keys()):
        yield f"missing: {name} {expected[name]}"
    for name in sorted(stored.keys() - expected.keys()):
        yield f"extra: {name} {stored[name]}"
    for name in sorted(expected.keys() & stored.keys()):
        if expected[name] != stored[name]:
            yield f"differing: {name} is {stored[name]}, expected {expected[name]}"


def _listed(what: str, problems: list[str]) -> str:
    return "\n  ".join([f"{what} ({len(problems)} problems):", *problems])


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. {_AGAIN}")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}). {_AGAIN}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object. {_AGAIN}")
    return value
