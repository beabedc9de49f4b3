import pytest


@pytest.fixture(autouse=True)
def own_cache(shared_cache, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(shared_cache))
