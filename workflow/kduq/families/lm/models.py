"""Language models: created from settings, saved to folders and loaded from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from kduq import seeds
from kduq.errors import UserError
from kduq.families.lm import probes, text, tokenizers
from kduq.families.lm.settings import LanguageModelSettings
from kduq.families.lm.sources import device, load_as, quiet
from kduq.families.lm.text import Model, Tokenizer

_GPT2: Any = transformers.GPT2LMHeadModel


def load_or_create(
    settings: LanguageModelSettings, texts: Sequence[str], seed: int
) -> tuple[Model, Tokenizer]:
    """Load a pretrained model, or create one with a tokenizer learnt from texts.

    Parameters
    ----------
    settings : LanguageModelSettings
        Source or architecture.
    texts : sequence of str
        Questions and answers, from which the tokenizer of a new model is learnt.
    seed : int
        Seed of the initial weights of a new model.

    Returns
    -------
    model, tokenizer
        On `device`.

    Raises
    ------
    UserError
        As `load`; also if a pretrained model has fewer positions than max_length, or if a text
        spells a special token of its tokenizer.
    """
    if settings.source is None:
        assert settings.vocabulary is not None
        tokenizer = tokenizers.make_tokenizer(texts, settings.vocabulary)
        text.refuse_special_tokens(tokenizer, texts)
        return create(settings, tokenizer, seed), tokenizer
    model, tokenizer = load(settings.source)
    positions = getattr(model.config, "max_position_embeddings", None)
    # Models without a limit have none, or a negative one.
    if positions is not None and 0 < positions < settings.max_length:
        raise UserError(
            f"{settings.source}: the model has {positions} positions, fewer than its "
            f"max_length of {settings.max_length}; lower max_length"
        )
    length, trained = settings.max_length, settings.steps > 0
    probes.require_use(model, tokenizer, settings.source, length, trained)
    text.refuse_special_tokens(tokenizer, texts)
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
        with quiet():
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
        If the model does not exist, is not a causal language model, is quantised or has no
        safetensors weights, or if the optional packages are not installed.
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
    probes.require_causal(model, tokenizer, source)
    return model, tokenizer


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
