"""Digests at the end of files."""

import pytest
from kduq.artifacts import files
from kduq.errors import UserError


@pytest.mark.parametrize("suffix", [".pdf", ".html"])
def test_a_seal_tells_any_change(suffix):
    data = files.sealed(b"what it says", suffix)
    assert files.unsealed(data, suffix) == b"what it says"
    changed = [bytes([*data[:i], data[i] ^ 1, *data[i + 1 :]]) for i in range(len(data))]
    for other in (*changed, data[:-1], data[1:], data + b" ", b""):
        with pytest.raises(ValueError, match="sealed"):
            files.unsealed(other, suffix)


def test_a_folder_has_one_digest_of_the_names_and_contents_of_its_files(tmp_path):
    assert files.folder_digest(None) is None
    assert files.folder_digest(tmp_path / "missing") is None
    assert files.folder_digest(tmp_path) is None
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    (tmp_path / "below").mkdir()
    first = files.folder_digest(str(tmp_path))
    (tmp_path / "below/c").write_text("3")
    assert files.folder_digest(tmp_path) == first
    (tmp_path / "b").rename(tmp_path / "d")
    renamed = files.folder_digest(tmp_path)
    (tmp_path / "d").write_text("another")
    assert len({first, renamed, files.folder_digest(tmp_path)}) == 3


def test_a_check_before_the_commit_keeps_a_file_from_its_name(tmp_path, monkeypatch):
    def refuse():
        raise UserError("not now")

    monkeypatch.setattr(files, "before_commit", [refuse])
    (tmp_path / "a").write_text("before")
    with pytest.raises(UserError, match="not now"), files.atomic(tmp_path / "a") as temporary:
        temporary.write_text("after")
    with pytest.raises(UserError), files.atomic_folder(tmp_path / "b"):
        pass
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "before"}
