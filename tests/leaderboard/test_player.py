"""The player in a real browser: one clock moves every canvas, and no canvas shows another frame than the clock's."""

import re

import fake_site
import pytest
from frame_marks import read_marks
from page_checks import overflow
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ROWS = ["ground_truth", *(method.id for method in fake_site.METHODS)]
CANVASES = ".panels canvas"
OPEN = """async ([name, keys]) => {
  const root = document.querySelector('.player'), clip = await hoibench.load(name);
  root.classList.add('show-mark');
  window.player = hoibench.player;
  player.show(clip, keys.map(key => ({ key, name: key })));
}"""


def open_player(page, name="b1-clip-000", rows=ROWS):
    page.locator(".clip-numbers td").first.wait_for()  # the page has shown its first clip
    page.evaluate(OPEN, [name, rows])
    wait_until_loaded(page)


def wait_until_loaded(page):
    expect(page.locator(".frame[data-state=loading]")).to_have_count(0)


def everywhere(frame):
    """The marks of all canvases at a frame: a row a view, a column a method."""
    return [(frame, view) for view in range(fake_site.VIEWS) for _ in ROWS]


@pytest.fixture
def clip_page(visit, site_with_files):
    page = visit((site_with_files.parent / "clip.html").as_uri() + "#frame=0")
    open_player(page)
    return page


def test_one_scrubber_moves_every_canvas_to_the_same_frame(clip_page):
    page, scrubber = clip_page, clip_page.locator("input[name=frame]")
    last = fake_site.FRAMES - 1
    assert read_marks(page, CANVASES) == everywhere(0)
    for frame in (7, 0, last):
        scrubber.fill(str(frame))
        assert read_marks(page, CANVASES) == everywhere(frame)
        assert page.locator(".transport output").inner_text() == f"{frame} of {fake_site.FRAMES}"
    box = scrubber.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert read_marks(page, CANVASES) == everywhere(0)


def test_the_address_follows_the_clock_and_another_method_joins_at_its_frame(visit, site_with_files):
    page = visit(
        f"{(site_with_files.parent / 'clip.html').as_uri()}#board=1&clip={fake_site.CLIPS[1]}&rows=svimo&frame=4"
    )
    output = page.locator(".transport output")
    expect(output).to_have_text(f"4 of {fake_site.FRAMES}")
    page.locator("input[name=frame]").fill("6")
    page.wait_for_url("**&frame=6")
    page.get_by_role("checkbox", name="WAN2.2").check()
    expect(page.locator(CANVASES)).to_have_count(3 * fake_site.VIEWS)
    wait_until_loaded(page)
    page.locator(".player").evaluate("e => e.classList.add('show-mark')")
    assert read_marks(page, CANVASES) == [(6, view) for view in range(fake_site.VIEWS) for _ in range(3)]


def test_the_player_is_used_with_the_keyboard_alone(clip_page, screenshot):
    page = clip_page
    page.locator(".panels").focus()
    shown = lambda: page.evaluate("player.frame")  # noqa: E731  (read below)
    for key, frame in ((".", 1), (".", 2), (",", 1), ("End", 11), (".", 11), ("Home", 0), (",", 0)):
        page.keyboard.press(key)
        assert shown() == frame, key
    page.locator("input[name=frame]").focus()
    page.keyboard.press("ArrowRight")
    assert read_marks(page, CANVASES) == everywhere(1)
    label = page.locator(CANVASES).first.get_attribute("aria-label")
    assert label.startswith("ground_truth, view ") and label.endswith(f"frame 1 of {fake_site.FRAMES}")
    page.keyboard.press(" ")
    assert page.evaluate("player.playing") and page.locator("button[name=play]").inner_text() == "Pause"
    page.evaluate("() => new Promise(done => player.onFrame(frame => frame > 2 && done()))")
    page.keyboard.press(" ")
    assert not page.evaluate("player.playing")
    assert read_marks(page, CANVASES) == everywhere(shown())
    page.locator("button[name=forward]").focus()
    page.keyboard.press(" ")  # the button's own key: one step, and no playing
    assert not page.evaluate("player.playing")
    screenshot(page, "player")


def test_playing_follows_the_wall_clock_and_skips_frames(clip_page):
    """The frames that a slow page draws are those that are due, at every speed."""
    page = clip_page
    script = """([fps, speed]) => {
      player.fps = fps; player.speed = speed; player.frames = 1000; player.seek(0);
      player.playing = true; player.start = null;
      const drawn = [];
      for (const now of [5000, 5100, 5900, 6000]) { player.tick(now); drawn.push(player.frame); }
      player.pause();
      return drawn;
    }"""
    assert page.evaluate(script, [10, 1]) == [0, 1, 9, 10]
    assert page.evaluate(script, [10, 0.25]) == [0, 0, 2, 2]
    assert page.evaluate(script, [10, 2]) == [0, 2, 18, 20]


