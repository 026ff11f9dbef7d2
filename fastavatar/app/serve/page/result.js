// The result: the head, the files to download, and the facts in words.

import { fileUrl } from "./api.js";

const DOWNLOADS = [
  ["splats.ply", "3D Gaussians", "PLY"],
  ["head.glb", "Mesh with expressions", "GLB"],
  ["head.html", "Interactive page", "HTML"],
  ["turntable.mp4", "Turntable", "MP4"],
  ["preview.png", "Preview", "PNG"],
  ["summary.json", "Summary", "JSON"],
];
const ALWAYS = ["splats.ply", "turntable.mp4"];

const TABS = [
  ["head.html", "Splats"],
  ["mesh.html", "Mesh"],
];

const stage = document.getElementById("stage");
const downloads = document.getElementById("downloads");
let shown = "";
let chosen = null; // the file of the tab that the user chose

const tabs = document.getElementById("tabs");

// Shows the files and facts that a job has so far; called again when it has more.
export function showResult(job) {
  showTabs(job);
  showHead(job);
  showDownloads(job);
  document.getElementById("summary").replaceChildren(...job.summary.map(sentence));
  document.getElementById("warnings").replaceChildren(...job.warnings.map(sentence));
}

export function clearResult() {
  stage.replaceChildren();
  downloads.replaceChildren();
  tabs.replaceChildren();
  tabs.hidden = true;
  shown = "";
  chosen = null;
}

// Each file has its place from the start, so that nothing moves when the place becomes a link.
function showDownloads(job) {
  for (const [name, label, kind] of DOWNLOADS) {
    const there = job.files.includes(name);
    const before = downloads.querySelector(`[data-name="${name}"]`);
    if (before?.href || !(there || ALWAYS.includes(name))) continue;
    const place = there ? download(job, name, label, kind) : awaited(job, label, kind);
    place.dataset.name = name;
    if (before) before.replaceWith(place);
    else downloads.append(place);
  }
}

// One tab for each way to look at the head, as soon as there are two.
function showTabs(job) {
  const there = TABS.filter(([name]) => job.files.includes(name));
  if (there.length < 2 || tabs.children.length === there.length) return;
  tabs.replaceChildren(...there.map(([name, label]) => tab(job, name, label)));
  tabs.hidden = false;
}

function tab(job, name, label) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
  button.setAttribute("role", "tab");
  button.setAttribute("aria-selected", name === (chosen ?? TABS[0][0]));
  button.onclick = () => {
    chosen = name;
    for (const other of tabs.children) other.setAttribute("aria-selected", other === button);
    showHead(job);
  };
  return button;
}

// Shows the chosen page, else the viewer page if there is one, else the video, else the preview.
function showHead(job) {
  const name = [chosen, "head.html", "turntable.mp4", "preview.png"].find((file) => job.files.includes(file));
  const key = `${job.id} ${name}`;
  if (!name || key === shown) return;
  shown = key;
  const kinds = { "head.html": viewer, "mesh.html": viewer, "turntable.mp4": video, "preview.png": preview };
  stage.replaceChildren(kinds[name](fileUrl(job.id, name)));
  document.getElementById("hint").hidden = !TABS.some(([page]) => page === name);
}

function viewer(url) {
  const frame = document.createElement("iframe");
  frame.title = "The head; drag to turn it";
  frame.sandbox = "allow-scripts";
  frame.allow = "fullscreen";
  frame.src = `${url}?noui`; // without the viewer's own buttons
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

function download(job, name, label, kind) {
  const link = document.createElement("a");
  link.className = "button";
  link.href = fileUrl(job.id, name);
  link.download = `${job.name.replace(/\.[^.]*$/, "")}-${name}`;
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
