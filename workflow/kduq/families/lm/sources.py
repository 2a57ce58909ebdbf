"""Pretrained models: where they are, what is refused, and how they are read."""

import contextlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformers
from huggingface_hub import constants
from transformers.utils import logging as _logging

from kduq.errors import UserError
from kduq.families.lm import packaged, tokenizers
from kduq.families.lm.text import Model, Tokenizer

#: Parts of transformers whose functions have no types.
_LOG: Any = _logging

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")

#: Ends of names of architectures that were trained to classify.
_CLASSIFIERS = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
)

#: Keys of config.json under which weights are said to be quantised.
_QUANTISED = ("quantization_config", "compression_config", "quantization")

_NO_NAME = "{source}: no such folder, nor a model name of the form OWNER/NAME; correct source"

#: File of weights that are added to those of a model.
_ADAPTER = "adapter_config.json"
_NO_MODEL = (
    "{source}: {place} has an adapter (adapter_config.json), which is no model by itself; merge it "
    "into its model with merge_and_unload of peft, save that with save_pretrained, and name its "
    "folder"
)

_NO_CODE = {"trust_remote_code": False}

#: Seconds to wait for the hub before it counts as unreachable.
_TIMEOUT = 5.0


def device() -> torch.device:
    """The accelerator if there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_as(kind: Any, source: str, unused: str = "") -> tuple[Model, Tokenizer]:
    """Load a model by one of transformers' ``AutoModel`` classes; see `load`.

    Parameters
    ----------
    kind : class
        One of transformers' ``AutoModel`` classes.
    source : str
        As in `load`.
    unused : str
        Start of the names of tensors that the file may lack, since they are not used.

    Returns
    -------
    model, tokenizer
        The model on `device`; the tokenizer unchanged.

    Raises
    ------
    UserError
        As `load`.
    """
    if source == packaged.NAME:
        with quiet():
            model, tokenizer = packaged.load(kind)
        return model.to(device()).eval(), tokenizer
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _read(kind, source, str(folder), True, unused)
    if not _HUB_NAME.fullmatch(source):
        raise UserError(_NO_NAME.format(source=source))
    if _cached(source, _ADAPTER) and not _cached(source):
        raise UserError(_NO_MODEL.format(source=source, place="the Hugging Face cache"))
    if _cached(source):
        try:
            return _read(kind, source, source, True, unused)
        except UserError:
            # An incomplete download can be completed if the hub is reachable.
            if not _is_reachable(source):
                raise
    elif not _is_reachable(source):
        raise UserError(_not_found(source))
    return _read(kind, source, source, False, unused)


def folder_of(source: str) -> Path | None:
    """Return the folder with the files of a model, None if it has none on this machine.

    Parameters
    ----------
    source : str
        As in `load`.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if source == packaged.NAME or not _HUB_NAME.fullmatch(source):
        return None
    file = huggingface_hub.try_to_load_from_cache(source, "config.json")
    return Path(file).parent if isinstance(file, str) else None


def check(source: str) -> None:
    """Refuse a source that is no causal language model, as far as its configuration says.

    Parameters
    ----------
    source : str
        As in `load`. Names on the hub that are not in its cache pass: they may be downloaded when
        they are loaded.

    Raises
    ------
    UserError
        As `load`, from the files of a folder without their weights.
    """
    folder = folder_of(source)
    if folder is not None:
        kind: Any = transformers.AutoModelForCausalLM
        _configuration(kind, source, str(folder), {"local_files_only": True} | _NO_CODE)
    elif source == packaged.NAME:
        packaged.require_packages()
    elif not _HUB_NAME.fullmatch(source):
        raise UserError(_NO_NAME.format(source=source))
    elif _cached(source, _ADAPTER):
        raise UserError(_NO_MODEL.format(source=source, place="the Hugging Face cache"))


def _cached(name: str, file: str = "config.json") -> bool:
    return isinstance(huggingface_hub.try_to_load_from_cache(name, file), str)


def _is_reachable(name: str) -> bool:
    """Query the hub once, since a download retries for minutes without a network."""
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        huggingface_hub.model_info(name, timeout=_TIMEOUT)
    except Exception:  # noqa: BLE001 - errors of the hub's HTTP library have no public base
        return False
    return True


def _not_found(name: str) -> str:
    cache = constants.HF_HUB_CACHE
    return (
        f"{name}: no such folder in {Path.cwd()}, not in the Hugging Face cache {cache}, and not "
        f"available from the hub; run 'hf download {name}' where there is a network, copy that "
        "cache here and set HF_HOME to it, or name a folder with the model"
    )


