"""Loading a model's weights from safetensors: from one file, or from several (shards) with an index.

The loaders of diffusers and transformers fill a missing tensor with random numbers and only warn; these raise an error that lists every difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from reference_model.loading.folder import COPY_AGAIN, list_problems, read_json_object

WEIGHTS_STEM = "diffusion_pytorch_model"
"""File name of weights in folders of diffusers, without suffix."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Weights:
    """The names and shapes of the weights stored in a model's folder; their values are read by ``read``.

    Attributes:
        folder: the model's folder.
        shapes: shape of each tensor, by path of its file, then by name.
    """

    folder: Path
    shapes: Mapping[Path, Mapping[str, Shape]]

    def all_shapes(self) -> dict[str, Shape]:
        """Return the shape of every tensor of all files, by name."""
        return {name: shape for file in self.shapes.values() for name, shape in file.items()}

    def read(self, dtypes: Mapping[str, torch.dtype]) -> dict[str, Tensor]:
        """Read the tensors named in ``dtypes``, each converted to its dtype there, and return them by name, on the CPU.

        Raises:
            ValueError: a tensor contains NaN or infinity, or does once converted.
        """
        tensors = {}
        for path, shapes in self.shapes.items():
            with safe_open(path, framework="pt") as file:
                for name in filter(dtypes.__contains__, shapes):
                    # A copy, because the tensor is mapped from the file: overwriting the file would change the model.
                    tensor = file.get_tensor(name).to(dtypes[name], copy=True)
                    # One NaN makes both extremes NaN; testing each number would allocate a copy and take far longer.
                    if not torch.stack(tensor.aminmax()).isfinite().all():
                        raise ValueError(
                            f"{path}: {name} contains NaN, infinity, or a number too large for {dtypes[name]}. {COPY_AGAIN}"
                        )
                    tensors[name] = tensor
        return tensors


def open_weights(folder: Path, stem: str = WEIGHTS_STEM) -> Weights:
    """Read the names and shapes of a folder's weights, in the shards listed in ``STEM.safetensors.index.json`` or in ``STEM.safetensors``.

    Raises:
        FileNotFoundError: neither file exists, or shards are missing; the message names all of them.
        ValueError: a file is truncated or not safetensors, or the index and its shards disagree.
    """
    index = folder / f"{stem}.safetensors.index.json"
    single = folder / f"{stem}.safetensors"
    if index.is_file():
        return _open_shards(folder, index)
    if single.is_file():
        return Weights(folder, {single: _read_shapes(single)})
    raise FileNotFoundError(f"{folder} has neither {single.name} nor {index.name}. {COPY_AGAIN}")


def check_weights(
    model: nn.Module,
    weights: Weights,
    *,
    new: frozenset[str] = frozenset(),
    ignored: frozenset[str] = frozenset(),
    hint: str = COPY_AGAIN,
) -> None:
    """Check that the weights stored in a folder have the names and shapes of a model's parameters, without reading values.

    Args:
        model: the model, which may be on the meta device.
        weights: the folder's weights.
        new: parameters that the folder must not have.
        ignored: tensors that the folder may have in addition.
        hint: last line of the error.

    Raises:
        ValueError: tensors are missing, extra or of another shape; the message lists all.
    """
    expected = {name: tuple(each.shape) for name, each in model.named_parameters() if name not in new}
    stored = {name: shape for name, shape in weights.all_shapes().items() if name not in ignored}
    if problems := list(_differences(expected, stored)):
        raise ValueError(list_problems(f"{weights.folder} does not have this model's weights", problems, hint))


def load_weights(
    model: nn.Module,
    weights: Weights,
    *,
    dtype: torch.dtype,
    new: frozenset[str] = frozenset(),
    in_fp32: Iterable[str] = (),
) -> None:
    """Read a folder's weights into a model on the meta device, in place, after ``check_weights``; each tensor is in memory once.

    Args:
        model: the model, whose parameters are replaced.
        weights: the folder's weights.
        dtype: dtype of the parameters.
        new: parameters that the folder does not have; they get uninitialized memory, which the caller must set.
        in_fp32: components of the names of parameters that are float32 instead, see ``parameter_dtypes``.

    Raises:
        ValueError: a tensor contains NaN or infinity, or does once converted.
    """
    dtypes = parameter_dtypes(model, dtype, in_fp32)
    tensors = weights.read({name: dtypes[name] for name in dtypes if name not in new})
    tensors |= {name: torch.empty(model.get_parameter(name).shape, dtype=dtypes[name]) for name in new}
    model.load_state_dict(
        tensors, strict=False, assign=True
    )  # check_weights has compared names; tied parameters have two
    assert not any(each.is_meta for each in (*model.parameters(), *model.buffers()))


def parameter_dtypes(model: nn.Module, dtype: torch.dtype, in_fp32: Iterable[str] = ()) -> dict[str, torch.dtype]:
    """Return each parameter's dtype by name: float32 if a component of its dotted name is in ``in_fp32``, else ``dtype``."""
    fp32 = frozenset(in_fp32)
    return {
        name: torch.float32 if fp32.intersection(name.split(".")) else dtype for name, _ in model.named_parameters()
    }


def _open_shards(folder: Path, index: Path) -> Weights:
    listed = read_json_object(index).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) for name in listed.values()):
        raise ValueError(f"{index} has no weight_map from tensors to files. {COPY_AGAIN}")
    shards = {name: folder / Path(name).name for name in sorted(set(listed.values()))}
    if missing := [name for name, path in shards.items() if not path.is_file()]:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of {len(shards)} shards that {index.name} lists: {', '.join(missing)}. {COPY_AGAIN}"
        )
    weights = Weights(folder, {path: _read_shapes(path) for path in shards.values()})
    found = {(key, path.name) for path, keys in weights.shapes.items() for key in keys}
    expected = {(key, Path(name).name) for key, name in listed.items()}
    problems = [f"{key} is not in {name}, where the index lists it" for key, name in sorted(expected - found)]
    problems += [f"{key} in {name} is not in the index" for key, name in sorted(found - expected)]
    if problems:
        raise ValueError(list_problems(f"{index} and its shards are from different checkpoints", problems, COPY_AGAIN))
    return weights


def _read_shapes(path: Path) -> dict[str, Shape]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 -- no mapping
    except SafetensorError as error:
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) is truncated or not a safetensors file ({error}). {COPY_AGAIN}"
        ) from error


def _differences(expected: Mapping[str, Shape], stored: Mapping[str, Shape]) -> Iterator[str]:
    for name in sorted(expected.keys() - stored.keys()):
        yield f"missing: {name} {expected[name]}"
    for name in sorted(stored.keys() - expected.keys()):
        yield f"extra: {name} {stored[name]}"
    for name in sorted(expected.keys() & stored.keys()):
        if expected[name] != stored[name]:
            yield f"differing: {name} is {stored[name]}, expected {expected[name]}"
