"""What `strategos bench --help` says is what there is."""

from __future__ import annotations

import pytest

from strategos.cli import main


def test_the_help_names_every_script_and_which_run_only_by_name(tmp_path, monkeypatch, capsys):
    for name in ("engine", "quite_new"):
        (tmp_path / f"{name}.py").write_text('if __name__ == "__main__":\n    pass\n')
    (tmp_path / "shared.py").write_text("SHARED = 1\n")
    monkeypatch.setattr("strategos.commands.bench.FOLDER", tmp_path)
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "only by name: quite_new" in said and "shared" not in said
