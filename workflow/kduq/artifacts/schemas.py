"""Schemas of the artifacts: explicit, never inferred."""

import pyarrow as pa

#: Incremented whenever a schema or the meaning of a column changes.
SCHEMA_VERSION = 3
#: Columns of a student's condition; null where one does not apply.
CONDITION: dict[str, pa.DataType] = {
    "method": pa.string(),
    "alpha": pa.float64(),
    "k": pa.int32(),
    "teacher_weight": pa.float64(),
    "init_noise": pa.float64(),
    "sample_fraction": pa.float64(),
    "label_source": pa.string(),
    "temperature": pa.float64(),
}
#: A list whose length is fixed within a file and may differ between files. Where a column of a
#: file has no value at all, its length is one.
VECTOR = pa.list_(pa.float32(), 1)

#: A generated text, its length and its probability under the model that generated it.
_TEXT: dict[str, pa.DataType] = {
    "text": pa.string(),
    "n_tokens": pa.int32(),
    "logprob": pa.float64(),
    "finish_reason": pa.string(),
}
#: A text sampled in answer to a prompt. The log-probabilities of the support, one per reference,
#: are in the row of draw 0 alone, where the corpus has an answer distribution.
_ANSWER: dict[str, pa.DataType] = {
    "prompt_id": pa.int32(),
    "draw": pa.int32(),
    **_TEXT,
    "support_logprobs": pa.list_(pa.float64()),
}

#: A prompt with its supported answers.
_PROMPT: dict[str, pa.DataType] = {
    "prompt_id": pa.int32(),
    "question": pa.int32(),
    "split": pa.string(),
    "prompt": pa.string(),
    "references": pa.list_(pa.string()),
    "probabilities": pa.list_(pa.float64()),
    "taught_probabilities": pa.list_(pa.float64()),
}
#: Number of the split to which a row belongs, in a design of splits.
_OF_SPLIT = {"split_number": pa.int32()}

#: A student that predicts numbers.
_STUDENT: dict[str, pa.DataType] = {
    **CONDITION,
    **_OF_SPLIT,
    "replicate": pa.int32(),
    "seed": pa.int64(),
    "diverged": pa.bool_(),
    "rank_deficient": pa.bool_(),
    "train_mse": pa.float64(),
    "test_mse": pa.float64(),
    "parameter_distance_before": pa.float64(),
    "parameter_distance_after": pa.float64(),
    "trajectory": pa.list_(pa.float32()),
    "prediction": VECTOR,
    "predictive_variance": VECTOR,
}

#: A student that is a language model; its weights are in a file beside the table.
_LANGUAGE_STUDENT: dict[str, pa.DataType] = {
    **CONDITION,
    "replicate": pa.int32(),
    "seed": pa.int64(),
    "diverged": pa.bool_(),
    "train_loss": pa.float64(),
}
#: A point of the loss curve of a language model.
_LOSS: dict[str, pa.DataType] = {
    **CONDITION,
    "replicate": pa.int32(),
    "step": pa.int32(),
    "loss": pa.float64(),
    "learning_rate": pa.float64(),
}
#: Levels of the factors of a factorial design, null for a factor that is absent.
_LEVELS = dict.fromkeys(
    ("split_level", "teacher_level", "noise_level", "init_level", "bootstrap_level"), pa.int32()
)

#: By stage and, after a slash, by task or design where these differ.
_SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "examples": {"example": pa.int32(), "split": pa.string(), "x": VECTOR, "y": pa.float64()},
    "examples/text": _PROMPT,
    "examples/text_splits": {**_OF_SPLIT, **_PROMPT},
    "teacher": {"example": pa.int32(), "split": pa.string(), "prediction": pa.float64()},
    "teacher/classification": {
        "example": pa.int32(),
        "split": pa.string(),
        "probabilities": VECTOR,
    },
    "teacher/text": {
        "prompt_id": pa.int32(),
        "split": pa.string(),
        "perplexity": pa.float64(),
    },
    "answers": _ANSWER,
    "answers/students": {**CONDITION, "replicate": pa.int32(), **_ANSWER},
    "answers/splits": {**_OF_SPLIT, **CONDITION, "replicate": pa.int32(), **_ANSWER},
    "embeddings": {"text": pa.string(), "embedding": VECTOR},
    "losses": _LOSS,
    "losses/splits": {**_OF_SPLIT, **_LOSS},
    "responses": {"replicate": pa.int32(), "response": pa.int32(), "noise": VECTOR},
    "responses/splits": {
        **_OF_SPLIT,
        "replicate": pa.int32(),
        "response": pa.int32(),
        "noise": VECTOR,
    },
    "responses/text": {
        "replicate": pa.int32(),
        "response": pa.int32(),
        "prompt_id": pa.int32(),
        "temperature": pa.float64(),
        **_TEXT,
    },
    "targets": {
        **CONDITION,
        "replicate": pa.int32(),
        "prompt_id": pa.int32(),
        "text": pa.string(),
        "weight": pa.float64(),
    },
    "students": _STUDENT,
    "students/decomposition": {**_STUDENT, **_LEVELS},
    "students/text": _LANGUAGE_STUDENT,
    "students/text_splits": {**_OF_SPLIT, **_LANGUAGE_STUDENT},
    "students/text_decomposition": {**_LANGUAGE_STUDENT, **_LEVELS},
    "estimates": {
        "experiment": pa.string(),
        "family": pa.string(),
        "dataset": pa.string(),
        **CONDITION,
        "group": pa.string(),
        "role": pa.string(),
        "metric": pa.string(),
        "estimate": pa.float64(),
        "se": pa.float64(),
        "ci_low": pa.float64(),
        "ci_high": pa.float64(),
        "n_students": pa.int32(),
        "se_students": pa.float64(),
        "se_prompts": pa.float64(),
        "se_total": pa.float64(),
        "n_prompts": pa.int32(),
    },
    "plan": {
        "family": pa.string(),
        "dataset": pa.string(),
        "alpha": pa.float64(),
        "pilot": pa.string(),
        "width": pa.float64(),
        "unit": pa.float64(),
        "students": pa.int32(),
        "responses": pa.int32(),
        "draws": pa.int32(),
        "cost": pa.float64(),
        "optimum": pa.bool_(),
        "resampled": pa.bool_(),
    },
    "claims": {
        "claim": pa.int32(),
        "section": pa.string(),
        "statement": pa.string(),
        "family": pa.string(),
        "dataset": pa.string(),
        "statistic": pa.string(),
        "estimate": pa.float64(),
        "ci_low": pa.float64(),
        "ci_high": pa.float64(),
        "threshold": pa.float64(),
        "margin": pa.float64(),
        "relation": pa.string(),
        "boundary_low": pa.float64(),
        "boundary_high": pa.float64(),
        "p_adjusted": pa.float64(),
        "power": pa.float64(),
        "kind": pa.string(),
        "verdict": pa.string(),
        "reason": pa.string(),
        "n_students": pa.int32(),
        "n_splits": pa.int32(),
        "n_splits_left_out": pa.int32(),
        "n_splits_agreeing": pa.int32(),
        "prediction_low": pa.float64(),
        "prediction_high": pa.float64(),
    },
}


def columns(stage: str) -> tuple[str, ...]:
    """Return the names of a stage's columns, in the order of its schema."""
    return tuple(_SCHEMAS[stage])


def of(stage: str) -> list[dict[str, pa.DataType]]:
    """Return the schemas of a stage, one per task or design."""
    return [schema for name, schema in _SCHEMAS.items() if name.split("/")[0] == stage]
