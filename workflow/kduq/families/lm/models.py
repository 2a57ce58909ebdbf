"""Language models and tokenizers: created from settings, saved to folders and loaded from them."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import decoders, pre_tokenizers, trainers
from tokenizers import models as tokenizer_models
from transformers.utils import logging as _logging

from kduq import seeds
from kduq.errors import UserError
from kduq.families.lm import packaged, text
from kduq.families.lm.settings import LanguageModelSettings
from kduq.families.lm.text import Model, Tokenizer

#: Parts of transformers whose functions have no types.
_LOG: Any = _logging
_FAST_TOKENIZER: Any = transformers.PreTrainedTokenizerFast
_GPT2: Any = transformers.GPT2LMHeadModel

END_OF_TEXT = "<|endoftext|>"
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
#: Seconds to wait for the hub before it counts as unreachable.
_TIMEOUT = 5.0


def device() -> torch.device:
    """The accelerator if there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """Learn a byte-level byte-pair encoding.

    Parameters
    ----------
    texts : sequence of str
        Questions and answers, without the template; equal texts give equal tokenizers.
    vocabulary : int
        Largest number of tokens, at least 257: the bytes and the end-of-text token.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        Decoding an encoded text gives the text. The end-of-text token is also the padding and start
        token; there is no unknown token.
    """
    tokenizer = RustTokenizer(tokenizer_models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((f"{text.prompt_text(line)} {line}" for line in texts), trainer)
    return _FAST_TOKENIZER(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        bos_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
    )


def load_or_create(
    settings: LanguageModelSettings, texts: Sequence[str], seed: int
) -> tuple[Model, Tokenizer]:
    """Load a pretrained model, or create one with a tokenizer learnt from texts.

    Parameters
    ----------
    settings : LanguageModelSettings
        Source or architecture.
    texts : sequence of str
        Questions and answers that the tokenizer of a new model is learnt from.
    seed : int
        Seed of the initial weights of a new model.

    Returns
    -------
    model, tokenizer
        On `device`.

    Raises
    ------
    UserError
        As `load`; also if a pretrained model has fewer positions than max_length.
    """
    if settings.source is None:
        assert settings.vocabulary is not None
        tokenizer = make_tokenizer(texts, settings.vocabulary)
        return create(settings, tokenizer, seed), tokenizer
    model, tokenizer = load(settings.source)
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and positions < settings.max_length:
        raise UserError(
            f"{settings.source}: the model has {positions} positions, fewer than its "
            f"max_length of {settings.max_length}; lower max_length"
        )
    return model, tokenizer


def create(settings: LanguageModelSettings, tokenizer: Tokenizer, seed: int) -> Model:
    """Create a GPT-2 with random weights.

    Parameters
    ----------
    settings : LanguageModelSettings
        Its architecture.
    tokenizer : transformers tokenizer
        Fixes the vocabulary and the end-of-text token.
    seed : int
        Seed of the replicate; equal seeds give equal weights.

    Returns
    -------
    transformers.GPT2LMHeadModel
        Without dropout, on `device`.
    """
    assert settings.layers and settings.width and settings.heads
    end = text.end_of_text(tokenizer)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=settings.max_length,
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=settings.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        # GPT-2's constant 0.02 suits its width of 768; with it narrow networks learn slowly.
        initializer_range=settings.initial_scale / settings.width**0.5,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    with torch.random.fork_rng():
        torch.manual_seed(int(seeds.generator(seed, "init").integers(2**63)))
        model = _GPT2(config)
    return model.to(device()).eval()


def save(model: Model, tokenizer: Tokenizer, folder: Path | str) -> None:
    """Write a model and its tokenizer, weights as safetensors.

    Parameters
    ----------
    model : transformers model
        Equal weights and configuration give equal bytes.
    tokenizer : transformers tokenizer
        Its tokenizer.
    folder : path
        Created if it does not exist.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with _quiet():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        # safetensors writes files for the owner alone; the other files follow the umask.
        mode = (Path(folder) / "config.json").stat().st_mode
        for weights in Path(folder).glob("*.safetensors"):
            weights.chmod(mode)
    except OSError as error:
        raise UserError(
            f"{folder}: the model cannot be written ({error.strerror or error}); make room or "
            "give write permission, then run the same command again"
        ) from None


def tensors_of(model: Model) -> dict[str, np.ndarray]:
    """The parameters of a model by name, in single precision; a tied weight is one of them."""
    return {
        name: parameter.detach().float().cpu().numpy()
        for name, parameter in model.named_parameters()
    }


def set_tensors(model: Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Give a model the parameters that `tensors_of` returned for one like it, in place."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(tensors[name]))


def load(source: str) -> tuple[Model, Tokenizer]:
    """Load a causal language model and its tokenizer.

    Parameters
    ----------
    source : str
        A folder; or a name on the Hugging Face hub, which is read from the cache, or downloaded if
        the hub is reachable; or ``smollm2``, a model from an optional package
        (`kduq.families.lm.packaged`); a folder of that name is ``./smollm2``. Only safetensors
        weights are read and no code of the model is run.

    Returns
    -------
    model, tokenizer
        The model in single precision on `device`, and its tokenizer. A tokenizer without a padding
        token pads with the end-of-text token.

    Raises
    ------
    UserError
        If the model does not exist, is not a causal language model or has no safetensors weights,
        or if the optional packages are not installed.
    """
    model, tokenizer = load_as(transformers.AutoModelForCausalLM, source)
    end = text.end_of_text(tokenizer)
    embedded = model.get_input_embeddings().num_embeddings
    if not tokenizer("a").input_ids or len(tokenizer) > embedded:
        raise UserError(
            f"{source}: its tokenizer has {len(tokenizer)} tokens and its model {embedded}; name a "
            "folder or hub name with the tokenizer that the model was trained with"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(end)
    return model, tokenizer


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
        with _quiet():
            model, tokenizer = packaged.load(kind)
        return model.to(device()).eval(), tokenizer
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _read(kind, source, str(folder), True, unused)
    if not _HUB_NAME.fullmatch(source):
        raise UserError(
            f"{source}: no such folder, nor a model name of the form OWNER/NAME; correct source"
        )
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


def _cached(name: str) -> bool:
    return isinstance(huggingface_hub.try_to_load_from_cache(name, "config.json"), str)


def _is_reachable(name: str) -> bool:
    """Query the hub once, since a download retries for minutes without a network."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return False
    try:
        huggingface_hub.model_info(name, timeout=_TIMEOUT)
    except Exception:  # noqa: BLE001 - errors of the hub's HTTP library have no public base
        return False
    return True


def _not_found(name: str) -> str:
    cache = huggingface_hub.constants.HF_HUB_CACHE
    return (
        f"{name}: no such folder in {Path.cwd()}, not in the Hugging Face cache {cache}, and not "
        f"available from the hub; run 'hf download {name}' where there is a network, copy that "
        "cache here and set HF_HOME to it, or name a folder with the model"
    )


def _read(kind: Any, source: str, path: str, local: bool, unused: str) -> tuple[Model, Tokenizer]:
    common = {"local_files_only": local, "trust_remote_code": False}

    def attempt(what: str, call: Callable[[], Any]) -> Any:
        try:
            with _quiet():
                return call()
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise UserError(_unreadable(source, what, error)) from None

    config = attempt(
        "configuration", lambda: transformers.AutoConfig.from_pretrained(path, **common)
    )
    if Path(path).is_dir():
        _require_safetensors(Path(path), source)
    tokenizer = attempt(
        "tokenizer", lambda: transformers.AutoTokenizer.from_pretrained(path, **common)
    )
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
def _quiet() -> Iterator[None]:
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


def perturb(model: Model, scale: float, generator: torch.Generator) -> None:
    """Add noise in proportion to each weight: theta + scale·|theta|·N(0, 1), in place.

    Parameters
    ----------
    model : transformers model
        Changed in place; a tied weight, which is one tensor under two names, is changed once.
    scale : float
        Standard deviation of the noise over the weight's magnitude (Cui & Pei 2026, section 5).
    generator : torch.Generator
        On the processor. Equal generators give the same noise at any scale, up to the factor.
    """
    with torch.no_grad():
        # parameters() lists a tied weight once.
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(scale * parameter.abs() * noise.to(parameter.device))
