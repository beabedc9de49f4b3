"""Full float32 precision, whatever a process has allowed before."""

import pytest
import torch

from hoibench.metrics.backbones.fp32 import full_float32


def precisions():
    return (
        torch.backends.cuda.matmul.fp32_precision,
        torch.backends.cudnn.conv.fp32_precision,
        torch.backends.mkldnn.matmul.fp32_precision,
    )


@pytest.fixture
def low_precision():
    torch.set_float32_matmul_precision("medium")
    yield precisions()
    torch.set_float32_matmul_precision("highest")


def test_float32_is_full_inside_and_as_before_outside(low_precision):
    @full_float32()
    def inside():
        return precisions()

    assert set(low_precision) & {"tf32", "bf16"}
    assert inside() == ("ieee",) * 3
    assert precisions() == low_precision
    with pytest.raises(KeyError), full_float32():
        raise KeyError
    assert precisions() == low_precision
    assert torch.get_float32_matmul_precision() == "medium"
