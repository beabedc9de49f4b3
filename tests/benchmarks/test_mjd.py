"""Modulation of one view's 8588 tokens of width 3072: one row per span, compared with one row per token as in the base model."""

import pytest
import torch

from reference_model.mjd.block import TimeRows, modulate, modulation_rows

SPANS = (330, 3960, 4298)
WIDTH = 3072


@pytest.fixture(scope="module")
def case():
    torch.manual_seed(0)
    time = TimeRows(*torch.randn(3, 1, 6, WIDTH))
    video, motion = torch.randn(2, 1, 6, WIDTH)
    x = torch.randn(1, 1, sum(SPANS), WIDTH, dtype=torch.bfloat16)
    return torch.nn.LayerNorm(WIDTH, elementwise_affine=False), video, motion, time, x


def by_spans(norm, video, motion, time, x):
    shift, scale, *_ = modulation_rows(video, motion, time)
    return modulate(norm, x, SPANS, shift, scale)


def by_tokens(norm, video, motion, time, x):
    """Modulate with six rows per token: (1, S, 6, d) in fp32."""
    index = torch.arange(3).repeat_interleave(torch.tensor(SPANS))
    tables = torch.stack([video[0], video[0], motion[0]])[index]
    rows = (tables + torch.stack([each[0] for each in time])[index])[None]
    shift, scale, *_ = rows.unbind(2)
    return (norm(x[:, 0].float()) * (1 + scale) + shift).type_as(x)[:, None]


@pytest.mark.parametrize("implementation", [by_spans, by_tokens])
def test_modulation(benchmark, implementation, case):
    torch.set_num_threads(1)
    with torch.no_grad():
        out = benchmark(implementation, *case)
        assert torch.equal(out, by_spans(*case))
