"""Brings the names of a state dict to those of open_clip's present models."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from torch import nn

from training.weights.read import State

# Wrappers put their names into those of the tensors: torch.compile, FSDP, activation checkpointing. They
# change no weight. `module.` of DataParallel is one only at the start.
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module.")
OUTER = (
    "module.", "model.", "net.", "network.", "backbone.", "clip_model.", "clip.", "base_model.", "model_ema.",
    "ema_model.", "ema.",
)  # fmt: skip
# Of torch's AveragedModel, and of ema_pytorch.
COUNTERS = {"n_averaged", "initted", "step"}
# What models of other versions store and compute nothing with, where the present one has it not.
LEFT_OUT = re.compile(
    r"(^|\.)(attn_mask|position_ids|token_type_ids|relative_position_index|attn_bias_idxs|num_batches_tracked)$"
    r"|^(input_resolution|context_length|vocab_size)$"
    # The pooling layer of a Hugging Face tower whose output is pooled otherwise.
    r"|^text\.transformer\.pooler\."
)
TEXT_TOWER = (
    "text_projection",
    "positional_embedding",
    "token_embedding",
    "transformer",
    "ln_final",
    "cls_emb",
)
OF_OPENAI = {"input_resolution", "context_length", "vocab_size"}


def unwrapped(state: State) -> State:
    """The state without the prefixes of wrappers and of the object that held the model."""
    # Averages count next to the weights, without the prefix that these have.
    state = {name: tensor for name, tensor in state.items() if name not in COUNTERS}
    for wrapper in WRAPPERS:
        state = {name.replace(wrapper, ""): tensor for name, tensor in state.items()}
    while prefix := _outer(state):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return _of_the_model(state)


def _of_the_model(state: State) -> State:
    """The part of the state that has the two towers, where they have a prefix that the rest has not: the
    module that was trained held the model next to its loss, or to layers of its own.
    """
    if any(name.startswith("visual.") for name in state):
        return state
    prefixes = {
        name[: found.end()] for name in state if (found := re.match(r"(?:\w+\.)*?(?=visual\.)", name))
    }
    with_text = [
        one
        for one in prefixes
        if any(name.startswith((f"{one}token_embedding.", f"{one}text.")) for name in state)
    ]
    # Of two models nobody says which one is meant.
    if len(with_text) != 1:
        return state
    others = [name for name in state if not name.startswith(with_text[0])]
    if others:
        print(
            f"not loaded, because they are outside of the model '{with_text[0]}' in the file of weights: "
            f"{len(others)} of its tensors, such as {others[0]}",
            file=sys.stderr,
        )
    size = len(with_text[0])
    return {name[size:]: tensor for name, tensor in state.items() if name.startswith(with_text[0])}


def _outer(names: Iterable[str]) -> str | None:
    names = list(names)
    return next((prefix for prefix in OUTER if names and all(n.startswith(prefix) for n in names)), None)


def is_openai(state: State) -> bool:
    """Whether the weights are OpenAI's own file of a CLIP: only these store three numbers of the model."""
    return set(state) >= OF_OPENAI


def fitted(state: State, model: nn.Module) -> State:
    """The state in the layout of this model: its text tower by itself or not, without unused entries."""
    has_text_tower = hasattr(model, "text")
    if has_text_tower and "text_projection" in state and "text.text_projection" not in state:
        state = {f"text.{n}" if n.startswith(TEXT_TOWER) else n: tensor for n, tensor in state.items()}
    if not has_text_tower and "text.token_embedding.weight" in state:
        state = {name.removeprefix("text."): tensor for name, tensor in state.items()}
    known = model.state_dict().keys()
    state = {name: one for name, one in state.items() if name in known or not LEFT_OUT.search(name)}
    own = model.state_dict()
    for name in ("logit_scale", "logit_bias"):
        # A number of its own in some versions, a list of one in others.
        if name in state and name in own and state[name].numel() == own[name].numel():
            state[name] = state[name].reshape(own[name].shape)
    return state
