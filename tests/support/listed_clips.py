"""A data set of clips without files, for plans that are not run."""

from hoibench.datasets.base import Dataset, Manifest
from hoibench.plugins import UnknownName


class ListedClips(Dataset):
    """A data set whose only split has the clips ``entries``, which a subclass sets."""

    name, kind, default_split = "toy", "synthetic", "demo"
    entries: tuple = ()

    @classmethod
    def open(cls, root, on_message=None):
        return cls()

    def splits(self):
        return ("demo",)

    def manifest(self, split):
        if split != "demo":
            raise UnknownName("split", split, self.splits())
        return Manifest("toy@1/demo", "0123456789ab", self.entries)

    def load(self, entry):
        raise NotADirectoryError
