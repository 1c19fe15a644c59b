"""A thin builder of ONNX graphs: nodes by their names, constants by their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

OPSET = 17
_IR_VERSION = 9
"""What every runtime of the last years reads."""


def import_onnx() -> Any:
    """Import `onnx`.

    Raises:
        ImportError: It is not installed; names the pip command.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError('Exporting needs ONNX: pip install "setfit-quantum[onnx]"') from error
    return onnx


class GraphBuilder:
    """Collects nodes and constants. Values are named by texts; equal constants are stored once."""

    def __init__(self) -> None:
        self._onnx = import_onnx()
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names: dict[tuple[Any, ...], str] = {}

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Name of a constant."""
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = f"constant_{len(self._names)}"
            self._constants.append(self._onnx.numpy_helper.from_array(array, self._names[key]))
        return self._names[key]

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def reshape(self, value: str, *shape: int) -> str:
        """`value` in another shape; -1 stands for the batch."""
        return self.node("Reshape", value, self.constant(shape, np.int64))

    def linear(self, value: str, weight: Any, bias: Any | None) -> str:
        """`value @ weight.T + bias`, with `weight` as `torch.nn.Linear` has it."""
        product = self.node("MatMul", value, self.constant(np.asarray(weight, dtype=np.float64).T))
        return product if bias is None else self.node("Add", product, self.constant(bias))

    def build(
        self, inputs: dict[str, Sequence[Any]], outputs: dict[str, Sequence[Any]], metadata: dict[str, str]
    ) -> Any:
        """The model, checked.

        Args:
            inputs: Name and shape of each input; texts stand for free dimensions.
            outputs: Likewise of the outputs.
            metadata: Kept in the model's file.
        """
        helper = self._onnx.helper
        kind = self._onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "head",
            [helper.make_tensor_value_info(name, kind, list(shape)) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, kind, list(shape)) for name, shape in outputs.items()],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="setfit-quantum")
        model.ir_version = _IR_VERSION
        helper.set_model_props(model, metadata)
        self._onnx.checker.check_model(model, full_check=True)
        return model
