"""The imports of the reference model's commands, made by ``fork_server`` before it forks; none may start a thread or use a device."""

import importlib
import os

os.environ["DS_ACCELERATOR"] = "cpu"  # read when deepspeed is imported

for name in (
    "deepspeed", "torch.utils.tensorboard", "tiny_training", "reference_model.prepare", "reference_model.train", "reference_model.sample",
    "reference_model.preparation.clips", "reference_model.loading.saved_model", "reference_model.loading.text_encoder",
    "reference_model.training.engine",
    "hoibench.datasets.synthetic.dataset",
):  # fmt: skip
    importlib.import_module(name)
