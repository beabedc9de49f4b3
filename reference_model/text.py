"""Text embeddings of umT5, as Wan conditions on them: padded to L tokens, the padding zero (diffusers: pipelines/wan/pipeline_wan.py)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ftfy
import torch
from torch import Tensor
from transformers import AutoTokenizer, UMT5Config, UMT5EncoderModel

from reference_model.model_config import DOWNLOAD, built, part, read_config
from reference_model.model_folder import Weights, compare, fill, open_weights

_SHOWN = 60
_PIECES = ("tokenizer.json", "spiece.model")
"""Files of the tokenizer's vocabulary, either of which is enough."""


def clean(prompt: str) -> str:
    """A prompt with broken Unicode mended, HTML entities resolved, and white space as single spaces.

    Wan was trained on texts cleaned so.  ftfy is not optional: with and without it, one prompt would have two embeddings.
    """
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(prompt))).split())


@dataclass(frozen=True)
class TextEncoder:
    """umT5 and its tokenizer; frozen."""

    model: UMT5EncoderModel
    tokenizer: Any

    @torch.no_grad()
    def embed(self, prompts: Sequence[str], tokens: int) -> Tensor:
        """(P, tokens, text_dim) float32 on the model's device: a vector for each token of a prompt, zero after its last one.

        Args:
            prompts: P texts; an empty one is the unconditional prompt.
            tokens: L.

        Raises:
            ValueError: a prompt has more than L tokens; none is cut short.
        """
        ids = [self._ids(prompt, tokens) for prompt in prompts]
        embeddings = torch.zeros(len(ids), tokens, self.model.config.d_model, device=self.model.device)
        for row, each in zip(embeddings, ids, strict=True):
            # Without its padding, which is masked in any case: a prompt of ten tokens costs ten, and its embedding depends on nothing else.
            row[: len(each)] = self.model(torch.tensor([each], device=row.device)).last_hidden_state[0]
        return embeddings

    def _ids(self, prompt: str, tokens: int) -> list[int]:
        text = clean(prompt)
        ids: list[int] = self.tokenizer(text, verbose=False).input_ids  # its warning would say that the prompt is cut
        if len(ids) > tokens:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
            raise ValueError(
                f"the prompt {shown!r} has {len(ids)} tokens, the model takes at most {tokens}: shorten it"
            )
        return ids


def load_text_encoder(
    folder: Path, *, dtype: torch.dtype = torch.bfloat16, device: torch.device | str = "cpu"
) -> TextEncoder:
    """Read umT5 from the subfolders text_encoder/ and tokenizer/ of a Wan2.2-TI2V-5B-Diffusers checkpoint.

    Args:
        folder: the checkpoint.
        dtype: of the weights; bfloat16 is Wan's own (Wan2.2: wan/configs/shared_config.py), and float16 would overflow.
        device: where prompts are embedded.

    Raises:
        FileNotFoundError: a subfolder or a file is missing.
        ValueError: another model, or broken files.
    """
    model, weights, tokenizer = open_text_encoder(folder)
    fill(model, weights, dtype=dtype)
    model.eval().requires_grad_(False)
    return TextEncoder(model.to(device), tokenizer)


def open_text_encoder(folder: Path) -> tuple[UMT5EncoderModel, Weights, Any]:
    """umT5 on the meta device, its weights, whose names and shapes are right and none is read, and its tokenizer; raises as ``load_text_encoder``."""
    where, words = part(folder, "text_encoder"), part(folder, "tokenizer")
    stored = read_config(where)
    if stored.get("model_type") != "umt5":
        raise ValueError(
            f"{where / 'config.json'}: model_type is {stored.get('model_type')!r}, expected 'umt5'. Download it: {DOWNLOAD}"
        )
    with torch.device("meta"):
        model = built(where, lambda: UMT5EncoderModel(UMT5Config.from_dict(stored)))
    # One table, stored once: not every version of transformers ties it where the file says tie_word_embeddings false, as Wan's does (pull 43880).
    model.set_input_embeddings(model.shared)
    weights = open_weights(where, "model")
    compare(model, weights, ignored=frozenset({"encoder.embed_tokens.weight"}))  # a second copy of that table
    return model, weights, _tokenizer(words, model.config.vocab_size)


def _tokenizer(folder: Path, vocabulary: int) -> Any:
    settings = folder / "tokenizer_config.json"
    if not settings.is_file():  # transformers would go on with another end and another padding
        raise FileNotFoundError(f"{settings}: no such file. Download it: {DOWNLOAD}")
    if not any((folder / name).is_file() for name in _PIECES):  # transformers would go on with a vocabulary of four
        raise FileNotFoundError(f"{folder} has neither {' nor '.join(_PIECES)}. Download it: {DOWNLOAD}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # its readers raise whatever their parsers do
        raise ValueError(f"{folder} holds no tokenizer that can be read ({error}). Download it: {DOWNLOAD}") from error
    if len(tokenizer) > vocabulary:
        raise ValueError(
            f"{folder} has {len(tokenizer)} pieces, text_encoder/ knows {vocabulary}: they are not of one checkpoint. Download both: {DOWNLOAD}"
        )
    return tokenizer
