"""What a thread does with the eight amplitudes that it holds: gates on three wires, their gradients, measuring.

Amplitude i of the eight belongs to the bits of i on the operation's three wires. Tuples keep them in registers, where
an array with an index would go to memory.
"""

# mypy: ignore-errors

from setfit_quantum.backends.cuda_engine.compiling import device_function


@device_function
def rotate(a, wire, c, s):
    """RY on one of the three wires: (u, v) -> (c u - s v, s u + c v) on every pair that differs in its bit."""
    if wire == 0:
        return (
            c * a[0] - s * a[1], s * a[0] + c * a[1], c * a[2] - s * a[3], s * a[2] + c * a[3],
            c * a[4] - s * a[5], s * a[4] + c * a[5], c * a[6] - s * a[7], s * a[6] + c * a[7],
        )  # fmt: skip
    if wire == 1:
        return (
            c * a[0] - s * a[2], c * a[1] - s * a[3], s * a[0] + c * a[2], s * a[1] + c * a[3],
            c * a[4] - s * a[6], c * a[5] - s * a[7], s * a[4] + c * a[6], s * a[5] + c * a[7],
        )  # fmt: skip
    return (
        c * a[0] - s * a[4], c * a[1] - s * a[5], c * a[2] - s * a[6], c * a[3] - s * a[7],
        s * a[0] + c * a[4], s * a[1] + c * a[5], s * a[2] + c * a[6], s * a[3] + c * a[7],
    )  # fmt: skip


@device_function
def swap(a, code):
    """CNOT on a pair of the three wires, as numbered in `plan`: it is its own inverse."""
    if code == 3:  # control 0, target 1
        return a[0], a[3], a[2], a[1], a[4], a[7], a[6], a[5]
    if code == 4:  # 0, 2
        return a[0], a[5], a[2], a[7], a[4], a[1], a[6], a[3]
    if code == 5:  # 1, 0
        return a[0], a[1], a[3], a[2], a[4], a[5], a[7], a[6]
    if code == 6:  # 1, 2
        return a[0], a[1], a[6], a[7], a[4], a[5], a[2], a[3]
    if code == 7:  # 2, 0
        return a[0], a[1], a[2], a[3], a[5], a[4], a[7], a[6]
    return a[0], a[1], a[2], a[3], a[6], a[7], a[4], a[5]  # 2, 1


@device_function
def twist(a, b, wire):
    """Sum over the wire's pairs of u b_v - v b_u: twice what the loss changes by the angle of an RY just done.

    `a` is the state and `b` the loss's gradient by it, both after the gate.
    """
    if wire == 0:
        return (a[0] * b[1] - a[1] * b[0]) + (a[2] * b[3] - a[3] * b[2]) + (
            a[4] * b[5] - a[5] * b[4]) + (a[6] * b[7] - a[7] * b[6])  # fmt: skip
    if wire == 1:
        return (a[0] * b[2] - a[2] * b[0]) + (a[1] * b[3] - a[3] * b[1]) + (
            a[4] * b[6] - a[6] * b[4]) + (a[5] * b[7] - a[7] * b[5])  # fmt: skip
    return (a[0] * b[4] - a[4] * b[0]) + (a[1] * b[5] - a[5] * b[1]) + (
        a[2] * b[6] - a[6] * b[2]) + (a[3] * b[7] - a[7] * b[3])  # fmt: skip


@device_function
def sum_signs(a):
    """Entry j is the sum of all eight, each with sign - where its number shares an odd number of bits with j."""
    b = (a[0] + a[1], a[0] - a[1], a[2] + a[3], a[2] - a[3], a[4] + a[5], a[4] - a[5], a[6] + a[7], a[6] - a[7])
    d = (b[0] + b[2], b[1] + b[3], b[0] - b[2], b[1] - b[3], b[4] + b[6], b[5] + b[7], b[4] - b[6], b[5] - b[7])
    return d[0] + d[4], d[1] + d[5], d[2] + d[6], d[3] + d[7], d[0] - d[4], d[1] - d[5], d[2] - d[6], d[3] - d[7]


@device_function
def load_eight(shared, at, x0, x1, x2):
    """The amplitudes of a thread, whose first lies at `at`; `x0` .. `x2` are what the wires' bits add by XOR."""
    return (
        shared[at], shared[at ^ x0], shared[at ^ x1], shared[at ^ x0 ^ x1],
        shared[at ^ x2], shared[at ^ x0 ^ x2], shared[at ^ x1 ^ x2], shared[at ^ x0 ^ x1 ^ x2],
    )  # fmt: skip


@device_function
def store_eight(shared, at, x0, x1, x2, a):
    """Put them back."""
    shared[at] = a[0]
    shared[at ^ x0] = a[1]
    shared[at ^ x1] = a[2]
    shared[at ^ x0 ^ x1] = a[3]
    shared[at ^ x2] = a[4]
    shared[at ^ x0 ^ x2] = a[5]
    shared[at ^ x1 ^ x2] = a[6]
    shared[at ^ x0 ^ x1 ^ x2] = a[7]
