"""Digests at the end of files."""

import pytest
from kduq.artifacts import files


@pytest.mark.parametrize("suffix", [".pdf", ".html"])
def test_a_seal_tells_any_change(suffix):
    data = files.sealed(b"what it says", suffix)
    assert files.unsealed(data, suffix) == b"what it says"
    changed = [bytes([*data[:i], data[i] ^ 1, *data[i + 1 :]]) for i in range(len(data))]
    for other in (*changed, data[:-1], data[1:], data + b" ", b""):
        with pytest.raises(ValueError, match="sealed"):
            files.unsealed(other, suffix)
