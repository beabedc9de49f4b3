"""A table with a fixed vector for each word of a small vocabulary: the text encoder of small models, in the place of umT5."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

UNKNOWN = "<unk>"
"""Token of all words that a text table does not have; the first token of its vocabulary."""


class TextTable(ModelMixin, ConfigMixin):
    """A text encoder that maps each token to its vector, independent of the other tokens; called as umT5 is.

    Args:
        vocab_size: number of tokens.
        d_model: channels of a vector.
        positions: largest number of tokens of a prompt if the vector of a token's position in the prompt is added to it; 0 adds none.
    """

    @register_to_config
    def __init__(self, vocab_size: int, d_model: int, positions: int = 0) -> None:
        super().__init__()
        self.shared = nn.Embedding(vocab_size, d_model)
        self.of_position = (
            nn.Embedding(positions, d_model) if positions else None
        )  # diffusers takes ``positions`` from the configuration

    @classmethod
    def orthogonal(cls, vocab_size: int, d_model: int, positions: int, seed: int) -> TextTable:
        """Build a table of fixed random vectors in which the sum of a token's and a position's has a mean square of 1 per channel.

        The vectors of tokens, then of positions, are the columns of a random rotation: all are orthogonal if there are at most ``d_model``.  Of
        more, each further ``d_model`` are the columns of another rotation.
        """
        generator = torch.Generator().manual_seed(seed)
        rotations = [
            torch.linalg.qr(torch.randn(d_model, d_model, generator=generator))[0].mT
            for _ in range(0, vocab_size + positions, d_model)
        ]
        vectors = torch.cat(rotations) * math.sqrt(d_model / 2)
        table = cls(vocab_size, d_model, positions)
        table.shared = nn.Embedding.from_pretrained(vectors[:vocab_size].clone())
        table.of_position = nn.Embedding.from_pretrained(vectors[vocab_size : vocab_size + positions].clone())
        return table

    def forward(self, input_ids: Tensor) -> BaseModelOutput:
        """Return the vectors (B, L, d_model) of tokens (B, L) as ``last_hidden_state``."""
        vectors = self.shared(input_ids)
        if self.of_position is not None:
            vectors = vectors + self.of_position.weight[: input_ids.shape[1]]
        return BaseModelOutput(last_hidden_state=vectors)


def unknown_prompt(words: int) -> str:
    """Return a prompt of unknown words, from whose embedding training takes those that it puts in the place of known ones."""
    return " ".join([UNKNOWN] * words)


def prompt_words(prompts: Iterable[str]) -> list[str]:
    """Return the words of some prompts as a text table distinguishes them, in lower case and sorted."""
    return sorted({word for prompt in prompts for word in prompt.lower().split()})


def save_text_encoder(folder: Path, words: Sequence[str], table: TextTable) -> None:
    """Save a table with the vectors of ``UNKNOWN`` and of some words, and its tokenizer, to subfolders text_encoder/ and tokenizer/ of a folder."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate((UNKNOWN, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=UNKNOWN).save_pretrained(folder / "tokenizer")
    table.save_pretrained(folder / "text_encoder")
