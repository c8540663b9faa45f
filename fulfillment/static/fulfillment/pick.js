/* Queues scans and sends them one by one. A scan is retried until the server responds; its id makes
   the server count it once. The forms also work without this script. */
"use strict";

// The queue survives a reload of the tab, and belongs to one user.
const STORAGE_KEY = `scans ${location.pathname} ${document.body.dataset.user}`;
const MAX_RESULTS = 3; // on the screen
const TIMEOUT = 15_000; // milliseconds for one request
const MAX_BACKOFF = 10_000; // milliseconds between two attempts

const scan = document.querySelector("#scan");
const code = scan.elements.code;
const results = document.querySelector("#results");
const waiting = document.querySelector("#waiting");
const queue = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "[]");
let isSending = false;
let problem = ""; // why scans are not sent

class Unreachable extends Error {}
class LoggedOut extends Error {}

/** Return a random id. crypto.randomUUID is missing on pages served over plain HTTP. */
function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function saveQueue() {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(queue));
    showWaiting();
}

async function send(queued) {
    const token = scan.elements.csrfmiddlewaretoken.value;
    const response = await fetch(location.pathname, {
        method: "POST",
        body: new URLSearchParams({ ...queued, csrfmiddlewaretoken: token }),
        headers: { Accept: "application/json" },
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT),
    });
    if (response.type === "opaqueredirect" || response.status === 403) throw new LoggedOut();
    if (response.status >= 500 || response.status === 429) throw new Unreachable();
    if (!response.ok) return { text: `${queued.code}: ${waiting.dataset.refused} ${response.status}`, is_refused: true };
    return response.json();
}

async function sendAll() {
    if (isSending) return;
    isSending = true;
    let backoff = 1_000;
    while (queue.length) {
        try {
            const outcome = await send(queue[0]);
            queue.shift();
            problem = "";
            saveQueue();
            showResult(outcome);
            showProgress(outcome);
            backoff = 1_000;
        } catch (error) {
            const isLoggedOut = error instanceof LoggedOut;
            problem = isLoggedOut ? waiting.dataset.loggedOut : waiting.dataset.retrying;
            waiting.querySelector("a").hidden = !isLoggedOut;
            showWaiting();
            if (isLoggedOut) break;
            await waitForNetwork(backoff);
            backoff = Math.min(backoff * 2, MAX_BACKOFF);
        }
    }
    isSending = false;
}

/** Wait for some milliseconds, or until the network is back. */
function waitForNetwork(milliseconds) {
    return new Promise((resolve) => {
        setTimeout(resolve, milliseconds);
        addEventListener("online", resolve, { once: true });
    });
}

function showWaiting() {
    waiting.hidden = !problem;
    waiting.querySelector("span").textContent = `${problem} ${waiting.dataset.waiting} ${queue.length}.`;
}

function showResult({ text, is_refused: isRefused }) {
    const result = document.createElement("li");
    result.className = isRefused ? "error" : "success";
    result.textContent = text;
    results.prepend(result);
    while (results.children.length > MAX_RESULTS) results.lastChild.remove();
    if (!navigator.userActivation?.hasBeenActive) return;
    navigator.vibrate?.(isRefused ? [200, 80, 200] : 40);
    if (isRefused) buzz();
}

let audio;

/** Signal a refused scan. The scanner itself beeps for every code that it reads. */
function buzz() {
    audio ??= new AudioContext();
    const tone = audio.createOscillator();
    tone.type = "square";
    tone.frequency.value = 180;
    tone.connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.3);
}

function showProgress({ lines, picked, quantity, status, is_picking_finished: isFinished }) {
    if (!lines) return;
    if (status !== "started") location.reload(); // nothing can be scanned now
    const known = new Set(lines.map((line) => line.id));
    for (const row of document.querySelectorAll("[data-line]")) {
        if (!known.has(row.dataset.line)) row.remove(); // moved or written off
    }
    document.querySelector("#picked").textContent = picked;
    document.querySelector("#quantity").textContent = quantity;
    document.querySelector("#finished").hidden = !(isFinished && picked);
    document.querySelector("#nothing").hidden = !isFinished || picked > 0;
    for (const line of lines) {
        const row = document.querySelector(`[data-line="${CSS.escape(line.id)}"]`);
        if (row) showLine(row, line);
        else location.reload(); // a new line; the queue survives
    }
}

function showLine(row, { id, picked, quantity, short, unpicked }) {
    const before = row.querySelector("progress").value;
    for (const [name, value] of Object.entries({ picked, quantity, short })) {
        row.querySelector(`[data-${name}]`).textContent = value;
    }
    row.querySelector("[data-short]").parentElement.hidden = !short;
    row.querySelector("progress").max = quantity;
    row.querySelector("progress").value = picked;
    row.classList.toggle("done", !unpicked);
    row.classList.toggle("latest", picked !== before);
    if (picked !== before) row.scrollIntoView({ block: "nearest" });
    const all = row.querySelector(".all");
    all.hidden = !unpicked;
    all.elements.quantity.value = unpicked;
    const units = row.querySelector(".short").elements.quantity;
    units.max = quantity;
    if (!row.querySelector("details").open) units.value = unpicked || 1;
    for (const button of row.querySelectorAll("button")) {
        button.disabled = queue.some((queued) => queued.code === id);
    }
}

/** A scanner types into the focused element. Focus the code field unless another one is used. */
function focusCode() {
    if (!document.activeElement || document.activeElement === document.body) {
        code.focus({ preventScroll: true });
    }
}

document.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const { csrfmiddlewaretoken, ...entered } = Object.fromEntries(new FormData(form));
    entered.code = entered.code.trim();
    if (!entered.code) return;
    queue.push({ ...entered, scan_id: newId() });
    saveQueue();
    if (form === scan) code.value = "";
    else form.querySelector("button").disabled = true;
    form.closest("details")?.removeAttribute("open");
    code.focus({ preventScroll: true });
    sendAll();
});

document.addEventListener("keydown", (event) => {
    const isIn = (selector) => event.target.closest(selector);
    if (event.key === "Enter" && isIn(".short") && !isIn("button")) event.preventDefault(); // from a scanner
    const isText = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey;
    if (isText && !isIn("input, select")) code.focus();
});

for (const name of ["click", "focusout", "visibilitychange"]) {
    document.addEventListener(name, () => setTimeout(focusCode));
}

const keyboard = document.querySelector("#keyboard");

function toggleKeyboard(isShown) {
    code.inputMode = isShown ? "text" : "none";
    keyboard.setAttribute("aria-pressed", isShown);
    code.blur(); // phones show or hide the keyboard only when the focus changes
    code.focus({ preventScroll: true });
}

keyboard.addEventListener("click", () => toggleKeyboard(code.inputMode === "none"));
keyboard.hidden = false;
toggleKeyboard(false);
sendAll();
