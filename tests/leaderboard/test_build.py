"""The page's text, its files and its error messages."""

import errno
import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import fake_runs
import pytest

from leaderboard import build as module
from leaderboard.build import build, main

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; base-uri 'none'; form-action 'none'"


@pytest.fixture(scope="module")
def text(site):
    return site.read_text()


PAGES = ("index.html", "clip.html", "paper.html", "metrics.html", "runs.html")


def test_every_link_and_source_of_every_page_is_a_file_of_the_site(site):
    for name in PAGES:
        text = (site.parent / name).read_text()
        local = {source.partition("#")[0] for source in re.findall(r'(?:src|href)="([^"#:]+)["#]', text)}
        assert {"index.html", "assets/page.css", "assets/page.js"} <= local
        assert [source for source in local if not (site.parent / source).is_file()] == []


def test_the_page_has_a_policy_and_stays_within_it(text):
    assert f'content="{POLICY}"' in text
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", text)
    sources = re.findall(r'(?:src|href)="([^"#][^"]*)"', text)
    assert all(
        source.startswith(("assets/", "data/b", *PAGES, "https://arxiv.org/", "data:image/svg+xml,"))
        for source in sources
    )


def test_the_banner_warns_of_the_papers_tables(text):
    assert "must not be compared with the papers’ tables" in text


def test_each_kind_of_result_has_its_own_section(text):
    sections = re.findall(r'<section class="(board \w+|reported)"', text)
    assert sections == ["board measured", "board synthetic", "board synthetic"]
    heads = [re.sub("<[^>]*>", "", head) for head in re.findall(r'<h2 id="b\d-title">(.*)</h2>', text)]
    is_marked = [head.endswith(": generated clips, not TACO") for head in heads]
    assert is_marked == [False, True, True]


def test_every_note_is_cited_and_every_citation_has_its_note(text):
    cited, defined = (
        set(re.findall(r'href="#(b[^"]*-note-\d+)"', text)),
        set(re.findall(r'id="(b[^"]*-note-\d+)"', text)),
    )
    assert cited == defined != set()
    assert "weights are missing: fetch them" in text


def test_every_internal_link_has_its_target(text):
    targets = re.findall(r'\bid="([^"]+)"', text)
    assert len(targets) == len(set(targets))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(targets)


def test_a_failed_clip_shows_both_numbers_and_the_count(text):
    assert re.search(
        r'"><span class="failed-clips">2 of 24 failed</span><button type="button" class="value" popovertarget="[^"]+">[\d.]+[ <].*?'
        r'<span class="extra">[\d.]+ \([\d.]+ – [\d.]+\) answered</span><span class="count incomplete">22/24',
        text,
    )


def test_a_mean_with_failures_has_no_interval(text):
    cell = re.search(r'<td class="ok[^>]*>(?:(?!</td>).)*2 of 24 failed.*?</td>', text, re.S)[0]
    assert 'class="interval"' not in cell and "2 failed (95 % interval of the failure rate: 1.03 to 27 %)" in cell


def test_boards_with_few_object_pairs_are_headed_as_demonstrations(text):
    assert (
        text.count("object pairs this is a demonstration: not separated does not mean equal") == 2
    )  # the demo and the videos


def test_primary_columns_are_marked(tmp_path):
    run = fake_runs.write_run(tmp_path / "run", fake_runs.METHODS[:2], clips=4, metrics=("rpe@1", "chamfer@1"))
    heads = re.findall(
        r'<th scope="col" data-column.*?</th>', build([run], tmp_path, fake_runs.CARDS).read_text(), re.S
    )
    assert ["★" in head for head in heads] == [False, True] and "Cham. Dis." in heads[1]


def test_the_papers_columns_have_a_page_without_ranks(tmp_path):
    run = fake_runs.write_run(tmp_path / "run", clips=4, metrics=("rpe@1", "chamfer@1"))
    cards = fake_runs.CARDS | {"rpe@1": fake_runs.CARDS["rpe@1"].model_copy(update={"sets": ("paper",)})}
    index = build([run], tmp_path / "page", cards)
    assert 'href="paper.html"' in index.read_text()
    paper = (tmp_path / "page" / "paper.html").read_text()
    assert not any(text in paper for text in ("●", "○", "data-secondary>", "data-secondary data"))
    assert "Guesses are" in paper
    assert set(re.findall(r'href="#([^"]+)"', paper)) <= set(re.findall(r'\bid="([^"]+)"', paper))
    build([run], tmp_path / "page", fake_runs.CARDS)
    assert "Guesses are" not in (tmp_path / "page" / "paper.html").read_text()  # the paper's own tables alone


def test_failures_stand_above_the_boards_joined_by_reason(site, text):
    section = re.search(r'<section class="failures".*?</section>', text, re.S)
    rows = re.findall(r"<tr><td>seen</td>.*?</tr>", section[0])
    assert "60 failed" in (site.parent / "runs.html").read_text()
    assert section.end() < text.index('<div id="boards">')
    assert len(rows) == 10 and "… and 1 more in run.json." in section[0]
    assert re.sub("<[^>]*>", "|", rows[0]) == (
        "||seen||svimo||24 of 24||score||the fitted scale is negative||seen/logs/svimo/seed-0/20231001_000.log||"
    )
    assert "<td>1 of 24: 20231001_000</td>" in rows[1]


def test_rows_with_a_single_seed_are_marked_and_not_ranked(text):
    assert "1 seed" in text and "Not ranked: 1 seed; a generative method needs at least 3 to be ranked." in text