def _attempt(source: str, what: str, call: Callable[[], Any]) -> Any:
    try:
        with quiet():
            return call()
    # Libraries in compiled code raise nothing more specific, and a package that is missing has
    # another error than a file that is damaged.
    except Exception as error:  # noqa: BLE001
        raise UserError(_unreadable(source, what, error)) from None


def _configuration(kind: Any, source: str, path: str, common: dict[str, Any]) -> Any:
    """The configuration of a model that can be loaded and trained, as far as it says."""
    if (Path(path) / _ADAPTER).is_file():
        raise UserError(_NO_MODEL.format(source=source, place="this folder"))
    config = _attempt(
        source,
        "configuration",
        lambda: transformers.AutoConfig.from_pretrained(path, **common),
    )
    _refuse_quantised(config, source)
    if kind is transformers.AutoModelForCausalLM:
        _refuse_classifier(config, source)
    if Path(path).is_dir():
        _require_safetensors(Path(path), source)
    _adapt(config)
    return config


def _read(kind: Any, source: str, path: str, local: bool, unused: str) -> tuple[Model, Tokenizer]:
    common = {"local_files_only": local} | _NO_CODE
    attempt = partial(_attempt, source)
    config = _configuration(kind, source, path, common)
    tokenizer = tokenizers.read_tokenizer(path, source, common, attempt)
    model, report = attempt(
        "weights",
        lambda: kind.from_pretrained(
            path,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **common,
        ),
    )
    missing = sorted(
        name for name in report["missing_keys"] if not (unused and name.startswith(unused))
    )
    if missing:
        raise UserError(
            f"{source}: its weights lack {len(missing)} of the tensors of a {type(model).__name__}"
            f", for example {missing[0]}; name a model of that kind or restore its files"
        )
    return model.to(device()).eval(), tokenizer


def _refuse_classifier(config: Any, source: str) -> None:
    """Refuse a model that was trained to classify, whose head for words may be any."""
    for name in config.architectures or ():
        if name.endswith(_CLASSIFIERS):
            raise UserError(
                f"{source}: the model is a {name} (architectures, in config.json), which was "
                "trained to classify and not to write; name the language model that it was made "
                "from"
            )


def _refuse_quantised(config: Any, source: str) -> None:
    """Refuse a model of rounded weights, which cannot be trained and needs packages of its own."""
    keys = config.to_dict()
    parts = [keys, *(value for value in keys.values() if isinstance(value, dict))]
    found = next((part[key] for part in parts for key in _QUANTISED if part.get(key)), None)
    if found is None:
        return
    method = found.get("quant_method") if isinstance(found, dict) else found
    if method is None:
        bits = any(found.get(f"load_in_{number}bit") for number in (4, 8))
        method = "bitsandbytes" if bits else "method not named"
    method = getattr(method, "value", method)
    raise UserError(
        f"{source}: its weights are quantised ({method}, in config.json); "
        "name the unquantised model, or dequantise it with transformers (dequantize) and save it "
        "with save_pretrained"
    )


def _adapt(config: Any) -> None:
    """Leave out what a configuration asks of the machine and not of the model, in place."""
    # Flash attention and kernels of the hub need a GPU and packages. Without a name transformers
    # takes torch's own attention.
    if config._attn_implementation not in (None, "eager", "sdpa"):
        config._attn_implementation = None
    # RWKV divides its weights in place when it first reads a text in evaluation mode: after that
    # they cannot be saved or exchanged. The division serves half precision alone.
    if config.model_type == "rwkv":
        config.rescale_every = 0


def _require_safetensors(folder: Path, source: str) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    others = f" (only {', '.join(pickled[:3])}, which may contain code)" if pickled else ""
    raise UserError(
        f"{source}: no safetensors weights in this folder{others}; if you trust the model, convert "
        "it with save_pretrained of transformers, which writes model.safetensors"
    )


def _unreadable(source: str, what: str, error: BaseException) -> str:
    first = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"{source}: its {what} cannot be read ({first[0][:200]}); name a folder or hub name of a "
        "causal language model that transformers knows, with config.json, tokenizer.json and "
        "model.safetensors"
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress transformers' warnings and progress bars."""
    level, bars = _LOG.get_verbosity(), _LOG.is_progress_bar_enabled()
    _LOG.set_verbosity_error()
    _LOG.disable_progress_bar()
    try:
        yield
    finally:
        _LOG.set_verbosity(level)
        if bars:
            _LOG.enable_progress_bar()
