"""The worker of the fake tree ``toy``."""

import exchange_worker


def answer(request, folder):
    """Make the point maps of one view."""
    view, name = request["views"][0], request["id"] + ".npz"
    arguments = ["--video", folder / view["video"], "--out", folder / name, "--frames", request["frames"]]
    exchange_worker.run_script("run.py", [*arguments, "--size", *request["size"], "--seed", request["seed"]])
    return [{"view": view["id"], "geometry": name}]


if __name__ == "__main__":
    exchange_worker.main(answer, packages=["numpy", "no-such-package"])
