"""The worker's key: made once, for its owner alone, compared in constant time (J6), refused when damaged."""

from __future__ import annotations

import inspect

import pytest

from strategos.server.access import worker_key
from strategos.server.access.worker_key import WorkerKey
from strategos.server.settings import SettingsError
from strategos.server.terms import HallError


def test_a_key_is_made_once_and_kept(tmp_path):
    first = WorkerKey(tmp_path / "data")
    text = first.file.read_text().strip()
    WorkerKey(tmp_path / "data").check(text)
    assert first.file.stat().st_mode & 0o777 == 0o600 and len(text) == 43
    assert WorkerKey(tmp_path / "other").file.read_text() != first.file.read_text()


@pytest.mark.parametrize("wrong", ["", "x", "ä" * 43, "a" * 43, "a" * 100_000])
def test_no_other_key_is_good_and_the_refusal_does_not_tell_it(tmp_path, wrong):
    key = WorkerKey(tmp_path)
    with pytest.raises(HallError) as refused:
        key.check(wrong)
    assert refused.value.code == "forbidden" and key.file.read_text().strip() not in refused.value.message


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 50])
def test_a_damaged_key_is_told_and_not_taken(tmp_path, content):
    (tmp_path / worker_key.FILE_NAME).write_bytes(content)
    with pytest.raises(SettingsError, match="remove that file"):
        WorkerKey(tmp_path)


def test_J6_the_key_is_compared_in_constant_time():
    assert "hmac.compare_digest" in inspect.getsource(WorkerKey.check)
