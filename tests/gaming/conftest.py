"""The run of cheats on clips of the split ``demo``: on one clip, in the slow suite on four."""

import pytest
from disk_cache import CODE, cached_folder
from gaming import read_board, run_predictions, write_predictions

from hoibench.metric_card import select_cards


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.slow)], ids="{} clips".format)
def clips(request):
    return request.param


@pytest.fixture(scope="module")
def play(request, clips, demo_root):
    """Run cheats and their twins beside the reference rows, and return the board."""

    def board(cheats, group):
        metrics = ",".join(card.id for card in select_cards(["headline"]) if card.group.startswith(group))
        makers = dict.fromkeys([cheat.twin for cheat in cheats] + [cheat.make for cheat in cheats])

        def build(folder):
            folders = write_predictions(folder / "predictions", makers, demo_root, clips)
            run_predictions(folder / "run", folders, demo_root, clips, metrics=metrics)

        name = f"gaming-{request.path.stem}"
        return read_board(cached_folder(name, f"{clips} clips", build, (*CODE, "tests/gaming")) / "run")

    return board
