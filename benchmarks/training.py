"""What trained networks are worth, and what a step of their training costs.

`python -m benchmarks.training step [--threads N] [--device cuda]` prints the time of a step of the decoder's
training at the published size: 10,144 points, 550×802 pixels, degree 3, L1 and SSIM.

`python -m benchmarks.training unseen --data DIR --decoder RUN --encoder RUN --recogniser FILE.onnx` prints,
for people nothing was trained on, the PSNR of every other view: of the mean head, of the networks from one
photo, and after 100 steps of the preset `published` on that photo, and on all views that are not judged.

`python -m benchmarks.training curve RUN FILE.svg` draws the mean losses and the validations of a run.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fastavatar.captures import View
from fastavatar.core import Gaussians, frontal_camera
from fastavatar.faces import choose_face
from fastavatar.losses import LossWeights, photometric_loss, psnr
from fastavatar.models.published import (
    ConditionalDecoder,
    DecoderLatent,
    DecoderSizes,
    fold,
    load_identity_encoder,
)
from fastavatar.refinement import refine_gaussians
from fastavatar.rendering import limit_threads, render
from fastavatar.train import (
    DataSettings,
    Pictures,
    Subject,
    load_recogniser,
    mean_discs,
    mean_head_of,
    pixels,
    read_people,
    read_trained_decoder,
    start_decoder,
    with_sh_degree,
)
from fastavatar.weights import STEMS, read_checkpoint

STEPS, WARM_UP = 10, 3
SCORES = ("psnr_views", "psnr_people", "chamfer_mm_views_6", "chamfer_mm", "pose_deg")
"""What a curve shows beside the loss: the first that a run has."""
REFINED = 100


def measure_step(device: str) -> None:
    """Print the time of a step at the published size, and its parts."""
    torch.manual_seed(0)
    sizes = DecoderSizes()
    around = torch.nn.functional.normalize(torch.randn(sizes.gaussians, 3), dim=1)
    points = around * torch.tensor([0.08, 0.12, 0.1])
    decoder = ConditionalDecoder(sizes)
    start_decoder(decoder, with_sh_degree(mean_discs([points]), 3), "learnt", 0.02)
    decoder.to(device).splats.requires_grad_(False)
    w = torch.randn(1, 512, device=device, requires_grad=True)
    points = points.to(device)
    camera = frontal_camera(1.1, 2048.0, 550, 802).to(device)
    truth = torch.rand(802, 550, 3, device=device)
    loss = photometric_loss(LossWeights(l1=0.6, ssim=0.3), device)
    optimiser = torch.optim.Adam([w, *(one for one in decoder.parameters() if one.requires_grad)], lr=1e-4)
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    took, busy = [], 0.0
    for step in range(WARM_UP + STEPS):
        _wait(device)
        started, worked = time.perf_counter(), time.process_time()
        optimiser.zero_grad()
        image = render(fold(decoder, dtype).decode(w, points), camera, compositing="published").image
        loss(image, truth).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        _wait(device)
        if step >= WARM_UP:
            took.append(time.perf_counter() - started)
            busy += (time.process_time() - worked) / STEPS
    print(f"decoder step at 550×802, {sizes.gaussians} points on {device}: ", end="")
    print(
        f"median {1000 * statistics.median(took):.0f} ms, fastest {1000 * min(took):.0f} ms of {STEPS}; ",
        end="",
    )
    print(f"{1000 * busy:.0f} ms of processor time")


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Unseen:
    """PSNR in dB of one person's judged views."""

    mean_head: float
    on_points: float
    mean_w: float
    encoded: float
    refined_photo: float
    refined_views: float
    own_encoded: float
    own_refined: float


def measure_unseen(arguments: argparse.Namespace) -> None:
    """Print the figures of every person, and their means."""
    trained = read_trained_decoder(arguments.decoder, "cpu")
    path = arguments.encoder / "model" / f"{STEMS.encoder.name}.pth"
    encoder = load_identity_encoder(read_checkpoint(path).state, str(path), True, any_embedding=True)
    recogniser, _ = load_recogniser(arguments.recogniser, "cpu")
    points = len(trained.decoder.mean_head_points)
    data = DataSettings(points, arguments.max_side_px, 1, 0, 0, 1, 500)
    people = read_people([arguments.data], data)
    pictures = Pictures(data)
    mean, mean_w = mean_head_of(trained.decoder), trained.w.mean(0, keepdim=True)
    rows = []
    for number, subject in enumerate(people.trained):
        views = [pictures.read(view, 1000 * number + place) for place, view in enumerate(subject.views)]
        inputs, judged = views[::2], views[1::2]
        found = next(
            ((view, faces) for view in inputs if (faces := recogniser.find(pixels(view.image)))), None
        )
        if found is None:
            print(subject.name, "no face found")
            continue
        photo, faces = found
        with torch.no_grad():
            w = encoder(torch.from_numpy(choose_face(faces).embedding)[None])
        row = _figures(
            subject, DecoderLatent(trained.decoder, w, subject.points), mean, mean_w, (photo, inputs, judged)
        )
        print(subject.name, " ".join(f"{name} {value:.2f}" for name, value in vars(row).items()), flush=True)
        rows.append(row)
    print("mean of", len(rows))
    for name in vars(rows[0]):
        print(f"  {name:15} {np.mean([getattr(row, name) for row in rows]):.2f} dB")


