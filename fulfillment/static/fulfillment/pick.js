/* Scans are kept, sent one after the other, and sent again until the server has answered: each
   under an id of its own, so that it counts once. Without this script the forms work as they are. */
"use strict";

// Scans outlive a reload and end with the tab; they are those of whoever has scanned them.
const KEPT = `scans ${location.pathname} ${document.body.dataset.user}`;
const LATEST = 3; // results on the screen
const PATIENCE = 15_000; // milliseconds for one answer
const LONGEST_PAUSE = 10_000; // between two tries

const scan = document.querySelector("#scan");
const code = scan.elements.code;
const results = document.querySelector("#results");
const waiting = document.querySelector("#waiting");
const queue = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
let isSending = false;
let trouble = ""; // why scans wait

class Unreachable extends Error {}
class LoggedOut extends Error {}

/** Where the page came over plain HTTP there is no crypto.randomUUID. */
function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keep() {
    sessionStorage.setItem(KEPT, JSON.stringify(queue));
    showWaiting();
}

async function send(given) {
    const token = scan.elements.csrfmiddlewaretoken.value;
    const answer = await fetch(location.pathname, {
        method: "POST",
        body: new URLSearchParams({ ...given, csrfmiddlewaretoken: token }),
        headers: { Accept: "application/json" },
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.type === "opaqueredirect" || answer.status === 403) throw new LoggedOut();
    if (answer.status >= 500 || answer.status === 429) throw new Unreachable();
    if (!answer.ok) return { text: `${given.code}: the server answers ${answer.status}`, is_refused: true };
    return answer.json();
}

async function sendAll() {
    if (isSending) return;
    isSending = true;
    let pause = 1_000;
    while (queue.length) {
        try {
            const outcome = await send(queue[0]);
            queue.shift();
            trouble = "";
            keep();
            tell(outcome);
            show(outcome);
            pause = 1_000;
        } catch (error) {
            const isOver = error instanceof LoggedOut;
            trouble = isOver ? "You are logged out." : "No answer from the server, trying again.";
            waiting.querySelector("a").hidden = !isOver;
            showWaiting();
            if (isOver) break;
            await online(pause);
            pause = Math.min(pause * 2, LONGEST_PAUSE);
        }
    }
    isSending = false;
}

/** Wait some milliseconds, or until the network is back. */
function online(milliseconds) {
    return new Promise((resolve) => {
        setTimeout(resolve, milliseconds);
        addEventListener("online", resolve, { once: true });
    });
}

function showWaiting() {
    waiting.hidden = !trouble;
    waiting.querySelector("span").textContent = `${trouble} Scans that wait: ${queue.length}.`;
}

function tell({ text, is_refused: isRefused }) {
    const result = document.createElement("li");
    result.className = isRefused ? "error" : "success";
    result.textContent = text;
    results.prepend(result);
    while (results.children.length > LATEST) results.lastChild.remove();
    if (!navigator.userActivation?.hasBeenActive) return;
    navigator.vibrate?.(isRefused ? [200, 80, 200] : 40);
    if (isRefused) buzz();
}

let audio;

/** The scanner itself beeps when it has read something; this says that it did not count. */
function buzz() {
    audio ??= new AudioContext();
    const tone = audio.createOscillator();
    tone.type = "square";
    tone.frequency.value = 180;
    tone.connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.3);
}

function show({ lines, picked, quantity, status, is_all_looked_for: isAllLookedFor }) {
    if (!lines) return;
    if (status !== "started") location.reload(); // there is nothing to scan any more
    const known = new Set(lines.map((line) => line.id));
    for (const row of document.querySelectorAll("[data-line]")) {
        if (!known.has(row.dataset.line)) row.remove(); // it was moved or written off
    }
    document.querySelector("#picked").textContent = picked;
    document.querySelector("#quantity").textContent = quantity;
    document.querySelector("#finished").hidden = !(isAllLookedFor && picked);
    document.querySelector("#nothing").hidden = !isAllLookedFor || picked > 0;
    for (const line of lines) {
        const row = document.querySelector(`[data-line="${CSS.escape(line.id)}"]`);
        if (row) showLine(row, line);
        else location.reload(); // it has come since; what waits is kept
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
        button.disabled = queue.some((waits) => waits.code === id);
    }
}

/** The scanner types into whatever has the focus: keep it, but take it from nothing else. */
function focusCode() {
    if (!document.activeElement || document.activeElement === document.body) {
        code.focus({ preventScroll: true });
    }
}

document.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const { csrfmiddlewaretoken, ...given } = Object.fromEntries(new FormData(form));
    given.code = given.code.trim();
    if (!given.code) return;
    queue.push({ ...given, scan_id: newId() });
    keep();
    if (form === scan) code.value = "";
    else form.querySelector("button").disabled = true;
    form.closest("details")?.removeAttribute("open");
    code.focus({ preventScroll: true });
    sendAll();
});

document.addEventListener("keydown", (event) => {
    const isIn = (selector) => event.target.closest(selector);
    if (event.key === "Enter" && isIn(".short") && !isIn("button")) event.preventDefault(); // a scanner's
    const isText = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey;
    if (isText && !isIn("input, select")) code.focus();
});

for (const name of ["click", "focusout", "visibilitychange"]) {
    document.addEventListener(name, () => setTimeout(focusCode));
}

const keyboard = document.querySelector("#keyboard");

function toggleKeyboard(isWanted) {
    code.inputMode = isWanted ? "text" : "none";
    keyboard.setAttribute("aria-pressed", isWanted);
    code.blur(); // a keyboard comes and goes only with the focus
    code.focus({ preventScroll: true });
}

keyboard.addEventListener("click", () => toggleKeyboard(code.inputMode === "none"));
keyboard.hidden = false;
toggleKeyboard(false);
sendAll();
