"""The site's videos: making 12 sheets, and the frames a second of a page with 15 of them; 49 frames of 256 x 384 pixels, as the published videos."""

import shutil
import time

import fake_runs
import fake_site
import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from hoibench.clip import Prediction
from hoibench.predictions import write_prediction
from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run
from leaderboard.build import build
from leaderboard.media import collect_media

FRAMES, HEIGHT, WIDTH, SECONDS = 49, 256, 384, 4
PLAY = """async (seconds) => {
  const clip = await hoibench.load('b1-clip-000'), player = hoibench.player, keys = Object.keys(clip.rows), times = [];
  player.show(clip, [...keys, keys[1]].map((key) => ({ key, name: key })));
  while (document.querySelector('.frame[data-state=loading]')) await new Promise((done) => setTimeout(done, 50));
  player.fps = 60;
  player.onFrame(() => times.push(performance.now()));
  player.play();
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  player.pause();
  return [player.panels.length, (times.length - 1) / ((times.at(-1) - times[0]) / 1000)];
}"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with the videos of the truth and three methods on one clip, of 3 views each."""
    folder = fake_site.write_run(tmp_path_factory.mktemp("player") / "run")
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for n, row in enumerate(["ground_truth", *(method.id for method in fake_site.METHODS)]):
        colours = [
            np.stack([(x + 5 * t) % 256, (2 * y + 40 * n) % 256, (x * y // 64 + 3 * t) % 256], -1)
            for t in range(FRAMES)
        ]
        views = np.stack([np.stack(colours) + view for view in range(3)]).astype(np.uint8)
        write_prediction(folder / "predictions" / row / "seed-0" / fake_site.CLIPS[0], Prediction(video=views), 8.0)
    return folder


@pytest.mark.benchmark(group="12 sheets of 49 frames of 256x384", timer=time.process_time)
def test_sheets(benchmark, run, tmp_path):
    board = build_boards([read_run(run)], fake_runs.CARDS)[0]
    media = benchmark.pedantic(collect_media, (board, [0], tmp_path), rounds=1)
    files = [tmp_path / sheet for found in media.values() for sheet in found.sheets]
    print(f"\n{len(files)} sheets: {sum(path.stat().st_size for path in files) / 1e6:.2f} MB")


@pytest.mark.benchmark(group="player: 3 views x 5 rows")
def test_player(benchmark, run, tmp_path):
    page_file = build([run], tmp_path / "site", fake_runs.CARDS).parent / "clip.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(page_file.as_uri())
        page.locator(".clip-numbers td").first.wait_for()
        panels, rate = benchmark.pedantic(page.evaluate, (PLAY, SECONDS), rounds=1)
        browser.close()
    print(f"\n{panels} canvases, asked for 60 frames a second: {rate:.1f}")
