"""The blocks of a causal text tower under onnxruntime, for the text of one query.

A query has about ten tokens. torch's products of ten rows with a large matrix pack that matrix again each
time; onnxruntime packs the matrices once, when it loads them, and its products take half the processor time
(docs/decisions/0004-search.md). The result is that of open_clip up to rounding.

With matrices of 8 bits, the graph takes half of that time again, because it reads a quarter of the memory.
Then the result differs, and must be compared (retrieval.encode.encoder).

Shapes: L tokens, D features, H heads, O and I outputs and inputs of a matrix, G groups of inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import nn

from iconoclip.machine import num_cores

Floats = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32 | np.uint8]

# In smaller towers, calls take longer than products.
MIN_PARAMETERS = 5_000_000
# Another thread gains little beyond these, as each product takes less than a millisecond.
MAX_THREADS = 4
# The first set of operators with Gelu, and the first format of files that has it.
OPERATORS, FORMAT = 20, 9
# onnxruntime's own operators; MatMulNBits reads matrices of 8 bits since 1.22.
OWN_OPERATORS = "com.microsoft"
# So many inputs of a row may share a scale; the fewer, the more exact and the slower.
GROUP_SIZES = (128, 32)
# The accuracy level at which the inputs of a product are rounded to 8 bits, too.
BYTES_TIMES_BYTES = 4


class TextGraph:
    """The blocks of a text tower. Safe to share between threads.

    Args:
        tower: open_clip's text tower, for which `fits` is true.
        group_size: round the matrices to 8 bits, and the inputs of products as well, in groups of so many;
            None leaves all in float32.
    """

    def __init__(self, tower: Any, *, group_size: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        # With 8 bits, two threads take longer than one.
        options.intra_op_num_threads = 1 if group_size else min(MAX_THREADS, num_cores())
        # Threads that spin while they wait take the cores from other queries.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = _Graph(tower, group_size)
        model = graph.model().SerializeToString()
        # The session reads the weights where torch has them, and adds its packed copy of the matrices.
        self._weights = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(values) for name, values in graph.weights.items()
        }
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, x_LD: torch.Tensor, mask_LL: torch.Tensor) -> torch.Tensor:
        """The output [1, D] of the last block for the last token, from embedded tokens [L, D] and the causal
        mask [L, L] that is added to the products of queries and keys.
        """
        (last_1D,) = self._session.run(None, {"x": x_LD.numpy(), "mask": mask_LL.numpy()})
        return torch.from_numpy(last_1D)


def fits(tower: Any) -> bool:
    """Whether the blocks of a causal text tower are open_clip's own, in float32 on the CPU, and of a size
    that gains from the graph.
    """
    blocks = list(tower.transformer.resblocks)
    parameters = [parameter for block in blocks for parameter in block.parameters()]
    return (
        all(type(block).__name__ == "ResidualAttentionBlock" for block in blocks)
        and all(type(block.mlp.gelu).__name__ in ("GELU", "QuickGELU") for block in blocks)
        and all(p.dtype == torch.float32 and p.device.type == "cpu" for p in parameters)
        and sum(p.numel() for p in parameters) >= MIN_PARAMETERS
    )


def in_bytes(weight_OI: Floats, group_size: int) -> tuple[npt.NDArray[np.uint8], Floats]:
    """A matrix as MatMulNBits reads it: bytes [O, G, group_size], of which 128 stands for zero, and the scale
    of each group [O * G], by which the largest number of the group is 127 away from zero.
    """
    groups_OGI = weight_OI.reshape(len(weight_OI), -1, group_size)
    scale_OG = np.abs(groups_OGI).max(-1).astype(np.float32) / 127
    steps_OGI = np.rint(groups_OGI / np.where(scale_OG, scale_OG, 1)[..., None])
    return (steps_OGI + 128).astype(np.uint8), scale_OG.ravel()


class _Graph:
    """Builds the graph: nodes and their constants, as one writes a forward pass."""

    def __init__(self, tower: Any, group_size: int | None) -> None:
        self._blocks, self._group_size = list(tower.transformer.resblocks), group_size
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self.weights: dict[str, Weights] = {}

    def model(self) -> ModelProto:
        """The whole model, from `x` [L, D] and `mask` [L, L] to the output for the last token [1, D]."""
        *blocks, last = self._blocks
        x = "x"
        for block in blocks:
            normed = self._norm(x, block.ln_1)
            x = self._add(x, self._scaled(self._attention(block.attn, normed, normed, "mask"), block.ls_1))
            x = self._add(x, self._scaled(self._mlp(block, x), block.ls_2))
        # The last token sees all tokens, so it needs no mask; the others are only attended to.
        normed = self._norm(x, last.ln_1)
        attended = self._attention(last.attn, self._last(normed), normed, None)
        x = self._add(self._last(x), self._scaled(attended, last.ls_1))
        x = self._add(x, self._scaled(self._mlp(last, x), last.ls_2))
        width = last.attn.embed_dim
        inputs = [("x", ["L", width]), ("mask", ["L", "L"])]
        graph = helper.make_graph(
            self._nodes,
            "text",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, width])],
            self._constants,
        )
        operators = [helper.make_opsetid("", OPERATORS), helper.make_opsetid(OWN_OPERATORS, 1)]
        return helper.make_model(graph, opset_imports=operators, ir_version=FORMAT)

    def _mlp(self, block: Any, x: str) -> str:
        hidden = self._linear(self._norm(x, block.ln_2), block.mlp.c_fc.weight, block.mlp.c_fc.bias)
        if type(block.mlp.gelu).__name__ == "GELU":
            hidden = self._node("Gelu", hidden, approximate=block.mlp.gelu.approximate)
        else:
            gate = self._node("Sigmoid", self._node("Mul", hidden, self._constant(np.float32(1.702))))
            hidden = self._node("Mul", hidden, gate)
        return self._linear(hidden, block.mlp.c_proj.weight, block.mlp.c_proj.bias)

    def _attention(self, attention: nn.MultiheadAttention, queries: str, keys: str, mask: str | None) -> str:
        heads, size = attention.num_heads, attention.head_dim
        weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        shape = self._constant(np.array([-1, heads, size], np.int64))
        query, key, value = (
            self._node("Reshape", self._linear(x, weight, bias), shape)
            for x, weight, bias in zip((queries, keys, keys), weights, biases, strict=True)
        )
        query_HLS = self._node("Transpose", query, perm=[1, 0, 2])
        key_HSL = self._node("Transpose", key, perm=[1, 2, 0])
        value_HLS = self._node("Transpose", value, perm=[1, 0, 2])
        scale = self._constant(np.float32(size**-0.5))
        products = self._node("MatMul", self._node("Mul", query_HLS, scale), key_HSL)
        shares = self._node("Softmax", products if mask is None else self._add(products, mask), axis=-1)
        read = self._node("Transpose", self._node("MatMul", shares, value_HLS), perm=[1, 0, 2])
        joined = self._node("Reshape", read, self._constant(np.array([-1, heads * size], np.int64)))
        return self._linear(joined, attention.out_proj.weight, attention.out_proj.bias)

    def _last(self, x: str) -> str:
        """The last row of x, as [1, D]."""
        return self._node("Gather", x, self._constant(np.array([-1], np.int64)), axis=0)

    def _norm(self, x: str, norm: nn.LayerNorm) -> str:
        return self._node("LayerNormalization", x, *self._weights(norm.weight, norm.bias), epsilon=norm.eps)

    def _linear(self, x: str, weight_OI: torch.Tensor, bias_O: torch.Tensor) -> str:
        outputs, inputs = weight_OI.shape
        size = self._fitting_size(inputs)
        if size is None:
            return self._node("Gemm", x, *self._weights(weight_OI, bias_O), transB=1)
        matrix, scales = in_bytes(weight_OI.detach().numpy(), size)
        # The two empty names are zero points, which are 128 by default, and an order of the inputs.
        read = (x, self._weight(matrix), self._weight(scales), "", "", *self._weights(bias_O))
        settings: dict[str, Any] = {"bits": 8, "block_size": size, "accuracy_level": BYTES_TIMES_BYTES}
        return self._node("MatMulNBits", *read, N=outputs, K=inputs, domain=OWN_OPERATORS, **settings)

    def _fitting_size(self, inputs: int) -> int | None:
        """The size of groups that divides the inputs of a matrix, or None to leave it in float32."""
        wanted = self._group_size or 0
        return next((size for size in GROUP_SIZES if size <= wanted and inputs % size == 0), None)

    def _scaled(self, x: str, scale: Any) -> str:
        return x if isinstance(scale, nn.Identity) else self._node("Mul", x, *self._weights(scale.gamma))

    def _add(self, one: str, other: str) -> str:
        return self._node("Add", one, other)

    def _weights(self, *tensors: torch.Tensor) -> list[str]:
        return [self._weight(tensor.detach().contiguous().numpy()) for tensor in tensors]

    def _weight(self, values: Weights) -> str:
        """A constant whose numbers are not in the graph."""
        name = f"weight_{len(self.weights)}"
        self.weights[name] = values
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        outside = TensorProto(
            name=name, data_type=kind, dims=values.shape, data_location=TensorProto.EXTERNAL
        )
        outside.external_data.add(key="location", value="memory")
        self._constants.append(outside)
        return name

    def _constant(self, values: Any) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name
