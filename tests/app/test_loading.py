"""Every case is a process of its own, because a library is imported only once in a process."""

import subprocess
import sys

from tests.portraits import ROOT


def said_by(program: str) -> list[str]:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_torch_and_the_renderer_are_loaded_once_the_thread_ends() -> None:
    program = (
        "import gc, sys, threading; from fastavatar.app.loading import load_ahead; load_ahead()\n"
        "[t.join() for t in threading.enumerate() if t.name == 'loading']\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 100_000, 'scipy.spatial' in sys.modules)\n"
        "print('torch' in sys.modules, 'torch._meta_registrations' in sys.modules)"
    )
    assert said_by(program) == ["True", "True", "True", "True", "False"]


def test_networks_without_memory_are_built_after_a_lean_import_of_torch() -> None:
    """With torch's own kernels, as after a plain `import torch`."""
    program = (
        "from fastavatar.app.loading import meta_kernels_when_used\n"
        "with meta_kernels_when_used(): import torch\n"
        "from fastavatar.models.published.layers import built_without_numbers\n"
        "network = built_without_numbers(lambda: torch.nn.LSTM(3, 4))\n"
        "print(network.weight_ih_l0.is_meta, torch._meta_registrations.__file__ is not None)\n"
        "print(torch.linalg.cholesky_ex(torch.empty(3, 3, device='meta')).L.shape == (3, 3))"
    )
    assert said_by(program) == ["True", "True", "True"]


def test_a_name_used_during_the_import_comes_from_the_real_module() -> None:
    program = (
        "import sys; from fastavatar.app.loading import meta_kernels_when_used\n"
        "with meta_kernels_when_used():\n"
        "    stand_in = sys.modules['torch._meta_registrations']\n"
        "    print(hasattr(stand_in, '__file__'), callable(stand_in.activate_meta))\n"
        "import torch; print(sys.modules['torch._meta_registrations'] is not stand_in)"
    )
    assert said_by(program) == ["False", "True", "True"]


def test_torch_that_is_loaded_already_stays_as_it_is() -> None:
    program = (
        "import sys, torch; from fastavatar.app.loading import meta_kernels_when_used\n"
        "with meta_kernels_when_used(): print('torch._meta_registrations' in sys.modules)\n"
        "print('torch._meta_registrations' in sys.modules)"
    )
    assert said_by(program) == ["True", "True"]
