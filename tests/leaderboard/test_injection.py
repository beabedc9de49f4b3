"""Every string of a run is untrusted: the page shows it as text."""

import json

import fake_runs
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


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    return build(
        [hostile_run(root / f"run-{n}", text) for n, text in enumerate(CORPUS)], root / "page", fake_runs.CARDS
    )


@pytest.mark.browser
def test_the_corpus_stays_text(visit, hostile_page):
    page = visit(hostile_page.as_uri())
    assert page.evaluate("window.pwned") is None
    assert page.locator("script").count() == 1 + len(PAGES[0].scripts)
    assert page.locator("img, iframe, object, base, style").count() == 0
    assert page.locator("meta").count() == 3 and page.locator("body").is_visible()
    links = page.locator("a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert all(link.startswith(("#", *(page.file for page in PAGES))) for link in links)
    handlers = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => /^on|^style$/.test(a.name)).length"
    )
    assert handlers == 0
    titles = page.locator("h2").all_inner_texts()
    assert any("<script>window.pwned=1</script>" in title for title in titles)
    for button in page.locator("tr.metrics button:visible").all()[:40]:
        button.click()
    assert page.evaluate("window.pwned") is None


def test_long_strings_are_cut_and_control_characters_removed(hostile_page):
    text = hostile_page.read_text()
    assert "x" * 2001 not in text
    assert not {"\u202e", "\u2066", "\x00", "\x1b", "\u200b"} & set(text)


def test_templates_and_entities_are_not_evaluated(hostile_page):
    text = hostile_page.read_text()
    assert "{{ 7*7 }}" in text and "&amp;lt;script&amp;gt;" in text and "root:" not in text


def test_the_corpus_does_not_exceed_the_size_limit(hostile_page):
    assert hostile_page.stat().st_size < 3_000_000
