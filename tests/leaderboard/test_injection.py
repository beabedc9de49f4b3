"""Every string of a run is untrusted: the page shows it as text."""

import json
import re
from html.parser import HTMLParser

import fake_runs
import fake_site
import pytest

from leaderboard.build import PAGES, build

CORPUS = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "' onmouseover='window.pwned=1",
    "</title></style></textarea></script><script>window.pwned=1</script>",
    "<!--<script>window.pwned=1//-->",
    "javascript:window.pwned=1",
    "{{ 7*7 }}{% include '/etc/passwd' %}",
    "${window.pwned=1}`\\u003cscript\\u003e",
    "&lt;script&gt;&#x3c;b&#x3e;",
    "<a href='javascript:window.pwned=1'>x</a>",
    "<style>body{display:none}</style>",
    "<base href='http://evil.example/'>",
    "<meta http-equiv='refresh' content='0;url=http://evil.example/'>",
    "\u202egnp.exe\u2066\x00\x1b[31m\u200b",
    "]]><![CDATA[",
    "x" * 5000,
]


def hostile_run(folder, text):
    """Write a run with ``text`` in every free string of the format."""
    method = fake_runs.FakeMethod(
        text, text, fake_runs.means(1, 10, 5, 0.02, 0.012, 20),
        more={"families": (text,), "preset": text, "pairing": text, "paper": text, "privileges": (text,), "regions": (text,)},
    )  # fmt: skip
    clips = [
        {"id": name, "triplet": [text] * 3, "instances": [text, text], "tags": [text]}
        for name in ("20231001_000", "20231002_001")
    ]

    def poison(row):
        change = {
            "clip_set_id": text,
            "split": text,
            "unit": text,
            "alignment": text,
            "pairing": text,
            "truth": text,
            "region": text,
        }
        if row["metric"] == "rpe@1":
            change |= {"metric": text}
        if row["metric"] == "chamfer@1":
            change |= {"value": None, "status": text or "x", "reason": text}
        return row | change

    provenance = {"created": text, "git": {text: text}, text: text, "command": text, "nested": {"a": {text: [text]}}}
    return fake_runs.write_run(
        folder, [method], clips=2, edit=poison, name=text, dataset=text, split=text, split_id=text, clip_set_id=text, config_hash=text,
        provenance=provenance, exit={"status": "done", "failures": [{"unit": text, "stage": text, "reason": text}]},
    ) and _set_clips(folder, clips)  # fmt: skip


def _set_clips(folder, clips):
    table = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(table | {"clips": clips}))
    return folder


def hostile_run_with_files(folder):
    """Write a run with videos and points, and the corpus in the names of its methods, in its clips' prompts and in the names of their views."""
    fake_site.write_run(folder, split="files")
    table = json.loads((folder / "run.json").read_text())
    for method, text in zip(table["methods"][-3:], CORPUS, strict=False):
        method["name"] = text
    (folder / "run.json").write_text(json.dumps(table))
    for n, path in enumerate(sorted(folder.glob("clips/*/clip.json"))):
        clip = json.loads(path.read_text())
        clip["prompt"] = CORPUS[n]
        for view, text in zip(clip["views"], CORPUS[n:], strict=False):
            view["id"] = text
        path.write_text(json.dumps(clip))
    return folder


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    runs = [hostile_run(root / f"run-{n}", text) for n, text in enumerate(CORPUS)]
    return build([*runs, hostile_run_with_files(root / "run-files")], root / "page", fake_runs.CARDS)


def check_that_nothing_came_in(page):
    """Fail if a text of a run has become an element, an attribute that runs, or a link to somewhere else."""
    assert page.evaluate("window.pwned") is None
    sources = page.locator("script").evaluate_all("all => all.map(e => e.getAttribute('src'))")
    assert all(re.fullmatch(r"assets/\w+\.js|data/[\w-]+\.js", source) for source in sources)
    assert page.locator("img, iframe, object, embed, base, style, form[action]").count() == 0
    assert page.locator("meta").count() == 3 and page.locator("body").is_visible()
    links = page.locator("a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    ours = ("#", "data/", "media/", "https://arxiv.org/", *(page.file for page in PAGES))
    assert [link for link in links if not link.startswith(ours)] == []
    handlers = (
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => /^on/.test(a.name)).length"
    )
    assert page.evaluate(handlers) == 0


@pytest.mark.browser
@pytest.mark.parametrize("file", [page.file for page in PAGES if page.file != "clip.html"])
def test_the_corpus_stays_text(visit, hostile_page, file):
    page = visit((hostile_page.parent / file).as_uri())
    check_that_nothing_came_in(page)
    if file == "index.html":
        assert any("<script>window.pwned=1</script>" in title for title in page.locator("h2").all_inner_texts())
    for control in page.locator("tr.metrics button:visible, summary:visible").all()[:40]:
        control.click()
    check_that_nothing_came_in(page)


@pytest.mark.browser
def test_the_corpus_stays_text_on_the_clip_page(visit, hostile_page):
    page = visit((hostile_page.parent / "clip.html").as_uri())
    names = page.locator("select[name=board] option").all_inner_texts()
    assert len(names) == len(CORPUS) + 1
    for number in range(1, len(names) + 1):
        page.evaluate(
            "number => { document.querySelector('.clip-numbers table').replaceChildren(); location.hash = '#board=' + number; }",
            number,
        )
        page.locator(".clip-numbers td").first.wait_for()
        check_that_nothing_came_in(page)
    page.evaluate(
        "number => { location.hash = '#board=' + number; }",
        1 + next(n for n, name in enumerate(names) if "files" in name),
    )
    page.locator(".picture[data-state=ready]").wait_for()
    check_that_nothing_came_in(page)
    shown = page.locator("#clip").inner_text()
    assert all(text in shown for text in CORPUS[:3])


def test_pages_have_no_inline_scripts_or_styles_and_assets_make_no_html(hostile_page):
    for page in hostile_page.parent.glob("*.html"):
        found = Attributes()
        found.feed(page.read_text())
        assert [name for name in found.names if name == "style" or name.startswith("on")] == []
    for path in (hostile_page.parent / "assets").iterdir():
        words = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|\bfetch\(|https?:(?!//www\.w3\.org/)",
            path.read_text(),
        )
        assert words == [], path.name


class Attributes(HTMLParser):
    """Collects the names of all attributes of a page."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def handle_starttag(self, tag, attrs):
        self.names |= {name for name, _ in attrs}


def test_names_of_files_do_not_come_from_a_run(hostile_page):
    names = {path.name for path in hostile_page.parent.rglob("*")}
    assert [name for name in names if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9]+)?", name)] == []


def test_long_strings_are_cut_and_control_characters_removed(hostile_page):
    text = hostile_page.read_text()
    assert "x" * 2001 not in text
    assert not {"\u202e", "\u2066", "\x00", "\x1b", "\u200b"} & set(text)


def test_templates_and_entities_are_not_evaluated(hostile_page):
    text = hostile_page.read_text()
    assert "{{ 7*7 }}" in text and "&amp;lt;script&amp;gt;" in text and "root:" not in text


def test_the_corpus_does_not_exceed_the_size_limit(hostile_page):
    assert hostile_page.stat().st_size < 3_000_000
