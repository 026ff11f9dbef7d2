"""The best that any texture can do for a fitted head's mesh: `python -m benchmarks.mesh_bound PHOTO…`.

That texture fits the splats' pictures from the 8 cameras of `benchmarks.mesh_fitted` in least squares.
Its own pictures agree with them as printed, in Markdown. What is left is what the splats show of one place
differently from one camera to the next.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix, vstack
from scipy.sparse.linalg import lsmr

import fastavatar as fa
from benchmarks.mesh_fitted import CAMERAS, SIZE_PX
from fastavatar.core import Avatar, Camera, Mesh
from fastavatar.geometry import Array
from fastavatar.meshing import fitted_mesh
from fastavatar.rendering import rasterise_mesh, render
from fastavatar.results import head_cameras

FINENESS = 2
"""Samples along a pixel, as `draw_mesh` takes them."""
DAMPING, STEPS = 0.02, 40


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    predictor = fa.load_predictor("facemesh")
    print("| | mean, dB | least, dB |\n|---|---|---|")
    for path in parser.parse_args().photos:
        found = best_likeness(predictor.predict(fa.load_photo(path)))
        print(f"| {path.name} | {np.mean(found):.1f} | {min(found):.1f} |", flush=True)


def best_likeness(avatar: Avatar) -> Sequence[float]:
    """PSNR in dB of each camera's picture with the texture that fits all of them best."""
    mesh, maps, wanted = fitted_mesh(avatar), [], []
    for camera in head_cameras(avatar.gaussians, "turntable", CAMERAS, SIZE_PX):
        with torch.no_grad():
            splats = render(avatar.gaussians, camera)
        pixels_of_texels = texel_shares(mesh, camera)
        covered = np.asarray(pixels_of_texels.sum(1)).ravel()
        both = (splats.alpha.numpy().ravel() > 0.5) & (covered > 0.5)
        maps.append(pixels_of_texels[both])
        # The mesh is drawn over white
        white = (1 - covered[both])[:, None]
        wanted.append(splats.image.clamp(0, 1).numpy().reshape(-1, 3)[both].astype(np.float64) - white)
    whole = vstack(maps).tocsr()
    whole = whole[:, np.unique(whole.indices)]
    colors = np.concatenate(wanted)
    left = np.stack(
        [whole @ lsmr(whole, one, damp=DAMPING, maxiter=STEPS)[0] - one for one in colors.T], axis=1
    )
    ends = np.cumsum([len(one) for one in wanted])[:-1]
    return [float(-10 * np.log10((one**2).mean())) for one in np.split(left, ends)]


def texel_shares(mesh: Mesh, camera: Camera) -> csr_matrix:
    """(H·W, T) the share that each texel has in each pixel of the mesh's picture."""
    assert mesh.uv is not None and mesh.uv_faces is not None and mesh.texture is not None
    fine = camera.to("cpu", torch.float64).resized(FINENESS * camera.width, FINENESS * camera.height)
    seen = rasterise_mesh(mesh.vertices.double().numpy(), mesh.faces.numpy(), fine)
    corners = mesh.uv.double().numpy()[mesh.uv_faces.numpy()[seen.face[seen.hit]]]
    uv = np.einsum("nk,nkc->nc", seen.weights[seen.hit], corners)
    height, width = mesh.texture.shape[:2]
    place: Array = np.stack([uv[:, 0] * width, (1 - uv[:, 1]) * height], 1) - 0.5
    place = place.clip(0, [width - 1.001, height - 1.001])
    column, row = np.floor(place).astype(np.int64).T
    x, y = (place - np.floor(place)).T
    rows, columns = np.nonzero(seen.hit)
    pixel = rows // FINENESS * camera.width + columns // FINENESS
    first = row * width + column
    texels = np.concatenate([first, first + 1, first + width, first + width + 1])
    shares = np.concatenate([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]) / FINENESS**2
    size = (camera.height * camera.width, height * width)
    return coo_matrix((shares, (np.tile(pixel, 4), texels)), size).tocsr()


if __name__ == "__main__":
    main()
