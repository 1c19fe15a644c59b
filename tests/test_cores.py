"""Overlapping users of `torch_on_one_core` each get their own number of threads back."""

import threading

import torch

from setfit_quantum.backends.cores import available_cores, torch_on_one_core


def test_overlapping_blocks_restore_every_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    counts = {}
    first_inside, second_inside, first_left = (threading.Event() for _ in range(3))

    def second():
        counts["second before"] = torch.get_num_threads()
        first_inside.wait(10)
        with torch_on_one_core():
            second_inside.set()
            first_left.wait(10)
            counts["second inside"] = (torch.get_num_threads(), available_cores())
        counts["second after"] = torch.get_num_threads()

    try:
        other = threading.Thread(target=second)
        with torch_on_one_core():
            with torch_on_one_core():
                assert (torch.get_num_threads(), available_cores()) == (1, 2)
            assert (torch.get_num_threads(), available_cores()) == (1, 2)
        assert (torch.get_num_threads(), available_cores()) == (2, 2)
        other.start()
        with torch_on_one_core():
            first_inside.set()
            second_inside.wait(10)
        assert torch.get_num_threads() == 2
        first_left.set()
        other.join(10)
        assert counts["second inside"] == (1, 2)
        assert counts["second after"] == counts["second before"]
        with torch_on_one_core():
            assert available_cores() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
