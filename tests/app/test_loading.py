"""Every case is a process of its own, because a library is imported only once in a process."""

import subprocess
import sys
from pathlib import Path

import pytest

from fastavatar.formats.splats.ply import write_ply
from tests.portraits import ROOT
from tests.synthetic_capture import make_head

SAYS_WHAT_IT_LOADED = (
    "import sys\n"
    "def loaded(*given):\n"
    "    for name in ('torch', 'torch._meta_registrations', 'scipy.spatial'): print(name in sys.modules)\n"
)


def said_by(program: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", program, *arguments]
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


def test_a_photo_is_refined_after_a_lean_import_of_torch(tmp_path: Path) -> None:
    program = (
        f"{SAYS_WHAT_IT_LOADED}from fastavatar.app.cli.main import run\n"
        "print(run(['predict', '--image', 'data/example.png', '--output_dir', sys.argv[1], '--quiet',\n"
        "           '--model', 'facemesh', '--device', 'cpu', '--optimize', '--iterations', '2'])); loaded()"
    )
    assert said_by(program, str(tmp_path / "out")) == ["0", "True", "True", "True"]


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


def test_where_memory_is_limited_nothing_is_loaded_on_a_thread() -> None:
    program = (
        "import gc, resource, sys, threading; from fastavatar.app.loading import load_ahead\n"
        "resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)); load_ahead()\n"
        "print(gc.isenabled(), threading.active_count(), 'scipy' in sys.modules)"
    )
    assert said_by(program) == ["True", "1", "False"]


def test_render_loads_a_lean_torch_and_no_libraries_of_a_prediction(tmp_path: Path) -> None:
    write_ply(make_head(), tmp_path / "head.ply")
    program = (
        f"{SAYS_WHAT_IT_LOADED}from fastavatar.app.cli.main import run\n"
        "print(run(['render', sys.argv[1], '--output', sys.argv[2], '--size', '32'])); loaded()"
    )
    done = said_by(program, str(tmp_path / "head.ply"), str(tmp_path / "head.png"))
    assert done == ["0", "True", "False", "False"]


@pytest.mark.parametrize(
    "starts",
    [
        "import fastavatar.app.serve as room; room.serve = loaded\n"
        "from fastavatar.app.cli.main import run; run(['serve', '--port', '0', '--model', 'facemesh'])",
        "from unittest.mock import Mock; from fastavatar.app.settings import Settings\n"
        "from fastavatar.app.batch import work\n"
        "work(Mock(recv=lambda: None), Settings(model='facemesh', device='cpu'), 'new', 0); loaded()",
    ],
    ids=["serve", "batch"],
)
def test_a_server_and_the_workers_of_a_batch_load_a_lean_torch(starts: str) -> None:
    assert said_by(SAYS_WHAT_IT_LOADED + starts) == ["True", "False", "True"]
