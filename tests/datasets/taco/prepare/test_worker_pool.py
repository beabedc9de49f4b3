"""Every task comes to an end, whatever becomes of the processes."""

import multiprocessing
from contextlib import closing

import pytest
from pool_tasks import answer, start

from hoibench.datasets.taco.prepare.sealed import Unwritable
from hoibench.datasets.taco.prepare.worker_pool import Died, Workers

KILLED = "its process ended with code 9: killed from outside, or out of memory"


def workers(folder, notes=0, count=1):
    for number in range(notes):
        (folder / str(number)).touch()
    return Workers(count, answer, start, (folder,))


def test_tasks_are_answered_and_one_that_kills_its_process_is_told(tmp_path):
    answers = dict(workers(tmp_path, count=2).answers(["a", "die", "b", "c"]))
    assert answers == {"a": "A", "die": Died(KILLED), "b": "B", "c": "C"}
    assert not multiprocessing.active_children()


def test_processes_that_die_before_they_have_a_task_are_replaced(tmp_path):
    assert list(workers(tmp_path, notes=2).answers(["a", "b"])) == [("a", "A"), ("b", "B")]


def test_where_no_process_lives_every_task_is_told(tmp_path):
    answers = dict(workers(tmp_path, notes=20).answers(["a", "b"]))
    reason = "its process ended before it began, 4 times: killed from outside, or out of memory"
    assert answers == {"a": Died(reason), "b": Died(reason)}
    assert len(list(tmp_path.iterdir())) == 16


def test_what_is_known_is_given_before_an_error(tmp_path):
    known = []

    def collect():
        for task, _ in workers(tmp_path).answers(["a", "full", "b"]):
            known.append(task)

    with pytest.raises(Unwritable, match="No space left"):
        collect()
    assert known[0] == "a"
    assert not multiprocessing.active_children()


def test_who_stops_asking_leaves_no_process(tmp_path):
    with closing(workers(tmp_path).answers(["a", "b"])) as answers:
        assert next(answers) == ("a", "A")
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


def test_nothing_to_do_starts_nothing(tmp_path):
    assert list(workers(tmp_path, notes=1).answers([])) == []
    assert len(list(tmp_path.iterdir())) == 1
