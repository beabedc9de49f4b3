"""A model as diffusers and transformers store it: a folder with config.json and safetensors, in one file or in shards.

Their own loaders draw a missing tensor at random and only warn; here a model gets exactly its tensors, or an error lists every difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from reference_model.model_config import AGAIN, read_object

Shape = tuple[int, ...]


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
                            f"{path}: {name} holds NaN, infinity, or a number that {dtypes[name]} cannot hold. {AGAIN}"
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
    raise FileNotFoundError(f"{folder} has neither {single.name} nor {index.name}. {AGAIN}")


def _open_shards(folder: Path, index: Path) -> Weights:
    listed = read_object(index).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) for name in listed.values()):
        raise ValueError(f"{index} has no weight_map from tensors to files. {AGAIN}")
    shards = {name: folder / Path(name).name for name in sorted(set(listed.values()))}
    if missing := [name for name, path in shards.items() if not path.is_file()]:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of {len(shards)} shards that {index.name} lists: {', '.join(missing)}. {AGAIN}"
        )
    weights = Weights(folder, {path: _shapes(path) for path in shards.values()})
    held = {(key, path.name) for path, keys in weights.shapes.items() for key in keys}
    wanted = {(key, Path(name).name) for key, name in listed.items()}
    if held != wanted:
        problems = [f"{key} is not in {name}, where the index has it" for key, name in sorted(wanted - held)]
        problems += [f"{key} in {name} is not in the index" for key, name in sorted(held - wanted)]
        raise ValueError(_listed(f"{index} and its shards are not of one checkpoint", problems) + f"\n{AGAIN}")
    return weights


def _shapes(path: Path) -> dict[str, Shape]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 -- no mapping
    except SafetensorError as error:
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) is truncated or no safetensors file ({error}). {AGAIN}"
        ) from error


def compare(
    model: nn.Module,
    weights: Weights,
    *,
    new: frozenset[str] = frozenset(),
    ignored: frozenset[str] = frozenset(),
    hint: str = f"\n{AGAIN}",
) -> None:
    """Hold a folder's tensors against a model, which may be on the meta device; reads none of them.

    Args:
        model: what the folder is to hold.
        weights: what it holds.
        new: parameters that the folder must not have.
        ignored: tensors that the folder may have beyond the model's.
        hint: what ends the error.

    Raises:
        ValueError: missing, extra or differing tensors, all listed.
    """
    expected = {name: tuple(each.shape) for name, each in model.named_parameters() if name not in new}
    stored = {name: shape for name, shape in weights.all_shapes().items() if name not in ignored}
    if problems := list(_differences(expected, stored)):
        raise ValueError(_listed(f"{weights.folder} does not hold this model's weights", problems) + hint)


def fill(
    model: nn.Module,
    weights: Weights,
    *,
    new: frozenset[str] = frozenset(),
    dtype: torch.dtype = torch.float32,
    in_fp32: Iterable[str] = (),
) -> None:
    """Give a model on the meta device its parameters, so that no tensor is ever held twice; after ``compare``.

    Args:
        model: whose parameters are replaced.
        weights: what the folder holds.
        new: parameters that the folder does not have; they get memory and no value.
        dtype: of parameters.
        in_fp32: components of dotted names whose parameters are float32 whatever ``dtype``.

    Raises:
        ValueError: a tensor holds NaN or infinity, or would in its dtype.
    """
    expected = {name: tuple(each.shape) for name, each in model.named_parameters()}
    fp32 = frozenset(in_fp32)
    dtypes = {name: torch.float32 if fp32.intersection(name.split(".")) else dtype for name in expected}
    tensors = weights.read({name: dtypes[name] for name in expected if name not in new})
    tensors |= {name: torch.empty(expected[name], dtype=dtypes[name]) for name in new}
    model.load_state_dict(tensors, strict=False, assign=True)  # compared before; tied parameters have two names there
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
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n  ".join([f"{what} ({count}):", *problems])
