// The result: the head to turn, what to download, what came out in words.

import { fileUrl } from "./api.js";

const DOWNLOADS = [
  ["splats.ply", "3D Gaussians", "PLY"],
  ["head.html", "Page to turn it", "HTML"],
  ["turntable.mp4", "Turntable", "MP4"],
  ["preview.png", "Preview", "PNG"],
  ["summary.json", "Summary", "JSON"],
];
const ALWAYS = ["splats.ply", "turntable.mp4"];

const stage = document.getElementById("stage");
let shown = "";

// Shows what there is of a job so far; called again whenever there is more.
export function showResult(job) {
  showHead(job);
  const stem = job.name.replace(/\.[^.]*$/, "");
  document.getElementById("downloads").replaceChildren(
    ...DOWNLOADS.filter(([name]) => ALWAYS.includes(name) || job.files.includes(name)).map(([name, label, kind]) =>
      job.files.includes(name) ? download(job, name, label, kind, stem) : awaited(job, label, kind),
    ),
  );
  document.getElementById("summary").replaceChildren(...job.summary.map(sentence));
  document.getElementById("warnings").replaceChildren(...job.warnings.map(sentence));
}

export function clearResult() {
  stage.replaceChildren();
  shown = "";
}

// The viewer where its page was built, else the video, until that is there the preview.
function showHead(job) {
  const name = ["head.html", "turntable.mp4", "preview.png"].find((file) => job.files.includes(file));
  const key = `${job.id} ${name}`;
  if (!name || key === shown) return;
  shown = key;
  const kinds = { "head.html": viewer, "turntable.mp4": video, "preview.png": preview };
  stage.replaceChildren(kinds[name](fileUrl(job.id, name)));
  document.getElementById("hint").hidden = name !== "head.html";
}

function viewer(url) {
  const frame = document.createElement("iframe");
  frame.title = "The head; drag to turn it";
  frame.sandbox = "allow-scripts";
  frame.allow = "fullscreen";
  frame.src = `${url}?noui`; // the page beside it has the buttons
  return frame;
}

function video(url) {
  const film = Object.assign(document.createElement("video"), { src: url, autoplay: true, loop: true, muted: true, controls: true });
  film.playsInline = true;
  film.setAttribute("aria-label", "The head turning round");
  return film;
}

function preview(url) {
  return Object.assign(document.createElement("img"), { src: url, alt: "The photo, and the head from several sides" });
}

function download(job, name, label, kind, stem) {
  const link = document.createElement("a");
  link.className = "button";
  link.href = fileUrl(job.id, name);
  link.download = `${stem}-${name}`;
  link.append(label, mark(kind));
  return link;
}

function awaited(job, label, kind) {
  const place = document.createElement("span");
  place.className = "button waiting";
  const share = job.fraction === null ? "" : ` ${Math.round(100 * job.fraction)} %`;
  place.append(`${label}${share} …`, mark(kind));
  return place;
}

function mark(kind) {
  return Object.assign(document.createElement("span"), { className: "kind muted small", textContent: kind });
}

function sentence(text) {
  return Object.assign(document.createElement("li"), { textContent: text });
}
