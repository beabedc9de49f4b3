"""A table with a fixed vector for each word of a small vocabulary: the text encoder of small models, in the place of umT5."""

from __future__ import annotations

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput


class TextTable(ModelMixin, ConfigMixin):
    """A text encoder that maps each token to its vector, independent of the other tokens; called as umT5 is.

    Args:
        vocab_size: number of tokens.
        d_model: channels of a vector.
    """

    @register_to_config
    def __init__(self, vocab_size: int, d_model: int) -> None:
        super().__init__()
        self.shared = nn.Embedding(vocab_size, d_model)

    def forward(self, input_ids: Tensor) -> BaseModelOutput:
        """Return the vectors (B, L, d_model) of tokens (B, L) as ``last_hidden_state``."""
        return BaseModelOutput(last_hidden_state=self.shared(input_ids))
