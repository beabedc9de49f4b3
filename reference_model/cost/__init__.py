"""What a configuration costs: counted from its modules and the shapes that flow through them; nothing is allocated, nothing measured."""

from __future__ import annotations

from dataclasses import dataclass

from reference_model.config import SyncMV4DConfig
from reference_model.cost.flops import Flops, Steps, count_flops, whole_steps
from reference_model.cost.inventory import Tokens, count_tokens
from reference_model.cost.memory import Memory, count_memory
from reference_model.cost.parameters import Parameters, count_parameters

__all__ = ["Cost", "Flops", "Memory", "Parameters", "Steps", "Tokens", "count_cost"]


@dataclass(frozen=True)
class Cost:
    """All of it."""

    parameters: Parameters
    tokens: Tokens
    flops: Flops
    steps: Steps
    memory: Memory


def count_cost(config: SyncMV4DConfig, gpus: int) -> Cost:
    """What a configuration costs, trained on so many GPUs.

    Raises:
        ValueError: there is no GPU.
    """
    memory, flops = count_memory(config, gpus), count_flops(config)
    return Cost(count_parameters(config), count_tokens(config), flops, whole_steps(config, flops), memory)