def test_a_canvas_without_its_sheet_says_so_and_never_shows_an_old_frame(visit, served_with_files):
    page = visit(served_with_files.replace("index", "clip"))
    open_player(page)
    page.locator("input[name=frame]").fill("5")
    stalled = page.evaluate("hoibench.load('b1-clip-001').then(clip => clip.rows['svimo'].sheets[1])")
    waiting = []
    page.route(f"**/{stalled}", lambda route: waiting.append(route))
    page.evaluate(OPEN, ["b1-clip-001", ROWS])
    place = len(ROWS) * 1 + ROWS.index("svimo")
    expect(page.locator(".frame[data-state=loading]")).to_have_count(1)
    expected = [*everywhere(5)]
    expected[place] = "loading"
    assert read_marks(page, CANVASES) == expected
    waiting.pop().abort()
    wait_until_loaded(page)
    expected[place] = f"no video: {stalled} cannot be read"
    assert read_marks(page, CANVASES) == expected
    assert len(page.messages) == 2 and all(stalled in text or "ERR_FAILED" in text for text in page.messages)
    page.messages.clear()


def test_missing_and_shorter_videos_have_words_in_their_place(clip_page):
    page = clip_page
    page.evaluate("""async () => {
      const clip = structuredClone(await hoibench.load('b1-clip-000'));
      clip.rows['svimo'] = { problem: 'no video: <b>damaged</b>', sheets: [], videos: [] };
      clip.rows['wan2.2'].frames = 6;
      player.show(clip, ['ground_truth', 'svimo', 'wan2.2', 'constructor'].map(key => ({ key, name: key })));
      player.seek(6);
    }""")
    wait_until_loaded(page)
    shown = read_marks(page, CANVASES)
    row = [
        (6, 0),
        "no video: <b>damaged</b>",
        "ends after 6 frames",
        "no video: the site has those of methods and of the truth",
    ]
    assert shown[:4] == row
    page.locator("input[name=frame]").fill("5")
    assert read_marks(page, CANVASES)[:4] == [(5, 0), row[1], (5, 0), row[3]]


def test_a_narrow_screen_shows_one_method_beside_the_truth(visit, site_with_files, screenshot):
    page = visit((site_with_files.parent / "clip.html").as_uri(), viewport={"width": 390, "height": 800})
    open_player(page)
    assert overflow(page) <= 0
    shown = lambda: page.locator(".views .method:visible").all_inner_texts()  # noqa: E731  (read twice)
    assert shown() == ROWS[:2]
    page.locator(".chooser select").select_option("wan2.2")
    assert shown() == ["ground_truth", "wan2.2"]
    screenshot(page, "player-narrow")


def test_the_strip_plays_by_itself_unless_less_motion_is_wanted(visit, site_with_files, screenshot):
    page = visit(site_with_files.as_uri())
    page.locator(".strip canvas").first.wait_for()
    wait_until_loaded(page)
    expect(page.locator(".strip canvas").first).to_have_attribute("aria-label", re.compile("playing$"))
    assert page.locator(".strip h4").all_inner_texts()[0] == "Ground truth"
    page.locator(".strip button").click()
    page.locator(".strip").evaluate("e => e.classList.add('show-mark')")
    marks = read_marks(page, ".strip canvas")
    frames = {frame for frame, _ in marks}
    assert len(frames) == 1 and [view for _, view in marks] == list(range(fake_site.VIEWS)) * len(ROWS)
    page.locator(".strip").evaluate("e => e.classList.remove('show-mark')")
    screenshot(page, "strip")
    still = visit(site_with_files.as_uri(), reduced_motion="reduce")
    still.locator(".strip canvas").first.wait_for()
    still.wait_for_timeout(300)
    assert still.locator(".strip button").inner_text() == "Play"


def test_without_scripts_the_strip_links_the_sheets(visit, site_with_files):
    page = visit(site_with_files.as_uri(), java_script_enabled=False)
    links = page.locator(".strip a[data-sheet]").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert len(links) == fake_site.VIEWS * len(ROWS)
    assert all((site_with_files.parent / link).is_file() for link in links)
    assert page.locator(".strip button:visible").count() == 0
