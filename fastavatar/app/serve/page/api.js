// The server's API, as the page uses it.

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const SILENT = "the server does not answer; is it still running?";

export async function serverStatus() {
  return answerOf(await reach("/api/status"));
}

export async function jobStatus(id) {
  return answerOf(await reach(`/api/jobs/${id}`));
}

export async function deleteJob(id) {
  await reach(`/api/jobs/${id}`, { method: "DELETE", keepalive: true });
}

export function fileUrl(id, name) {
  return `/api/jobs/${id}/files/${name}`;
}

// Sends a photo, with XMLHttpRequest, because fetch does not report how much has been sent.
export function sendPhoto(photo, choices, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const query = new URLSearchParams([["name", photo.name.slice(-200)], ...choices]);
    const request = new XMLHttpRequest();
    request.open("POST", `/api/jobs?${query}`);
    request.setRequestHeader("Content-Type", photo.type.startsWith("image/") ? photo.type : "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(event.total, 1));
    request.onload = () => {
      const answer = parsed(request.responseText);
      if (request.status === 202) resolve(answer);
      else reject(new Refused(answer.detail ?? `the server answered ${request.status}`, request.status));
    };
    request.onerror = () => reject(new Refused(SILENT, 0));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(photo);
  });
}

async function reach(path, options) {
  try {
    return await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Refused(SILENT, 0);
  }
}

async function answerOf(response) {
  const answer = parsed(await response.text());
  if (!response.ok) throw new Refused(answer.detail ?? `the server answered ${response.status}`, response.status);
  return answer;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
