// Who is strongest, game by game.

import {ask} from "./api.js";
import {h, toast} from "./dom.js";

export function showRanks(root) {
  root.replaceChildren(...[["generals", "Generals"], ["blob", "Blob"]].map(([game, title]) => {
    const list = h("tbody");
    ask(`/api/leaderboard?game=${game}`).then(({standings}) => list.replaceChildren(...(standings.length ? standings.map((each, place) => h("tr", {},
      h("td", {}, place + 1), h("td", {}, each.name), h("td", {}, each.rating.toFixed(1)), h("td", {}, each.games), h("td", {}, each.wins)))
      : [h("tr", {}, h("td", {class: "dim", colSpan: 5}, "no public game has ended yet"))])), (refusal) => toast(refusal.message));
    return h("section", {class: "card"}, h("h1", {}, title), h("table", {class: "ranks", id: `ranks-${game}`}, h("thead", {}, h("tr", {},
      ["", "player", "rating", "games", "wins"].map((text) => h("th", {scope: "col"}, text)))), list),
    h("p", {class: "dim"}, "The rating is what a player is worth almost surely: the estimate less three times its uncertainty. It grows with games that are won, and with games."));
  }));
}
