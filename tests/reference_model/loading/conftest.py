import shutil

import pytest
from diffusers import WanTransformer3DModel


@pytest.fixture(scope="module")
def wan(wan_folder):
    return WanTransformer3DModel.from_pretrained(wan_folder / "transformer")


@pytest.fixture
def copy(wan_folder, tmp_path):
    """A writable copy of transformer/ and vae/."""
    for name in ("transformer", "vae"):
        shutil.copytree(wan_folder / name, tmp_path / name)
    return tmp_path
