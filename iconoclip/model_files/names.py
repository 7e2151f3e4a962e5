"""The kinds of weights that the names of their tensors give away.

The patterns are searched in the names of a file: those of its tensors and those of its top level
(`state_dict`, `optimizer`, ...), one per line. The first row that fits gives the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from iconoclip.model_files.found import Found

FOLDER = "give the folder with its config.json as the model's name"
BOTH = "give weights with an image tower and a text tower, such as ViT-B-32:laion2b_s34b_b79k"


QUANTISED = Found(
    "foreign",
    "a model whose weights were quantised, as by bitsandbytes, GPTQ or torch",
    "give the model from before, in float32, float16 or bfloat16",
)


class Row(NamedTuple):
    """A kind of weights.

    Args:
        what: the file in words.
        remedy: what to do with it.
        every: patterns that must all be found.
        none: a pattern that must not be found.
    """

    what: str
    remedy: str
    every: tuple[str, ...]
    none: str = ""


NAMES = (
    Row(
        "a checkpoint of an iconoclip run",
        "export the run (`iconoclip export RUN --out MODEL`), and give MODEL",
        (r"^iconoclip$", r"^pytorch-lightning_version$"),
    ),
    Row(
        "a checkpoint of DeepSpeed",
        "collect its weights into one file with the zero_to_fp32.py in its folder, and give that",
        (r"^(ds_version|ds_config|zero_stage)$",),
    ),
    Row(
        QUANTISED.what,
        QUANTISED.remedy,
        (r"\.(quant_map|quant_state\.\w+|SCB|qweight|qzeros|_packed_params\.\w+|weight_packed|weight_scale)$",),
    ),
    Row(
        "the state of an optimizer",
        "give the file of weights that was saved with it",
        (r"^param_groups$",),
        r"^state_dict$",
    ),
    Row(
        "a PEFT adapter (LoRA), which changes a model that is not in the file",
        "add it to its model with peft's `merge_and_unload()`, save that, and give its folder",
        (r"\.lora_(A|B|embedding_A)(\.|$)",),
    ),
    Row(
        "an adapter of an image generator (LoRA)",
        BOTH,
        (r"^lora_(unet|te\d?|transformer)_",),
    ),
    Row(
        "a Stable Diffusion checkpoint, a generator of images",
        BOTH,
        (r"^(model\.diffusion_model|first_stage_model|cond_stage_model)\.",),
    ),
    Row(
        "a part of a diffusers pipeline, a generator of images",
        BOTH,
        (r"^(down_blocks|up_blocks|decoder\.up_blocks|single_transformer_blocks|transformer_blocks)\.",),
    ),
    Row(
        "a BLIP-2 model, whose text tower generates text",
        BOTH,
        (r"^(module\.|model\.)?(query_tokens$|qformer\.|Qformer\.)",),
    ),
    Row(
        "a BLIP model, which has no CLIP towers",
        BOTH,
        (r"^(module\.)?(text_decoder\.(bert|cls)|itm_head|visual_encoder\.|vision_proj|vision_model\.encoder\."
         r"layers\.\d+\.self_attn\.qkv)",),
    ),
    Row(
        "a model that generates text about images (LLaVA and similar)",
        BOTH,
        (r"(^|\.)(language_model|multi_modal_projector|mm_projector)\.",),
    ),
    Row(
        "a FLAVA model, which has no CLIP towers",
        BOTH,
        (r"^(flava\.)?(image_model|multimodal_model)\.",),
    ),
    Row(
        "MobileCLIP weights that were reparametrised (fused) for inference, which cannot be trained further",
        "give the weights before that step, such as MobileCLIP-S1:datacompdr",
        (r"(^|\.)reparam_conv\.",),
    ),
    Row(
        "an EVA-CLIP checkpoint with the names of its authors' code",
        "give open_clip's copy of it, such as EVA02-B-16:merged2b_s8b_b131k",
        (r"(^|\.)visual\.blocks\.\d+\.attn\.(q_proj|q_bias|qkv)",),
    ),
    Row(
        "a Chinese-CLIP checkpoint with the names of its authors' code",
        "give its folder of transformers, such as OFA-Sys/chinese-clip-vit-base-patch16",
        (r"(^|\.)visual\.", r"(^|\.)bert\.embeddings\."),
    ),
    Row(
        "a Long-CLIP checkpoint, whose text tower has two tables of positions",
        "give a CLIP model and set model.context_length",
        (r"(^|\.)positional_embedding_res$",),
    ),
    Row(
        "the text tower of a multilingual CLIP (M-CLIP), without its image tower",
        BOTH,
        (r"^LinearTransformation\.", r"^transformer\.embeddings\."),
    ),
    Row(
        "a Segment Anything model",
        BOTH,
        (r"(^|\.)mask_decoder\.", r"(^|\.)(prompt_encoder|image_encoder|vision_encoder)\."),
    ),
    Row(
        "an ImageBind model, which has more than two towers",
        BOTH,
        (r"^modality_(trunks|preprocessors)\.",),
    ),
    Row(
        "the weights of a transformers model, without its config",
        FOLDER,
        (r"(^|\.)vision_model\.", r"(^|\.)text_model\."),
    ),
    Row(
        "one tower of a transformers model",
        BOTH,
        (r"^(vision_model|text_model)\.",),
    ),
    Row(
        "a language model",
        BOTH,
        (r"(^|\.)(embed_tokens|wte)\.weight$", r"(^|\.)(layers|h)\.0\.(self_attn|attn)\."),
        r"(^|\.)visual\.",
    ),
    Row(
        "a text model without an image tower",
        BOTH,
        (r"(^|\.)encoder\.(layer|block)\.0\.",),
        r"(^|\.)visual\.",
    ),
)  # fmt: skip
CLIP = (
    (r"(^|\.)visual\.", r"(^|\.)(token_embedding\.weight$|text\.)"),
    # MobileCLIP as Apple publishes it, and SigLIP as big_vision writes it.
    (r"^image_encoder\.model\.", r"^text_encoder\."),
    (r"(^|/)img/", r"(^|/)txt/"),
)
AFTER_CLIP = (
    Row(
        "a Lightning checkpoint without the two towers of a CLIP model",
        BOTH,
        (r"^pytorch-lightning_version$",),
    ),
    Row(
        "the image tower of a CLIP model, without its text tower",
        BOTH,
        (r"(^|\.)visual\.|^image_encoder\.",),
    ),
    Row(
        "the text tower of a CLIP model, without its image tower",
        BOTH,
        (r"(^|\.)(token_embedding\.weight$|text\.)|^text_encoder\.",),
    ),
    Row(
        "an image model without a text tower (timm, DINO, torchvision)",
        BOTH,
        (r"^(module\.|model\.|backbone\.)*(blocks\.0\.|layer1\.0\.|stages\.0\.|stem\.|features\.0\.|patch_embed\.)",),
    ),
)  # fmt: skip


def by_names(names: Iterable[str], *, is_pickle: bool = False) -> Found | None:
    """What the weights with these names are; None for those of a CLIP model that training reads."""
    names = list(names)
    text = "\n".join(names)

    def has(pattern: str) -> bool:
        return re.search(pattern, text, re.MULTILINE) is not None

    for row in NAMES:
        if all(map(has, row.every)) and not (row.none and has(row.none)):
            return Found("foreign", row.what, row.remedy)
    if any(all(map(has, towers)) for towers in CLIP):
        return None
    for row in AFTER_CLIP:
        if all(map(has, row.every)):
            return Found("foreign", row.what, row.remedy)
    dotted = [name for name in names if "." in name] or names
    shown = f"its first names are {', '.join(dotted[:3])}" if dotted else "it holds no names"
    what = f"a file of weights without the two towers of a CLIP model ({shown})"
    return Found("foreign", what, BOTH, is_pickle=is_pickle)