def _figures(
    subject: Subject,
    latent: DecoderLatent,
    mean: Gaussians,
    mean_w: torch.Tensor,
    views: tuple[View, list[View], list[View]],
) -> Unseen:
    photo, inputs, judged = views
    with torch.no_grad():
        encoded = latent.gaussians()
        of_mean_w = replace(latent, w=mean_w).gaussians()
    on_photo = refine_gaussians(latent, [photo], "published", iterations=REFINED).gaussians
    on_views = refine_gaussians(latent, inputs, "published", iterations=REFINED).gaussians
    return Unseen(
        mean_head=_psnr(mean, judged),
        on_points=_psnr(replace(mean, means=subject.points), judged),
        mean_w=_psnr(of_mean_w, judged),
        encoded=_psnr(encoded, judged),
        refined_photo=_psnr(on_photo, judged),
        refined_views=_psnr(on_views, judged),
        own_encoded=_psnr(encoded, [photo]),
        own_refined=_psnr(on_photo, [photo]),
    )


def _psnr(gaussians: Gaussians, views: list[View]) -> float:
    with torch.no_grad():
        shown = [(render(gaussians, view.camera).image.clamp(0, 1), view.image) for view in views]
    return float(np.mean([float(psnr(image, truth)) for image, truth in shown]))


def draw_curve(run: Path, target: Path) -> None:
    """Write the run's loss (left scale) and the score of what is held out (right scale) as an SVG."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    losses = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    validations = [(line["step"], line["validation"]) for line in lines if "validation" in line]
    name = next(name for name in SCORES if name in validations[-1][1])
    scores = [(step, figures[name]) for step, figures in validations]
    last = losses[-1][0]
    parts = [
        _polyline(losses, last, "#36c"),
        _polyline(scores, last, "#c63"),
        f'<text x="50" y="20" fill="#36c">loss, {losses[0][1]:.3f} to {losses[-1][1]:.3f}</text>',
        f'<text x="590" y="20" fill="#c63" text-anchor="end">{name}, to {scores[-1][1]:.2f}</text>',
        f'<text x="590" y="290" text-anchor="end">{last} steps</text>',
        '<path d="M50 30V270H590" fill="none" stroke="#888"/>',
    ]
    style = 'font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" {style}>'
    target.write_text("\n".join([head, *parts, "</svg>", ""]), "utf-8")


def _polyline(points: Sequence[tuple[int, float]], last: int, color: str) -> str:
    """The points over the whole height of the picture."""
    low, high = min(y for _, y in points), max(y for _, y in points)
    places = [
        f"{50 + 540 * x / last:.1f},{270 - 230 * (y - low) / max(high - low, 1e-9):.1f}" for x, y in points
    ]
    return f'<polyline points="{" ".join(places)}" fill="none" stroke="{color}" stroke-width="2"/>'


def main() -> None:
    """Run the benchmark that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    step = commands.add_parser("step")
    step.add_argument("--threads", type=int)
    step.add_argument("--device", default="cpu")
    unseen = commands.add_parser("unseen")
    unseen.add_argument("--data", type=Path, required=True)
    unseen.add_argument("--decoder", type=Path, required=True)
    unseen.add_argument("--encoder", type=Path, required=True)
    unseen.add_argument("--recogniser", type=Path)
    unseen.add_argument("--max_side_px", type=int, default=192)
    unseen.add_argument("--threads", type=int)
    curve = commands.add_parser("curve")
    curve.add_argument("run", type=Path)
    curve.add_argument("target", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "curve":
        draw_curve(arguments.run, arguments.target)
        return
    limit_threads(arguments.threads)
    if arguments.what == "step":
        measure_step(arguments.device)
    else:
        measure_unseen(arguments)


if __name__ == "__main__":
    main()
