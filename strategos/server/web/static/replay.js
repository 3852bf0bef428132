// A recorded game: Generals in the replay player of the reports, Blob as tables to step through.
/* global mountReplay */

import {ask} from "./api.js";
import {BID, short} from "./cards.js";
import {announce, forGame, h} from "./dom.js";
import {TableView, winnersOf} from "./table.js";

const STEP_MS = 900;

export function showReplay(root, id) {
  let leave = null, gone = false;
  root.replaceChildren(h("p", {class: "dim"}, "Fetching the game…"));
  ask(`/api/replays/${encodeURIComponent(id)}`).then((data) => {
    if (gone) return;
    const place = h("div", {id: "replay"});
    root.replaceChildren(place);
    if (data.game === "generals") {
      place.className = "replay";
      mountReplay(place, data);
      place.focus({preventScroll: true});
    } else if (data.frames) leave = mountRounds(place, data);
    else place.append(h("p", {}, `${data.title}: ${data.result}`));
  }, (refusal) => root.replaceChildren(h("section", {class: "card"}, h("h1", {}, "No such game"), h("p", {}, refusal.message), h("a", {class: "button", href: "#/games"}, "All games"))));
  return () => { gone = true; leave?.(); };
}

function mountRounds(root, data) {
  const last = data.frames.length - 1;
  let frame = 0, timer = null;
  const place = h("div"), words = h("p", {class: "turnline", id: "words"}), count = h("span", {class: "dim", id: "frame"});
  const slider = h("input", {type: "range", min: "0", max: String(last), value: "0", "aria-label": "Move", oninput: () => { stop(); go(Number(slider.value)); }});
  const button = (label, title, act, id) => h("button", {type: "button", title, "aria-label": title, id, onclick: act}, label);
  const run = button("▶", "play or pause", () => (timer ? stop() : start()), "run");
  root.replaceChildren(h("section", {class: "card"}, h("h1", {}, data.title), h("p", {class: "dim"}, data.result),
    h("div", {class: "row controls"}, button("|◀", "to the start", () => go(0)), button("◀", "one move back", () => go(frame - 1), "back"), run,
      button("▶|", "one move on", () => go(frame + 1), "on"), count), slider, words), place);
  const drawn = new TableView(place, data.colours);
  function go(to) {
    frame = Math.max(0, Math.min(last, to));
    const table = data.frames[frame];
    table.winners = winnersOf(table);
    drawn.draw(table, data.names);
    slider.value = String(frame);
    count.textContent = `move ${frame} of ${last}`;
    const [seat, action] = table.played ?? [-1, -1];
    words.textContent = seat < 0 ? "The cards are dealt." : `${data.names[seat]} ${action >= BID ? `bids ${action - BID}` : `plays ${short(action)}`}${table.ended ? ". The round is over" : ""}.`;
    if (!timer) announce(words.textContent);
    root.dataset.frame = frame;
  }
  function stop() { clearInterval(timer); timer = null; run.textContent = "▶"; }
  function start() {
    if (frame === last) go(0);
    run.textContent = "❚❚";
    timer = setInterval(() => (frame < last ? go(frame + 1) : stop()), STEP_MS);
  }
  const onkey = (event) => {
    if (!forGame(event)) return;
    if (event.key === "ArrowRight") go(frame + 1);
    else if (event.key === "ArrowLeft") go(frame - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(last);
    else if (event.key === " " && event.target.tagName !== "BUTTON") timer ? stop() : start();
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", onkey);
  go(0);
  return () => { stop(); document.removeEventListener("keydown", onkey); };
}
