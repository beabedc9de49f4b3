"""The text encoder, umT5 or a table of words: loading, and embedding of prompts, zero-padded to L tokens as in diffusers (pipelines/wan)."""

from __future__ import annotations

import html
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ftfy
import torch
from torch import Tensor
from transformers import AutoTokenizer, UMT5Config, UMT5EncoderModel

from reference_model.config import SyncMV4DConfig
from reference_model.loading.folder import (
    CONFIG_FILE,
    COPY_AGAIN,
    DOWNLOAD_COMMAND,
    build_from_config,
    check_config_types,
    find_part,
    read_config,
)
from reference_model.loading.text_table import UNKNOWN, TextTable
from reference_model.loading.weights import Weights, check_weights, load_weights, open_weights

log = logging.getLogger(__name__)

_SHOWN_CHARACTERS = 60
_VOCABULARY_FILES = ("tokenizer.json", "spiece.model")
"""Names of the tokenizer's vocabulary file, of which one is enough."""


def clean_prompt(prompt: str) -> str:
    """Return a prompt with Unicode repaired, HTML entities resolved and white space reduced to single spaces, as in Wan's training.

    ftfy is a required dependency: with and without it, one prompt would have two embeddings.
    """
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(prompt))).split())


@dataclass(frozen=True)
class TextEncoder:
    """A frozen text encoder, umT5 or a text table, and its tokenizer; words that a text table does not have are logged as a warning."""

    model: UMT5EncoderModel | TextTable
    tokenizer: Any

    @torch.no_grad()
    def embed(self, prompts: Sequence[str], tokens: int) -> Tensor:
        """Return the embeddings of P prompts, (P, tokens, text_dim) float32 on the model's device, zero after each prompt's last token.

        Args:
            prompts: P texts; the empty text is the unconditional prompt.
            tokens: number L of tokens to which each embedding is padded.

        Raises:
            ValueError: a prompt has more than L tokens; prompts are not truncated.
        """
        ids = [self._tokenize(prompt, tokens) for prompt in prompts]
        embeddings = torch.zeros(len(ids), tokens, self.model.config.d_model, device=self.model.device)
        for row, each in zip(embeddings, ids, strict=True):
            # Without padding: a prompt costs only its own tokens, and its embedding depends on nothing else.
            tokens_of_row = torch.tensor([each], dtype=torch.long, device=row.device)
            row[: len(each)] = self.model(tokens_of_row).last_hidden_state[0]
        return embeddings

    def _tokenize(self, prompt: str, tokens: int) -> list[int]:
        text = clean_prompt(prompt)
        ids: list[int] = self.tokenizer(text, verbose=False).input_ids  # without its warning of truncation
        if len(ids) > tokens:
            shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
            raise ValueError(
                f"the prompt {shown!r} has {len(ids)} tokens, the model takes at most {tokens}: shorten it"
            )
        if isinstance(self.model, TextTable):
            self._warn_of_unknown_words(text)
        return ids

    def _warn_of_unknown_words(self, text: str) -> None:
        words = dict.fromkeys(text.split())
        words.pop(UNKNOWN, None)  # asked for by name, as word dropout does
        unknown = [word for word in words if self.tokenizer.unk_token_id in self.tokenizer(word).input_ids]
        if unknown:
            log.warning(
                "the text table does not have these words, which mean nothing to the model: %s", " ".join(unknown)
            )


def load_text_encoder(
    checkpoint: Path, *, dtype: torch.dtype = torch.bfloat16, device: torch.device | str = "cpu"
) -> TextEncoder:
    """Load a text encoder, frozen, from subfolders text_encoder/ and tokenizer/ of a copy of Wan2.2-TI2V-5B-Diffusers or of a model's own parts.

    Args:
        checkpoint: the folder of both.
        dtype: dtype of the weights; bfloat16 is Wan's own (Wan2.2: wan/configs/shared_config.py), and float16 would overflow.
        device: device to embed prompts on.

    Raises:
        FileNotFoundError: a subfolder or a file is missing.
        ValueError: the files are damaged or of another model.
    """
    model, weights, tokenizer = open_text_encoder(checkpoint)
    load_weights(model, weights, dtype=dtype)
    model.eval().requires_grad_(False)
    return TextEncoder(model.to(device), tokenizer)


def open_text_encoder(checkpoint: Path) -> tuple[UMT5EncoderModel | TextTable, Weights, Any]:
    """Check a text encoder's files for ``load_text_encoder`` without reading weights; raises the same errors, except for NaN.

    Returns:
        The text encoder on the meta device (shapes without values), the names and shapes of its stored weights, and its tokenizer.
    """
    folder, tokenizer_folder = find_part(checkpoint, "text_encoder"), find_part(checkpoint, "tokenizer")
    stored = read_config(folder)
    is_table = stored.get("_class_name") == TextTable.__name__
    model, weights = _open_table(folder, stored) if is_table else _open_umt5(folder, stored)
    return model, weights, _load_tokenizer(tokenizer_folder, model.config.vocab_size)


def _open_table(folder: Path, stored: Mapping[str, Any]) -> tuple[TextTable, Weights]:
    check_config_types(folder, stored, TextTable)
    with torch.device("meta"):
        model = build_from_config(folder, lambda: TextTable.from_config(dict(stored)))
    weights = open_weights(folder)
    check_weights(model, weights)
    return model, weights


def _open_umt5(folder: Path, stored: Mapping[str, Any]) -> tuple[UMT5EncoderModel, Weights]:
    if stored.get("model_type") != "umt5":
        raise ValueError(
            f"{folder / CONFIG_FILE}: model_type is {stored.get('model_type')!r}, expected 'umt5'. Download it: {DOWNLOAD_COMMAND}"
        )
    with torch.device("meta"):
        model = build_from_config(folder, lambda: UMT5EncoderModel(UMT5Config.from_dict(dict(stored))))
    # One table, stored once.  Wan's file says tie_word_embeddings false, and not every version of transformers ties it then (pull 43880).
    model.set_input_embeddings(model.shared)
    weights = open_weights(folder, "model")
    check_weights(model, weights, ignored=frozenset({"encoder.embed_tokens.weight"}))  # a second copy of that table
    return model, weights


def check_text_encoder(model: UMT5EncoderModel | TextTable, config: SyncMV4DConfig, folder: Path) -> None:
    """Raise ValueError unless the embeddings of a text encoder, read from ``folder``, have the number of channels that a model expects."""
    found, expected = model.config.d_model, config.mjd.text_dim
    if found != expected:
        raise ValueError(
            f"{folder} gives {found} channels, the model expects {expected}: give the model's own checkpoint"
        )


def _load_tokenizer(folder: Path, vocabulary: int) -> Any:
    settings = folder / "tokenizer_config.json"
    if not settings.is_file():  # transformers would use default end and padding tokens
        raise FileNotFoundError(f"{settings}: no such file. {COPY_AGAIN}")
    if not any((folder / name).is_file() for name in _VOCABULARY_FILES):  # transformers would use a vocabulary of four
        raise FileNotFoundError(f"{folder} has neither {' nor '.join(_VOCABULARY_FILES)}. {COPY_AGAIN}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # its parsers raise errors of many types
        raise ValueError(f"{folder} has no readable tokenizer ({error}). {COPY_AGAIN}") from error
    if len(tokenizer) > vocabulary:
        raise ValueError(
            f"{folder} has {len(tokenizer)} pieces, text_encoder/ has {vocabulary}: they are from different checkpoints."
            f" Download both: {DOWNLOAD_COMMAND}"
        )
    return tokenizer
