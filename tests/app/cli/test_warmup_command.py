from click.testing import CliRunner

from fastavatar.app.cli.warmup import command
from fastavatar.rendering.cpu.kernel import kernel_folder


def test_warmup_compiles_forward_and_backward_kernels() -> None:
    result = CliRunner().invoke(command)
    assert (result.exit_code, result.stdout) == (0, "")
    folder = kernel_folder()
    assert folder is not None
    kept = {path.name.split(".")[0] for path in folder.rglob("*.nbc")}
    assert kept >= {"project", "tiles", "composite", "project_backward", "composite_backward"}