def test_cards_show_their_known_failure(site):
    text = (site.parent / "metrics.html").read_text()
    assert all(f"<code>{metric}</code>" in text for metric in fake_runs.CARDS)
    assert "Saturates on a table top." in text and "e = |sP-X| / max(|X|, 0.01)" in text


def test_the_bar_of_an_interval_contains_its_mean(text):
    bars = re.findall(
        r'<rect class="range" x="([\d.]+)" y="1.5" width="([\d.]+)" height="4"/><circle class="dot" cx="([\d.]+)"', text
    )
    assert len(bars) > 50
    assert all(
        float(x) - 0.1 <= float(mean) <= float(x) + float(width) + 0.1 and 0 <= float(x) <= 76
        for x, width, mean in bars
    )


def test_the_html_is_well_formed(text):
    """Parsed as XML after closing the void elements, which fails for an unclosed or misnested tag."""
    ET.fromstring(as_xml(text))


def as_xml(text):
    body = re.sub(r"<(meta|link|input)\b([^>]*)>", r"<\1\2/>", text.partition("<html")[2])
    return re.sub(
        r"\s(checked|hidden|defer|open|popover|data-sortable|data-secondary|data-primary|data-folded|data-whole-board)(?=[\s/>])",
        r' \1=""',
        "<html" + body,
    )


def test_a_second_build_replaces_the_page(tmp_path):
    one = fake_runs.write_run(tmp_path / "one", fake_runs.REFERENCE_ROWS[:1], clips=2, seeds=(0,))
    two = fake_runs.write_run(
        tmp_path / "two", fake_runs.REFERENCE_ROWS[:1], clips=2, seeds=(0,), split="synthetic@2/val"
    )
    first = build([one], tmp_path / "page", fake_runs.CARDS).read_text()
    index = build([two], tmp_path / "page", fake_runs.CARDS)
    assert "synthetic@2/val" in index.read_text() and "synthetic@2/val" not in first
    assert build([one], tmp_path / "page", fake_runs.CARDS).read_text() == first  # same runs, same bytes


def test_a_build_that_fails_leaves_the_old_page(tmp_path, monkeypatch):
    run = fake_runs.write_run(tmp_path / "one", fake_runs.REFERENCE_ROWS[:1], clips=2, seeds=(0,))
    before = build([run], tmp_path / "page", fake_runs.CARDS).read_bytes()
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", len(before))
    assert build([run], tmp_path / "page", fake_runs.CARDS).read_bytes() == before
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 1000)
    (tmp_path / "page" / "data" / "b7.js").write_text("of the old page")
    with pytest.raises(ValueError, match="more than 1000: put fewer runs on one site"):
        build([run], tmp_path / "page", fake_runs.CARDS)
    assert (tmp_path / "page" / "data" / "b7.js").is_file()
    assert (tmp_path / "page" / "index.html").read_bytes() == before
    assert not list((tmp_path / "page").rglob(".tmp-*"))


def test_a_page_that_would_be_too_large_lacks_the_drawers(tmp_path, monkeypatch):
    run = fake_runs.write_run(tmp_path / "one", clips=2, seeds=(0,))
    whole = build([run], tmp_path / "page", fake_runs.CARDS).read_text()
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", len(whole.encode()) - 1)
    short = build([run], tmp_path / "page", fake_runs.CARDS).read_text()
    assert len(short) < len(whole) / 2 and "popover" in whole and "popover" not in short
    numbers = [re.findall(r'class="value"[^>]*>([^<]+)', text) for text in (whole, short)]
    assert numbers[0] == numbers[1] and len(numbers[0]) > 50
    ET.fromstring(as_xml(short))


def test_an_index_that_cannot_be_replaced_stays_unchanged(tmp_path, monkeypatch):
    one = fake_runs.write_run(tmp_path / "one", fake_runs.REFERENCE_ROWS[:1], clips=2, seeds=(0,))
    two = fake_runs.write_run(
        tmp_path / "two", fake_runs.REFERENCE_ROWS[:1], clips=2, seeds=(0,), split="synthetic@2/val"
    )
    index = build([one], tmp_path / "page", fake_runs.CARDS)
    before, replace = index.read_bytes(), os.replace

    def fails_on_the_index(source, target, **more):
        if Path(target).name == "index.html":
            raise OSError(errno.ENOSPC, "no space left")
        replace(source, target, **more)

    monkeypatch.setattr(os, "replace", fails_on_the_index)
    with pytest.raises(OSError, match="no space left"):
        build([two], tmp_path / "page", fake_runs.CARDS)
    assert index.read_bytes() == before
    assert sorted(path.name for path in index.parent.iterdir()) == sorted(["assets", "data", *PAGES])


def test_a_page_without_runs_has_a_message(tmp_path):
    assert "This page has no runs." in build([], tmp_path / "page", fake_runs.CARDS).read_text()


def test_the_command_line_builds_the_page_or_names_the_invalid_run(tmp_path, capsys):
    run = fake_runs.write_run(tmp_path / "one", fake_runs.REFERENCE_ROWS[:1], clips=2, seeds=(0,))
    assert main([str(run), "--out", str(tmp_path / "page")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page" / "index.html")
    assert main([str(run), "--out", str(tmp_path / "page"), "--media-clips=-1"]) == 2
    assert "--media-clips -1: give 0" in capsys.readouterr().err
    (run / "run.json").write_text(json.dumps({"schema": "other"}))
    assert main([str(run), "--out", str(tmp_path / "page")]) == 2
    assert "schema is 'other'" in capsys.readouterr().err
