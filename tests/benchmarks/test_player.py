"""Frames a second of the player: 3 views of the truth and 4 methods, 49 frames of 320 x 212 pixels, asked for 60 frames a second."""

import shutil

import fake_runs
import fake_site
import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from hoibench.clip import Prediction
from hoibench.predictions import write_prediction
from leaderboard.build import build

FRAMES, HEIGHT, WIDTH, SECONDS = 49, 212, 320, 4
PLAY = """async (seconds) => {
  const root = document.querySelector('.player'), clip = await hoibench.load('b1-clip-000');
  root.hidden = false;
  const player = new hoibench.Player(root), keys = Object.keys(clip.rows), drawn = [];
  player.show(clip, [...keys, keys[1]].map((key) => ({ key, name: key })));
  while (document.querySelector('.frame[data-state=loading]')) await new Promise((done) => setTimeout(done, 50));
  player.fps = 60;
  player.onFrame(() => drawn.push(performance.now()));
  player.play();
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  player.pause();
  return [player.panels.length, drawn.length / seconds];
}"""


@pytest.mark.benchmark(group="player: 3 views x 5 rows")
def test_player(benchmark, tmp_path):
    run = fake_site.write_run(tmp_path / "run")
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for n, row in enumerate(["ground_truth", *(method.id for method in fake_site.METHODS)]):
        wave = [
            np.stack([(x + 5 * t) % 256, (y * 2 + 40 * n) % 256, (x * y // 64 + 3 * t) % 256], -1)
            for t in range(FRAMES)
        ]
        video = np.stack([np.stack(wave).astype(np.uint8)] * 3)
        write_prediction(run / "predictions" / row / "seed-0" / fake_site.CLIPS[0], Prediction(video=video), 8.0)
    page_file = build([run], tmp_path / "site", fake_runs.CARDS).parent / "clip.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(page_file.as_uri())
        panels, rate = benchmark.pedantic(page.evaluate, (PLAY, SECONDS), rounds=1)
        browser.close()
    benchmark.extra_info["frames a second"] = rate
    print(f"\n{panels} canvases: {rate:.1f} frames a second")
