"use strict";
const state = document.getElementById("state"), every = 2000;
let since = Date.now();
function tell(lost) {
  state.id = lost ? "lost" : "state";
  const text = lost ? "No answer from the service for " + Math.round((Date.now() - since) / 1000) + " s; trying again. The values below are the last that came." : "Refreshed every 2 s.";
  if (state.textContent !== text) state.textContent = text;
}
async function refresh() {
  if (!document.hidden) try {
    const answer = await fetch("/stations" + location.search, {signal: AbortSignal.timeout(10000)});
    if (!answer.ok) throw new Error(answer.status);
    swap(new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("board"));
    since = Date.now();
    tell(false);
  } catch (error) { tell(true); }
  setTimeout(refresh, every);
}
function swap(board) {
  const old = document.getElementById("board"), focused = document.activeElement.closest?.("#board a")?.getAttribute("href");
  for (const row of board.querySelectorAll("tr[id]")) {
    const before = document.getElementById(row.id), time = r => r?.querySelector(".time")?.firstChild?.textContent;
    if (before && time(before) !== time(row)) row.classList.add("new");
  }
  old.replaceWith(board);
  if (focused) board.querySelector('a[href="' + CSS.escape(focused) + '"]')?.focus({preventScroll: true});
}
tell(false);
setTimeout(refresh, every);
