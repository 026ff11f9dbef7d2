"""Which devices the networks run on, and which of them can also draw."""

from fastavatar.errors import DeviceError


def require_device(device: str, draws: bool = False) -> None:
    """Raise `DeviceError` unless this machine has `device` and, for `draws`, can draw Gaussians on it."""
    import torch

    try:
        asked = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"there is no device {device!r}: use cpu, cuda, cuda:N or mps") from error
    has_mps = torch.backends.mps.is_available()
    problem = device_problem(asked.type, asked.index, torch.cuda.device_count(), has_mps)
    if problem is not None:
        raise DeviceError(problem)
    if draws and drawing_device(device) != device:
        raise DeviceError(f"device {device!r} cannot draw, it only runs the published networks: use cpu")


def device_problem(kind: str, index: int | None, cuda_count: int, has_mps: bool) -> str | None:
    """Why a machine with these devices has none of this kind and index; None where it has it."""
    name = kind if index is None else f"{kind}:{index}"
    if kind not in ("cpu", "cuda", "mps"):
        return f"device {name!r} is not supported: use cpu, cuda, cuda:N or mps"
    if kind == "cuda" and (index or 0) >= cuda_count:
        return f"there is no device {name!r} here ({cuda_count} found): use cpu"
    if kind == "mps" and not has_mps:
        return f"there is no device {name!r} here, only on a Mac with Apple silicon: use cpu"
    return None


def drawing_device(device: str) -> str:
    """The device that draws where the networks run on `device`: no renderer here uses Metal."""
    return "cpu" if device.startswith("mps") else device
