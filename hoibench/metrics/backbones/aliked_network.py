"""The ALIKED network with fewer passes over memory, and less new memory: on a CPU it spends most of its time on them."""

from __future__ import annotations

import torch
from kornia.feature import ALIKED
from kornia.feature.aliked.aliked import SDDH, InputPadder, get_patches
from torch import nn

ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805
BLOCK = 1 << 17
"""Number of values that fit the cache of a CPU core."""


def selu_(x: torch.Tensor) -> torch.Tensor:
    """Replace a tensor's values by their SELU, scale * (max(x, 0) + alpha * (exp(min(x, 0)) - 1)), and return it.

    torch 2.14 takes expm1 instead, ten times as long as exp; values differ by less than 3e-7.
    """
    flat = x.as_strided((x.numel(),), (1,))  # a network's tensors fill their memory, in any order of axes
    for block in torch.split(flat, BLOCK) if x.device.type == "cpu" else (flat,):
        negative = block.clamp(max=0).exp_().sub_(1.0).mul_(ALPHA * SCALE)
        block.clamp_(min=0).mul_(SCALE).add_(negative)
    return x


class Selu(nn.Module):
    """SELU in place, see ``selu_``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``selu_`` of a tensor, which it replaces."""
        return selu_(x)


class DescriptorHead(SDDH):
    """kornia's descriptor head, with one product of matrices in place of a convolution for each point."""

    def forward(self, x: torch.Tensor, keypoints: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return each image's descriptors, (n, C), and offsets of its sampled positions; arguments are those of kornia's head."""
        height, width = x.shape[2:]
        wh = torch.tensor([width - 1, height - 1], device=x.device, dtype=x.dtype)
        limit = max(height, width) / 4.0
        descriptors, offsets = [], []
        for dense, points in zip(x, keypoints, strict=True):
            pixels = (points / 2 + 0.5) * wh
            patches = get_patches(dense, pixels.long(), self.kernel_size)
            offset = self.offset_conv(patches).clamp(-limit, limit)[..., 0, 0].view(-1, 2, self.n_pos).transpose(1, 2)
            places = (2.0 * (pixels[:, None] + offset) / wh - 1).reshape(1, -1, 1, 2)
            sampled = nn.functional.grid_sample(dense[None], places, mode="bilinear", align_corners=True)[0, :, :, 0]
            features = selu_(self.sf_conv.weight[..., 0, 0] @ sampled).view(len(sampled), -1, self.n_pos)
            descriptors.append(nn.functional.normalize(torch.einsum("cnp,pcd->nd", features, self.agg_weights), dim=1))
            offsets.append(offset)
        return descriptors, offsets


class FastAliked(ALIKED):
    """kornia's ALIKED for the models n16 and t16, whose weights it takes; points and descriptors are equal up to rounding.

    The dense features of the last size are kept in memory, which the next images of this size use again: new memory takes longer than the features.
    Hence one network must not be called by two threads.
    """

    def __init__(self, model_name: str, max_num_keypoints: int, detection_threshold: float) -> None:
        super().__init__(model_name, max_num_keypoints, detection_threshold)
        for name, module in list(self.named_modules(remove_duplicate=False)):
            if isinstance(module, nn.SELU):
                parent, _, attribute = name.rpartition(".")
                setattr(self.get_submodule(parent), attribute, Selu())
        self.desc_head.__class__ = DescriptorHead
        self._kept: dict[str, torch.Tensor] = {}

    @torch.inference_mode()
    def extract_dense_map(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the dense features, (B, C, H, W) of unit length, and the scores, (B, 1, H, W), of (B, 3, H, W) images."""
        padder = InputPadder(image.shape[-2], image.shape[-1], 32)
        x1 = self.block1(padder.pad(image))
        x2 = self.block2(self.pool2(x1))
        x3 = self.block3(self.pool4(x2))
        x4 = self.block4(self.pool4(x3))
        convolutions = (self.conv1, self.conv2, self.conv3, self.conv4)
        levels = [selu_(conv(x)) for conv, x in zip(convolutions, (x1, x2, x3, x4), strict=True)]
        batch, channels, *size = levels[0].shape
        head, *rest = self.score_head
        # The first convolution of the score head has 1 x 1 pixel, so it commutes with upsampling, which is then of 8 channels.
        kernels = head.get_parameter("weight").chunk(4, dim=1)
        scores = nn.functional.conv2d(levels[0], kernels[0])
        features = self._memory("features", (batch, 4 * channels, *size), image)
        features[:, :channels] = levels[0]
        upsampled = self._memory("upsampled", (batch, channels, *size), image)
        for n, (level, kernel) in enumerate(zip(levels[1:], kernels[1:], strict=True), 1):
            small = nn.functional.conv2d(level, kernel)
            scores += nn.functional.interpolate(small, size, mode="bilinear", align_corners=True)
            torch.ops.aten.upsample_bilinear2d.out(level, size, True, out=upsampled)
            features[:, n * channels : (n + 1) * channels] = upsampled
        features.div_(torch.linalg.vector_norm(features, dim=1, keepdim=True).clamp_(min=1e-12))
        for layer in rest:
            scores = layer(scores)
        return padder.unpad(features), padder.unpad(torch.sigmoid(scores))

    def _memory(self, name: str, shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
        """Return a tensor of any values, the one of the last call if it had the same name, shape and device."""
        kept = self._kept.get(name)
        if kept is None or kept.shape != shape or kept.device != like.device:
            kept = torch.empty(shape, device=like.device, memory_format=torch.channels_last)
            self._kept[name] = kept
        return kept
