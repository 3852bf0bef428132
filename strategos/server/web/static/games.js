// Games to watch: those that are played now, and the recorded ones, the newest first.

import {ask} from "./api.js";
import {h, toast} from "./dom.js";

export function showGames(root) {
  const running = h("ul", {class: "rooms", id: "running"}), list = h("tbody"), more = h("button", {type: "button", id: "more", hidden: true}, "Show more");
  let page = "";
  root.replaceChildren(
    h("section", {class: "card"}, h("h1", {}, "Watch"), h("h2", {}, "Now"), running),
    h("section", {class: "card"}, h("h2", {}, "Recorded"), h("table", {class: "games", id: "recorded"}, h("thead", {}, h("tr", {},
      ["game", "players, the first first", "ticks", ""].map((text) => h("th", {scope: "col"}, text)))), list), more));
  const load = async () => {
    try {
      const found = await ask(`/api/games?size=25&page=${encodeURIComponent(page)}`);
      list.append(...found.games.map(row));
      if (!list.children.length) list.append(h("tr", {}, h("td", {class: "dim", colSpan: 4}, "no game has ended yet")));
      page = found.next;
      more.hidden = !page;
    } catch (refusal) { toast(refusal.message); }
  };
  more.addEventListener("click", load);
  load();
  ask("/api/rooms?size=50").then(({rooms}) => {
    const live = rooms.filter((room) => room.phase === "running");
    running.replaceChildren(...(live.length ? live.map((room) => h("li", {}, h("span", {}, h("b", {}, room.game), ` ${room.names.filter(Boolean).join(", ")} · tick ${room.tick}`),
      h("a", {class: "button", href: `#/watch/${room.room}`}, "Watch"))) : [h("li", {class: "dim"}, "nobody plays in public right now")]));
  }, (refusal) => toast(refusal.message));
}

function row(game) {
  const order = game.names.map((_, seat) => seat).sort((one, other) => game.places[one] - game.places[other]);
  return h("tr", {}, h("td", {}, game.game), h("td", {}, order.map((seat) => `${game.places[seat]}. ${game.names[seat]}`).join("  ")), h("td", {}, game.ticks),
    h("td", {}, game.replay ? h("a", {class: "button", href: `#/replay/${game.replay}`}, "Replay") : h("span", {class: "dim"}, "not kept")));
}
