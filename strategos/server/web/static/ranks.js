// Who is strongest, game by game; Generals has a list of its own for every way to play it.

import {ask} from "./api.js";
import {choice, h, toast} from "./dom.js";

const MODES = {generals: [["1v1", "One against one"], ["ffa", "Free for all"], ["teams", "Teams"]]};

export function showRanks(root) {
  root.replaceChildren(...[["generals", "Generals"], ["blob", "Blob"]].map(([game, title]) => {
    const list = h("tbody"), modes = MODES[game];
    let shown;
    const load = (mode) => {
      shown = mode;
      ask(`/api/leaderboard?game=${game}&mode=${mode}`).then(({standings}) => shown === mode && list.replaceChildren(...lines(standings)), (refusal) => toast(refusal.message));
    };
    load(modes?.[0][0] ?? "");
    return h("section", {class: "card"}, h("h1", {}, title), modes && choice("How it was played", `mode-${game}`, modes, modes[0][0], load),
      h("table", {class: "ranks", id: `ranks-${game}`}, h("thead", {}, h("tr", {},
        ["", "player", "rating", "games", "wins"].map((text) => h("th", {scope: "col"}, text)))), list),
      h("p", {class: "dim"}, "The rating is what a player is worth almost surely: the estimate less three times its uncertainty. It grows with games that are won, and with games."));
  }));
}

function lines(standings) {
  if (!standings.length) return [h("tr", {}, h("td", {class: "dim", colSpan: 5}, "no public game has ended yet"))];
  return standings.map((each, place) => h("tr", {},
    h("td", {}, place + 1), h("td", {}, each.name), h("td", {}, each.rating.toFixed(1)), h("td", {}, each.games), h("td", {}, each.wins)));
}
