// The page is in one of these states at a time:  empty ─▶ uploading ─▶ queued ─▶ running ─▶ result | failed | cancelled ─▶ empty
// `uploading`, `queued` and `running` share one section of the page; every other state has its own.

import { Refused, deleteJob, jobStatus, sendPhoto, serverStatus } from "./api.js";
import { hasCameraOfItsOwn, takePhoto } from "./camera.js";
import { clearResult, showResult } from "./result.js";
import { showPhase, showPhoto, showStages } from "./working.js";

const SECTIONS = ["empty", "working", "result", "failed", "cancelled"];
const POLL_MS = 250;
const KEPT = "fastavatar-job";
const MISSES = 20;

const $ = (id) => document.getElementById(id);
let run = null; // { photo, id, abort } of the job that is under way or shown

function show(name) {
  if (!$(name).hidden) return;
  for (const section of SECTIONS) $(section).hidden = section !== name;
  document.body.dataset.state = name;
  if (name !== "result") clearResult();
  scrollTo(0, 0);
  $(name).querySelector("h1").focus({ preventScroll: true });
}

function announce(text) {
  if ($("announce").textContent !== text) $("announce").textContent = text;
}

function start(photo) {
  if (!$("empty").querySelectorAll("input:invalid").length) make(photo);
  else $("empty").querySelector("input:invalid").reportValidity();
}

async function make(photo) {
  const mine = (run = { photo, id: null, abort: new AbortController() });
  showPhoto(photo);
  showStages([]);
  showPhase("uploading", photo.name, 0);
  show("working");
  announce("Uploading");
  try {
    const onProgress = (fraction) => mine === run && showPhase("uploading", photo.name, fraction);
    const job = await sendPhoto(photo, choices(), { onProgress, signal: mine.abort.signal });
    mine.id = job.id;
    sessionStorage.setItem(KEPT, job.id);
    if (mine !== run) return deleteJob(job.id);
    await follow(mine, job);
  } catch (error) {
    if (mine === run && error.name !== "AbortError") fail(error.message);
  }
}

// Polls and shows a job until it ends or another one is shown.
async function follow(mine, job) {
  let misses = 0;
  while (mine === run) {
    showJob(job);
    if (job.state === "done" || job.state === "failed") return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    try {
      job = await jobStatus(mine.id);
      misses = 0;
    } catch (error) {
      if (!(error instanceof Refused) || error.status || ++misses > MISSES) throw error;
    }
  }
}

function showJob(job) {
  if (job.state === "failed") return fail(job.error);
  if (job.files.length) {
    showResult(job);
    $("result-title").textContent = `The head of ${job.name}`;
    show("result");
    announce(job.state === "done" ? "The head and its video are ready" : "The head is ready");
    return;
  }
  showStages(job.stages);
  showPhase(job.state, job.ahead, job.fraction);
  show("working");
  announce(job.state === "queued" ? `${job.ahead} ahead in the queue` : job.stages.at(-1)?.name ?? "");
}

function fail(message) {
  $("error").textContent = message;
  $("retry").hidden = !run?.photo;
  forget();
  show("failed");
}

function cancel() {
  run.abort.abort();
  forget();
  show("cancelled");
}

function startOver() {
  forget();
  run = null;
  $("file").value = $("capture").value = "";
  show("empty");
}

// Deletes the photo and the results of the run on the server.
function forget() {
  if (run?.id) deleteJob(run.id).catch(() => {});
  sessionStorage.removeItem(KEPT);
  run = run && { ...run, id: null };
}

function choices() {
  const asked = { optimize: $("optimize").checked };
  if ($("face").value) asked.face = $("face").value;
  if ($("focal").value) asked.focal_px = $("focal").value;
  const clips = [...document.querySelectorAll("input[name=clip]:checked")].map((box) => box.value);
  return [...Object.entries(asked), ...clips.map((clip) => ["clips", clip])];
}

async function watchServer() {
  try {
    const server = await serverStatus();
    const minutes = server.keep_minutes;
    const kept = minutes < 1 ? "soon" : `after ${minutes === 1 ? "a minute" : `${+minutes.toFixed(1)} minutes`}`;
    $("most").textContent = `, up to ${server.max_megabytes} MB`;
    $("keep").textContent = ` and is deleted ${kept}`;
    $("keep-result").textContent = `; otherwise they are deleted ${kept}`;
    $("server").textContent = `fastavatar ${server.version}, model ${server.model} on ${server.device}.`;
    const busy = server.running + server.waiting;
    $("load").textContent = `${busy} ${busy === 1 ? "photo" : "photos"} in progress`;
    $("load").hidden = busy === 0;
  } catch (error) {
    if (error.status === 401) location.reload(); // the server then answers with the token form
  }
  setTimeout(watchServer, 2000);
}

function wire() {
  $("choose").onclick = () => $("file").click();
  $("take").onclick = () => (hasCameraOfItsOwn() ? $("capture").click() : takePhoto(start));
  for (const input of [$("file"), $("capture")]) input.onchange = () => input.files[0] && start(input.files[0]);
  $("cancel").onclick = cancel;
  $("another").onclick = startOver;
  $("retry").onclick = () => make(run.photo);
  for (const button of document.querySelectorAll("button.again")) button.onclick = startOver;
  document.onpaste = (event) => accept([...event.clipboardData.files]);
  document.ondragover = (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  };
  document.ondragleave = (event) => event.relatedTarget || $("drop").classList.remove("over");
  document.ondrop = (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    accept([...event.dataTransfer.files]);
  };
}

function accept(files) {
  if (files.length && !$("empty").hidden) start(files[0]);
}

async function resume() {
  const id = sessionStorage.getItem(KEPT);
  if (!id) return show("empty");
  run = { photo: null, id, abort: new AbortController() };
  try {
    const job = await jobStatus(id);
    showPhoto(null);
    await follow(run, job);
  } catch {
    startOver();
  }
}

wire();
watchServer();
resume();
