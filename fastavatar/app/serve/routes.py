"""The API: send a photo, ask for its status, fetch the results, delete all of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import FileResponse

from fastavatar.app.serve import (
    PAGES,
    Choices,
    FileName,
    Job,
    JobView,
    Problem,
    ServerView,
    Service,
    require_acceptable,
    require_photo,
    shown_name,
)
from fastavatar.images import KNOWN

MEDIA_TYPES = {
    "splats.ply": "application/octet-stream",
    "head.glb": "model/gltf-binary",
    "head.html": "text/html; charset=utf-8",
    "mesh.html": "text/html; charset=utf-8",
    "turntable.mp4": "video/mp4",
    "preview.png": "image/png",
    "summary.json": "application/json",
}
VIEWER_POLICY = "sandbox allow-scripts; frame-ancestors 'self'"
"""Added to a viewer page's own policy: the page runs as if from another site and cannot reach the API."""

Responses = dict[int | str, dict[str, Any]]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_PHOTO = {
    "requestBody": {
        "description": f"The photo's file as it is: {KNOWN}.",
        "required": True,
        "content": {"image/*": _BINARY, "application/octet-stream": _BINARY},
    }
}
_REFUSALS: Responses = {
    401: {"model": Problem, "description": "The token is missing or wrong."},
    403: {"model": Problem, "description": "The request comes from a page of another site."},
    421: {"model": Problem, "description": "The server does not answer to the host name in the request."},
}
_NOT_FOUND: Responses = {404: {"model": Problem, "description": "There is no such job, or it was deleted."}}

router = APIRouter(prefix="/api", responses=_REFUSALS)


def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


def _job(job_id: Annotated[str, Path(max_length=64)], service: Annotated[Service, Depends(_service)]) -> Job:
    job = service.queue.get(job_id)
    if job is None:
        raise HTTPException(404, "there is no such job; jobs and their results are deleted after a while")
    return job


TheService = Annotated[Service, Depends(_service)]
TheJob = Annotated[Job, Depends(_job)]


@router.get("/status")
def server_status(service: TheService) -> ServerView:
    """How busy the server is, and which photos it accepts."""
    return service.server()


@router.post(
    "/jobs",
    status_code=202,
    openapi_extra=_PHOTO,
    responses={
        400: {"model": Problem, "description": "The upload broke off."},
        408: {"model": Problem, "description": "The upload took too long."},
        413: {"model": Problem, "description": "Too many bytes."},
        415: {"model": Problem, "description": "The content type is not that of a photo."},
        422: {"model": Problem, "description": "Not a readable photo, or a parameter out of range."},
        503: {"model": Problem, "description": "The queue is full."},
        507: {"model": Problem, "description": "The server's disk is full."},
    },
)
async def send_photo(
    request: Request,
    response: Response,
    service: TheService,
    name: Annotated[str | None, Query(max_length=255, description="The photo's name in messages.")] = None,
    face: Annotated[
        int | None, Query(ge=0, le=999, description="Index of the face, counted from the left.")
    ] = None,
    focal_px: Annotated[
        float | None,
        Query(gt=0, le=1e7, allow_inf_nan=False, description="Focal length in pixels, instead of EXIF's."),
    ] = None,
    optimize: Annotated[bool, Query(description="Refine the Gaussians on the photo; takes longer.")] = False,
) -> JobView:
    """Send a photo; its job joins the queue."""
    require_acceptable(
        request.headers.get("content-type"), request.headers.get("content-length"), service.limits
    )
    with service.queue.place():
        job = service.new_job(shown_name(name), Choices(face, focal_px, optimize))
        try:
            await service.arrivals.store(request.stream(), job.photo)
            await require_photo(job.photo, job.name, service.limits)
            service.queue.add(job)
        except BaseException:  # also when the server stops during the upload
            job.delete_files()
            raise
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return service.view(job)


@router.get("/jobs/{job_id}", responses={**_NOT_FOUND, 422: {"model": Problem}})
def job_status(job: TheJob, service: TheService) -> JobView:
    """The status of a job."""
    return service.view(job)


@router.delete("/jobs/{job_id}", status_code=204, responses={**_NOT_FOUND, 422: {"model": Problem}})
def delete_job(job: TheJob, service: TheService) -> None:
    """Cancel a job in any state, and delete its photo and results."""
    service.queue.drop(job.id)


@router.get(
    "/jobs/{job_id}/files/{file_name}",
    response_class=FileResponse,
    responses={
        200: {"description": "The file.", "content": {kind: _BINARY for kind in MEDIA_TYPES.values()}},
        **_NOT_FOUND,
        422: {"model": Problem},
    },
)
def result_file(job: TheJob, file_name: FileName) -> FileResponse:
    """The content of a result file."""
    if file_name not in job.status.files:
        raise HTTPException(404, f"this job has no {file_name}, or not yet")
    headers = {"content-security-policy": VIEWER_POLICY} if file_name in PAGES else None
    return FileResponse(job.results / file_name, headers=headers, media_type=MEDIA_TYPES[file_name])
