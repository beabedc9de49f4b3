"""Names and shapes of the tensors in the checkpoints of LightGlue and of GIM's SuperPoint."""

_CHANNELS = {
    "conv1a": (1, 64), "conv1b": (64, 64), "conv2a": (64, 64), "conv2b": (64, 64), "conv3a": (64, 128), "conv3b": (128, 128),
    "conv4a": (128, 128), "conv4b": (128, 128), "convPa": (128, 256), "convPb": (256, 65), "convDa": (128, 256), "convDb": (256, 256),
}  # fmt: skip
SUPERPOINT = {
    f"superpoint.{layer}.{kind}": shape
    for layer, (before, after) in _CHANNELS.items()
    for kind, shape in (("weight", (after, before, *2 * (1 if layer[-2:] in ("Pb", "Db") else 3,))), ("bias", (after,)))
}


_LINEAR = {
    "self_attn": {"Wqkv": (768, 256), "out_proj": (256, 256)},
    "cross_attn": {"to_qk": (256, 256), "to_v": (256, 256), "to_out": (256, 256)},
}
_FFN = {"ffn.0": (512, 512), "ffn.1": (512,), "ffn.3": (256, 512)}


def _layer_shapes(descriptor):
    """Return name -> shape of each layer's weight; its bias has the first side."""
    shapes = {"input_proj": (256, descriptor)} if descriptor != 256 else {}
    for n in range(9):
        for block, linear in _LINEAR.items():
            shapes |= {f"transformers.{n}.{block}.{name}": shape for name, shape in (linear | _FFN).items()}
        shapes |= {f"log_assignment.{n}.matchability": (1, 256), f"log_assignment.{n}.final_proj": (256, 256)}
        if n < 8:
            shapes[f"token_confidence.{n}.token.0"] = (1, 256)
    return shapes


def lightglue_shapes(descriptor, prefix=""):
    """Return name -> shape of LightGlue's tensors, for descriptors of a length."""
    shapes = {f"{prefix}posenc.Wr.weight": (32, 2)}
    for name, shape in _layer_shapes(descriptor).items():
        shapes |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]}
    return shapes
